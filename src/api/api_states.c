/* GET /v1/changes: server-sent events of the states of accounts, as EmailEngine has them.
 * What was missed while nobody listened is not told: ask for the account. */
#include "api_states.h"

#include "api_flow.h"

#include "postrider/base/mem.h"

enum {
    TEXT_MAX = 16 * 1024
};

struct api_states {
    struct list followers;
};

struct follower {
    struct api_flow flow;
    struct list node;
};

static struct follower *follower_of(struct api_flow *flow)
{
    return container_of(flow, struct follower, flow);
}

static json_t *payload_of(const struct account_entry *entry)
{
    const struct err *err = entry->last_error;
    if (err == NULL || !str_has_suffix(str_of(entry->state), "Error")) {
        return json_null();
    }
    json_t *error = json_object();
    const char *code =
        err->peer_code[0] != '\0' ? err->peer_code : err_info_get(err->code)->api_code;
    json_put(error, "response", json_str_repaired(str_of(err->msg)));
    json_put_cstr(error, "serverResponseCode", code);
    json_t *payload = json_object();
    json_put(payload, "error", error);
    return payload;
}

static void on_state(struct store *s ATTR_UNUSED, const struct account_entry *entry,
                     void *ctx)
{
    struct api_states *states = ctx;
    struct buf text = BUF_INIT(TEXT_MAX);
    if (list_is_empty(&states->followers)) {
        return;
    }
    json_t *body = json_object();
    json_put(body, "account", json_str_repaired(str_of(entry->id)));
    json_put_cstr(body, "type", "state");
    json_put_cstr(body, "key", entry->state);
    json_put(body, "payload", payload_of(entry));
    (void)buf_put_c(&text, "event: message\ndata: ");
    (void)json_emit(body, &text);
    (void)buf_put_c(&text, "\n\n");
    json_decref(body);
    list_foreach (node, &states->followers) {
        api_flow_write(&container_of(node, struct follower, node)->flow, buf_str(&text));
    }
    buf_fini(&text);
}

static void on_gone(struct api_flow *flow)
{
    list_remove(&follower_of(flow)->node);
}

static void on_end(struct api_flow *flow)
{
    mem_free(follower_of(flow));
}

static const struct api_flow_kind kind = {.on_gone = on_gone, .on_end = on_end};

void api_state_stream(struct api_call *call)
{
    struct api_services *services = api_services_of(call);
    if (services->states == NULL) {
        services->states = MEM_NEW(struct api_states);
        list_init(&services->states->followers);
        store_set_state_cb(services->store, on_state, services->states);
    }
    struct follower *f = MEM_NEW(struct follower);
    list_init(&f->node);
    if (api_flow_start(&f->flow, call, &kind)) {
        list_append(&services->states->followers, &f->node);
    } else {
        mem_free(f);
    }
}

void api_states_free(struct api_states **s)
{
    mem_free(*s);
    *s = NULL;
}
