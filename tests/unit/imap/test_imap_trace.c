/* What a trace shows of both sides, whole and byte by byte. */
#include "imap_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum {
    SEEN_MAX = 64 * 1024
};

struct seen {
    bool wanted;
    struct buf text;
};

static bool is_wanted(void *ctx)
{
    return ((struct seen *)ctx)->wanted;
}

static void on_line(void *ctx, bool sent, struct str line)
{
    struct seen *seen = ctx;
    (void)buf_printf(&seen->text, "%c:%.*s\n", sent ? 'c' : 's', STR_ARG(line));
}

static void begin(struct imap_trace_state *t, struct seen *seen)
{
    *seen = (struct seen){.wanted = true, .text = BUF_INIT(SEEN_MAX)};
    imap_trace_init(
        t, &(struct imap_trace){.ctx = seen, .is_wanted = is_wanted, .on_line = on_line});
}

static void end(struct imap_trace_state *t, struct seen *seen)
{
    imap_trace_fini(t);
    buf_fini(&seen->text);
}

static const struct {
    const char *data, *lines;
} cases[] = {
    {"* OK ready\r\n* 1 EXISTS\r\n", "s:* OK ready\ns:* 1 EXISTS\n"},
    {"* 1 FETCH (BODY[] {6}\r\nse\r\nxy UID 7)\r\nA1 OK\r\n",
     "s:* 1 FETCH (BODY[] {6}\ns:UID 7)\ns:A1 OK\n"},
    {"* 1 FETCH (A ~{2+}\r\n\n\n {1}\r\nx)\r\n", "s:* 1 FETCH (A ~{2+}\ns:{1}\ns:)\n"},
    {"* 1 FETCH (A {0}\r\n)\r\n", "s:* 1 FETCH (A {0}\ns:)\n"},
    {"text}\r\n* OK {x}\r\n", "s:text}\ns:* OK {x}\n"},
    {"\r\n\r\n+ idling\r\n", "s:+ idling\n"},
};

static void literals_are_left_out(void **state ATTR_UNUSED)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (size_t step = 1; step < 100; step += 98) {
            struct imap_trace_state t;
            struct seen seen;
            size_t len = strlen(cases[i].data);
            begin(&t, &seen);
            for (size_t at = 0; at < len; at += step) {
                size_t n = len - at < step ? len - at : step;
                imap_trace_bytes(&t, false, cases[i].data + at, n);
            }
            assert_string_equal(buf_c(&seen.text), cases[i].lines);
            end(&t, &seen);
        }
    }
}

static void a_long_line_is_cut(void **state ATTR_UNUSED)
{
    struct imap_trace_state t;
    struct seen seen;
    begin(&t, &seen);
    for (size_t i = 0; i < 3 * IMAP_TRACE_LINE_MAX; i++) {
        imap_trace_bytes(&t, false, "x", 1);
    }
    imap_trace_bytes(&t, false, "{9}\r\nnext\r\n", 11);
    assert_int_equal(seen.text.len, 2 + IMAP_TRACE_LINE_MAX + 1 + 7);
    assert_true(str_has_suffix(buf_str(&seen.text), "\ns:next\n"));
    end(&t, &seen);
}

static void it_begins_at_a_line_once_wanted(void **state ATTR_UNUSED)
{
    struct imap_trace_state t;
    struct seen seen;
    begin(&t, &seen);
    seen.wanted = false;
    imap_trace_bytes(&t, true, "A1 NOOP\r\n", 9);
    imap_trace_bytes(&t, false, "* half", 6);
    seen.wanted = true;
    imap_trace_bytes(&t, false, " a line\r\n", 9);
    imap_trace_bytes(&t, true, "A2 NOOP\r\n", 9);
    imap_trace_bytes(&t, false, "A2 OK\r\n", 7);
    imap_trace_bytes(&t, true, "A3 NOOP\r\n", 9);
    assert_string_equal(buf_c(&seen.text), "s:A2 OK\nc:A3 NOOP\n");
    end(&t, &seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(literals_are_left_out),
        cmocka_unit_test(a_long_line_is_cut),
        cmocka_unit_test(it_begins_at_a_line_once_wanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
