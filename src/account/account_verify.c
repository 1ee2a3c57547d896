/* Tries credentials without making an account: connect, log in, list. */
#include "account_call.h"

#include "postrider/base/mem.h"

enum {
    VERIFY_MS = 60000,
    ROWS_MIN = 64
};

struct account_verify {
    struct op op;
    struct accounts *as;
    account_verify_cb *cb;
    void *ctx;
    json_t *result;
    bool wants_mailboxes;
    struct imap_open *open;
    struct imap_conn *conn;
    struct imap_list *list;
    struct sync_listed *rows; /* entries in op.arena */
    size_t row_count, row_cap;
};

static struct account_verify *verify_of(struct op *op)
{
    return container_of(op, struct account_verify, op);
}

static void verify_abort(struct op *op)
{
    struct account_verify *v = verify_of(op);
    imap_open_cancel(v->open);
    imap_list_cancel(v->list);
}

static void verify_done(struct op *op)
{
    struct account_verify *v = verify_of(op);
    imap_conn_close(&v->conn);
    v->cb(v, &op->err, op->err.code == ERR_OK ? v->result : NULL, v->ctx);
}

static void verify_fini(struct op *op)
{
    json_decref(verify_of(op)->result);
    mem_free(verify_of(op)->rows);
}

static const struct op_type verify_type = {"verify account",
                                           sizeof(struct account_verify), verify_abort,
                                           verify_done, verify_fini};

static void put_outcome(struct account_verify *v, const char *server,
                        const struct err *err)
{
    json_t *out = json_object();
    json_put_bool(out, "success", err->code == ERR_OK);
    if (err->code != ERR_OK) {
        const char *code = err->peer_code[0] != '\0' ? err->peer_code
                                                     : err_info_get(err->code)->api_code;
        json_put_cstr(out, "error", err->msg);
        json_put_cstr(out, "code", code);
    }
    json_object_set_new(v->result, server, out);
}

static void on_entry(struct imap_list *op ATTR_UNUSED,
                     const struct imap_list_entry *entry, void *ctx)
{
    struct account_verify *v = ctx;
    struct arena *arena = &v->op.arena;
    struct imap_list_entry *copy = ARENA_NEW(arena, struct imap_list_entry);
    *copy = *entry;
    copy->path = arena_str(arena, entry->path);
    copy->special_use = arena_str(arena, entry->special_use);
    if (v->row_count == v->row_cap) {
        v->row_cap = v->row_cap > 0 ? 2 * v->row_cap : ROWS_MIN;
        v->rows = mem_realloc(v->rows, v->row_cap * sizeof *v->rows);
    }
    v->rows[v->row_count++] = (struct sync_listed){.entry = copy};
}

static json_t *row_json(const struct sync_listed *listed)
{
    const struct imap_list_entry *entry = listed->entry;
    json_t *row = json_object();
    char delimiter[2] = {entry->delimiter, '\0'};
    json_put_str(row, "path", entry->path);
    json_put_str(row, "delimiter", str_of(delimiter));
    render_put_name(row, entry->path, entry->delimiter);
    json_put_bool(row, "listed", true);
    if (entry->special_use.ptr != NULL) {
        json_put_str(row, "specialUse", entry->special_use);
        json_put_cstr(row, "specialUseSource", listed->guessed ? "name" : "extension");
    }
    json_put_bool(row, "subscribed", (entry->attrs & IMAP_LIST_SUBSCRIBED) != 0);
    return row;
}

static void on_listed(struct imap_list *op ATTR_UNUSED, const struct err *err, void *ctx)
{
    struct account_verify *v = ctx;
    json_t *list = json_object_get(v->result, "mailboxes");
    v->list = NULL;
    sync_guess_uses(v->rows, v->row_count);
    for (size_t i = 0; i < v->row_count; i++) {
        json_array_append_new(list, row_json(&v->rows[i]));
    }
    put_outcome(v, "imap", err);
    op_complete(&v->op);
}

static void on_opened(struct imap_open *op ATTR_UNUSED, const struct err *err,
                      struct imap_conn *conn, void *ctx)
{
    struct account_verify *v = ctx;
    v->open = NULL;
    if (!op_is_running(&v->op)) {
        imap_conn_close(&conn);
        return;
    }
    if (err->code != ERR_OK || !v->wants_mailboxes) {
        put_outcome(v, "imap", err);
        imap_conn_close(&conn);
        op_complete(&v->op);
        return;
    }
    v->conn = conn;
    json_object_set_new(v->result, "mailboxes", json_array());
    struct imap_list_params params = {0};
    v->list = imap_list_start(conn, &params, VERIFY_MS, on_entry, on_listed, v);
}

struct account_verify *account_verify_start(struct accounts *as, json_t *request,
                                            account_verify_cb *cb, void *ctx)
{
    struct account_verify *v = op_new(as->loop, &verify_type, VERIFY_MS);
    struct arena *arena = &v->op.arena;
    struct imap_conn_params params;
    struct err err = {0};
    v->as = as;
    v->cb = cb;
    v->ctx = ctx;
    v->result = json_object();
    v->wants_mailboxes = json_is_true(json_object_get(request, "mailboxes"));
    if (!json_is_object(json_object_get(request, "imap"))) {
        op_complete(&v->op);
    } else if (!account_imap_params(arena, as, request, &params, &err)) {
        put_outcome(v, "imap", &err);
        op_complete(&v->op);
    } else {
        v->open = imap_open_start(as->net, &params, VERIFY_MS, on_opened, v);
    }
    return v;
}

void account_verify_cancel(struct account_verify *v)
{
    if (v != NULL) {
        op_cancel(&v->op);
    }
}
