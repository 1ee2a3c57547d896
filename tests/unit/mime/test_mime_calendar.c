/* What is read of calendar files: of good ones, odd ones, and of what is none. */
#include "postrider/mime/mime_calendar.h"

#include "postrider/base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define CRLF "\r\n"

static const char invitation[] =
    "BEGIN:VCALENDAR" CRLF "PRODID:-//Test//EN" CRLF "METHOD:REQUEST" CRLF
    "BEGIN:VTIMEZONE" CRLF "TZID:Fixed" CRLF "BEGIN:STANDARD" CRLF
    "DTSTART:19700101T000000" CRLF "TZOFFSETFROM:+0200" CRLF "TZOFFSETTO:+0530" CRLF
    "END:STANDARD" CRLF "END:VTIMEZONE" CRLF "BEGIN:VEVENT" CRLF
    "UID:one@example.com" CRLF "SUMMARY;LANGUAGE=de:Prüfung\\, mit" CRLF
    "  Fortsetzung" CRLF "DESCRIPTION:a\\nb\\;c\\\\d:e" CRLF
    "ORGANIZER;CN=\"Ann: x; y\":mailto:ann@example.com" CRLF
    "DTSTART;TZID=Fixed:20260302T103000" CRLF "DTEND;TZID=\"Fixed\":20260302T113000" CRLF
    "BEGIN:VALARM" CRLF "DESCRIPTION:alarm" CRLF "SUMMARY:alarm" CRLF "END:VALARM" CRLF
    "DTSTART:20300101T000000Z" CRLF "END:VEVENT" CRLF "BEGIN:VEVENT" CRLF
    "UID:two@example.com" CRLF "END:VEVENT" CRLF "END:VCALENDAR" CRLF;

static void assert_text(struct str got, const char *expected)
{
    if (expected == NULL) {
        assert_null(got.ptr);
    } else {
        assert_non_null(got.ptr);
        assert_string_equal(got.ptr, expected);
    }
}

static void an_invitation_is_read(void **state ATTR_UNUSED)
{
    struct arena a = {0};
    struct mime_calendar c;
    assert_true(mime_calendar_read(&a, str_of(invitation), &c));
    assert_text(c.method, "REQUEST");
    assert_text(c.uid, "one@example.com");
    assert_text(c.summary, "Prüfung, mit Fortsetzung");
    assert_text(c.description, "a\nb;c\\d:e");
    assert_text(c.organizer, "mailto:ann@example.com");
    assert_text(c.timezone, "Fixed");
    assert_true(c.has_start && c.has_end);
    assert_true(c.start_ms == 1772427600000 && c.end_ms == c.start_ms + 3600000);
    arena_fini(&a);
}

#define EVENT(lines) "BEGIN:VEVENT\n" lines "END:VEVENT\n"
#define SUMMER       "BEGIN:VTIMEZONE\nTZOFFSETTO:+0100\nTZOFFSETTO:+0200\nEND:VTIMEZONE\n"

static void times_are_those_that_are_certain(void **state ATTR_UNUSED)
{
    static const struct {
        const char *text;
        bool has_start;
        int64_t start_ms;
    } rows[] = {
        {EVENT("DTSTART:19700102T000001Z\n"), true, 86401000},
        {EVENT("DTSTART;VALUE=DATE:19700102\n"), true, 86400000},
        {EVENT("DTSTART:19700102T000001\n"), false, 0},
        {EVENT("DTSTART;TZID=X:19700102T000001\n"), false, 0},
        {SUMMER EVENT("DTSTART;TZID=X:19700102T000001\n"), false, 0},
        {EVENT("DTSTART:19701302T000001Z\n"), false, 0},
        {EVENT("DTSTART:19700102T250001Z\n"), false, 0},
        {EVENT("DTSTART:1970\nDTSTART:19700102T000001Z\n"), true, 86401000},
        {EVENT("dtstart : 19700102\n"), false, 0},
        {EVENT("DTSTART\n"), false, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena a = {0};
        struct mime_calendar c;
        assert_true(mime_calendar_read(&a, str_of(rows[i].text), &c));
        assert_int_equal(c.has_start, rows[i].has_start);
        assert_true(c.start_ms == rows[i].start_ms);
        assert_false(c.has_end);
        arena_fini(&a);
    }
}

static void what_is_no_event_is_refused(void **state ATTR_UNUSED)
{
    static const char *const rows[] = {
        "",        "\n",      "\r\n \n", "BEGIN:VCALENDAR\nEND:VCALENDAR\n",
        "UID:x\n", "BEGIN\n", ":",       "END:VEVENT\n"};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena a = {0};
        struct mime_calendar c;
        assert_false(mime_calendar_read(&a, str_of(rows[i]), &c));
        arena_fini(&a);
    }
}

static void a_cut_file_and_long_values_are_bounded(void **state ATTR_UNUSED)
{
    struct arena a = {0};
    struct mime_calendar c;
    struct buf text = BUF_INIT(1 << 22);
    (void)buf_put_c(&text, "BEGIN:VEVENT\nUID:x\nSUMMARY:");
    for (size_t i = 0; i < 1 << 18; i++) {
        (void)buf_put_c(&text, i % 50 == 0 ? "\n ü" : "ü");
    }
    assert_true(mime_calendar_read(&a, buf_str(&text), &c));
    assert_text(c.uid, "x");
    assert_true(c.summary.len <= MIME_CALENDAR_VALUE_MAX &&
                c.summary.len > MIME_CALENDAR_VALUE_MAX - 8);
    buf_fini(&text);
    arena_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_invitation_is_read),
        cmocka_unit_test(times_are_those_that_are_certain),
        cmocka_unit_test(what_is_no_event_is_refused),
        cmocka_unit_test(a_cut_file_and_long_values_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
