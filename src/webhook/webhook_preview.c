/* A send that ends before the request: it collects what would go out. */
#include "webhook_priv.h"

#include "postrider/base/check.h"
#include "postrider/base/mem.h"
#include "postrider/webhook/webhook_route.h"

#include <stdio.h>

struct webhook_preview {
    struct op op;
    struct list node;
    struct webhooks *w;
    struct webhook_send *send;
    struct event event;
    char entry_id[STORE_ENTRY_ID_SIZE];
    json_t *result;
    webhook_preview_cb *cb;
    void *ctx;
};

static struct webhook_preview *preview_of(struct op *op)
{
    return container_of(op, struct webhook_preview, op);
}

static void preview_abort(struct op *op)
{
    struct webhook_preview *p = preview_of(op);
    if (p->send != NULL) {
        webhook_send_cancel(p->send);
        p->send = NULL;
    }
}

static void preview_done(struct op *op)
{
    struct webhook_preview *p = preview_of(op);
    list_remove(&p->node);
    webhooks_check_stopped(p->w);
    p->cb(p, &op->err, op->err.code == ERR_OK ? p->result : NULL, p->ctx);
}

static void preview_fini(struct op *op)
{
    struct webhook_preview *p = preview_of(op);
    event_fini(&p->event);
    json_decref(p->result);
}

static const struct op_type preview_type = {"webhook preview",
                                            sizeof(struct webhook_preview), preview_abort,
                                            preview_done, preview_fini};

/* Events may be made up for a preview: whoever reads it must not get them signed. */
static bool is_signature(const char *name)
{
    return str_ieq_c(str_of(name), "X-EE-Wh-Signature") ||
           str_ieq_c(str_of(name), "webhook-signature");
}

static bool is_custom(const struct webhook_shown *shown, const char *name)
{
    for (size_t k = 0; k < ARRAY_LEN(shown->custom); k++) {
        for (size_t i = 0; i < json_array_size(shown->custom[k]); i++) {
            const json_t *row = json_array_get(shown->custom[k], i);
            if (str_ieq_c(json_get_str(row, "key"), name)) {
                return true;
            }
        }
    }
    return false;
}

/* What stands for a value that is not shown, or the value. */
static const char *shown_value(const struct webhook_shown *shown,
                               const struct httpc_header *header)
{
    if (is_signature(header->name)) {
        return "(signature)";
    }
    return is_custom(shown, header->name) ? WEBHOOK_HEADER_MASK : header->value;
}

void webhook_preview_add(struct webhook_preview *p, const struct webhook_shown *shown)
{
    json_t *row = json_object(), *headers = json_array();
    json_put_cstr(row, "event", event_type_name(shown->event->type));
    json_put_cstr(row, "eventId", shown->event->id);
    json_put_cstr(row, "url", shown->url);
    for (size_t i = 0; i < shown->header_count; i++) {
        json_t *header = json_object();
        json_put_cstr(header, "key", shown->headers[i].name);
        json_put_cstr(header, "value", shown_value(shown, &shown->headers[i]));
        json_push(headers, header);
    }
    json_put(row, "headers", headers);
    json_put_str(row, "body", shown->body);
    json_push(json_object_get(p->result, "requests"), row);
}

void webhook_preview_note(struct webhook_preview *p, const char *member, const char *text)
{
    if (!json_has(p->result, member)) {
        json_put_cstr(p->result, member, text);
    }
}

static void on_sent(struct webhook_send *s ATTR_UNUSED,
                    const struct changelog_outcome *outcome, void *ctx)
{
    struct webhook_preview *p = ctx;
    p->send = NULL;
    if (outcome->result == CHANGELOG_RETRY) {
        op_fail(&p->op, ERR_STORE_DOWN, "the account's record cannot be read now");
        return;
    }
    op_complete(&p->op);
}

struct webhook_preview *webhook_preview_start(struct webhooks *w,
                                              const struct webhook_preview_params *params,
                                              struct event *event, int64_t deadline_ms,
                                              webhook_preview_cb *cb, void *ctx)
{
    struct webhook_preview *p = op_new(w->loop, &preview_type, deadline_ms);
    struct webhook_route *r = webhook_route_by_id(w, params->route);
    p->event = *event;
    *event = (struct event){0};
    p->w = w;
    p->cb = cb;
    p->ctx = ctx;
    list_append(&w->previews, &p->node);
    (void)snprintf(p->entry_id, sizeof p->entry_id, "%.*s", STR_ARG(params->entry_id));
    p->result = json_pack("{s:[]}", "requests");
    if (r == NULL || w->stopping) {
        op_fail(&p->op, ERR_NOT_FOUND, "There is no route with this id");
        return p;
    }
    r = params->record != NULL ? webhook_route_trial(r, params->record)
                               : webhook_route_ref(r);
    struct webhook_job job = {.route = r,
                              .account_id = params->account,
                              .event = &p->event,
                              .delivery_id = p->entry_id,
                              .preview = p,
                              .keeps_data = !params->with_content};
    struct webhook_send *s = webhook_send_new(w, &job, on_sent, p);
    webhook_route_unref(r);
    p->send = s;
    webhook_send_run(s);
    return p;
}

void webhook_preview_cancel(struct webhook_preview *p)
{
    if (p != NULL) {
        op_cancel(&p->op);
    }
}

void webhook_previews_cancel_all(struct webhooks *w)
{
    list_foreach (node, &w->previews) {
        op_cancel(&container_of(node, struct webhook_preview, node)->op);
    }
}
