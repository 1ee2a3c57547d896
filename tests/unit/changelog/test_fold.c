/* What a row of entries comes to. */
#include "postrider/base/mem.h"
#include "postrider/changelog/fold.h"
#include "postrider/json/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct change {
    enum event_type type;
    const char *id;   /* of the message */
    const char *path; /* "A" is mailbox 1, "B" mailbox 2 */
};

struct row {
    const char *name;
    struct change steps[6];
    const char *want; /* created|updated|destroyed|boxes created|destroyed|reset */
};

#define NEW(id, path)                                                                    \
    {                                                                                    \
        EVENT_MESSAGE_NEW, id, path                                                      \
    }
#define UPDATED(id, path)                                                                \
    {                                                                                    \
        EVENT_MESSAGE_UPDATED, id, path                                                  \
    }
#define DELETED(id, path)                                                                \
    {                                                                                    \
        EVENT_MESSAGE_DELETED, id, path                                                  \
    }
#define BOX(what, path)                                                                  \
    {                                                                                    \
        EVENT_MAILBOX_##what, NULL, path                                                 \
    }

static const struct row rows[] = {
    {"nothing", {{0}}, "|||||"},
    {"one of each", {NEW("n", "A"), UPDATED("u", "A"), DELETED("d", "A")}, "n|u|d|||"},
    {"created stays created", {NEW("n", "A"), UPDATED("n", "A")}, "n|||||"},
    {"created and gone", {NEW("n", "A"), UPDATED("n", "A"), DELETED("n", "A")}, "|||||"},
    {"changed twice", {UPDATED("u", "A"), UPDATED("u", "A")}, "|u||||"},
    {"changed and gone", {UPDATED("u", "A"), DELETED("u", "A")}, "||u|||"},
    {"a mailbox comes", {BOX(NEW, "A"), NEW("n", "A")}, "n|||A||"},
    {"a mailbox comes and goes",
     {BOX(NEW, "A"), NEW("n", "A"), BOX(DELETED, "A")},
     "|||||"},
    {"a mailbox goes with its messages",
     {NEW("n", "A"), UPDATED("u", "A"), NEW("m", "B"), BOX(DELETED, "A")},
     "m||||A|"},
    {"a mailbox is reset, and told anew",
     {UPDATED("u", "A"), BOX(RESET, "A"), NEW("n", "A")},
     "n|||||A"},
    {"moved", {DELETED("d", "A"), {EVENT_MESSAGE_MOVED, "n", "B"}}, "n||d|||"},
    {"a mailbox goes and comes again", {BOX(DELETED, "A"), BOX(NEW, "A")}, "|||||A"},
    {"events of the account", {{EVENT_ACCOUNT_INITIALIZED, NULL, NULL}}, "|||||"},
};

static void add(struct changelog_fold *f, const struct change *s)
{
    struct log_entry entry = {.readable = true};
    uint32_t box = s->path == NULL ? 0 : s->path[0] == 'A' ? 1 : 2;
    event_init(&entry.event, s->type, 1, box, 1, s->path, NULL,
               s->id != NULL ? json_pack("{s:s}", "id", s->id) : NULL);
    changelog_fold_add(f, &entry);
    event_fini(&entry.event);
}

static void put_list(struct buf *out, const json_t *obj, const char *name)
{
    const json_t *list = json_get_arr(obj, name);
    assert_non_null(list);
    for (size_t i = 0; i < json_array_size(list); i++) {
        (void)buf_put_c(out, json_string_value(json_array_get(list, i)));
    }
    (void)buf_put_c(out, "|");
}

static void entries_come_to_this(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct changelog_fold f;
        struct buf got = BUF_INIT(256);
        json_t *out = json_object();
        changelog_fold_init(&f);
        for (size_t k = 0; k < ARRAY_LEN(rows[i].steps); k++) {
            const struct change *s = &rows[i].steps[k];
            if (s->id != NULL || s->path != NULL ||
                s->type == EVENT_ACCOUNT_INITIALIZED) {
                add(&f, s);
            }
        }
        changelog_fold_put(&f, out);
        put_list(&got, out, "created");
        put_list(&got, out, "updated");
        put_list(&got, out, "destroyed");
        put_list(&got, json_get_obj(out, "mailboxes"), "created");
        put_list(&got, json_get_obj(out, "mailboxes"), "destroyed");
        put_list(&got, json_get_obj(out, "mailboxes"), "reset");
        buf_truncate(&got, got.len - 1);
        if (strcmp(buf_c(&got), rows[i].want) != 0) {
            fail_msg("%s: got %s, not %s", rows[i].name, buf_c(&got), rows[i].want);
        }
        buf_fini(&got);
        json_decref(out);
        changelog_fold_fini(&f);
    }
}

static void add_rename(struct changelog_fold *f, const char *from, const char *to)
{
    struct log_entry entry = {.readable = true};
    event_init(&entry.event, EVENT_MAILBOX_RENAMED, 1, 1, 0, to, NULL,
               json_pack("{s:{s:s}}", "old", "path", from));
    changelog_fold_add(f, &entry);
    event_fini(&entry.event);
}

static void renames_keep_their_order(void **state)
{
    (void)state;
    struct changelog_fold f;
    json_t *out = json_object();
    changelog_fold_init(&f);
    add_rename(&f, "A", "C");
    add_rename(&f, "C", "D");
    add(&f, &(struct change){EVENT_MAILBOX_NEW, NULL, "B"});
    add_rename(&f, "B", "E");
    changelog_fold_put(&f, out);
    char *text = json_dumps(json_get_obj(out, "mailboxes"), JSON_COMPACT);
    assert_string_equal(text,
                        "{\"created\":[\"E\"],\"destroyed\":[],\"reset\":[],\"renamed\":["
                        "{\"from\":\"A\",\"to\":\"C\"},{\"from\":\"C\",\"to\":\"D\"}]}");
    mem_free(text);
    json_decref(out);
    changelog_fold_fini(&f);
}

static void a_damaged_entry_changes_nothing(void **state)
{
    (void)state;
    struct changelog_fold f;
    struct log_entry entry = {.event = {.type = EVENT_TYPE_COUNT}};
    changelog_fold_init(&f);
    changelog_fold_add(&f, &entry);
    assert_int_equal(changelog_fold_count(&f), 0);
    changelog_fold_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_come_to_this),
        cmocka_unit_test(renames_keep_their_order),
        cmocka_unit_test(a_damaged_entry_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
