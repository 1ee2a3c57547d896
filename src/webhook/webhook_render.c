#include "webhook_render.h"

#include "postrider/base/check.h"
#include "postrider/base/clock.h"
#include "postrider/base/codec.h"
#include "postrider/base/mem.h"
#include "postrider/base/rand.h"
#include "postrider/crypto/crypto.h"
#include "postrider/json/json.h"

#include "postrider/webhook/webhook.h"

#include <inttypes.h>
#include <stdio.h>

/* --- body */

json_t *webhook_render_json(const struct webhook_body *b)
{
    const struct event *e = b->event;
    const json_t *data = b->data != NULL ? b->data : e->data;
    const char *path = e->path != NULL ? e->path : json_get_cstr(data, "path");
    json_t *doc = json_object();
    json_put(doc, "serviceUrl",
             b->service_url.len > 0 ? json_str_repaired(b->service_url) : json_null());
    json_put(doc, "account", json_str_repaired(b->account));
    json_put_time(doc, "date", e->date_ms);
    json_put_cstr(doc, "path", path);
    json_put_cstr(doc, "specialUse", e->special_use);
    json_put_cstr(doc, "event", event_type_name(e->type));
    json_put_cstr(doc, "eventId", e->id);
    /* Only read below: the reference is taken on a value that others keep. */
    json_put(doc, "data", json_incref((json_t *)(uintptr_t)data));
    return doc;
}

/* --- views */

static size_t view_move(const struct event *e, struct event *out)
{
    json_t *data = json_copy(e->data);
    CHECK(data != NULL);
    json_object_del(data, "from");
    json_object_del(data, "to");
    event_init(out, EVENT_MESSAGE_NEW, e->date_ms, e->box, e->uid, e->path,
               e->special_use, data);
    (void)snprintf(out->id, sizeof out->id, "%s", e->id);
    return 1;
}

static void view_mailbox(const struct event *e, enum event_type type, const char *member,
                         unsigned part, struct event *out)
{
    json_t *data = json_object_get(e->data, member);
    event_init(out, type, e->date_ms, e->box, 0, json_get_cstr(data, "path"),
               json_get_cstr(data, "specialUse"), json_incref(data));
    (void)snprintf(out->id, sizeof out->id, "%.36s.%u", e->id, part);
}

size_t webhook_views(const struct event *event, struct event out[WEBHOOK_VIEWS])
{
    switch ((int)event->type) {
    case EVENT_MESSAGE_MOVED:
        return view_move(event, out);
    case EVENT_MAILBOX_RENAMED:
        view_mailbox(event, EVENT_MAILBOX_DELETED, "old", 0, &out[0]);
        view_mailbox(event, EVENT_MAILBOX_NEW, "new", 1, &out[1]);
        return WEBHOOK_VIEWS;
    default:
        return 0;
    }
}

void webhook_missing(const struct event *event, json_t *data, struct event *out)
{
    event_init(out, EVENT_MESSAGE_MISSING, event->date_ms, event->box, event->uid,
               event->path, event->special_use, json_incref(data));
    (void)snprintf(out->id, sizeof out->id, "%s", event->id);
}

json_t *webhook_mark_data(const struct event *event, const char *member, bool value)
{
    json_t *data = json_copy(event->data);
    CHECK(data != NULL);
    json_put_bool(data, member, value);
    return data;
}

/* --- signatures */

void webhook_sign_body(struct str secret, struct str body, struct buf *out)
{
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    crypto_hmac_sha256_key(secret, body, digest);
    (void)base64url_encode(out, digest, sizeof digest);
}

void webhook_sign_standard(struct str secret, const char *id, int64_t seconds,
                           struct str body, struct buf *out)
{
    static const char marker[] = "whsec_";
    struct buf key = BUF_INIT(secret.len + 1);
    if (!str_has_prefix(secret, marker) ||
        !base64_decode(&key, str_tail(secret, sizeof marker - 1)) || key.len == 0) {
        (void)buf_put_str(&key, secret);
    }
    struct buf text = BUF_INIT(body.len + 512);
    (void)buf_printf(&text, "%s.%lld.", id, (long long)seconds);
    (void)buf_put_str(&text, body);
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    crypto_hmac_sha256_key(buf_str(&key), buf_str(&text), digest);
    (void)buf_put_c(out, "v1,");
    (void)base64_encode(out, digest, sizeof digest);
    mem_wipe(key.bytes, key.len);
    buf_fini(&key);
    buf_fini(&text);
}

struct str webhook_old_secret(const json_t *settings, int64_t now_ms)
{
    const json_t *old = json_get_obj(settings, WEBHOOK_SETTING_OLD_SECRET);
    int64_t until_ms = 0;
    return json_get_time(old, "until", &until_ms) && now_ms < until_ms
               ? json_get_str(old, "secret")
               : STR_NULL;
}

/* --- headers */

void webhook_trace_parent(const char *event_id, struct buf *out)
{
    char trace[33];
    size_t len = 0;
    for (const char *c = event_id; *c != '\0' && *c != '.' && len < sizeof trace - 1;
         c++) {
        char l = ascii_lower(*c);
        if (ascii_is_digit(l) || (l >= 'a' && l <= 'f')) {
            trace[len++] = l;
        }
    }
    trace[len] = '\0';
    if (len == sizeof trace - 1 && strspn(trace, "0") < len) {
        uint64_t span = rand_u64();
        (void)buf_printf(out, "00-%s-%016" PRIx64 "-01", trace, span != 0 ? span : 1);
    }
}

/* What a custom header must not replace: who sent what, and how the message is framed. */
static const char *const fixed_names[] = {
    "Content-Length",
    "Transfer-Encoding",
    "Connection",
    "Expect",
    "TE",
    "Trailer",
    "Upgrade",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
};

static bool is_fixed(struct str name)
{
    if (str_has_iprefix(name, "X-EE-Wh-")) {
        return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(fixed_names); i++) {
        if (str_ieq_c(name, fixed_names[i])) {
            return true;
        }
    }
    return false;
}

struct header_list {
    struct httpc_header *items;
    size_t count;
};

static void put(struct header_list *l, const char *name, const char *value)
{
    for (size_t i = 0; i < l->count; i++) {
        if (str_ieq_c(str_of(l->items[i].name), name)) {
            l->items[i].value = value;
            return;
        }
    }
    if (l->count < WEBHOOK_HEADERS) {
        l->items[l->count++] = (struct httpc_header){.name = name, .value = value};
    }
}

static void put_custom(struct header_list *l, const json_t *custom, struct arena *a)
{
    for (size_t i = 0; i < json_array_size(custom); i++) {
        const json_t *row = json_array_get(custom, i);
        struct str name = json_get_str(row, "key");
        struct str value = json_get_str(row, "value");
        if (name.len > 0 && !is_fixed(name)) {
            put(l, arena_str(a, name).ptr,
                value.ptr != NULL ? arena_str(a, value).ptr : "");
        }
    }
}

static const char *keep(struct arena *a, struct buf *b)
{
    const char *text = arena_str(a, buf_str(b)).ptr;
    buf_fini(b);
    return text;
}

static void put_signatures(struct header_list *l, const struct webhook_headers *h,
                           struct arena *a)
{
    struct buf plain = BUF_INIT(128);
    struct buf standard = BUF_INIT(256);
    webhook_sign_body(h->secret, h->body, &plain);
    webhook_sign_standard(h->secret, h->event_id, h->now_ms / 1000, h->body, &standard);
    if (h->old_secret.len > 0) {
        (void)buf_put_byte(&standard, ' ');
        webhook_sign_standard(h->old_secret, h->event_id, h->now_ms / 1000, h->body,
                              &standard);
    }
    put(l, "X-EE-Wh-Signature", keep(a, &plain));
    put(l, "webhook-signature", keep(a, &standard));
}

size_t webhook_render_headers(const struct webhook_headers *h, struct arena *a,
                              struct httpc_header out[WEBHOOK_HEADERS])
{
    struct header_list l = {.items = out};
    int64_t queued_ms = h->now_ms > h->queued_ms ? h->now_ms - h->queued_ms : 0;
    put(&l, "Content-Type", h->content_type);
    put(&l, "User-Agent", h->user_agent);
    put(&l, "X-EE-Wh-Id", h->delivery_id);
    put(&l, "X-EE-Wh-Attempts-Made", arena_printf(a, "%u", h->tries));
    put(&l, "X-EE-Wh-Queued-Time",
        arena_printf(a, "%llds", (long long)(queued_ms / 1000)));
    put(&l, "X-EE-Wh-Event-Id", h->event_id);
    put(&l, "webhook-id", h->event_id);
    put(&l, "webhook-timestamp", arena_printf(a, "%lld", (long long)(h->now_ms / 1000)));
    struct buf trace = BUF_INIT(64);
    webhook_trace_parent(h->event_id, &trace);
    if (trace.len > 0) {
        put(&l, "traceparent", arena_str(a, buf_str(&trace)).ptr);
    }
    buf_fini(&trace);
    if (h->route_id != NULL) {
        put(&l, "X-EE-Wh-Custom-Route", h->route_id);
    }
    if (h->secret.len > 0) {
        put_signatures(&l, h, a);
    }
    put_custom(&l, h->custom, a);
    put_custom(&l, h->own_custom, a);
    return l.count;
}
