/* GET /v1/account/{account}/events/export: a range of one log, one JSON object a line. It
 * is read page by page, as fast as the client takes it. */
#include "api_flow.h"

#include "postrider/base/mem.h"
#include "postrider/changelog/cursor.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    PAGE = 16,
    TEXT_MAX = 4 * 1024 * 1024 /* of a page */
};

struct export
{
    struct api_flow flow;
    struct api_services *services;
    struct store_acct acct;
    struct store_log_read *read;
    char after[STORE_ENTRY_ID_SIZE];
    char until[STORE_ENTRY_ID_SIZE]; /* the first entry that is not wanted; "" = none */
    bool from_start;
    bool ended;
};

static struct export *export_of(struct api_flow *flow)
{
    return container_of(flow, struct export, flow);
}

static void free_if_over(struct export *e)
{
    if (e->ended && e->read == NULL) {
        store_acct_fini(&e->acct);
        mem_free(e);
    }
}

static void read_on(struct export *e);

static void put_line(struct buf *text, json_t *taken)
{
    (void)json_emit(taken, text);
    (void)buf_put_byte(text, '\n');
    json_decref(taken);
}

/* False behind the end of the range. */
static bool put_entry(struct export *e, const struct log_entry *entry, struct buf *text)
{
    if (e->until[0] != '\0' && store_entry_id_cmp(entry->entry_id, e->until) >= 0) {
        return false;
    }
    put_line(text, changelog_entry_json(&e->acct, entry));
    (void)snprintf(e->after, sizeof e->after, "%s", entry->entry_id);
    return true;
}

static void on_entries(struct store_log_read *op ATTR_UNUSED, const struct err *err,
                       const struct log_entry *entries, size_t count, bool gap, void *ctx)
{
    struct export *e = ctx;
    e->read = NULL;
    e->services->tasks--;
    if (!api_flow_is_open(&e->flow)) {
        free_if_over(e);
        return;
    }
    if (err->code != ERR_OK) {
        api_flow_finish(&e->flow, false);
        return;
    }
    struct buf text = BUF_INIT(TEXT_MAX);
    if (gap && !e->from_start) {
        put_line(&text, json_pack("{s:b}", "gap", 1));
    }
    e->from_start = false;
    bool inside = true;
    for (size_t i = 0; i < count && inside; i++) {
        inside = put_entry(e, &entries[i], &text);
    }
    if (text.len > 0) {
        api_flow_write(&e->flow, buf_str(&text));
    }
    buf_fini(&text);
    if (!inside || count < PAGE) {
        api_flow_finish(&e->flow, true);
    } else if (api_flow_has_room(&e->flow)) {
        read_on(e);
    }
}

static void read_on(struct export *e)
{
    e->services->tasks++;
    e->read =
        store_log_read_start(e->services->store, &e->acct, e->after, PAGE, on_entries, e);
}

static void on_room(struct api_flow *flow)
{
    struct export *e = export_of(flow);
    if (e->read == NULL) {
        read_on(e);
    }
}

static void on_gone(struct api_flow *flow)
{
    store_log_read_cancel(export_of(flow)->read);
}

static void on_end(struct api_flow *flow)
{
    struct export *e = export_of(flow);
    e->ended = true;
    free_if_over(e);
}

static const struct api_flow_kind kind = {.content_type = "application/x-ndjson",
                                          .on_room = on_room,
                                          .on_gone = on_gone,
                                          .on_end = on_end};

/* --- the range --- */

static bool take_range(struct export *e, struct api_call *call, struct err *err)
{
    struct str after = json_get_str(call->query, "after");
    int64_t ms;
    e->from_start = after.ptr == NULL;
    if (after.ptr != NULL) {
        bool foreign = false;
        if (!changelog_cursor_parse(&e->acct, after, e->after, &foreign, err)) {
            return false;
        }
    } else if (json_get_time(call->query, "from", &ms) && ms > 0) {
        changelog_entry_before(ms, e->after);
    }
    if (json_get_time(call->query, "to", &ms)) {
        (void)snprintf(e->until, sizeof e->until, "%" PRId64 "-0", ms > 0 ? ms : 0);
    }
    return true;
}

void api_events_export(struct api_call *call)
{
    struct api_services *services = api_services_of(call);
    struct str id = api_account_id(call);
    struct err err = {0};
    if (store_directory_get(services->store, id) == NULL) {
        api_reply_no_account(call);
        return;
    }
    struct export *e = MEM_NEW(struct export);
    e->services = services;
    store_acct_init(services->store, &e->acct, id);
    bool ok = take_range(e, call, &err);
    if (!ok) {
        api_reply_err(call, &err);
    }
    if (!ok || !api_flow_start(&e->flow, call, &kind)) {
        e->ended = true;
        free_if_over(e);
        return;
    }
    read_on(e);
}
