/* What to ask of the newest messages, to learn whether their flags changed.
 *
 * Each flag adds one key to a search for all that differs: messages that have it and did not,
 * or had it and do not. Where all have it, or none, that is one word. Else one of the sides is
 * named, whichever is shorter, and twice, because what came is sought among the ones and what
 * went among the others. What that costs in the end is less than a search of its own, whose
 * answer names one side once. */
#include "sync_priv.h"

enum {
    SEARCH_BYTES = 2000, /* of the keys of one search; for more the flags are fetched */
    LIST_BYTES = SYNC_RECENT_MAX * (int)sizeof "4294967295",
    /* That a search of its own takes more than another key, without UIDs. */
    ALONE_BYTES = 95,
    KEYS_MAX = 5 + SYNC_FLAG_KEYWORDS
};

/* A flag or a keyword, and what to call its presence and its absence. */
struct recent_key {
    const char *with, *without;
    uint8_t flag;    /* 0: a keyword */
    uint8_t keyword; /* in the dictionary */
};

static const struct recent_key flag_keys[] = {
    {"SEEN", "UNSEEN", IMAP_FLAG_SEEN, 0},
    {"ANSWERED", "UNANSWERED", IMAP_FLAG_ANSWERED, 0},
    {"FLAGGED", "UNFLAGGED", IMAP_FLAG_FLAGGED, 0},
    {"DELETED", "UNDELETED", IMAP_FLAG_DELETED, 0},
    {"DRAFT", "UNDRAFT", IMAP_FLAG_DRAFT, 0},
};

struct recent_keys {
    struct recent_key items[KEYS_MAX];
    size_t count;
};

static bool has_key(const struct msg_row *row, const struct recent_key *key)
{
    if (key->flag != 0) {
        return (row->flags & key->flag) != 0;
    }
    for (size_t i = 0; i < row->keyword_count; i++) {
        if (row->keywords[i] == key->keyword) {
            return true;
        }
    }
    return false;
}

/* The flags, and what keywords there can be. False: too many. */
static bool collect_keys(struct sync_pass *p, struct recent_keys *keys)
{
    uint8_t ids[SYNC_FLAG_KEYWORDS];
    const struct imap_selected *now = imap_conn_selected(p->conn);
    size_t count = now != NULL ? sync_flag_keywords(now, p->m, ids) : 0;
    if (now == NULL || count > SYNC_FLAG_KEYWORDS) {
        return false;
    }
    memcpy(keys->items, flag_keys, sizeof flag_keys);
    keys->count = ARRAY_LEN(flag_keys);
    for (size_t i = 0; i < count; i++) {
        keys->items[keys->count++] = (struct recent_key){
            .with = "KEYWORD", .without = "UNKEYWORD", .keyword = ids[i]};
    }
    return true;
}

static void put_name(struct buf *out, const struct mailbox *m,
                     const struct recent_key *key, bool with)
{
    (void)buf_put_c(out, with ? key->with : key->without);
    if (key->flag == 0) {
        (void)buf_printf(out, " %s", m->keywords[key->keyword]);
    }
}

/* --- one side of a flag: who has it, or who does not --- */

struct side {
    bool with;
    size_t count;
    struct buf text; /* "2:5,9": gaps between neighbours of the index hold nothing */
};

static void put_side(struct side *side, const struct recent_key *key,
                     const struct msg_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t first = i;
        while (i < count && has_key(&rows[i], key) == side->with) {
            i++;
        }
        if (i == first) {
            continue;
        }
        (void)buf_printf(&side->text, i - first > 1 ? "%s%u:%u" : "%s%u",
                         side->count > 0 ? "," : "", rows[first].uid, rows[i - 1].uid);
        side->count += i - first;
    }
}

/* With the shorter name. */
static struct side shorter_side(const struct recent_key *key, const struct msg_row *rows,
                                size_t count)
{
    struct side with = {true, 0, BUF_INIT(LIST_BYTES)};
    struct side without = {false, 0, BUF_INIT(LIST_BYTES)};
    put_side(&with, key, rows, count);
    put_side(&without, key, rows, count);
    bool first = with.text.len <= without.text.len;
    buf_fini(first ? &without.text : &with.text);
    return first ? with : without;
}

/* --- a search of its own --- */

/* What a server answers that knows of no neighbours; gives its length. */
static size_t answer_of(struct arena *arena, const struct recent_key *key, bool with,
                        const struct msg_row *rows, size_t count, struct imap_set *out)
{
    struct buf text = BUF_INIT(LIST_BYTES);
    uint32_t uids[SYNC_RECENT_MAX];
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        if (has_key(&rows[i], key) == with) {
            uids[n++] = rows[i].uid;
        }
    }
    imap_set_from_numbers(arena, uids, n, out);
    (void)imap_set_print(&text, out, 0, text.max_bytes);
    size_t len = text.len;
    buf_fini(&text);
    return len;
}

/* True if it costs less than to name this side in the search for all. */
static bool ask_alone(struct sync_pass *p, const struct recent_key *key,
                      const struct side *side, const struct msg_row *rows, size_t count)
{
    struct sync_recent *r = &p->recent;
    struct imap_set with, without;
    if (side->text.len <= ALONE_BYTES || r->alone_count == SYNC_RECENT_ALONE) {
        return false;
    }
    size_t with_len = answer_of(&p->op.arena, key, true, rows, count, &with);
    size_t without_len = answer_of(&p->op.arena, key, false, rows, count, &without);
    bool asks_with = with_len <= without_len;
    if ((asks_with ? with_len : without_len) + ALONE_BYTES >= 2 * side->text.len) {
        return false;
    }
    struct buf text = BUF_INIT(LIST_BYTES);
    (void)buf_printf(&text, "UID %u:%u ", rows[0].uid, rows[count - 1].uid);
    put_name(&text, p->m, key, asks_with);
    r->alone[r->alone_count++] =
        (struct sync_recent_alone){.criteria = arena_str(&p->op.arena, buf_str(&text)),
                                   .known = asks_with ? with : without};
    buf_fini(&text);
    return true;
}

struct imap_set sync_recent_differing(struct arena *arena, const struct sync_recent *r,
                                      const struct sync_recent_alone *a,
                                      const struct imap_set *now)
{
    uint32_t uids[SYNC_RECENT_MAX];
    struct imap_set differing;
    size_t n = 0;
    for (size_t i = 0; i < r->row_count; i++) {
        if (imap_set_has(&a->known, r->rows[i]) != imap_set_has(now, r->rows[i])) {
            uids[n++] = r->rows[i];
        }
    }
    imap_set_from_numbers(arena, uids, n, &differing);
    return differing;
}

/* --- the search for all that differs --- */

static void put_key(struct buf *out, const struct mailbox *m,
                    const struct recent_key *key, const struct side *side, size_t count)
{
    (void)buf_put_c(out, out->len > 0 ? " " : "");
    if (side->count == 0 || side->count == count) {
        put_name(out, m, key, side->with == (side->count == 0));
        return;
    }
    (void)buf_put_c(out, "OR (");
    put_name(out, m, key, side->with);
    (void)buf_printf(out, " NOT UID %s) (", buf_c(&side->text));
    put_name(out, m, key, !side->with);
    (void)buf_printf(out, " UID %s)", buf_c(&side->text));
}

/* Gives the number of keys. */
static size_t put_keys(struct sync_pass *p, const struct recent_keys *keys,
                       const struct msg_row *rows, size_t count, struct buf *out)
{
    size_t together = 0;
    for (size_t i = 0; i < keys->count; i++) {
        const struct recent_key *key = &keys->items[i];
        struct side side = shorter_side(key, rows, count);
        if (!ask_alone(p, key, &side, rows, count)) {
            put_key(out, p->m, key, &side, count);
            together++;
        }
        buf_fini(&side.text);
    }
    return together;
}

static void keep_rows(struct sync_pass *p, const struct msg_row *rows, size_t count)
{
    struct sync_recent *r = &p->recent;
    r->rows = ARENA_ARRAY(&p->op.arena, uint32_t, count);
    r->row_count = count;
    for (size_t i = 0; i < count; i++) {
        r->rows[i] = rows[i].uid;
    }
}

bool sync_recent_ask(struct sync_pass *p, const struct msg_row *rows, size_t count)
{
    struct recent_keys keys;
    if (count == 0 || count > SYNC_RECENT_MAX || !collect_keys(p, &keys)) {
        return false;
    }
    struct buf text = BUF_INIT(SEARCH_BYTES), each = BUF_INIT(SEARCH_BYTES);
    keep_rows(p, rows, count);
    /* What a window shows below the index has come back into it. */
    bool window = p->m->window_floor != 0 && p->m->segments[0].first_uid > 1;
    if (window) {
        (void)buf_printf(&text, "OR UID 1:%u (", p->m->segments[0].first_uid - 1);
    }
    (void)buf_printf(&text, "UID %u:%u ", rows[0].uid, rows[count - 1].uid);
    for (size_t left = put_keys(p, &keys, rows, count, &each); left > 1; left--) {
        (void)buf_put_c(&text, "OR ");
    }
    (void)buf_put_str(&text, buf_str(&each));
    (void)buf_put_c(&text, window ? ")" : "");
    bool fits = !text.overflow && !each.overflow;
    if (fits) {
        p->recent.criteria = arena_str(&p->op.arena, buf_str(&text));
    }
    buf_fini(&text);
    buf_fini(&each);
    return fits;
}
