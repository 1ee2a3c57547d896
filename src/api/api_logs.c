/* GET /v1/logs/{account}: what passed the connections of an account, oldest line first. It
 * is read page by page, as fast as the client takes it. */
#include "api_flow.h"

#include "api_rows.h"
#include "postrider/base/mem.h"
#include "postrider/store/store_journal.h"

enum {
    PAGE = 200
};

struct log_reply {
    struct api_flow flow;
    struct api_services *services;
    struct store_journal *read;
    char *account;
    size_t first;
    bool ended;
};

static struct log_reply *reply_of(struct api_flow *flow)
{
    return container_of(flow, struct log_reply, flow);
}

static void free_if_over(struct log_reply *r)
{
    if (r->ended && r->read == NULL) {
        mem_free(r->account);
        mem_free(r);
    }
}

static void read_on(struct log_reply *r);

static void write_lines(struct log_reply *r, const struct str *entries, size_t count)
{
    struct buf text = BUF_INIT((size_t)PAGE * (STORE_JOURNAL_ENTRY_MAX + 1));
    for (size_t i = 0; i < count; i++) {
        (void)buf_put_str(&text, entries[i]);
        (void)buf_put_byte(&text, '\n');
    }
    if (text.len > 0) {
        api_flow_write(&r->flow, buf_str(&text));
    }
    buf_fini(&text);
}

static void on_entries(struct store_journal *op ATTR_UNUSED, const struct err *err,
                       const struct str *entries, size_t count, size_t total, void *ctx)
{
    struct log_reply *r = ctx;
    r->read = NULL;
    r->services->tasks--;
    if (!api_flow_is_open(&r->flow)) {
        free_if_over(r);
        return;
    }
    if (err->code != ERR_OK) {
        api_flow_finish(&r->flow, false);
        return;
    }
    write_lines(r, entries, count);
    r->first += PAGE;
    if (r->first >= total) {
        api_flow_finish(&r->flow, true);
    } else if (api_flow_has_room(&r->flow)) {
        read_on(r);
    }
}

static void read_on(struct log_reply *r)
{
    r->services->tasks++;
    r->read = store_journal_read_start(
        r->services->store,
        &(struct store_journal_range){.kind = STORE_JOURNAL_TRAFFIC,
                                      .name = str_of(r->account),
                                      .first = r->first,
                                      .count = PAGE},
        on_entries, r);
}

static void on_room(struct api_flow *flow)
{
    struct log_reply *r = reply_of(flow);
    if (r->read == NULL) {
        read_on(r);
    }
}

static void on_gone(struct api_flow *flow)
{
    store_journal_cancel(reply_of(flow)->read);
}

static void on_end(struct api_flow *flow)
{
    struct log_reply *r = reply_of(flow);
    r->ended = true;
    free_if_over(r);
}

static const struct api_flow_kind kind = {.content_type = "text/plain; charset=utf-8",
                                          .on_room = on_room,
                                          .on_gone = on_gone,
                                          .on_end = on_end};

void api_log_get(struct api_call *call)
{
    struct str id = api_account_id(call);
    struct log_reply *r = MEM_NEW(struct log_reply);
    r->services = api_services_of(call);
    r->account = mem_strndup(id.ptr, id.len);
    if (api_flow_start(&r->flow, call, &kind)) {
        read_on(r);
    } else {
        r->ended = true;
        free_if_over(r);
    }
}

const struct api_route api_log_routes[API_LOG_ROUTES] = {
    {.method = "GET",
     .path = "/v1/logs/{account}",
     .operation_id = "getV1LogsAccount",
     .tag = "Logs",
     .summary = "Show what passed the connections of an account",
     .scope = "api",
     .action = "read",
     .group = "logs",
     .flags = API_NO_DEADLINE,
     ROUTE_PARAMS(api_row_account),
     .response_type = "text/plain",
     .handler = api_log_get},
};
