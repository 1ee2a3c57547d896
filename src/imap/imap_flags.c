/* imap_flags: flag lists.
 *
 *   flag-list    = "(" [flag *(SP flag)] ")"           ; RFC 9051 §9
 *   flag         = "\" atom / flag-keyword
 *
 * Also accepted: quoted flags, NIL among them, a lone "\", any case of system flags. */
#include "imap_codec_priv.h"

static const struct {
    uint8_t bit;
    struct str name;
} flag_names[] = {
    {IMAP_FLAG_SEEN, STR_INIT("\\Seen")},
    {IMAP_FLAG_ANSWERED, STR_INIT("\\Answered")},
    {IMAP_FLAG_FLAGGED, STR_INIT("\\Flagged")},
    {IMAP_FLAG_DELETED, STR_INIT("\\Deleted")},
    {IMAP_FLAG_DRAFT, STR_INIT("\\Draft")},
};

uint8_t imap_flag_from_name(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(flag_names); i++) {
        if (str_ieq(name, flag_names[i].name)) {
            return flag_names[i].bit;
        }
    }
    return 0;
}

const char *imap_flag_name(uint8_t bit)
{
    for (size_t i = 0; i < ARRAY_LEN(flag_names); i++) {
        if (flag_names[i].bit == bit) {
            return flag_names[i].name.ptr;
        }
    }
    return "";
}

enum {
    SCAN_MAX = 16, /* so many keywords are compared one by one */
    SLOTS = 4096,  /* more go through a hash table: power of two, > 2 × the cap */
    SLOT_MASK = SLOTS - 1
};
_Static_assert(SLOTS > 2 * IMAP_KEYWORDS_MAX, "probing needs free slots");

/* Keywords seen so far. */
struct keywords {
    struct arena *arena;
    struct str *items;
    size_t count, cap;
    uint16_t *slots; /* index + 1 into items, or 0 */
};

static uint16_t *find_slot(struct keywords *k, struct str name)
{
    uint32_t hash = 2166136261u; /* FNV-1a; the cap bounds what collisions can cost */
    for (size_t i = 0; i < name.len; i++) {
        hash = (hash ^ (uint8_t)ascii_lower(name.ptr[i])) * 16777619u;
    }
    size_t at = (hash ^ hash >> 16) & SLOT_MASK;
    while (k->slots[at] != 0 && !str_ieq(k->items[k->slots[at] - 1], name)) {
        at = (at + 1) & SLOT_MASK;
    }
    return &k->slots[at];
}

static void index_keywords(struct keywords *k)
{
    k->slots = ARENA_ARRAY(k->arena, uint16_t, SLOTS);
    for (size_t i = 0; i < k->count; i++) {
        *find_slot(k, k->items[i]) = (uint16_t)(i + 1);
    }
}

static void keywords_add(struct keywords *k, struct str name)
{
    if (k->count >= k->cap) {
        return;
    }
    if (k->count == SCAN_MAX && k->slots == NULL) {
        index_keywords(k);
    }
    if (k->slots != NULL) {
        uint16_t *slot = find_slot(k, name);
        if (*slot == 0) {
            k->items[k->count++] = name;
            *slot = (uint16_t)k->count;
        }
        return;
    }
    for (size_t i = 0; i < k->count; i++) {
        if (str_ieq(k->items[i], name)) {
            return;
        }
    }
    k->items[k->count++] = name;
}

void imap_flags_read(struct imap_cur cur, struct imap_flags *out, bool *wildcard_out)
{
    struct keywords k = {.arena = cur.doc->arena};
    uint8_t system = 0;
    const struct imap_tok *tok;
    while ((tok = imap_cur_next(&cur)) != NULL) {
        struct str name = imap_tok_nstring(cur.doc, tok);
        uint8_t bit = imap_flag_from_name(name);
        system |= bit;
        if (str_eq_c(name, "\\*")) {
            *wildcard_out = true;
        } else if (bit == 0 && name.len > 0 && !str_eq_c(name, "\\") &&
                   !str_ieq_c(name, "\\Recent")) {
            if (k.items == NULL) {
                size_t most = imap_cur_count(cur) + 1;
                k.cap = most < IMAP_KEYWORDS_MAX ? most : IMAP_KEYWORDS_MAX;
                k.items = ARENA_ARRAY(k.arena, struct str, k.cap);
            }
            keywords_add(&k, name);
        }
    }
    *out = (struct imap_flags){
        .system = system, .keywords = k.items, .keyword_count = k.count};
}

bool imap_parse_flags(struct imap_doc *doc, struct imap_resp *resp)
{
    struct imap_cur cur = imap_cur_all(doc);
    const struct imap_tok *list = imap_cur_next(&cur);
    bool wildcard = false;
    if (!imap_tok_is_list(list)) {
        return false;
    }
    imap_flags_read(imap_cur_children(doc, list), &resp->flags, &wildcard);
    return true;
}
