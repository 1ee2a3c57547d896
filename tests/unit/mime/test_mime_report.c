/* What mail servers say became of messages. */
#include "postrider/mime/mime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static int group_setup(void **state ATTR_UNUSED)
{
    mime_init();
    return 0;
}

static int group_teardown(void **state ATTR_UNUSED)
{
    mime_fini();
    return 0;
}

static const struct {
    const char *body;
    size_t count;
    const char *recipient, *action, *status, *diagnostic; /* of the last one */
} cases[] = {
    {"Reporting-MTA: dns; mx.example.com\r\n\r\nFinal-Recipient: rfc822; "
     "a@example.com\r\n"
     "Action: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 no such\r\n "
     "user\r\n",
     1, "a@example.com", "failed", "5.1.1", "550 5.1.1 no such user"},
    /* LF, two recipients, the second with its original address only */
    {"Reporting-MTA: x\n\nFinal-Recipient: rfc822;a@b\nAction: delayed\n\n\n"
     "Original-Recipient: rfc822;c@d\nAction: failed\n",
     2, "c@d", "failed", NULL, NULL},
    /* no per-message fields, no type */
    {"Final-Recipient: a@b\nAction: failed\n", 1, "a@b", "failed", NULL, NULL},
    {"Action: relayed", 1, NULL, "relayed", NULL, NULL},
    {"", 0, NULL, NULL, NULL, NULL},
    {"\r\n\n\r\n\n", 0, NULL, NULL, NULL, NULL},
    {"no fields at all\nnor here\n\nnor there", 0, NULL, NULL, NULL, NULL},
    {"Final-Recipient: ;\n\nFinal-Recipient:\n", 0, NULL, NULL, NULL, NULL},
};

static void assert_field(struct str got, const char *expected)
{
    if (expected == NULL) {
        assert_int_equal(got.len, 0);
    } else {
        assert_true(str_eq_c(got, expected));
    }
}

static void outcomes_are_read(void **state ATTR_UNUSED)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena arena = {0};
        struct mime_outcome out[4];
        size_t count =
            mime_report_parse(&arena, str_of(cases[i].body), out, ARRAY_LEN(out));
        assert_int_equal(count, cases[i].count);
        if (count > 0) {
            const struct mime_outcome *last = &out[count - 1];
            assert_field(last->recipient, cases[i].recipient);
            assert_field(last->action, cases[i].action);
            assert_field(last->status, cases[i].status);
            assert_field(last->diagnostic, cases[i].diagnostic);
        }
        arena_fini(&arena);
    }
}

/* No more than there is room for, and memory in proportion to the body. */
static void many_groups_cost_little(void **state ATTR_UNUSED)
{
    struct arena arena = {0};
    struct mime_outcome out[4];
    struct buf body = BUF_INIT(1024 * 1024);
    for (int i = 0; i < 20000; i++) {
        buf_put_c(&body, "A: b\n\n");
    }
    assert_int_equal(mime_report_parse(&arena, buf_str(&body), out, ARRAY_LEN(out)), 0);
    assert_true(arena.used_bytes < 64 * body.len);
    buf_clear(&body);
    for (int i = 0; i < 100; i++) {
        buf_put_c(&body, "Action: failed\n\n");
    }
    assert_int_equal(mime_report_parse(&arena, buf_str(&body), out, ARRAY_LEN(out)), 4);
    buf_fini(&body);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outcomes_are_read),
        cmocka_unit_test(many_groups_cost_little),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
