/* RECENT: did flags of the newest messages change? For servers without MODSEQ, which would have
 * to be asked for all of them in every pass, but can search well.
 *
 *   rows of the index ──► one search for those of them whose flags are others now ─┬─ none ─► PREPARE
 *                                                                                  └─ some ─► CHANGED
 *
 * Each flag adds one key: messages that have it and did not, or had it and do not. What few
 * have, or all, needs a few bytes; past SEARCH_BYTES the flags themselves are asked for. */
#include "sync_priv.h"

#include <string.h>

enum {
    SEARCH_BYTES = 2000,
    SEARCH_MS = 20000, /* one that takes longer costs the server too much */
    OFF_MS = 24 * 3600 * 1000,
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
                     const struct recent_key *key, const char *name)
{
    (void)buf_printf(out, "%s", name);
    if (key->flag == 0) {
        (void)buf_printf(out, " %s", m->keywords[key->keyword]);
    }
}

/* "2:5,9": those that have it. Gaps between neighbours of the index hold nothing. */
static void put_holders(struct buf *out, const struct recent_key *key,
                        const struct msg_row *rows, size_t count)
{
    const char *before = "";
    for (size_t i = 0; i < count; i++) {
        size_t first = i;
        while (i < count && has_key(&rows[i], key)) {
            i++;
        }
        if (i == first) {
            continue;
        }
        (void)buf_printf(out, i - first > 1 ? "%s%u:%u" : "%s%u", before, rows[first].uid,
                         rows[i - 1].uid);
        before = ",";
    }
}

static void put_key(struct buf *out, const struct mailbox *m,
                    const struct recent_key *key, const struct msg_row *rows,
                    size_t count)
{
    size_t holders = 0;
    for (size_t i = 0; i < count; i++) {
        holders += has_key(&rows[i], key);
    }
    if (holders == 0 || holders == count) {
        put_name(out, m, key, holders == 0 ? key->with : key->without);
        return;
    }
    (void)buf_put_c(out, "OR (");
    put_name(out, m, key, key->with);
    (void)buf_put_c(out, " NOT UID ");
    put_holders(out, key, rows, count);
    (void)buf_put_c(out, ") (");
    put_name(out, m, key, key->without);
    (void)buf_put_c(out, " UID ");
    put_holders(out, key, rows, count);
    (void)buf_put_c(out, ")");
}

bool sync_recent_criteria(struct sync_pass *p, const struct msg_row *rows, size_t count,
                          struct buf *out)
{
    struct recent_keys keys;
    if (count == 0 || !collect_keys(p, &keys)) {
        return false;
    }
    /* What a window shows below the index has come back into it. */
    bool window = p->m->window_floor != 0 && p->m->segments[0].first_uid > 1;
    if (window) {
        (void)buf_printf(out, "OR UID 1:%u (", p->m->segments[0].first_uid - 1);
    }
    (void)buf_printf(out, "UID %u:%u", rows[0].uid, rows[count - 1].uid);
    for (size_t i = 1; i < keys.count; i++) {
        (void)buf_put_c(out, " OR");
    }
    for (size_t i = 0; i < keys.count; i++) {
        (void)buf_put_c(out, " ");
        put_key(out, p->m, &keys.items[i], rows, count);
    }
    (void)buf_put_c(out, window ? ")" : "");
    return !out->overflow;
}

/* --- the state --- */

static struct sync_pass *pass_of(struct op *op)
{
    return container_of(op, struct sync_pass, op);
}

bool sync_recent_is_worth(const struct sync_pass *p)
{
    const struct sync_live *live = p->live;
    /* Of what was told before, a search does not say how it is now. */
    size_t told = p->batch.flag_count + p->prior.flag_count + live->row_count +
                  live->numbered_count;
    return !p->recent_done && told == 0 && (p->quirks & SYNC_QUIRK_LATE) == 0 &&
           imap_conn_has(p->conn, IMAP_CAP_ESEARCH) &&
           sync_flag_search_is_worth(p->conn, &p->sc, p->m);
}

/* CHANGED asks for the flags of what was found, or, without a search, of all. */
static void go_on(struct sync_pass *p, enum pass_state state)
{
    p->recent_done = true;
    sync_pass_enter(p, state);
    sync_pass_run(p);
}

static void on_found(struct imap_search *op ATTR_UNUSED, const struct err *err,
                     const struct imap_search_result *result, void *ctx)
{
    struct sync_pass *p = ctx;
    struct buf uids = BUF_INIT(SYNC_RECENT_MAX * sizeof "4294967295");
    p->search = NULL;
    if (err->code == ERR_NO || err->code == ERR_BAD) {
        if (p->sc.learned != NULL) {
            p->sc.learned->flag_search_off_until_ms =
                loop_now_ms(imap_conn_loop(p->conn)) + OFF_MS;
        }
        go_on(p, PASS_STATE_CHANGED);
        return;
    }
    if (err->code != ERR_OK) {
        sync_pass_fail(p, err, "search for flags");
        return;
    }
    /* In a window the oldest one is looked at along with the flags. */
    if (p->m->window_floor == 0 &&
        imap_set_print(&uids, &result->set, 0, uids.max_bytes) == result->set.count) {
        p->recent_uids = arena_str(&p->op.arena, buf_str(&uids));
    }
    buf_fini(&uids);
    go_on(p, result->set.count > 0 ? PASS_STATE_CHANGED : PASS_STATE_PREPARE);
}

static void on_rows(struct store_rank *op ATTR_UNUSED, const struct err *err,
                    const struct msg_row *rows, size_t count, void *ctx)
{
    struct sync_pass *p = ctx;
    struct buf criteria = BUF_INIT(SEARCH_BYTES);
    p->rank = NULL;
    if (!op_is_running(&p->op)) {
        return;
    }
    bool fits = err->code == ERR_OK && sync_recent_criteria(p, rows, count, &criteria);
    if (fits && sync_recent_is_worth(p)) {
        struct imap_search_params params = {.criteria = buf_str(&criteria),
                                            .by_uid = true};
        sync_pass_command(p);
        p->search = imap_search_start(p->conn, &params, SEARCH_MS, on_found, p);
    } else {
        go_on(p, PASS_STATE_CHANGED);
    }
    buf_fini(&criteria);
}

enum step sync_recent_step(struct op *op)
{
    struct sync_pass *p = pass_of(op);
    const struct mailbox *m = p->m;
    if (p->rank == NULL && p->search == NULL && p->commit == NULL && !p->flushing) {
        uint32_t first = m->count > SYNC_RECENT_MAX ? m->count - SYNC_RECENT_MAX : 0;
        p->rank = store_rank_start(p->sc.store, p->sc.acct, m, first, SYNC_RECENT_MAX,
                                   on_rows, p);
    }
    return STEP_WAIT;
}
