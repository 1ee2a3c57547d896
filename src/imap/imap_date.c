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
    MINUTE_MS = 60 * 1000
};

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

/* 1 … 12. */
static bool eat_month(struct str *s, int64_t *out)
{
    static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";
    enum {
        LEN = 3
    };
    char name[LEN];
    for (size_t i = 0; i < LEN; i++) {
        name[i] = i < s->len ? ascii_lower(s->ptr[i]) : '\0';
    }
    for (size_t i = 0; i < 12; i++) {
        if (memcmp(name, names + LEN * i, LEN) == 0) {
            *s = str_tail(*s, LEN);
            *out = (int64_t)i + 1;
            return true;
        }
    }
    return false;
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
    int64_t day, month, year, hour = 0, minute = 0, second = 0, zone;
    eat_spaces(&s);
    bool ok = eat_number(&s, 2, &day) && eat_byte(&s, '-') && eat_month(&s, &month) &&
              eat_byte(&s, '-') && eat_year(&s, &year);
    if (!ok) {
        return false;
    }
    *absent_out = day == 0;
    if (*absent_out) {
        return true;
    }
    eat_spaces(&s);
    ok = eat_number(&s, 2, &hour) && eat_byte(&s, ':') && eat_number(&s, 2, &minute) &&
         eat_byte(&s, ':') && eat_number(&s, 2, &second);
    eat_spaces(&s);
    if (!ok || !eat_zone(&s, &zone) || day > 31 || hour > 23 || minute > 59 ||
        second > 60) {
        return false;
    }
    int64_t days = clock_days_from_civil(year, (unsigned)month, (unsigned)day);
    int64_t minutes = (days * 24 + hour) * 60 + minute - zone;
    *ms_out = minutes * MINUTE_MS + second * 1000;
    return true;
}
