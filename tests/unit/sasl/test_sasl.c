#include "postrider/sasl/sasl.h"

#include "postrider/base/attr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define CRED(...) ((struct sasl_credentials){__VA_ARGS__})

static void responses_are_as_specified(void **state)
{
    (void)state;
    const struct {
        enum sasl_mech mech;
        unsigned step;
        struct sasl_credentials cred;
        enum err_code code;
        struct str want;
    } rows[] = {
        {SASL_PLAIN, 0, CRED(.user = STR("tim"), .password = STR("tanstaaf")), ERR_OK,
         STR("\0tim\0tanstaaf")},
        {SASL_PLAIN, 0,
         CRED(.authzid = STR("Ursel"), .user = STR("Kurt"), .password = STR("xipj3plmq")),
         ERR_OK, STR("Ursel\0Kurt\0xipj3plmq")},
        {SASL_PLAIN, 0, CRED(.user = STR("a\0b"), .password = STR("p")), ERR_INVALID,
         STR("")},
        {SASL_PLAIN, 0, CRED(.user = STR("a"), .password = STR("p\0q")), ERR_INVALID,
         STR("")},
        {SASL_PLAIN, 0, CRED(.user = STR("a")), ERR_INVALID, STR("")},
        {SASL_PLAIN, 1, CRED(.user = STR("a"), .password = STR("p")), ERR_PROTOCOL,
         STR("")},
        {SASL_LOGIN, 0, CRED(.user = STR("a"), .password = STR("p")), ERR_OK, STR("a")},
        {SASL_LOGIN, 1, CRED(.user = STR("a"), .password = STR("p q")), ERR_OK,
         STR("p q")},
        {SASL_LOGIN, 2, CRED(.user = STR("a"), .password = STR("p")), ERR_PROTOCOL,
         STR("")},
        {SASL_XOAUTH2, 0,
         CRED(.user = STR("someuser@example.com"), .token = STR("ya29.vF9dft4qmTc2")),
         ERR_OK, STR("user=someuser@example.com\1auth=Bearer ya29.vF9dft4qmTc2\1\1")},
        {SASL_XOAUTH2, 0, CRED(.user = STR("a\1b"), .token = STR("t")), ERR_INVALID,
         STR("")},
        {SASL_XOAUTH2, 0, CRED(.user = STR("a"), .token = STR("t u")), ERR_INVALID,
         STR("")},
        {SASL_XOAUTH2, 1, CRED(.user = STR("a"), .token = STR("t")), ERR_OK, STR("")},
        {SASL_XOAUTH2, 2, CRED(.user = STR("a"), .token = STR("t")), ERR_PROTOCOL,
         STR("")},
        {SASL_OAUTHBEARER, 0,
         CRED(.user = STR("user@example.com"), .token = STR("vF9dft4qmTc2Nv=="),
              .host = STR("server.example.com"), .port = 143),
         ERR_OK,
         STR("n,a=user@example.com,\1host=server.example.com\1port=143\1"
             "auth=Bearer vF9dft4qmTc2Nv==\1\1")},
        {SASL_OAUTHBEARER, 0, CRED(.user = STR("a,b=c"), .token = STR("t")), ERR_OK,
         STR("n,a=a=2Cb=3Dc,\1auth=Bearer t\1\1")},
        {SASL_OAUTHBEARER, 1, CRED(.user = STR("a"), .token = STR("t")), ERR_OK,
         STR("\1")},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf out = BUF_INIT(1000);
        struct err err = {.code = ERR_OK};
        bool ok = rows[i].step == 0
                      ? sasl_initial(rows[i].mech, &rows[i].cred, &out, &err)
                      : sasl_continue(rows[i].mech, &rows[i].cred, rows[i].step,
                                      STR("{\"status\":\"401\"}"), &out, &err);
        assert_int_equal(err.code, rows[i].code);
        assert_int_equal(ok, rows[i].code == ERR_OK);
        if (!str_eq(buf_str(&out), rows[i].want) && out.len + rows[i].want.len > 0) {
            fail_msg("row %zu", i);
        }
        buf_fini(&out);
    }
}

static void too_long_credentials_leave_nothing_behind(void **state)
{
    (void)state;
    static char password[SASL_CREDENTIAL_MAX + 1];
    for (size_t i = 0; i < sizeof password; i++) {
        password[i] = 'x';
    }
    struct sasl_credentials cred = {.user = STR("a")};
    struct buf out = BUF_INIT(10);
    struct err err;
    for (size_t len = sizeof password; len > 8; len /= 2) {
        cred.password = str_from(password, len);
        assert_false(sasl_initial(SASL_PLAIN, &cred, &out, &err));
        assert_int_equal(err.code, ERR_INVALID);
        assert_int_equal(out.len, 0);
        buf_clear(&out);
    }
    buf_fini(&out);
}

static void names_are_found_in_any_case(void **state)
{
    (void)state;
    for (int m = 0; m < SASL_MECH_COUNT; m++) {
        enum sasl_mech mech = SASL_MECH_COUNT;
        assert_true(sasl_mech_parse(str_of(sasl_mech_name((enum sasl_mech)m)), &mech));
        assert_int_equal(mech, m);
    }
    enum sasl_mech mech = SASL_LOGIN;
    assert_true(sasl_mech_parse(STR("xoauth2"), &mech));
    assert_true(sasl_is_token(mech) && sasl_is_inline(mech));
    assert_false(sasl_mech_parse(STR("CRAM-MD5"), &mech));
    assert_false(sasl_is_inline(SASL_LOGIN));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(responses_are_as_specified),
        cmocka_unit_test(too_long_credentials_leave_nothing_behind),
        cmocka_unit_test(names_are_found_in_any_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
