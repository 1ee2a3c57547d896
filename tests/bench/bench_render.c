/* bench_render: what rows of a listing cost beyond the server's work on them, in
 * microseconds of CPU time a row: parsing, rendering. Not a test: numbers depend on
 * the machine and say something in a release build only. */
#include "account/account_render.h"

#include "postrider/imap/imap_parser.h"
#include "postrider/json/json.h"

#include <stdio.h>
#include <time.h>

enum {
    ROWS = 20000,
    PAGE = 100,
    INPUT_MAX = 64 * 1024 * 1024,
    REPLY_MAX = 16 * 1024 * 1024
};

static void put_row(struct buf *out, unsigned i)
{
    (void)buf_printf(
        out,
        "* %u FETCH (UID %u FLAGS (\\Seen) INTERNALDATE \"17-Jul-2026 02:44:25 -0700\" "
        "RFC822.SIZE 44827 ENVELOPE (\"Fri, 17 Jul 2026 02:23:25 -0700 (PDT)\" "
        "\"=?utf-8?b?UHLDvGZ1bmcg4oCTIOaknOiovCDinJM=?=\" "
        "((\"=?utf-8?q?J=C3=BCrgen_Gr=C3=B6=C3=9Fe?=\" NIL \"juergen\" \"example.com\")) "
        "((\"=?utf-8?q?J=C3=BCrgen_Gr=C3=B6=C3=9Fe?=\" NIL \"juergen\" \"example.com\")) "
        "((NIL NIL \"answers\" \"example.com\")) ((\"Ann\" NIL \"ann\" \"example.com\")"
        "(NIL NIL \"bob\" \"example.com\")) ((\"John Klensin\" NIL \"klensin\" "
        "\"mit.example.edu\")) NIL \"<earlier@example.com>\" \"<list-%u@example.com>\") "
        "BODYSTRUCTURE (((\"text\" \"plain\" (\"charset\" \"utf-8\") NIL NIL "
        "\"8bit\" 1152 23 NIL NIL NIL NIL)((\"text\" \"html\" (\"charset\" \"utf-8\") "
        "NIL "
        "NIL \"7bit\" 4554 73 NIL NIL NIL NIL)(\"image\" \"png\" NIL "
        "\"<pic@example.com>\" NIL \"base64\" 678 NIL (\"inline\" NIL) NIL NIL) "
        "\"related\" (\"boundary\" \"d3438gr7324\") NIL NIL NIL) \"alternative\" "
        "(\"boundary\" \"d3438gr7325\") NIL NIL NIL)(\"application\" \"pdf\" NIL NIL NIL "
        "\"base64\" 740 NIL (\"attachment\" (\"filename\" \"report.pdf\")) NIL NIL) "
        "\"mixed\" (\"boundary\" \"d3438gr7326\") NIL NIL NIL))\r\n",
        i, i * 2 + 1, i);
}

struct stage {
    const char *name;
    bool lists, shows;
};

struct work {
    const struct stage *stage;
    const struct mailbox *m;
    struct buf reply; /* a page */
    unsigned rows;
};

static void on_response(void *ctx, const struct imap_resp *resp)
{
    struct work *w = ctx;
    if (resp->kind != IMAP_RESP_FETCH) {
        return;
    }
    w->rows++;
    if (w->rows % PAGE == 1) {
        buf_clear(&w->reply);
    }
    if (w->stage->lists) {
        (void)buf_put_byte(&w->reply, '{');
        render_listed_live(&w->reply, w->m, &resp->row);
        render_listed_fixed(&w->reply, w->m, &resp->row);
        (void)buf_put_byte(&w->reply, '}');
    }
    if (w->stage->shows) {
        json_decref(render_message(w->m, &resp->row));
    }
}

static void run(const struct stage *stage, const struct buf *input)
{
    struct mailbox *m = mailbox_new(1, STR("INBOX"), STR("INBOX"), '/');
    struct work w = {.stage = stage, .m = m, .reply = BUF_INIT(REPLY_MAX)};
    const struct imap_parser_events events = {.on_response = on_response};
    struct imap_parser *p = imap_parser_new(&events, &w);
    clock_t start = clock();
    for (size_t at = 0, used = 0; at < input->len; at += used) {
        size_t left = input->len - at;
        if (!imap_parser_feed(p, input->bytes + at, left < 16384 ? left : 16384, &used,
                              NULL)) {
            break;
        }
    }
    double us = (double)(clock() - start) * (1e6 / CLOCKS_PER_SEC);
    (void)printf("%-28s %6.2f us/row, %zu bytes of a page%s\n", stage->name, us / ROWS,
                 w.reply.len, w.rows == ROWS ? "" : " (failed)");
    imap_parser_free(&p);
    buf_fini(&w.reply);
    mailbox_free(&m);
}

int main(void)
{
    static const struct stage stages[] = {{"parsed", false, false},
                                          {"parsed, listed", true, false},
                                          {"parsed, made a value", false, true}};
    struct buf input = BUF_INIT(INPUT_MAX);
    for (unsigned i = 1; i <= ROWS; i++) {
        put_row(&input, i);
    }
    for (size_t i = 0; i < ARRAY_LEN(stages); i++) {
        run(&stages[i], &input);
    }
    buf_fini(&input);
    return 0;
}
