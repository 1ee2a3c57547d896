#include "imap_priv.h"

#include "postrider/base/intern.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void words_become_bits(void **state)
{
    (void)state;
    struct intern *texts = intern_new();
    struct imap_caps caps = {0};
    imap_caps_set_text(&caps, texts,
                       STR(" imap4REV1  idle X-UNKNOWN QRESYNC AUTH=plain "));
    assert_int_equal(caps.bits & IMAP_CAP_IMAP4REV1, IMAP_CAP_IMAP4REV1);
    assert_int_equal(caps.bits & IMAP_CAP_AUTH_PLAIN, IMAP_CAP_AUTH_PLAIN);
    assert_true((caps.bits & IMAP_CAP_CONDSTORE) != 0);
    assert_true(imap_caps_has_word(&caps, "qresync"));
    assert_false(imap_caps_has_word(&caps, "QRESYN"));
    imap_caps_clear(&caps);
    assert_int_equal(caps.bits, 0);
    intern_free(&texts);
}

static void a_new_list_replaces_the_old(void **state)
{
    (void)state;
    struct intern *texts = intern_new();
    struct imap_caps caps = {0};
    const struct str words[] = {STR("IMAP4REV1"), STR("APPENDLIMIT=35651584")};
    imap_caps_set_text(&caps, texts, STR("STARTTLS LOGINDISABLED APPENDLIMIT=1"));
    imap_caps_set_words(&caps, texts, words, ARRAY_LEN(words));
    assert_int_equal(caps.bits, IMAP_CAP_IMAP4REV1);
    assert_int_equal(caps.append_limit, 35651584);
    assert_string_equal(caps.text, "IMAP4REV1 APPENDLIMIT=35651584");
    imap_caps_clear(&caps);
    intern_free(&texts);
}

static void nothing_and_too_much_are_bounded(void **state)
{
    static char many[100000];
    (void)state;
    struct intern *texts = intern_new();
    struct imap_caps caps = {0};
    imap_caps_set_text(&caps, texts, STR(""));
    assert_int_equal(caps.bits, 0);
    memset(many, 'A', sizeof many);
    imap_caps_set_text(&caps, texts, str_from(many, sizeof many));
    assert_true(caps.text == NULL || strlen(caps.text) < 10000);
    imap_caps_set_text(&caps, texts,
                       STR("APPENDLIMIT=99999999999999999999999 APPENDLIMIT"));
    assert_int_equal(caps.append_limit, 0);
    imap_caps_clear(&caps);
    intern_free(&texts);
}

static void an_idle_connection_is_small(void **state)
{
    (void)state;
    /* Beside the stream and the parser, which have their own budgets. */
    assert_true(sizeof(struct imap_conn) + sizeof(struct imap_cmd) < 2048);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_become_bits),
        cmocka_unit_test(a_new_list_replaces_the_old),
        cmocka_unit_test(nothing_and_too_much_are_bounded),
        cmocka_unit_test(an_idle_connection_is_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
