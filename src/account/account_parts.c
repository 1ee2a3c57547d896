#include "account_parts.h"

#include "postrider/account/account_message.h"
#include "postrider/base/check.h"
#include "postrider/base/codec.h"
#include "postrider/json/json.h"
#include "postrider/loop/op.h"
#include "postrider/mime/mime_calendar.h"
#include "postrider/store/store_settings.h"

struct account_parts {
    struct op op;
    struct accounts *as;
    char *account_id; /* in op.arena: the actor may go meanwhile */
    struct account_parts_params wanted;
    json_t *message, *attachments; /* copies; the second is borrowed from the first */
    size_t at;
    int64_t deadline_ms;
    uint64_t left; /* bytes that may still be taken */
    struct account_stream *stream;
    struct buf content;
    bool over; /* the part is larger than it said */
    account_parts_cb *cb;
    void *ctx;
};

static struct account_parts *parts_of(struct op *op)
{
    return container_of(op, struct account_parts, op);
}

static void parts_abort(struct op *op)
{
    account_stream_cancel(parts_of(op)->stream);
}

static void parts_done(struct op *op)
{
    struct account_parts *p = parts_of(op);
    p->cb(p, &op->err, op->err.code == ERR_OK ? p->message : NULL, p->ctx);
}

static void parts_fini(struct op *op)
{
    struct account_parts *p = parts_of(op);
    json_decref(p->message);
    buf_fini(&p->content);
}

static const struct op_type parts_type = {"message parts", sizeof(struct account_parts),
                                          parts_abort, parts_done, parts_fini};

/* --- what is wanted */

static bool setting_is_on(struct store *s, const char *name)
{
    return json_is_true(store_setting(s, name));
}

struct account_parts_params account_parts_wanted(struct store *s)
{
    json_int_t max = json_integer_value(store_setting(s, "notifyAttachmentSize"));
    return (struct account_parts_params){
        .attachments = setting_is_on(s, "notifyAttachments"),
        .calendar = setting_is_on(s, "notifyCalendarEvents"),
        .max_bytes = max > 0 ? (uint64_t)max : 0};
}

/* What is part of an attached message comes with that. */
static bool wants_content(const struct account_parts_params *wanted,
                          const json_t *attachment)
{
    uint64_t size = (uint64_t)json_get_int(attachment, "encodedSize", 0);
    return wanted->attachments && !json_get_bool(attachment, "encodedInMessage", false) &&
           (wanted->max_bytes == 0 || size <= wanted->max_bytes);
}

static bool wants_event(const struct account_parts_params *wanted,
                        const json_t *attachment)
{
    struct str type = json_get_str(attachment, "contentType");
    return wanted->calendar &&
           (str_ieq_c(type, "text/calendar") || str_ieq_c(type, "application/ics"));
}

bool account_parts_has(const struct account_parts_params *wanted, const json_t *message)
{
    const json_t *list = json_get_arr(message, "attachments");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *attachment = json_array_get(list, i);
        if (wants_content(wanted, attachment) || wants_event(wanted, attachment)) {
            return true;
        }
    }
    return false;
}

/* --- what came */

static json_t *base64_of(const struct buf *content)
{
    struct buf text = BUF_INIT(content->len * 4 / 3 + 8);
    CHECK(base64_encode(&text, content->bytes, content->len));
    json_t *value = json_str_repaired(text.len > 0 ? buf_str(&text) : STR(""));
    buf_fini(&text);
    return value;
}

static void put_event(struct account_parts *p, const json_t *attachment, json_t *content)
{
    struct arena arena = {0};
    struct mime_calendar c;
    json_t *events = json_get_arr(p->message, "calendarEvents");
    if (mime_calendar_read(&arena, buf_str(&p->content), &c)) {
        json_t *event = json_object();
        struct str filename = json_get_str(attachment, "filename");
        json_put_str(event, "eventId", c.uid.ptr != NULL ? c.uid : STR(""));
        json_put_str(event, "attachment", json_get_str(attachment, "id"));
        json_put_str(event, "method", c.method);
        json_put_str(event, "summary", c.summary);
        json_put_str(event, "description", c.description);
        json_put_str(event, "timezone", c.timezone);
        if (c.has_start) {
            json_put_time(event, "startDate", c.start_ms);
        }
        if (c.has_end) {
            json_put_time(event, "endDate", c.end_ms);
        }
        json_put_str(event, "organizer", c.organizer);
        json_put_str(event, "filename",
                     filename.ptr != NULL ? filename : STR("event.ics"));
        json_put_str(event, "contentType", json_get_str(attachment, "contentType"));
        json_put_cstr(event, "encoding", "base64");
        json_put(event, "content", json_incref(content));
        if (events == NULL) {
            events = json_array();
            json_put(p->message, "calendarEvents", events);
        }
        json_push(events, event);
    }
    arena_fini(&arena);
}

static void take_part(struct account_parts *p)
{
    json_t *attachment = json_array_get(p->attachments, p->at);
    json_t *content = base64_of(&p->content);
    if (wants_event(&p->wanted, attachment)) {
        put_event(p, attachment, content);
    }
    if (wants_content(&p->wanted, attachment)) {
        json_put(attachment, "content", json_incref(content));
    }
    json_decref(content);
    p->left -= p->content.len;
}

/* --- fetching */

static void next_part(struct account_parts *p);

static void on_begin(struct account_stream *s ATTR_UNUSED,
                     const struct account_stream_info *info ATTR_UNUSED,
                     void *ctx ATTR_UNUSED)
{
}

static void on_data(struct account_stream *s, struct str data, void *ctx)
{
    struct account_parts *p = ctx;
    if (!p->over &&
        (data.len > p->left - p->content.len || !buf_put_str(&p->content, data))) {
        p->over = true;
        account_stream_cancel(s);
    }
}

static void on_end(struct account_stream *s ATTR_UNUSED, const struct err *err, void *ctx)
{
    struct account_parts *p = ctx;
    p->stream = NULL;
    if (!op_is_running(&p->op)) {
        return;
    }
    if (err->code == ERR_OK && !p->over) {
        take_part(p);
    }
    p->at++;
    next_part(p);
}

static void fetch(struct account_parts *p, struct account *a, struct str id)
{
    static const struct account_stream_events events = {
        .on_begin = on_begin, .on_data = on_data, .on_end = on_end};
    buf_clear(&p->content);
    p->over = false;
    p->stream = account_attachment_start(a, id, NULL, p->deadline_ms, &events, p);
}

static bool is_next(const struct account_parts *p, const json_t *attachment)
{
    uint64_t size = (uint64_t)json_get_int(attachment, "encodedSize", 0);
    return (wants_content(&p->wanted, attachment) ||
            wants_event(&p->wanted, attachment)) &&
           size / 4 * 3 <= p->left;
}

static void next_part(struct account_parts *p)
{
    struct account *a = accounts_get(p->as, str_of(p->account_id));
    while (p->at < json_array_size(p->attachments) &&
           !is_next(p, json_array_get(p->attachments, p->at))) {
        p->at++;
    }
    if (a == NULL || p->at == json_array_size(p->attachments)) {
        op_complete(&p->op);
    } else {
        fetch(p, a, json_get_str(json_array_get(p->attachments, p->at), "id"));
    }
}

struct account_parts *account_parts_start(struct account *a,
                                          const struct account_parts_params *wanted,
                                          const json_t *message, int64_t deadline_ms,
                                          account_parts_cb *cb, void *ctx)
{
    struct account_parts *p = op_new(a->as->loop, &parts_type, deadline_ms);
    const json_t *given = json_get_arr(message, "attachments");
    p->as = a->as;
    p->account_id = arena_strdup(&p->op.arena, a->acct.id);
    p->wanted = *wanted;
    p->deadline_ms = deadline_ms;
    p->left = ACCOUNT_PARTS_BYTES;
    p->cb = cb;
    p->ctx = ctx;
    buf_init(&p->content, ACCOUNT_PARTS_BYTES);
    p->message = json_copy((json_t *)(uintptr_t)message);
    p->attachments = json_array();
    for (size_t i = 0; i < json_array_size(given); i++) {
        json_push(p->attachments, json_copy(json_array_get(given, i)));
    }
    json_put(p->message, "attachments", p->attachments);
    next_part(p);
    return p;
}

void account_parts_cancel(struct account_parts *p)
{
    if (p != NULL) {
        op_cancel(&p->op);
    }
}
