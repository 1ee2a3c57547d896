/* Rows of listings: what a call keeps of them. */
#include "account_row.h"

#include "postrider/base/mem.h"
#include "postrider/mime/mime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    ID_BYTES = 6 * 1024 * 1024, /* what one response may hold, nearly */
    FEW = 3,
    MANY = 32
};

/* A hostile server's: a page may have a thousand of them. */
static void rows_of_a_call_are_bounded(void **state)
{
    (void)state;
    char path[] = "INBOX";
    char *id = mem_alloc(ID_BYTES);
    memset(id, 'a', ID_BYTES);
    const struct imap_envelope envelope = {.message_id = str_from(id, ID_BYTES)};
    const struct imap_row row = {.uid = 1, .thread_id = STR("t"), .envelope = &envelope};
    const struct mailbox m = {.number = 1, .path = path};
    struct account_call c = {.text = BUF_INIT(ACCOUNT_ANSWER_MAX)};
    struct shown_row shown[MANY] = {0};
    mime_init();
    for (size_t i = 0; i < MANY; i++) {
        shown_row_make(&c, &m, &row, &shown[i]);
        assert_true(i >= FEW || (shown[i].text.len > ID_BYTES && !c.text.overflow));
    }
    assert_true(c.text.overflow); /* such an answer fails */
    assert_true(c.op.arena.used_bytes < 2 * (size_t)ACCOUNT_ANSWER_MAX);
    mime_fini();
    arena_fini(&c.op.arena);
    mem_free(id);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_a_call_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
