#include "append_fixture.h"

#include "loop_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum {
    APPEND_WAIT_MS = 60000
};

struct append {
    bool done;
    struct str rest;
};

/* Gets the context of the operation: the append itself. */
static size_t append_read(void *ctx, char *buf, size_t size)
{
    struct append *a = ctx;
    size_t n = a->rest.len < size ? a->rest.len : size;
    memcpy(buf, a->rest.ptr, n);
    a->rest = str_tail(a->rest, n);
    return n;
}

static void on_appended(struct imap_append *op, const struct err *err,
                        const struct imap_append_result *result, void *ctx)
{
    (void)op;
    (void)result;
    struct append *a = ctx;
    if (err->code != ERR_OK) {
        fail_msg("append: %s", err->msg);
    }
    a->done = true;
}

void append_fixture_run(struct loop *loop, struct imap_conn *conn, const char *mailbox,
                        const char *text)
{
    struct append a = {.rest = str_of(text)};
    struct imap_append_params params = {
        .mailbox = str_of(mailbox), .size = a.rest.len, .read = append_read};
    (void)imap_append_start(conn, &params, APPEND_WAIT_MS, on_appended, &a);
    loop_fixture_run_until(loop, &a.done, APPEND_WAIT_MS);
}
