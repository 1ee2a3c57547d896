#include "postrider/changelog/fold.h"

#include "postrider/base/attr.h"
#include "postrider/base/check.h"
#include "postrider/json/json.h"

enum what {
    WHAT_CREATED,
    WHAT_UPDATED,
    WHAT_DESTROYED,
    WHAT_RESET,
    WHAT_COUNT
};

static const char *const what_names[WHAT_COUNT] = {
    [WHAT_CREATED] = "created",
    [WHAT_UPDATED] = "updated",
    [WHAT_DESTROYED] = "destroyed",
    [WHAT_RESET] = "reset",
};

void changelog_fold_init(struct changelog_fold *f)
{
    f->messages = json_object();
    f->mailboxes = json_object();
    f->renamed = json_array();
}

void changelog_fold_fini(struct changelog_fold *f)
{
    json_decref(f->messages);
    json_decref(f->mailboxes);
    json_decref(f->renamed);
    *f = (struct changelog_fold){0};
}

/* --- messages --- */

static bool is_known(const json_t *row, enum what what)
{
    return row != NULL && json_integer_value(json_array_get(row, 0)) == (int)what;
}

static void set_message(struct changelog_fold *f, const char *id, enum what what,
                        uint32_t box)
{
    json_put(f->messages, id, json_pack("[i, I]", (int)what, (json_int_t)box));
}

static void add_message(struct changelog_fold *f, const struct event *e, enum what what)
{
    const char *id = json_get_cstr(e->data, "id");
    if (id == NULL) {
        return;
    }
    const json_t *row = json_object_get(f->messages, id);
    bool made_here = is_known(row, WHAT_CREATED);
    if (what == WHAT_DESTROYED && made_here) {
        (void)json_object_del(f->messages, id);
    } else if (what != WHAT_UPDATED || row == NULL) {
        set_message(f, id, what, e->box);
    }
}

/* The mailbox is named instead of its messages. */
static void drop_messages_of(struct changelog_fold *f, uint32_t box)
{
    void *next;
    const char *id;
    json_t *row;
    json_object_foreach_safe(f->messages, next, id, row)
    {
        if (json_integer_value(json_array_get(row, 1)) == box) {
            (void)json_object_del(f->messages, id);
        }
    }
}

/* --- mailboxes --- */

static void add_mailbox(struct changelog_fold *f, const struct event *e, enum what what)
{
    const char *path = e->path != NULL ? e->path : json_get_cstr(e->data, "path");
    if (path == NULL) {
        return;
    }
    if (what != WHAT_CREATED) {
        drop_messages_of(f, e->box);
    }
    const json_t *known = json_object_get(f->mailboxes, path);
    bool made_here = known != NULL && json_integer_value(known) == WHAT_CREATED;
    if (made_here && what == WHAT_DESTROYED) {
        (void)json_object_del(f->mailboxes, path);
    } else if (made_here && what == WHAT_RESET) {
        return;
    } else {
        /* Destroyed and made again: nothing of the former one is left. */
        bool again = what == WHAT_CREATED && known != NULL;
        json_put_int(f->mailboxes, path, again ? WHAT_RESET : what);
    }
}

/* Ids stay: no message is touched. The new path goes by the former one's name, if that is
 * one of the created. */
static void add_rename(struct changelog_fold *f, const struct event *e)
{
    const char *from = json_get_cstr(json_get_obj(e->data, "old"), "path");
    if (from == NULL || e->path == NULL) {
        return;
    }
    const json_t *known = json_object_get(f->mailboxes, from);
    if (known != NULL && json_integer_value(known) == WHAT_CREATED) {
        (void)json_object_del(f->mailboxes, from);
        json_put_int(f->mailboxes, e->path, WHAT_CREATED);
        return;
    }
    json_t *pair = json_object();
    json_put_cstr(pair, "from", from);
    json_put_cstr(pair, "to", e->path);
    json_push(f->renamed, pair);
}

void changelog_fold_add(struct changelog_fold *f, const struct log_entry *entry)
{
    static const struct {
        enum what what;
        bool message, mailbox;
    } rows[EVENT_TYPE_COUNT] = {
        [EVENT_MESSAGE_NEW] = {WHAT_CREATED, true, false},
        [EVENT_MESSAGE_MOVED] = {WHAT_CREATED, true, false},
        [EVENT_MESSAGE_UPDATED] = {WHAT_UPDATED, true, false},
        [EVENT_MESSAGE_DELETED] = {WHAT_DESTROYED, true, false},
        [EVENT_MAILBOX_NEW] = {WHAT_CREATED, false, true},
        [EVENT_MAILBOX_DELETED] = {WHAT_DESTROYED, false, true},
        [EVENT_MAILBOX_RESET] = {WHAT_RESET, false, true},
    };
    if (!entry->readable) {
        return;
    }
    const struct event *e = &entry->event;
    CHECK(e->type < EVENT_TYPE_COUNT);
    if (rows[e->type].message) {
        add_message(f, e, rows[e->type].what);
    } else if (rows[e->type].mailbox) {
        add_mailbox(f, e, rows[e->type].what);
    } else if (e->type == EVENT_MAILBOX_RENAMED) {
        add_rename(f, e);
    }
}

size_t changelog_fold_count(const struct changelog_fold *f)
{
    return json_object_size(f->messages) + json_object_size(f->mailboxes) +
           json_array_size(f->renamed);
}

/* Lists of what was found, by name; a list that stays empty is there all the same. */
static void make_lists(json_t *out, const enum what *whats, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        json_put(out, what_names[whats[i]], json_array());
    }
}

static void list_push(json_t *out, json_int_t what, const char *text)
{
    json_push(json_object_get(out, what_names[what]), json_str_repaired(str_of(text)));
}

void changelog_fold_put(const struct changelog_fold *f, json_t *out)
{
    static const enum what of_messages[] = {WHAT_CREATED, WHAT_UPDATED, WHAT_DESTROYED};
    static const enum what of_mailboxes[] = {WHAT_CREATED, WHAT_DESTROYED, WHAT_RESET};
    json_t *mailboxes = json_object();
    const char *key;
    json_t *value;
    make_lists(out, of_messages, ARRAY_LEN(of_messages));
    make_lists(mailboxes, of_mailboxes, ARRAY_LEN(of_mailboxes));
    json_object_foreach(f->messages, key, value)
    {
        list_push(out, json_integer_value(json_array_get(value, 0)), key);
    }
    json_object_foreach(f->mailboxes, key, value)
    {
        list_push(mailboxes, json_integer_value(value), key);
    }
    json_put(mailboxes, "renamed", json_incref(f->renamed));
    json_put(out, "mailboxes", mailboxes);
}
