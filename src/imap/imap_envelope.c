/* imap_envelope: ENVELOPE.
 *
 *   envelope  = "(" date SP subject SP from SP sender SP reply-to SP to SP cc SP bcc SP
 *               in-reply-to SP message-id ")"
 *   from …    = "(" 1*address ")" / nil
 *   address   = "(" name SP adl SP mailbox SP host ")"          ; nstrings, RFC 9051 §9
 *
 * Accepted besides: extra parentheses around everything (Domino), missing fields at the
 * end, missing address lists (QQ, Lark), numbers and atoms as strings, NIL among the
 * addresses, addresses of fewer or more than four fields. */
#include "imap_codec_priv.h"

enum {
    ADDRESS_FIELDS = 4
};

/* Hosts and mailboxes that servers invent where the message has none. */
static struct str without_placeholder(struct str s)
{
    static const struct str invented[] = {
        STR_INIT(".MISSING-HOST-NAME."), STR_INIT("MISSING_DOMAIN"),
        STR_INIT(".SYNTAX-ERROR."), STR_INIT("MISSING_MAILBOX")};
    for (size_t i = 0; i < ARRAY_LEN(invented); i++) {
        if (str_ieq(s, invented[i])) {
            return STR("");
        }
    }
    return s;
}

/* Unescaped quotes split a name into several strings: they are one again. */
static struct str join_name(struct imap_cur cur, uint32_t count)
{
    struct buf name = BUF_INIT(SIZE_MAX / 4);
    for (uint32_t i = 0; i < count; i++) {
        struct str piece = imap_tok_nstring(cur.doc, imap_cur_next(&cur));
        if (name.len > 0 && piece.len > 0) {
            buf_put_byte(&name, ' ');
        }
        buf_put_str(&name, piece);
    }
    struct str out = arena_str(cur.doc->arena, buf_str(&name));
    buf_fini(&name);
    return out;
}

/* Host and mailbox are the last two of whatever there is; then comes the name. */
static void read_address(struct imap_cur cur, struct imap_address *out)
{
    enum {
        NONE = ADDRESS_FIELDS
    };
    /* By how many there are: which of the last is name, route, mailbox, host. */
    static const uint8_t places[ADDRESS_FIELDS + 1][ADDRESS_FIELDS] = {
        {NONE, NONE, NONE, NONE},
        {0, NONE, NONE, NONE},
        {NONE, NONE, 0, 1},
        {0, NONE, 1, 2},
        {0, 1, 2, 3}};
    struct imap_cur start = cur;
    const struct imap_tok *last[ADDRESS_FIELDS + 1] = {NULL}, *tok;
    uint32_t count = 0;
    for (; (tok = imap_cur_next(&cur)) != NULL; count++) {
        if (count >= ADDRESS_FIELDS) {
            memmove(last, last + 1, (ADDRESS_FIELDS - 1) * sizeof last[0]);
        }
        last[count < ADDRESS_FIELDS ? count : ADDRESS_FIELDS - 1] = tok;
    }
    const struct imap_doc *doc = cur.doc;
    const uint8_t *at = places[count < ADDRESS_FIELDS ? count : ADDRESS_FIELDS];
    out->name = imap_tok_nstring(doc, last[at[0]]);
    out->route = imap_tok_nstring(doc, last[at[1]]);
    out->mailbox = without_placeholder(imap_tok_nstring(doc, last[at[2]]));
    out->host = without_placeholder(imap_tok_nstring(doc, last[at[3]]));
    if (count > ADDRESS_FIELDS) {
        out->name = join_name(start, count - (ADDRESS_FIELDS - 1));
    }
}

/* budget: how many addresses of the whole envelope may still be kept. */
static void read_addresses(struct imap_doc *doc, const struct imap_tok *list,
                           struct imap_addresses *out, size_t *budget)
{
    struct imap_cur cur = imap_cur_children(doc, list);
    size_t most = imap_cur_count(cur);
    most = most < *budget ? most : *budget;
    if (most == 0) {
        return;
    }
    struct imap_address *items = ARENA_ARRAY(doc->arena, struct imap_address, most);
    size_t n = 0;
    const struct imap_tok *tok;
    while (n < most && (tok = imap_cur_next(&cur)) != NULL) {
        if (imap_tok_is_list(tok)) {
            read_address(imap_cur_children(doc, tok), &items[n++]);
        }
    }
    if (n == 0 && most == ADDRESS_FIELDS) {
        /* A single address without the parentheses of the list. */
        read_address(imap_cur_children(doc, list), &items[n++]);
    }
    *budget -= n;
    *out = (struct imap_addresses){.items = items, .count = n};
}

static void read_fields(struct imap_cur cur, struct imap_envelope *out)
{
    struct imap_addresses *const lists[] = {&out->from, &out->sender, &out->reply_to,
                                            &out->to,   &out->cc,     &out->bcc};
    size_t budget = IMAP_ADDRESSES_MAX;
    struct imap_doc *doc = cur.doc;
    out->date = imap_tok_nstring(doc, imap_cur_next(&cur));
    out->subject = imap_tok_nstring(doc, imap_cur_next(&cur));
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        const struct imap_tok *tok = imap_cur_peek(&cur);
        if (tok == NULL || (!imap_tok_is_list(tok) && !imap_tok_is_nil(tok))) {
            break; /* the lists that follow were left out */
        }
        read_addresses(doc, imap_cur_next(&cur), lists[i], &budget);
    }
    out->in_reply_to = imap_tok_nstring(doc, imap_cur_next(&cur));
    out->message_id = imap_tok_nstring(doc, imap_cur_next(&cur));
}

const struct imap_envelope *imap_envelope_read(struct imap_doc *doc,
                                               const struct imap_tok *tok)
{
    struct imap_cur cur = imap_cur_children(doc, tok);
    const struct imap_tok *first = imap_cur_peek(&cur);
    if (imap_tok_is_list(first) && !imap_cur_has_two(&cur)) {
        cur = imap_cur_children(doc, first);
        first = imap_cur_peek(&cur);
    }
    /* The date and at least one more field; the date is never a list. */
    if (imap_tok_is_list(first) || !imap_cur_has_two(&cur)) {
        return NULL;
    }
    struct imap_envelope *out = ARENA_NEW(doc->arena, struct imap_envelope);
    read_fields(cur, out);
    return out;
}
