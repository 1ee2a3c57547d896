/* bench_imap_parser: throughput of the IMAP parser on FETCH rows.
 * Prints MB/s and microseconds of CPU time per row for three kinds of rows and three chunk sizes. Not
 * a test: numbers depend on the machine and say something in a release build only. */
#include "postrider/base/buf.h"
#include "postrider/imap/imap_parser.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

enum {
    ROWS = 100000,
    INPUT_MAX = 256 * 1024 * 1024
};

static void put_flags_row(struct buf *out, unsigned i)
{
    buf_printf(out, "* %u FETCH (UID %u FLAGS (\\Seen) MODSEQ (%u))\r\n", i, i * 2 + 1,
               i + 100000);
}

static void put_gmail_row(struct buf *out, unsigned i)
{
    buf_printf(out,
               "* %u FETCH (X-GM-MSGID 1278455344230%06u X-GM-LABELS (\"\\\\Inbox\" "
               "\"\\\\Sent\" Important \"Muy Importante\") UID %u MODSEQ (%u) FLAGS "
               "(\\Seen \\Answered $Forwarded))\r\n",
               i, i, i * 2 + 1, i + 100000);
}

static void put_full_row(struct buf *out, unsigned i)
{
    static const char header[] =
        "References: <0123456789.abcdef@lists.example.org>\r\n"
        "List-Id: <announce.lists.example.org>\r\nX-Priority: 3\r\n\r\n";
    buf_printf(
        out,
        "* %u FETCH (UID %u FLAGS (\\Seen) INTERNALDATE \"17-Jul-2026 02:44:25 -0700\" "
        "RFC822.SIZE 44827 ENVELOPE (\"Fri, 17 Jul 2026 02:23:25 -0700 (PDT)\" "
        "\"A subject of ordinary length for the list\" ((\"Terry Gray\" NIL \"gray\" "
        "\"cac.example.edu\")) ((\"Terry Gray\" NIL \"gray\" \"cac.example.edu\")) "
        "((\"Terry Gray\" NIL \"gray\" \"cac.example.edu\")) ((NIL NIL \"imap\" "
        "\"cac.example.edu\")) ((NIL NIL \"minutes\" \"cnri.example.va\")(\"John "
        "Klensin\" NIL \"klensin\" \"mit.example.edu\")) NIL NIL "
        "\"<B27397-0100000@cac.example.edu>\") BODYSTRUCTURE ((\"TEXT\" \"PLAIN\" "
        "(\"CHARSET\" \"UTF-8\") NIL NIL \"QUOTED-PRINTABLE\" 1152 23 NIL NIL NIL "
        "NIL)(\"TEXT\" \"HTML\" (\"CHARSET\" \"UTF-8\") NIL NIL \"BASE64\" 4554 73 NIL "
        "NIL "
        "NIL NIL) \"ALTERNATIVE\" (\"BOUNDARY\" \"d3438gr7324\") NIL NIL NIL) "
        "BODY[HEADER.FIELDS (REFERENCES LIST-ID X-PRIORITY)] {%zu}\r\n%s)\r\n",
        i, i * 2 + 1, sizeof header - 1, header);
}

static void count_row(void *ctx, const struct imap_resp *resp)
{
    uint64_t *sum = ctx;
    *sum += resp->kind == IMAP_RESP_FETCH && !resp->row.partial ? 1 : 0;
}

static void run(const char *name, void (*put)(struct buf *, unsigned))
{
    static const size_t chunks[] = {16384, 1448, 1};
    struct buf input = BUF_INIT(INPUT_MAX);
    for (unsigned i = 1; i <= ROWS; i++) {
        put(&input, i);
    }
    (void)printf("%-22s %5.1f B/row", name, (double)input.len / ROWS);
    for (size_t c = 0; c < ARRAY_LEN(chunks); c++) {
        uint64_t rows = 0;
        const struct imap_parser_events events = {.on_response = count_row};
        struct imap_parser *p = imap_parser_new(&events, &rows);
        clock_t start = clock();
        for (size_t at = 0; at < input.len;) {
            size_t n = chunks[c] < input.len - at ? chunks[c] : input.len - at;
            size_t used = 0;
            if (!imap_parser_feed(p, input.bytes + at, n, &used, NULL)) {
                break;
            }
            at += used;
        }
        double us = (double)(clock() - start) * (1e6 / CLOCKS_PER_SEC);
        (void)printf("  | %5zu B: %6.1f MB/s %5.2f us/row%s", chunks[c],
                     (double)input.len / us, us / ROWS, rows == ROWS ? "" : " (failed)");
        imap_parser_free(&p);
    }
    (void)printf("\n");
    buf_fini(&input);
}

int main(void)
{
    run("UID FLAGS MODSEQ", put_flags_row);
    run("+ labels, 3 flags", put_gmail_row);
    run("ENVELOPE STRUCTURE", put_full_row);
    return 0;
}
