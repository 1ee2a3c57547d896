/* The events of the engine: what happened to which message or mailbox, as thin data. */
#include "sync_priv.h"

#include "postrider/base/clock.h"
#include "postrider/base/utf8.h"

#include <string.h>

/* Messages that turn up long after they were received are restored or copied mail. */
static const int64_t seems_new_max_age_ms = 24 * 3600 * 1000;

static const struct {
    uint8_t bit;
    const char *name;
} system_flags[] = {{IMAP_FLAG_SEEN, "\\Seen"},
                    {IMAP_FLAG_ANSWERED, "\\Answered"},
                    {IMAP_FLAG_FLAGGED, "\\Flagged"},
                    {IMAP_FLAG_DELETED, "\\Deleted"},
                    {IMAP_FLAG_DRAFT, "\\Draft"}};

static json_t *keyword_json(const struct mailbox *m, uint8_t id)
{
    struct buf text = BUF_INIT(4096);
    const char *word = m->keywords[id];
    (void)utf8_put_repaired(&text, str_of(sync_is_label(m, id) ? word + 1 : word));
    json_t *value = json_stringn(buf_c(&text), text.len);
    buf_fini(&text);
    return value;
}

static bool has_keyword(const struct msg_row *row, uint8_t id)
{
    return row->keyword_count > 0 &&
           memchr(row->keywords, id, row->keyword_count) != NULL;
}

static void put_words(json_t *list, const struct mailbox *m, const struct msg_row *row,
                      const struct msg_row *other, bool labels)
{
    for (size_t i = 0; i < row->keyword_count; i++) {
        uint8_t id = row->keywords[i];
        if (sync_is_label(m, id) == labels &&
            (other == NULL || !has_keyword(other, id))) {
            json_array_append_new(list, keyword_json(m, id));
        }
    }
}

static json_t *labels_json(const struct mailbox *m, const struct msg_row *row,
                           const struct msg_row *other)
{
    json_t *list = json_array();
    put_words(list, m, row, other, true);
    return list;
}

/* Flags of `row` that `other` does not have; all of them when other is NULL. */
static json_t *flags_json(const struct mailbox *m, const struct msg_row *row,
                          const struct msg_row *other)
{
    json_t *list = json_array();
    for (size_t i = 0; i < ARRAY_LEN(system_flags); i++) {
        uint8_t bit = system_flags[i].bit;
        if ((row->flags & bit) != 0 && (other == NULL || (other->flags & bit) == 0)) {
            json_array_append_new(list, json_string(system_flags[i].name));
        }
    }
    put_words(list, m, row, other, false);
    return list;
}

static const char *mailbox_use(const struct mailbox *m)
{
    if (m->special_use[0] != '\0') {
        return m->special_use;
    }
    return str_ieq_c(str_of(m->path), "INBOX") ? "\\Inbox" : NULL;
}

static json_t *message_data(const struct mailbox *m, uint32_t uid)
{
    char id[12];
    message_id_format(m->number, uid, id);
    return json_pack("{s:s, s:I}", "id", id, "uid", (json_int_t)uid);
}

static void message_event(const struct sync_ctx *sc, const struct mailbox *m,
                          const struct msg_row *row, enum event_type type,
                          uint64_t discriminator, json_t *data, struct event *out)
{
    const char *path = sync_label_path(m, row);
    event_init(out, type, clock_wall_ms(), m->box, row->uid, path,
               path != m->path ? "\\Inbox" : mailbox_use(m), data);
    store_event_id(sc->store, sc->acct, m->box, m->epoch, row->uid, event_type_name(type),
                   discriminator, out->id);
}

void sync_event_new_id(const struct sync_ctx *sc, const struct mailbox *m, uint32_t uid,
                       char out[EVENT_ID_SIZE])
{
    /* A UID arrives once in an epoch: nothing else is needed to tell arrivals apart. */
    store_event_id(sc->store, sc->acct, m->box, m->epoch, uid,
                   event_type_name(EVENT_MESSAGE_NEW), 0, out);
}

static bool seems_like_new(const struct mailbox *m, const struct sync_new_row *row)
{
    static const char *const old_homes[] = {"\\Sent", "\\Drafts", "\\Trash"};
    for (size_t i = 0; i < ARRAY_LEN(old_homes); i++) {
        if (str_ieq_c(str_of(m->special_use), old_homes[i])) {
            return false;
        }
    }
    if (sync_has_label(m, &row->row, "\\Sent") ||
        sync_has_label(m, &row->row, "\\Draft")) {
        return false;
    }
    return row->internaldate_ms == 0 ||
           clock_wall_ms() - row->internaldate_ms < seems_new_max_age_ms;
}

static json_t *place_json(uint32_t number, uint32_t uid, const char *path)
{
    char id[12];
    message_id_format(number, uid, id);
    return json_pack("{s:s, s:I, s:s*}", "id", id, "uid", (json_int_t)uid, "path", path);
}

static void put_origin(json_t *data, const struct mailbox *m, uint32_t uid,
                       const struct sync_origin *origin)
{
    json_t *from = place_json(origin->number, origin->uid, origin->path);
    if (origin->moved) {
        json_object_set_new(data, "from", from);
        json_object_set_new(data, "to", place_json(m->number, uid, m->path));
    } else {
        json_object_set_new(data, "copyOf", from);
    }
}

void sync_event_new(const struct sync_ctx *sc, const struct mailbox *m,
                    const struct sync_new_row *row, const struct sync_origin *origin,
                    struct event *out)
{
    json_t *data = message_data(m, row->row.uid);
    bool moved = origin != NULL && origin->moved;
    json_object_set_new(data, "path", json_string(sync_label_path(m, &row->row)));
    if (row->internaldate_ms != 0) {
        char date[CLOCK_ISO_SIZE];
        clock_format_iso(row->internaldate_ms, date);
        json_object_set_new(data, "date", json_string(date));
    }
    json_object_set_new(data, "flags", flags_json(m, &row->row, NULL));
    if (row->has_labels) {
        json_object_set_new(data, "labels", labels_json(m, &row->row, NULL));
    }
    json_object_set_new(data, "size", json_integer((json_int_t)row->size));
    json_object_set_new(data, "seemsLikeNew",
                        json_boolean(origin == NULL && seems_like_new(m, row)));
    if (origin != NULL) {
        put_origin(data, m, row->row.uid, origin);
    }
    message_event(sc, m, &row->row, moved ? EVENT_MESSAGE_MOVED : EVENT_MESSAGE_NEW, 0,
                  data, out);
    /* It is the same arrival, should it be derived again when the pair is known no more. */
    sync_event_new_id(sc, m, row->row.uid, out->id);
}

void sync_event_deleted(const struct sync_ctx *sc, const struct mailbox *m, uint32_t uid,
                        struct event *out)
{
    const struct msg_row row = {.uid = uid};
    message_event(sc, m, &row, EVENT_MESSAGE_DELETED, 0, message_data(m, uid), out);
}

/* Takes the lists; nothing is put where nothing changed. */
static void put_change(json_t *changes, const char *name, json_t *added, json_t *deleted,
                       json_t *value)
{
    json_t *change = json_object();
    if (json_array_size(added) > 0) {
        json_object_set(change, "added", added);
    }
    if (json_array_size(deleted) > 0) {
        json_object_set(change, "deleted", deleted);
    }
    if (json_object_size(change) > 0) {
        json_object_set(change, "value", value);
        json_object_set(changes, name, change);
    }
    json_decref(change);
    json_decref(added);
    json_decref(deleted);
    json_decref(value);
}

void sync_event_updated(const struct sync_ctx *sc, const struct mailbox *m,
                        const struct msg_row *before, const struct msg_row *after,
                        struct event *out)
{
    json_t *changes = json_object();
    put_change(changes, "flags", flags_json(m, after, before),
               flags_json(m, before, after), flags_json(m, after, NULL));
    put_change(changes, "labels", labels_json(m, after, before),
               labels_json(m, before, after), labels_json(m, after, NULL));
    json_t *data = message_data(m, after->uid);
    json_object_set_new(data, "changes", changes);
    /* MODSEQ names the change; a server without it has the version of the record that the
     * commit will write, which a repetition after a crash shares. */
    message_event(sc, m, after, EVENT_MESSAGE_UPDATED,
                  after->modseq != 0 ? after->modseq : m->version + 1, data, out);
}

static struct str last_component(struct str name, char delimiter)
{
    for (size_t i = name.len; delimiter != 0 && i > 0; i--) {
        if (name.ptr[i - 1] == delimiter && i < name.len) {
            return str_tail(name, i);
        }
    }
    return name;
}

static json_t *mailbox_data(const struct mailbox *m)
{
    struct str name = last_component(str_of(m->path), m->delimiter);
    const char *use = mailbox_use(m);
    return json_pack("{s:s, s:s%, s:o}", "path", m->path, "name", name.ptr, name.len,
                     "specialUse", use != NULL ? json_string(use) : json_false());
}

static void mailbox_event(const struct sync_ctx *sc, const struct mailbox *m,
                          enum event_type type, json_t *data, struct event *out)
{
    event_init(out, type, clock_wall_ms(), m->box, 0, m->path, mailbox_use(m), data);
    store_event_id(sc->store, sc->acct, m->box, m->epoch, 0, event_type_name(type), 0,
                   out->id);
}

static json_t *uid_validity_json(uint32_t uid_validity)
{
    return uid_validity != 0 ? json_sprintf("%u", uid_validity) : json_false();
}

void sync_event_mailbox_new(const struct sync_ctx *sc, const struct mailbox *m,
                            struct event *out)
{
    json_t *data = mailbox_data(m);
    if (m->uid_validity != 0) {
        json_object_set_new(data, "uidValidity", uid_validity_json(m->uid_validity));
    }
    mailbox_event(sc, m, EVENT_MAILBOX_NEW, data, out);
}

void sync_event_mailbox_deleted(const struct sync_ctx *sc, const struct mailbox *m,
                                struct event *out)
{
    mailbox_event(sc, m, EVENT_MAILBOX_DELETED, mailbox_data(m), out);
}

void sync_event_mailbox_reset(const struct sync_ctx *sc, const struct mailbox *m,
                              uint32_t prev_uid_validity, struct event *out)
{
    json_t *data = mailbox_data(m);
    bool lost = prev_uid_validity == 0;
    json_object_set_new(data, "uidValidity", uid_validity_json(m->uid_validity));
    if (!lost) {
        json_object_set_new(data, "prevUidValidity",
                            uid_validity_json(prev_uid_validity));
    }
    json_object_set_new(data, "reason",
                        json_string(lost ? "syncStateLost" : "uidValidityChange"));
    mailbox_event(sc, m, EVENT_MAILBOX_RESET, data, out);
}

void sync_event_mailbox_renamed(const struct sync_ctx *sc, const struct mailbox *m,
                                const char *old_path, const char *old_use,
                                struct event *out)
{
    json_t *data = mailbox_data(m), *now = mailbox_data(m);
    struct str name = last_component(str_of(old_path), m->delimiter);
    if (m->uid_validity != 0) {
        json_object_set_new(now, "uidValidity", uid_validity_json(m->uid_validity));
    }
    json_object_set_new(data, "old",
                        json_pack("{s:s, s:s%, s:o}", "path", old_path, "name", name.ptr,
                                  name.len, "specialUse",
                                  old_use != NULL ? json_string(old_use) : json_false()));
    json_object_set_new(data, "new", now);
    event_init(out, EVENT_MAILBOX_RENAMED, clock_wall_ms(), m->box, 0, m->path,
               mailbox_use(m), data);
    store_event_id(sc->store, sc->acct, m->box, m->epoch, 0,
                   event_type_name(EVENT_MAILBOX_RENAMED), m->version + 1, out->id);
}
