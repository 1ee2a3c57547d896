/* imap_words: CAPABILITY, ENABLED, ID, NAMESPACE.
 *
 *   capability-data    = "CAPABILITY" *(SP atom)
 *   enable-data        = "ENABLED" *(SP atom)
 *   id-response        = "ID" SP ("(" [string SP nstring *(SP string SP nstring)] ")" /
 * nil) ; RFC 2971 §4 namespace-response = "NAMESPACE" SP namespace SP namespace SP
 * namespace namespace          = nil / "(" 1*("(" string SP (<"> QUOTED-CHAR <"> / nil)
 *                        *(SP string SP "(" string *(SP string) ")") ")") ")"
 *                                                                         ; RFC 9051 §9
 */
#include "imap_codec_priv.h"

static struct str upper(struct arena *arena, struct str s, const char *suffix)
{
    size_t extra = strlen(suffix);
    char *out = arena_alloc(arena, s.len + extra);
    for (size_t i = 0; i < s.len; i++) {
        out[i] = ascii_upper(s.ptr[i]);
    }
    memcpy(out + s.len, suffix, extra);
    return str_from(out, s.len + extra);
}

void imap_words_upper(struct imap_cur cur, struct imap_resp *resp)
{
    struct arena *arena = cur.doc->arena;
    struct str *words = ARENA_ARRAY(arena, struct str, imap_cur_count(cur));
    size_t n = 0;
    const struct imap_tok *tok;
    while ((tok = imap_cur_next(&cur)) != NULL) {
        struct str word = imap_tok_str(cur.doc, tok);
        if (str_eq_c(word, "+") && n > 0) {
            /* "LITERAL +" */
            words[n - 1] = upper(arena, words[n - 1], "+");
        } else if (word.len > 0) {
            words[n++] = upper(arena, word, "");
        }
    }
    resp->words = words;
    resp->word_count = n;
}

bool imap_parse_capability(struct imap_doc *doc, struct imap_resp *resp)
{
    imap_words_upper(imap_cur_all(doc), resp);
    return true;
}

bool imap_parse_id(struct imap_doc *doc, struct imap_resp *resp)
{
    struct imap_cur all = imap_cur_all(doc);
    const struct imap_tok *list = imap_cur_next(&all);
    if (!imap_tok_is_list(list)) {
        return list == NULL || imap_tok_is_nil(list);
    }
    struct imap_cur cur = imap_cur_children(doc, list);
    struct str *words = ARENA_ARRAY(doc->arena, struct str, imap_cur_count(cur) + 1);
    size_t n = 0;
    const struct imap_tok *key;
    while ((key = imap_cur_next(&cur)) != NULL) {
        words[n++] = imap_tok_str(doc, key);
        words[n++] = imap_tok_nstring(doc, imap_cur_next(&cur));
    }
    resp->words = words;
    resp->word_count = n;
    return true;
}

bool imap_parse_namespace(struct imap_doc *doc, struct imap_resp *resp)
{
    struct imap_cur all = imap_cur_all(doc);
    const struct imap_tok *personal = imap_cur_next(&all);
    if (!imap_tok_is_list(personal)) {
        return imap_tok_is_nil(personal);
    }
    struct imap_cur entries = imap_cur_children(doc, personal);
    const struct imap_tok *first = imap_cur_next(&entries);
    if (!imap_tok_is_list(first)) {
        return first == NULL;
    }
    struct imap_cur cur = imap_cur_children(doc, first);
    struct str prefix = imap_tok_str(doc, imap_cur_next(&cur));
    struct str delimiter = imap_tok_nstring(doc, imap_cur_next(&cur));
    if (prefix.ptr == NULL) {
        return false;
    }
    resp->personal =
        (struct imap_namespace){.prefix = prefix,
                                .delimiter = delimiter.len > 0 ? delimiter.ptr[0] : '\0',
                                .given = true};
    return true;
}
