#include "postrider/base/clock.h"

#include "postrider/base/num.h"

#include <time.h>

static const int64_t *fake;

static int64_t read_us(clockid_t id)
{
    struct timespec t;
    (void)clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t clock_mono_ms(void)
{
    return fake != NULL ? *fake : read_us(CLOCK_MONOTONIC) / 1000;
}

int64_t clock_mono_us(void)
{
    return fake != NULL ? *fake * 1000 : read_us(CLOCK_MONOTONIC);
}

int64_t clock_wall_ms(void)
{
    return fake != NULL ? *fake : read_us(CLOCK_REALTIME) / 1000;
}

void clock_set_fake(const int64_t *fake_ms)
{
    fake = fake_ms;
}

/* Both directions count from 0000-03-01, so that the leap day ends a year. */
int64_t clock_days_from_civil(int64_t year, unsigned month, unsigned day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t yoe = year - era * 400;
    int64_t doy =
        (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + (int64_t)day - 1;
    int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return era * 146097 + doe - 719468;
}

/* Of a year that is not negative. */
static void civil_from_days(int64_t days, unsigned *year, unsigned *month, unsigned *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t doe = days - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    *day = (unsigned)(doy - (153 * mp + 2) / 5 + 1);
    *month = (unsigned)(mp < 10 ? mp + 3 : mp - 9);
    *year = (unsigned)(yoe + era * 400 + (*month <= 2));
}

static void put_digits(char *out, size_t count, unsigned v)
{
    while (count > 0) {
        out[--count] = (char)('0' + v % 10);
        v /= 10;
    }
}

/* Not by printf: listings have one in each row. */
void clock_format_iso(int64_t wall_ms, char out[CLOCK_ISO_SIZE])
{
    const int64_t day_ms = 86400000;
    const int64_t min_ms = clock_days_from_civil(0, 1, 1) * day_ms;
    const int64_t max_ms = clock_days_from_civil(10000, 1, 1) * day_ms - 1;
    wall_ms = wall_ms < min_ms ? min_ms : wall_ms > max_ms ? max_ms : wall_ms;
    int64_t days = (wall_ms >= 0 ? wall_ms : wall_ms - (day_ms - 1)) / day_ms;
    unsigned ms = (unsigned)(wall_ms - days * day_ms);
    unsigned year, month, day;
    civil_from_days(days, &year, &month, &day);
    memcpy(out, "0000-00-00T00:00:00.000Z", CLOCK_ISO_SIZE);
    put_digits(out, 4, year);
    put_digits(out + 5, 2, month);
    put_digits(out + 8, 2, day);
    put_digits(out + 11, 2, ms / 3600000);
    put_digits(out + 14, 2, ms / 60000 % 60);
    put_digits(out + 17, 2, ms / 1000 % 60);
    put_digits(out + 20, 3, ms % 1000);
}

/* Takes exactly `digits` digits from the front of *s. */
static bool take_digits(struct str *s, size_t digits, unsigned *out)
{
    uint64_t v;
    if (s->len < digits || !num_u64(str_from(s->ptr, digits), 9999, &v)) {
        return false;
    }
    *out = (unsigned)v;
    *s = str_tail(*s, digits);
    return true;
}

static bool take_byte(struct str *s, const char *any_of)
{
    if (s->len == 0 || s->ptr[0] == '\0' || strchr(any_of, s->ptr[0]) == NULL) {
        return false;
    }
    *s = str_tail(*s, 1);
    return true;
}

static bool take_zone(struct str *s, int64_t *offset_min_out)
{
    if (take_byte(s, "Zz")) {
        *offset_min_out = 0;
        return true;
    }
    bool negative = s->len > 0 && s->ptr[0] == '-';
    unsigned h, m;
    if (!take_byte(s, "+-") || !take_digits(s, 2, &h)) {
        return false;
    }
    (void)take_byte(s, ":");
    if (!take_digits(s, 2, &m) || h > 23 || m > 59) {
        return false;
    }
    *offset_min_out = (int64_t)(h * 60 + m) * (negative ? -1 : 1);
    return true;
}

static unsigned take_fraction_ms(struct str *s)
{
    unsigned ms = 0, scale = 100;
    while (s->len > 0 && ascii_is_digit(s->ptr[0])) {
        ms += (unsigned)(s->ptr[0] - '0') * scale;
        scale /= 10;
        *s = str_tail(*s, 1);
    }
    return ms;
}

static bool year_is_leap(unsigned year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

bool clock_parse_iso(struct str s, int64_t *wall_ms_out)
{
    static const unsigned month_days[12] = {31, 29, 31, 30, 31, 30,
                                            31, 31, 30, 31, 30, 31};
    unsigned year, month, day, hour = 0, min = 0, sec = 0, ms = 0;
    int64_t offset_min = 0;
    if (!take_digits(&s, 4, &year) || !take_byte(&s, "-") ||
        !take_digits(&s, 2, &month) || !take_byte(&s, "-") || !take_digits(&s, 2, &day)) {
        return false;
    }
    if (month < 1 || month > 12 || day < 1 || day > month_days[month - 1] ||
        (month == 2 && day == 29 && !year_is_leap(year))) {
        return false;
    }
    if (s.len > 0) {
        if (!take_byte(&s, "Tt ") || !take_digits(&s, 2, &hour) || !take_byte(&s, ":") ||
            !take_digits(&s, 2, &min)) {
            return false;
        }
        if (take_byte(&s, ":") && !take_digits(&s, 2, &sec)) {
            return false;
        }
        if (take_byte(&s, ".,")) {
            ms = take_fraction_ms(&s);
        }
        if (s.len > 0 && (!take_zone(&s, &offset_min) || s.len > 0)) {
            return false;
        }
    }
    if (hour > 23 || min > 59 || sec > 60) {
        return false;
    }
    int64_t minutes = clock_days_from_civil(year, month, day) * 1440 + hour * 60 + min;
    *wall_ms_out = (minutes - offset_min) * 60000 + sec * 1000 + ms;
    return true;
}
