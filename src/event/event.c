#include "postrider/event/event.h"

#include "postrider/base/check.h"
#include "postrider/base/mem.h"

#include <stdio.h>

static const char *const names[EVENT_TYPE_COUNT] = {
    [EVENT_MESSAGE_NEW] = "messageNew",
    [EVENT_MESSAGE_DELETED] = "messageDeleted",
    [EVENT_MESSAGE_UPDATED] = "messageUpdated",
    [EVENT_MESSAGE_MISSING] = "messageMissing",
    [EVENT_MESSAGE_MOVED] = "messageMoved",
    [EVENT_MAILBOX_NEW] = "mailboxNew",
    [EVENT_MAILBOX_DELETED] = "mailboxDeleted",
    [EVENT_MAILBOX_RESET] = "mailboxReset",
    [EVENT_MAILBOX_RENAMED] = "mailboxRenamed",
    [EVENT_ACCOUNT_ADDED] = "accountAdded",
    [EVENT_ACCOUNT_INITIALIZED] = "accountInitialized",
    [EVENT_ACCOUNT_DELETED] = "accountDeleted",
    [EVENT_AUTHENTICATION_SUCCESS] = "authenticationSuccess",
    [EVENT_AUTHENTICATION_ERROR] = "authenticationError",
    [EVENT_CONNECT_ERROR] = "connectError",
};

const char *event_type_name(enum event_type type)
{
    CHECK((size_t)type < EVENT_TYPE_COUNT);
    return names[type];
}

bool event_type_parse(struct str name, enum event_type *out)
{
    for (size_t i = 0; i < EVENT_TYPE_COUNT; i++) {
        if (str_eq_c(name, names[i])) {
            *out = (enum event_type)i;
            return true;
        }
    }
    return false;
}

void event_init(struct event *e, enum event_type type, int64_t date_ms, uint32_t box,
                uint32_t uid, const char *path, const char *special_use, json_t *data)
{
    *e = (struct event){.type = type,
                        .date_ms = date_ms,
                        .box = box,
                        .uid = uid,
                        .path = mem_strdup(path),
                        .special_use = mem_strdup(special_use),
                        .data = data != NULL ? data : json_object()};
}

void event_copy(struct event *to, const struct event *from)
{
    event_init(to, from->type, from->date_ms, from->box, from->uid, from->path,
               from->special_use, json_incref(from->data));
    (void)snprintf(to->id, sizeof to->id, "%s", from->id);
}

void event_fini(struct event *e)
{
    mem_free(e->path);
    mem_free(e->special_use);
    json_decref(e->data);
    *e = (struct event){0};
}

static int put_piece(const char *text, size_t len, void *ctx)
{
    return buf_put(ctx, text, len) ? 0 : -1;
}

bool event_encode(const struct event *e, struct buf *out)
{
    json_t *doc = json_pack("{s:I, s:s*, s:s*, s:O}", "t", (json_int_t)e->date_ms, "p",
                            e->path, "s", e->special_use, "d", e->data);
    if (doc == NULL) {
        return false;
    }
    if (e->box != 0) {
        json_object_set_new(doc, "b", json_integer(e->box));
    }
    if (e->uid != 0) {
        json_object_set_new(doc, "u", json_integer(e->uid));
    }
    bool ok = json_dump_callback(doc, put_piece, out, JSON_COMPACT) == 0;
    json_decref(doc);
    return ok && !out->overflow;
}

bool event_decode(enum event_type type, const char *id, struct str encoded,
                  struct event *out, struct err *err)
{
    json_t *doc = json_loadb(encoded.ptr, encoded.len, JSON_REJECT_DUPLICATES, NULL);
    json_t *data = json_object_get(doc, "d");
    const json_t *date = json_object_get(doc, "t");
    if (!json_is_object(data) || !json_is_integer(date)) {
        json_decref(doc);
        return err_set(err, ERR_CORRUPT, "log entry: not an event");
    }
    event_init(out, type, json_integer_value(date),
               (uint32_t)json_integer_value(json_object_get(doc, "b")),
               (uint32_t)json_integer_value(json_object_get(doc, "u")),
               json_string_value(json_object_get(doc, "p")),
               json_string_value(json_object_get(doc, "s")), json_incref(data));
    (void)snprintf(out->id, sizeof out->id, "%s", id);
    json_decref(doc);
    return true;
}
