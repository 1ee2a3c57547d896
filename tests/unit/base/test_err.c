#include "postrider/base/err.h"

#include "postrider/base/attr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static void every_code_has_a_row(void **state)
{
    (void)state;
    for (int c = 0; c < ERR_CODE_COUNT; c++) {
        const struct err_info *info = err_info_get((enum err_code)c);
        assert_true(info->http_status >= 200 && info->http_status < 600);
        for (int k = 0; k < c; k++) {
            assert_string_not_equal(info->name, err_code_name((enum err_code)k));
        }
    }
}

static void context_is_added_and_cut(void **state)
{
    (void)state;
    struct err err;
    char long_text[2 * ERR_MSG_MAX];
    memset(long_text, 'x', sizeof long_text);
    long_text[sizeof long_text - 1] = '\0';
    assert_false(err_set_sys(&err, ERR_NET, 104, "reset"));
    assert_false(err_wrap(&err, "connect to %s", "h"));
    assert_string_equal(err.msg, "connect to h: reset");
    assert_true(err.sys == 104 && err_is_transient(&err));
    (void)err_wrap(&err, "%s", long_text);
    (void)err_wrap(&err, "%s", long_text);
    assert_true(strlen(err.msg) < ERR_MSG_MAX);
    assert_false(err_set(NULL, ERR_NET, "unwanted"));
    assert_false(err_wrap(NULL, "unwanted"));
    err_set_peer_code(&err,
                      "A B\r\n\x80"
                      "C",
                      8);
    assert_string_equal(err.peer_code, "ABC");
    err_set_peer_code(&err, long_text, sizeof long_text - 1);
    assert_int_equal(strlen(err.peer_code), ERR_PEER_CODE_MAX - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_a_row),
        cmocka_unit_test(context_is_added_and_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
