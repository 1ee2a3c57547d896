/* imap_row_scan: the FETCH rows of a listing, in one look at their bytes.
 *
 *   row   = "* " nz-number " FETCH (" item *(SP item) ")" CRLF
 *   item  = "UID " number / "FLAGS (" [system-flag *(SP system-flag)] ")"
 *         / "MODSEQ (" number ")" / "INTERNALDATE " date-time / "RFC822.SIZE " number
 *         / "EMAILID (" objectid ")"
 *
 * A first index reads nothing but such rows, a hundred thousand of a mailbox, and tokens cost
 * more than all else that is done with them. Only what is spelled exactly like this, and each
 * item once, is taken here; everything else (keywords, literals, NIL, a row that the chunk cuts
 * off, whatever servers invent) is left to the lexer and imap_parse_fetch, which would make the
 * same of these rows. */
#include "imap_codec_priv.h"

enum {
    DIGITS_MAX = 18, /* no overflow, and below 2^63 */
    NIL_LEN = 3
};

struct scan {
    const char *at, *end;
};

static bool eat(struct scan *s, struct str word)
{
    if ((size_t)(s->end - s->at) < word.len || memcmp(s->at, word.ptr, word.len) != 0) {
        return false;
    }
    s->at += word.len;
    return true;
}

static bool eat_number(struct scan *s, uint64_t max, uint64_t *out)
{
    const char *from = s->at;
    uint64_t v = 0;
    while (s->at < s->end && ascii_is_digit(*s->at) && s->at - from < DIGITS_MAX) {
        v = v * 10 + (uint64_t)(*s->at++ - '0');
    }
    *out = v;
    return s->at > from && v <= max;
}

static bool eat_nz32(struct scan *s, uint32_t *out)
{
    uint64_t v = 0;
    bool ok = eat_number(s, UINT32_MAX, &v) && v > 0;
    *out = (uint32_t)v;
    return ok;
}

static bool eat_byte(struct scan *s, char c)
{
    bool ok = s->at < s->end && *s->at == c;
    s->at += ok;
    return ok;
}

/* --- items: behind their names, and the parenthesis or quote that their values begin with --- */

static bool scan_uid(struct scan *s, struct imap_row *row)
{
    return eat_nz32(s, &row->uid);
}

static bool scan_flags(struct scan *s, struct imap_row *row)
{
    while (!eat_byte(s, ')')) {
        const char *from = s->at;
        while (s->at < s->end && *s->at != ' ' && *s->at != ')') {
            s->at++;
        }
        struct str name = str_from(from, (size_t)(s->at - from));
        uint8_t bit = imap_flag_from_name(name);
        if (s->at == s->end || (bit == 0 && !str_ieq_c(name, "\\Recent"))) {
            return false;
        }
        row->flags.system |= bit;
        s->at += *s->at == ' ';
    }
    return true;
}

static bool scan_modseq(struct scan *s, struct imap_row *row)
{
    return eat_number(s, UINT64_MAX, &row->modseq) && row->modseq > 0 && eat_byte(s, ')');
}

static bool scan_date(struct scan *s, struct imap_row *row)
{
    if (s->end - s->at < IMAP_DATE_LEN ||
        !imap_date_parse_fixed(str_from(s->at, IMAP_DATE_LEN), &row->internaldate_ms)) {
        return false;
    }
    s->at += IMAP_DATE_LEN;
    return eat_byte(s, '"');
}

static bool scan_size(struct scan *s, struct imap_row *row)
{
    return eat_number(s, UINT64_MAX, &row->size);
}

static bool is_id_byte(char c)
{
    return ascii_is_digit(c) || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z') ||
           c == '_' || c == '-';
}

static bool scan_email_id(struct scan *s, struct imap_row *row)
{
    const char *from = s->at;
    while (s->at < s->end && is_id_byte(*s->at) && s->at - from <= IMAP_OBJECTID_MAX) {
        s->at++;
    }
    row->email_id = str_from(from, (size_t)(s->at - from));
    return row->email_id.len > NIL_LEN && row->email_id.len <= IMAP_OBJECTID_MAX &&
           eat_byte(s, ')');
}

static const struct scan_item {
    struct str begins;
    uint32_t bit;
    bool (*scan)(struct scan *s, struct imap_row *row);
} items[] = {
    {STR_INIT("UID "), IMAP_ITEM_UID, scan_uid},
    {STR_INIT("FLAGS ("), IMAP_ITEM_FLAGS, scan_flags},
    {STR_INIT("MODSEQ ("), IMAP_ITEM_MODSEQ, scan_modseq},
    {STR_INIT("INTERNALDATE \""), IMAP_ITEM_INTERNALDATE, scan_date},
    {STR_INIT("RFC822.SIZE "), IMAP_ITEM_SIZE, scan_size},
    {STR_INIT("EMAILID ("), IMAP_ITEM_EMAILID, scan_email_id},
};

/* Servers answer in the order in which they are asked, which is that of the table: the next
 * item is mostly the one behind the last. */
static const struct scan_item *eat_name(struct scan *s, size_t *next)
{
    for (size_t i = 0; i < ARRAY_LEN(items); i++) {
        const struct scan_item *item = &items[*next];
        *next = *next + 1 < ARRAY_LEN(items) ? *next + 1 : 0;
        if (eat(s, item->begins)) {
            return item;
        }
    }
    return NULL;
}

size_t imap_row_scan(const char *text, size_t len, struct imap_row *row)
{
    struct scan s = {.at = text, .end = text + len};
    size_t next = 0;
    *row = (struct imap_row){0};
    if (!eat(&s, STR("* ")) || !eat_nz32(&s, &row->seq) || !eat(&s, STR(" FETCH ("))) {
        return 0;
    }
    do {
        const struct scan_item *item = eat_name(&s, &next);
        if (item == NULL || (row->has & item->bit) != 0 || !item->scan(&s, row)) {
            return 0;
        }
        row->has |= item->bit;
    } while (eat_byte(&s, ' '));
    return eat(&s, STR(")\r\n")) ? (size_t)(s.at - text) : 0;
}
