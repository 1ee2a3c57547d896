/* GET /v1/account/{account}/diagnose: what is known of an account, without asking its
 * mail server. */
#include "api_handlers.h"
#include "api_rows.h"

/* --- the handler --- */

static void on_state(struct store_account_op *op ATTR_UNUSED, const struct err *err,
                     const struct store_acct *acct ATTR_UNUSED,
                     json_t *record ATTR_UNUSED, json_t *state, void *ctx)
{
    struct api_task *task = ctx;
    const struct account_entry *entry =
        store_directory_get(task->services->store, str_of(task->id));
    if (err->code == ERR_OK && entry == NULL) {
        api_task_reply(task, &api_no_account, NULL);
        return;
    }
    api_task_reply(task, err,
                   err->code == ERR_OK ? account_diagnose_stored(entry, state) : NULL);
}

static void cancel_account(void *op)
{
    store_account_cancel(op);
}

void api_account_diagnose(struct api_call *call)
{
    struct api_services *services = api_services_of(call);
    struct str id = api_account_id(call);
    struct account *a = api_account_here(services, id);
    if (store_directory_get(services->store, id) == NULL) {
        api_reply_no_account(call);
    } else if (a != NULL) {
        api_reply_json(call, 200, account_diagnose(a));
    } else {
        struct api_task *task = api_task_new(call, cancel_account);
        task->op = store_account_get_start(services->store, id, on_state, task);
    }
}

/* --- rows --- */

static const struct field_spec error_fields[] = {
    F_STR("time", FIELD_REQUIRED, F_FORMAT(DATE_TIME),
          F_DOC("The last time it happened")),
    F_STR("role", FIELD_REQUIRED,
          F_ENUM("watch", "subconnection", "work", "pass", "audit"),
          F_DOC("What failed: a connection, or work on one")),
    F_STR("class", FIELD_REQUIRED,
          F_ENUM("network", "certificate", "auth", "token", "grant", "throttled",
                 "connections", "protocol", "store", "request"),
          F_DOC("What it means for the next try")),
    F_STR("code", FIELD_REQUIRED, F_DOC("Code of the error")),
    F_STR("serverResponseCode", 0, F_DOC("What the server called it")),
    F_INT("times", FIELD_REQUIRED, F_DOC("How often in a row")),
};

static const struct field_spec last_error_fields[] = {
    F_STR("response", FIELD_REQUIRED, F_DOC("What went wrong")),
    F_STR("serverResponseCode", 0, F_DOC("What the server called it, or our code")),
    F_STR("time", FIELD_NULLABLE, F_FORMAT(DATE_TIME)),
};

static const struct field_spec connection_fields[] = {
    F_STR("role", FIELD_REQUIRED, F_ENUM("watch", "subconnection", "work")),
    F_STR("state", FIELD_REQUIRED,
          F_ENUM("opening", "idle", "busy", "free", "parked", "waiting", "closing")),
    F_STR("path", FIELD_NULLABLE, F_DOC("The mailbox that is selected")),
    F_STR("since", FIELD_NULLABLE, F_FORMAT(DATE_TIME), F_DOC("Logged in since")),
};

static const struct field_spec backoff_fields[] = {
    F_STR("nextTry", FIELD_NULLABLE, F_FORMAT(DATE_TIME), F_DOC("Of connecting")),
    F_STR("class", FIELD_NULLABLE, F_DOC("Class of the last error")),
    F_INT("attempts", FIELD_REQUIRED, F_DOC("Failures of this class in a row")),
    F_STR("barredUntil", FIELD_NULLABLE, F_FORMAT(DATE_TIME),
          F_DOC("No connection of any kind begins before")),
    F_STR("throttledUntil", FIELD_NULLABLE, F_FORMAT(DATE_TIME),
          F_DOC("The server asked for less until then")),
};

static const struct field_spec server_fields[] = {
    F_STR("name", FIELD_NULLABLE, F_DOC("As its ID says")),
    F_ARR("capabilities", FIELD_REQUIRED, F_ITEM(F_STR(NULL, 0)),
          F_DOC("As of the last login")),
    F_ARR("enabled", FIELD_REQUIRED, F_ITEM(F_STR(NULL, 0)),
          F_DOC("What ENABLE turned on")),
    F_BOOL("idle", FIELD_REQUIRED, F_DOC("IDLE runs")),
    F_STR("notify", FIELD_REQUIRED,
          F_ENUM("none", "selected", "messages", "flags", "names"),
          F_DOC("What the server tells by NOTIFY; each one more than the one before")),
};

static const struct field_spec mailbox_fields[] = {
    F_STR("path", FIELD_REQUIRED, F_DOC("Mailbox path")),
    F_STR("phase", FIELD_REQUIRED,
          F_DOC("How far the index is: new, initial, live, parked, gone")),
    F_BOOL("watched", FIELD_REQUIRED, F_DOC("A connection hears of its changes")),
    F_BOOL("pending", FIELD_REQUIRED, F_DOC("A comparison waits or runs")),
    F_INT("messages", FIELD_REQUIRED, F_DOC("Messages in the index")),
    F_INT("exists", FIELD_REQUIRED, F_DOC("Messages on the server, as of the last look")),
    F_INT("lag", FIELD_REQUIRED, F_DOC("The difference of the two")),
    F_INT("uidValidity", FIELD_REQUIRED),
    F_INT("lastUid", FIELD_REQUIRED, F_DOC("Highest UID of the index")),
    F_INT("highestModseq", FIELD_REQUIRED,
          F_DOC("Up to where changes are known; 0 = the server does not tell")),
    F_STR("lastPass", FIELD_NULLABLE, F_FORMAT(DATE_TIME),
          F_DOC("Last comparison, since this node has the account")),
    F_STR("lastAudit", FIELD_NULLABLE, F_FORMAT(DATE_TIME)),
    F_STR("audit", FIELD_NULLABLE,
          F_ENUM("equal", "late", "drift", "unrepaired", "unsettled", "failed"),
          F_DOC("What the last audit found")),
    F_STR("lastProof", FIELD_NULLABLE, F_FORMAT(DATE_TIME),
          F_DOC("The index was proved to equal the server")),
};

static const struct field_spec diagnose_fields[] = {
    F_STR("account", FIELD_REQUIRED, F_DOC("Id of the account")),
    F_STR("state", FIELD_REQUIRED, F_DOC("State of the account")),
    F_STR(
        "phase", FIELD_REQUIRED,
        F_ENUM("loading", "waiting", "queued", "opening", "online", "stopping", "stopped",
               "elsewhere"),
        F_DOC("What it does at the moment; elsewhere: another node has the account, and "
              "only what is stored is told")),
    F_STR("syncTime", FIELD_NULLABLE, F_FORMAT(DATE_TIME),
          F_DOC("End of the last complete look at all mailboxes")),
    F_INT("lag", FIELD_NULLABLE, F_DOC("Seconds since then; null: it is switched off")),
    F_STR("lastProof", FIELD_NULLABLE, F_FORMAT(DATE_TIME),
          F_DOC("The index of some mailbox was proved to equal the server")),
    F_STR("lastDrift", FIELD_NULLABLE, F_FORMAT(DATE_TIME),
          F_DOC("The index of some mailbox was found to differ for no good reason")),
    F_OBJ("lastError", FIELD_NULLABLE, F_LABEL("DiagnoseLastError"),
          F_FIELDS(last_error_fields)),
    F_ARR("connections", 0,
          F_ITEM(F_OBJ(NULL, 0, F_LABEL("DiagnoseConnection"),
                       F_FIELDS(connection_fields)))),
    F_OBJ("backoff", 0, F_LABEL("DiagnoseBackoff"), F_FIELDS(backoff_fields)),
    F_OBJ("server", 0, F_LABEL("DiagnoseServer"), F_FIELDS(server_fields)),
    F_ARR(
        "quirks", 0, F_ITEM(F_STR(NULL, 0)),
        F_DOC("What is done otherwise than the capabilities would allow: falseVanished, "
              "showsLate, qresyncOff, flagSearchOff, idleSilent, statusWrong, "
              "idleRefused, notifyRefused, fewerConnections, smallerBatches, "
              "protocolErrors")),
    F_ARR("errors", 0,
          F_ITEM(F_OBJ(NULL, 0, F_LABEL("DiagnoseError"), F_FIELDS(error_fields))),
          F_DOC("The last ten, the newest first")),
    F_ARR("mailboxes", 0,
          F_ITEM(F_OBJ(NULL, 0, F_LABEL("DiagnoseMailbox"), F_FIELDS(mailbox_fields)))),
};

static const struct field_spec diagnose_response =
    F_OBJ(NULL, 0, F_LABEL("DiagnoseResponse"), F_FIELDS(diagnose_fields));

const struct api_route api_diagnose_routes[API_DIAGNOSE_ROUTES] = {
    {.method = "GET",
     .path = "/v1/account/{account}/diagnose",
     .operation_id = "getV1AccountAccountDiagnose",
     .tag = "Account",
     .summary = "Show how an account is synced, and what is wrong with it",
     .scope = "api",
     .action = "read",
     .group = "diagnostics",
     ROUTE_PARAMS(api_row_account),
     .response = &diagnose_response,
     .handler = api_account_diagnose},
};
