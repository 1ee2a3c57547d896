#include "cli_priv.h"

#include "postrider/base/clock.h"
#include "postrider/base/mem.h"
#include "postrider/store/store_settings.h"

#include <stdio.h>
#include <string.h>

static const char *const scopes[] = {"*", "api", "metrics", "smtp", "imap-proxy"};

static bool scope_is_known(const char *scope)
{
    for (size_t i = 0; i < ARRAY_LEN(scopes); i++) {
        if (strcmp(scope, scopes[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* --scope, --description, --account as the record of a new token; NULL and a message if wrong. */
static json_t *issue_record(struct cli_call *call)
{
    json_t *record = json_object(), *list = json_array();
    json_object_set_new(record, "scopes", list);
    for (int i = 0; i < call->arg_count; i++) {
        const char *name = call->args[i];
        const char *value = i + 1 < call->arg_count ? call->args[++i] : NULL;
        const char *wrong = value == NULL ? "a value is missing behind" : NULL;
        if (wrong == NULL && (strcmp(name, "--scope") == 0 || strcmp(name, "-s") == 0)) {
            wrong = scope_is_known(value) ? NULL : "no such scope";
            json_array_append_new(list, json_string(value));
        } else if (wrong == NULL &&
                   (strcmp(name, "--description") == 0 || strcmp(name, "-d") == 0)) {
            json_object_set_new(record, "description", json_string(value));
        } else if (wrong == NULL &&
                   (strcmp(name, "--account") == 0 || strcmp(name, "-a") == 0)) {
            json_object_set_new(record, "account", json_string(value));
        } else if (wrong == NULL) {
            wrong = "unknown option";
        }
        if (wrong != NULL) {
            (void)cli_usage_error(wrong,
                                  strcmp(wrong, "no such scope") == 0 ? value : name);
            json_decref(record);
            return NULL;
        }
    }
    if (json_array_size(list) == 0 || json_object_get(record, "description") == NULL) {
        (void)cli_usage_error("token issue needs --scope and --description", NULL);
        json_decref(record);
        return NULL;
    }
    char now[CLOCK_ISO_SIZE];
    clock_format_iso(clock_wall_ms(), now);
    json_object_set_new(record, "created", json_string(now));
    return record;
}

static void on_token(struct store_token_op *op ATTR_UNUSED, const struct err *err,
                     json_t *record ATTR_UNUSED, void *ctx)
{
    struct cli_store *cs = ctx;
    cs->err = *err;
    cs->done = true;
}

int cli_token_issue(struct cli_call *call)
{
    struct cli_store cs;
    struct err err = {0};
    char text[TOKEN_TEXT_SIZE];
    json_t *record = issue_record(call);
    if (record == NULL) {
        return CLI_USAGE;
    }
    if (cli_store_open(&cs, call->config, &err)) {
        (void)store_token_create_start(cs.store, record, text, on_token, &cs);
        cli_store_wait(&cs);
        err = cs.err;
        if (err.code == ERR_OK) {
            puts(text);
        }
        mem_wipe(text, sizeof text);
    }
    json_decref(record);
    return cli_finish(&cs, &err);
}

static void on_list(struct store_tokens_list *op ATTR_UNUSED, const struct err *err,
                    json_t *records, void *ctx)
{
    struct cli_store *cs = ctx;
    size_t i;
    json_t *record;
    cs->err = *err;
    cs->done = true;
    json_array_foreach(records, i, record)
    {
        char *line = json_dumps(record, JSON_COMPACT);
        puts(line != NULL ? line : "");
        mem_free(line);
    }
}

int cli_token_list(struct cli_call *call)
{
    struct cli_store cs;
    struct err err = {0};
    if (call->arg_count > 0) {
        return cli_usage_error("token list takes no arguments", call->args[0]);
    }
    if (cli_store_open(&cs, call->config, &err)) {
        (void)store_tokens_list_start(cs.store, STR_NULL, on_list, &cs);
        cli_store_wait(&cs);
        err = cs.err;
    }
    return cli_finish(&cs, &err);
}

int cli_token_revoke(struct cli_call *call)
{
    struct cli_store cs;
    struct err err = {0};
    if (call->arg_count != 1) {
        return cli_usage_error("token revoke needs one token or id", NULL);
    }
    if (cli_store_open(&cs, call->config, &err)) {
        (void)store_token_delete_start(cs.store, str_of(call->args[0]), on_token, &cs);
        cli_store_wait(&cs);
        err = cs.err;
    }
    return cli_finish(&cs, &err);
}

/* --- to another installation --- */

static void on_export(struct store_token_op *op ATTR_UNUSED, const struct err *err,
                      json_t *record, void *ctx)
{
    struct cli_store *cs = ctx;
    struct buf text = BUF_INIT(1024 * 1024);
    cs->err = *err;
    cs->done = true;
    if (err->code == ERR_OK && store_token_to_text(record, &text)) {
        puts(buf_c(&text));
    }
    buf_fini(&text);
}

/* Not an id: perhaps the token itself. */
struct export_call {
    struct cli_store cs;
    const char *text;
};

static void on_export_by_id(struct store_token_op *op, const struct err *err,
                            json_t *record, void *ctx)
{
    struct export_call *call = ctx;
    if (err->code == ERR_NOT_FOUND) {
        (void)store_token_get_start(call->cs.store, str_of(call->text), on_export,
                                    &call->cs);
    } else {
        on_export(op, err, record, &call->cs);
    }
}

int cli_token_export(struct cli_call *call)
{
    struct export_call export;
    struct err err = {0};
    if (call->arg_count != 1) {
        return cli_usage_error("token export needs one token or id", NULL);
    }
    export.text = call->args[0];
    if (cli_store_open(&export.cs, call->config, &err)) {
        (void)store_token_get_by_id_start(export.cs.store, str_of(export.text),
                                          on_export_by_id, &export);
        cli_store_wait(&export.cs);
        err = export.cs.err;
    }
    return cli_finish(&export.cs, &err);
}

int cli_token_import(struct cli_call *call)
{
    struct cli_store cs;
    struct err err = {0};
    if (call->arg_count != 1) {
        return cli_usage_error("token import needs what `token export` printed", NULL);
    }
    json_t *record = store_token_from_text(str_of(call->args[0]), &err);
    if (record == NULL) {
        return cli_usage_error(err.msg, NULL);
    }
    if (cli_store_open(&cs, call->config, &err)) {
        (void)store_token_import_start(cs.store, record, on_token, &cs);
        cli_store_wait(&cs);
        err = cs.err;
    }
    json_decref(record);
    return cli_finish(&cs, &err);
}
