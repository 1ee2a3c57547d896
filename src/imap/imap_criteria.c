#include "postrider/imap/imap_criteria.h"

#include "imap_priv.h"

#include "postrider/base/clock.h"
#include "postrider/base/num.h"

#include <stdio.h>

enum {
    QUOTED_MAX = 1024, /* as for every other string (imap_quote.c) */
    ID_MAX = 255
};

void imap_criteria_init(struct imap_criteria *c)
{
    *c = (struct imap_criteria){.text = BUF_INIT(IMAP_CRITERIA_MAX)};
}

void imap_criteria_fini(struct imap_criteria *c)
{
    buf_fini(&c->text);
}

static void refuse(struct imap_criteria *c, const char *why)
{
    if (c->refused == NULL) {
        c->refused = why;
    }
}

static void put(struct imap_criteria *c, struct str text)
{
    if (c->text.len > 0) {
        (void)buf_put_byte(&c->text, ' ');
    }
    if (!buf_put_str(&c->text, text)) {
        refuse(c, "the search is too long");
    }
}

void imap_criteria_word(struct imap_criteria *c, const char *word)
{
    put(c, str_of(word));
}

void imap_criteria_number(struct imap_criteria *c, uint64_t n)
{
    put(c, STR(""));
    (void)buf_put_u64(&c->text, n);
}

void imap_criteria_string(struct imap_criteria *c, struct str s)
{
    if (!imap_string_is_safe(s)) {
        refuse(c, "a string holds a line break or NUL");
        return;
    }
    put(c, STR(""));
    bool ascii = imap_string_is_ascii(s);
    c->utf8 = c->utf8 || !ascii;
    if (ascii && s.len <= QUOTED_MAX) {
        imap_put_quoted(&c->text, s);
    } else {
        (void)buf_printf(&c->text, "{%zu}\r\n", s.len);
        (void)buf_put_str(&c->text, s);
    }
    if (c->text.overflow) {
        refuse(c, "the search is too long");
    }
}

void imap_criteria_label(struct imap_criteria *c, struct str label)
{
    if (imap_label_is_system(label)) {
        put(c, label);
        return;
    }
    struct buf wire = BUF_INIT(IMAP_CRITERIA_MAX);
    if (imap_string_is_safe(label) && imap_utf7_encode(&wire, label)) {
        imap_criteria_string(c, buf_str(&wire));
    } else {
        refuse(c, "a label holds a character that mailbox names cannot have");
    }
    buf_fini(&wire);
}

void imap_criteria_date(struct imap_criteria *c, int64_t wall_ms)
{
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    char iso[CLOCK_ISO_SIZE], date[16];
    uint32_t month = 1;
    clock_format_iso(wall_ms, iso); /* 2026-11-22T… */
    (void)num_u32(str_from(iso + 5, 2), &month);
    (void)snprintf(date, sizeof date, "%.2s-%s-%.4s", iso + 8, months[(month - 1) % 12],
                   iso);
    put(c, str_of(date));
}

/* "*", or a number that a message can have. */
static bool is_number(struct str s)
{
    uint32_t n = 0;
    return str_eq_c(s, "*") || (num_u32(s, &n) && n > 0);
}

static bool is_range(struct str s)
{
    size_t colon = str_find_byte(s, ':');
    return colon == SIZE_MAX
               ? is_number(s)
               : is_number(str_from(s.ptr, colon)) && is_number(str_tail(s, colon + 1));
}

void imap_criteria_set(struct imap_criteria *c, struct str set)
{
    struct str rest = set, piece;
    bool ok = set.len > 0 && set.ptr[set.len - 1] != ',';
    while (ok && str_split(&rest, ',', &piece)) {
        ok = is_range(piece);
    }
    if (!ok) {
        refuse(c, "not a set of message numbers, as in 1:3,7:*");
        return;
    }
    put(c, set);
}

void imap_criteria_ranges(struct imap_criteria *c, const struct imap_set *set)
{
    put(c, STR(""));
    if (imap_set_print(&c->text, set, 0, IMAP_CRITERIA_MAX) < set->count) {
        refuse(c, "the search is too long");
    }
}

void imap_criteria_id(struct imap_criteria *c, struct str id)
{
    bool ok = id.len > 0 && id.len <= ID_MAX;
    for (size_t i = 0; ok && i < id.len; i++) {
        char lower = ascii_lower(id.ptr[i]);
        ok = ascii_is_digit(lower) || (lower >= 'a' && lower <= 'z') || lower == '-' ||
             lower == '_';
    }
    if (!ok) {
        refuse(c, "not an id that a server gives");
        return;
    }
    put(c, id);
}
