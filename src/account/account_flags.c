#include "account_flags.h"

#include "postrider/json/json.h"

enum {
    LABEL_MAX = 4096
};

static const struct {
    const char *member;
    enum imap_store_mode mode;
} modes[] = {
    {"add", IMAP_STORE_ADD}, {"delete", IMAP_STORE_REMOVE}, {"set", IMAP_STORE_REPLACE}};

static size_t word_count(const json_t *list)
{
    size_t count = json_array_size(list);
    return count < FLAGS_MAX ? count : FLAGS_MAX;
}

static struct str word_at(const json_t *list, size_t i)
{
    const json_t *word = json_array_get(list, i);
    return str_from(json_string_value(word), json_string_length(word));
}

struct imap_flags account_flags_from(struct arena *arena, const json_t *list)
{
    struct imap_flags flags = {0};
    size_t count = word_count(list);
    struct str *keywords = ARENA_ARRAY(arena, struct str, count);
    for (size_t i = 0; i < count; i++) {
        uint8_t bit = imap_flag_from_name(word_at(list, i));
        if (bit != 0) {
            flags.system |= bit;
        } else {
            keywords[flags.keyword_count++] = arena_str(arena, word_at(list, i));
        }
    }
    flags.keywords = keywords;
    return flags;
}

/* Gmail spells labels as mailbox names are, in modified UTF-7; its own begin with "\". */
static struct str label_on_wire(struct arena *arena, struct str label)
{
    struct buf wire = BUF_INIT(LABEL_MAX);
    bool ok = label.len > 0 && label.ptr[0] != '\\' && imap_utf7_encode(&wire, label);
    struct str out = arena_str(arena, ok ? buf_str(&wire) : label);
    buf_fini(&wire);
    return out;
}

static void take_list(struct arena *arena, const json_t *list, struct flag_change *change)
{
    if (str_eq_c(str_of(change->object), "flags")) {
        change->flags = account_flags_from(arena, list);
        return;
    }
    change->label_count = word_count(list);
    change->labels = ARENA_ARRAY(arena, struct str, change->label_count + 1);
    for (size_t i = 0; i < change->label_count; i++) {
        change->labels[i] = label_on_wire(arena, word_at(list, i));
    }
}

void account_flags_take(struct arena *arena, const json_t *doc, struct flag_changes *out)
{
    static const char *const objects[] = {"flags", "labels"};
    for (size_t i = 0; i < ARRAY_LEN(objects) * ARRAY_LEN(modes); i++) {
        const char *object = objects[i / ARRAY_LEN(modes)];
        enum imap_store_mode mode = modes[i % ARRAY_LEN(modes)].mode;
        const char *member = modes[i % ARRAY_LEN(modes)].member;
        const json_t *list = json_get_arr(json_object_get(doc, object), member);
        bool clears = mode == IMAP_STORE_REPLACE && list != NULL;
        if (json_array_size(list) > 0 || clears) {
            struct flag_change *change = &out->items[out->count++];
            *change =
                (struct flag_change){.object = object, .member = member, .mode = mode};
            take_list(arena, list, change);
        }
    }
}

struct imap_store *account_flags_store(struct imap_conn *conn,
                                       const struct flag_change *change, struct str uids,
                                       int64_t deadline_ms, imap_store_cb *cb, void *ctx)
{
    const struct imap_store_params params = {.uid_set = uids,
                                             .mode = change->mode,
                                             .flags = change->flags,
                                             .labels = change->labels,
                                             .label_count = change->label_count};
    return imap_store_start(conn, &params, deadline_ms, cb, ctx);
}

void account_flags_tell(json_t *result, const struct flag_change *change, bool done)
{
    json_t *object = json_object_get(result, change->object);
    if (object == NULL) {
        object = json_object();
        json_object_set_new(result, change->object, object);
    }
    json_put_bool(object, change->member, done);
}
