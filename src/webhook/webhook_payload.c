/* What a route sends of an event: its filter decides, its mapping builds, its form wraps.
 * Filter and mapping see the whole of what would be sent without them. */
#include "webhook_priv.h"
#include "webhook_render.h"

#include "postrider/base/codec.h"
#include "postrider/json/json.h"

#include <stdio.h>

bool webhook_payload_needs_content(const struct webhook_route *r,
                                   const struct event *event)
{
    return event->type == EVENT_MESSAGE_NEW && r->form != WEBHOOK_FORM_THIN;
}

bool webhook_payload_filter_needs_data(const struct webhook_route *r)
{
    return r->filter != NULL && expr_reads(r->filter, "data");
}

static json_t *envelope_of(const struct webhook_payload *p)
{
    return webhook_render_json(&(struct webhook_body){.service_url = p->service_url,
                                                      .account = p->account,
                                                      .event = p->event,
                                                      .data = p->data});
}

bool webhook_payload_filter(const struct webhook_payload *p, bool *passes_out,
                            struct err *err)
{
    json_t *value = NULL;
    if (p->route->filter == NULL) {
        *passes_out = true;
        return true;
    }
    json_t *doc = envelope_of(p);
    bool ok = expr_eval(p->route->filter, doc, &value, err);
    if (ok) {
        *passes_out = expr_is_true(value);
    } else {
        (void)err_wrap(err, "filter");
    }
    json_decref(value);
    json_decref(doc);
    return ok;
}

/* CloudEvents 1.0 §2 (attributes), JSON format §3 (structured mode). */
static json_t *cloud_event(const struct webhook_payload *p, json_t *taken)
{
    const struct event *e = p->event;
    char text[128];
    json_t *out = json_object();
    struct buf source = BUF_INIT(4096);
    /* An account id may hold anything; the source is a URI reference. */
    (void)buf_printf(&source, "%.*s/v1/account/", STR_ARG(p->service_url));
    (void)percent_encode(&source, p->account);
    (void)snprintf(text, sizeof text, "postrider.%s", event_type_name(e->type));
    json_put_cstr(out, "specversion", "1.0");
    json_put_cstr(out, "id", e->id);
    json_put_str(out, "source", buf_str(&source));
    json_put_cstr(out, "type", text);
    json_put_time(out, "time", e->date_ms);
    json_put_cstr(out, "subject", json_get_cstr(e->data, "id"));
    json_put_cstr(out, "datacontenttype", "application/json");
    json_put(out, "data", taken);
    buf_fini(&source);
    return out;
}

static json_t *mapped(const struct webhook_payload *p, struct err *err)
{
    json_t *doc = envelope_of(p), *value = NULL;
    if (p->route->mapping == NULL) {
        return doc;
    }
    if (!expr_eval(p->route->mapping, doc, &value, err)) {
        (void)err_wrap(err, "mapping");
    }
    json_decref(doc);
    return value;
}

bool webhook_payload_body(const struct webhook_payload *p, struct buf *out,
                          struct err *err)
{
    json_t *doc = mapped(p, err);
    if (doc == NULL) {
        return false;
    }
    if (p->route->form == WEBHOOK_FORM_CLOUDEVENTS) {
        doc = cloud_event(p, doc);
    }
    bool ok = json_emit(doc, out);
    json_decref(doc);
    return ok || err_set(err, ERR_TOO_LARGE, "the event is larger than %d MiB",
                         WEBHOOK_BODY_MAX / (1024 * 1024));
}

const char *webhook_payload_type(const struct webhook_route *r)
{
    return r->form == WEBHOOK_FORM_CLOUDEVENTS ? "application/cloudevents+json"
                                               : "application/json";
}
