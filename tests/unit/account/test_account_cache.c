/* The texts of records that are kept for who asks again. */
#include "account_row.h"

#include "postrider/base/lru.h"
#include "postrider/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum {
    MANY = 1000,
    TEXT = 2048
};

static void what_is_shown_stays_until_the_record_changes(void **state)
{
    (void)state;
    struct accounts as = {0};
    struct account a = {.as = &as}, b = {.as = &as};
    assert_null(account_shown(&a).ptr);
    account_shown_forget(&a);
    account_show(&a, STR("{\"account\":\"a\""));
    account_show(&b, STR("{\"account\":\"b\""));
    assert_true(str_eq(account_shown(&a), STR("{\"account\":\"a\"")));
    account_shown_forget(&a);
    assert_null(account_shown(&a).ptr);
    assert_true(str_eq(account_shown(&b), STR("{\"account\":\"b\"")));
    account_show(&b, STR("{\"account\":\"B\""));
    assert_true(str_eq(account_shown(&b), STR("{\"account\":\"B\"")));
    accounts_cache_free(&as);
}

/* A client that asks for every account must not make each of them larger for good. */
static void all_that_is_shown_is_bounded(void **state)
{
    (void)state;
    struct accounts as = {.config = {.rows_cache_bytes = ACCOUNTS_SHOWN_BYTES}};
    struct account *a = mem_array(MANY, sizeof *a);
    char text[TEXT];
    memset(text, 'x', sizeof text);
    size_t kept = 0;
    for (size_t i = 0; i < MANY; i++) {
        a[i].as = &as;
        account_show(&a[i], str_from(text, sizeof text));
        assert_int_equal(account_shown(&a[i]).len, sizeof text);
        (void)account_shown(&a[0]); /* asked for again and again */
        assert_true(lru_cost(as.shown) <= ACCOUNTS_SHOWN_BYTES);
    }
    for (size_t i = 0; i < MANY; i++) {
        kept += account_shown(&a[i]).ptr != NULL ? 1 : 0;
    }
    assert_true(kept * sizeof text <= ACCOUNTS_SHOWN_BYTES);
    assert_true(kept * sizeof text > ACCOUNTS_SHOWN_BYTES / 2);
    assert_non_null(account_shown(&a[0]).ptr);
    assert_non_null(account_shown(&a[MANY - 1]).ptr);
    assert_null(account_shown(&a[1]).ptr);
    accounts_kept_drop(&as); /* memory is short */
    assert_null(account_shown(&a[0]).ptr);
    account_show(&a[0], STR("x"));
    assert_int_equal(account_shown(&a[0]).len, 1);
    accounts_kept_drop(&as);
    as.memory.level = MEMORY_LEVEL_WORK; /* and still is */
    account_show(&a[0], STR("x"));
    account_row_keep(&a[0], 3, 7, &(struct kept_row){.fixed = STR("\"uid\":7")});
    assert_null(account_shown(&a[0]).ptr);
    assert_null(account_row_kept(&a[0], 3, 7));
    accounts_cache_free(&as);
    mem_free(a);
}

static void a_long_text_is_not_kept(void **state)
{
    (void)state;
    struct accounts as = {0};
    struct account a = {.as = &as};
    char *text = mem_alloc(ACCOUNT_SHOWN_MAX + 1);
    memset(text, 'x', ACCOUNT_SHOWN_MAX + 1);
    account_show(&a, str_from(text, ACCOUNT_SHOWN_MAX + 1));
    assert_null(account_shown(&a).ptr);
    account_show(&a, str_from(text, ACCOUNT_SHOWN_MAX));
    assert_int_equal(account_shown(&a).len, ACCOUNT_SHOWN_MAX);
    accounts_cache_free(&as);
    mem_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_shown_stays_until_the_record_changes),
        cmocka_unit_test(all_that_is_shown_is_bounded),
        cmocka_unit_test(a_long_text_is_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
