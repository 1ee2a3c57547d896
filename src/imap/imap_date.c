/* imap_date: INTERNALDATE.
 *
 *   date-time = <"> date-day-fixed "-" date-month "-" date-year SP time SP zone <">
 *   time      = 2DIGIT ":" 2DIGIT ":" 2DIGIT
 *   zone      = ("+" / "-") 4DIGIT                        ; RFC 9051 §9
 *
 * Also accepted: one-digit days, any case of the month, two-digit years (RFC 5322 §4.3),
 * no zone (taken as UTC). */
#include "imap_codec_priv.h"

#include "postrider/base/clock.h"

enum {
    MINUTE_MS = 60 * 1000,
    MONTH_LEN = 3
};

/* Numbers as they were read. */
struct fields {
    int64_t day, month, year, hour, minute, second, zone; /* zone: minutes east of UTC */
};

static bool to_ms(const struct fields *f, int64_t *ms_out)
{
    if (f->day > 31 || f->hour > 23 || f->minute > 59 || f->second > 60) {
        return false;
    }
    int64_t days = clock_days_from_civil(f->year, (unsigned)f->month, (unsigned)f->day);
    int64_t minutes = (days * 24 + f->hour) * 60 + f->minute - f->zone;
    *ms_out = minutes * MINUTE_MS + f->second * 1000;
    return true;
}

/* Reads 1 … max digits and moves on. */
static bool eat_number(struct str *s, size_t max, int64_t *out)
{
    size_t n = 0;
    int64_t v = 0;
    while (n < s->len && n < max && ascii_is_digit(s->ptr[n])) {
        v = v * 10 + (s->ptr[n++] - '0');
    }
    *s = str_tail(*s, n);
    *out = v;
    return n > 0;
}

static bool eat_byte(struct str *s, char c)
{
    bool ok = s->len > 0 && s->ptr[0] == c;
    *s = ok ? str_tail(*s, 1) : *s;
    return ok;
}

static void eat_spaces(struct str *s)
{
    while (eat_byte(s, ' ')) {
    }
}

/* 1 … 12; 0: none. */
static int64_t month_of(const char *name)
{
    static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";
    const char a = ascii_lower(name[0]), b = ascii_lower(name[1]),
               c = ascii_lower(name[2]);
    for (size_t i = 0; i < sizeof names - 1; i += MONTH_LEN) {
        if (names[i + 2] == c && names[i + 1] == b && names[i] == a) {
            return (int64_t)(i / MONTH_LEN) + 1;
        }
    }
    return 0;
}

static bool eat_month(struct str *s, int64_t *out)
{
    *out = s->len >= MONTH_LEN ? month_of(s->ptr) : 0;
    *s = *out > 0 ? str_tail(*s, MONTH_LEN) : *s;
    return *out > 0;
}

static bool eat_year(struct str *s, int64_t *out)
{
    size_t before = s->len;
    if (!eat_number(s, 4, out)) {
        return false;
    }
    if (before - s->len <= 2) {
        *out += *out < 50 ? 2000 : 1900;
    }
    return true;
}

/* Minutes east of UTC; nothing there means UTC. */
static bool eat_zone(struct str *s, int64_t *out)
{
    *out = 0;
    if (s->len == 0) {
        return true;
    }
    bool west = s->ptr[0] == '-';
    int64_t v;
    if (!eat_byte(s, '+') && !eat_byte(s, '-')) {
        return false;
    }
    if (!eat_number(s, 4, &v) || v % 100 > 59 || v / 100 > 23) {
        return false;
    }
    *out = (v / 100 * 60 + v % 100) * (west ? -1 : 1);
    return true;
}

bool imap_date_parse(struct str s, int64_t *ms_out, bool *absent_out)
{
    struct fields f = {0};
    eat_spaces(&s);
    bool ok = eat_number(&s, 2, &f.day) && eat_byte(&s, '-') && eat_month(&s, &f.month) &&
              eat_byte(&s, '-') && eat_year(&s, &f.year);
    if (!ok) {
        return false;
    }
    *absent_out = f.day == 0;
    if (*absent_out) {
        return true;
    }
    eat_spaces(&s);
    ok = eat_number(&s, 2, &f.hour) && eat_byte(&s, ':') &&
         eat_number(&s, 2, &f.minute) && eat_byte(&s, ':') &&
         eat_number(&s, 2, &f.second);
    eat_spaces(&s);
    return ok && eat_zone(&s, &f.zone) && to_ms(&f, ms_out);
}

/* --- "dd-Mon-yyyy hh:mm:ss +zzzz" --- */

/* Two digits; *bad is set if they are none. */
static int64_t pair(const char *p, bool *bad)
{
    unsigned high = (unsigned)(p[0] - '0'), low = (unsigned)(p[1] - '0');
    *bad = *bad || high > 9 || low > 9;
    return (int64_t)(10 * high + low);
}

bool imap_date_parse_fixed(struct str s, int64_t *ms_out)
{
    const char *p = s.ptr;
    if (s.len != IMAP_DATE_LEN || p[2] != '-' || p[6] != '-' || p[11] != ' ' ||
        p[14] != ':' || p[17] != ':' || p[20] != ' ' || (p[21] != '+' && p[21] != '-')) {
        return false;
    }
    bool bad = false;
    const char day[] = {(char)(p[0] == ' ' ? '0' : p[0]), p[1]};
    int64_t zone_h = pair(p + 22, &bad), zone_m = pair(p + 24, &bad);
    int64_t zone = zone_h * 60 + zone_m;
    struct fields f = {.day = pair(day, &bad),
                       .month = month_of(p + 3),
                       .year = pair(p + 7, &bad) * 100 + pair(p + 9, &bad),
                       .hour = pair(p + 12, &bad),
                       .minute = pair(p + 15, &bad),
                       .second = pair(p + 18, &bad),
                       .zone = p[21] == '-' ? -zone : zone};
    return !bad && f.day > 0 && f.month > 0 && zone_h <= 23 && zone_m <= 59 &&
           to_ms(&f, ms_out);
}
