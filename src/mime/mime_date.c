#include "mime_priv.h"

#include "postrider/base/clock.h"

enum {
    DATE_MAX_BYTES = 128, /* comments aside, a date has about 40 */
    FIRST_YEAR = 1970,
    LAST_YEAR = 9999
};

static bool in_range(int64_t ms)
{
    const int64_t day_ms = INT64_C(86400000);
    return ms >= clock_days_from_civil(FIRST_YEAR, 1, 1) * day_ms &&
           ms < clock_days_from_civil(LAST_YEAR + 1, 1, 1) * day_ms;
}

/* A leap second is the second before, which GMime and most clocks know. */
static void lower_leap_second(char *text)
{
    for (char *p = strstr(text, ":60"); p != NULL; p = strstr(p + 1, ":60")) {
        if (p - text >= 3 && p[-3] == ':' && !ascii_is_digit(p[3])) {
            p[1] = '5';
            p[2] = '9';
        }
    }
}

bool mime_date_parse(struct str value, int64_t *ms_out)
{
    value = str_trim(value);
    if (value.len == 0 || value.len > DATE_MAX_BYTES ||
        memchr(value.ptr, '\0', value.len) != NULL) {
        return false;
    }
    int64_t ms = 0;
    if (!clock_parse_iso(value, &ms)) {
        char text[DATE_MAX_BYTES + 1] = {0};
        memcpy(text, value.ptr, value.len);
        lower_leap_second(text);
        GDateTime *date = g_mime_utils_header_decode_date(text);
        if (date == NULL) {
            return false;
        }
        ms = g_date_time_to_unix(date) * 1000;
        g_date_time_unref(date);
    }
    if (!in_range(ms)) {
        return false;
    }
    *ms_out = ms;
    return true;
}
