/* imap_search_resp: SEARCH, ESEARCH, VANISHED behind their sets.
 *
 *   search   = "SEARCH" *(SP nz-number) [SP "(" "MODSEQ" SP mod-sequence-value ")"]
 *                                                                    ; RFC 7162 §7
 *   esearch  = "ESEARCH" [SP "(" "TAG" SP tag-string ")"] [SP "UID"]
 *              *(SP ("MIN" / "MAX" / "COUNT" / "MODSEQ") SP number / SP "ALL" SP set)
 *                                                                    ; RFC 9051 §7.3.4
 *   vanished = "VANISHED" [SP "(EARLIER)"] SP known-uids             ; RFC 7162 §7
 *
 * imap_setlex.c has read the set while it came in; an asterisk holds its place here. */
#include "imap_codec_priv.h"

enum {
    HAS_COUNT = 1,
    HAS_MIN = 2,
    HAS_MAX = 4,
    HAS_ALL = 8,
    HAS_MODSEQ = 16
};

static struct imap_set set_of(const struct imap_doc *doc)
{
    return (struct imap_set){.ranges = doc->set->ranges, .count = doc->set->count};
}

/* "MODSEQ" number, in the parentheses of SEARCH or among the items of ESEARCH. */
static void read_item(struct imap_doc *doc, const struct imap_tok *name,
                      const struct imap_tok *value, struct imap_resp *resp)
{
    const struct {
        const char *name;
        uint32_t bit;
        uint64_t *out;
    } items[] = {
        {"COUNT", HAS_COUNT, &resp->search_count},
        {"MIN", HAS_MIN, &resp->search_min},
        {"MAX", HAS_MAX, &resp->search_max},
        {"MODSEQ", HAS_MODSEQ, &resp->search_modseq},
    };
    for (size_t i = 0; i < ARRAY_LEN(items); i++) {
        uint64_t v;
        if (imap_tok_is_word(doc, name, items[i].name) &&
            imap_tok_num(doc, value, IMAP_NUM63_MAX, &v) == IMAP_NUM_OK) {
            *items[i].out = v;
            resp->search_has |= items[i].bit;
        }
    }
}

bool imap_parse_search(struct imap_doc *doc, struct imap_resp *resp)
{
    struct imap_cur cur = imap_cur_all(doc);
    const struct imap_tok *tok;
    while ((tok = imap_cur_next(&cur)) != NULL) {
        if (imap_tok_is_list(tok)) {
            struct imap_cur inner = imap_cur_children(doc, tok);
            const struct imap_tok *name = imap_cur_next(&inner);
            read_item(doc, name, imap_cur_next(&inner), resp);
        }
    }
    resp->set = set_of(doc);
    resp->search_has |= HAS_ALL;
    return true;
}

/* The correlator; any string form, also a literal. */
static void read_tag(struct imap_cur cur, struct imap_resp *resp)
{
    if (imap_tok_is_word(cur.doc, imap_cur_next(&cur), "TAG")) {
        resp->search_tag = imap_tok_str(cur.doc, imap_cur_next(&cur));
    }
}

bool imap_parse_esearch(struct imap_doc *doc, struct imap_resp *resp)
{
    struct imap_cur cur = imap_cur_all(doc);
    const struct imap_tok *name;
    while ((name = imap_cur_next(&cur)) != NULL) {
        if (imap_tok_is_list(name)) {
            read_tag(imap_cur_children(doc, name), resp);
        } else if (!imap_tok_is_word(doc, name, "UID")) {
            read_item(doc, name, imap_cur_next(&cur), resp);
        }
    }
    resp->esearch = true;
    resp->set = set_of(doc);
    resp->search_has |= doc->set->seen ? (uint32_t)HAS_ALL : 0;
    return true;
}

bool imap_parse_vanished(struct imap_doc *doc, struct imap_resp *resp)
{
    struct imap_cur cur = imap_cur_all(doc);
    const struct imap_tok *tok = imap_cur_peek(&cur);
    if (imap_tok_is_list(tok)) {
        struct imap_cur inner = imap_cur_children(doc, tok);
        resp->earlier = imap_tok_is_word(doc, imap_cur_next(&inner), "EARLIER");
    }
    resp->set = set_of(doc);
    return resp->set.count > 0;
}
