/* What passes a connection, line by line, for whoever wants to read it: without
 * credentials and without the bytes of literals, of which only the length is told.
 *
 *   line ─► ends with {n} or ~{n+} ─► n bytes skipped ─► line goes on */
#include "imap_priv.h"

#include "postrider/base/mem.h"
#include "postrider/base/num.h"

void imap_trace_init(struct imap_trace_state *t, const struct imap_trace *trace)
{
    *t = (struct imap_trace_state){.trace = *trace, .wanted = {true, true}};
}

void imap_trace_fini(struct imap_trace_state *t)
{
    for (size_t i = 0; t->sides != NULL && i < ARRAY_LEN(t->wanted); i++) {
        buf_fini(&t->sides[i].line);
    }
    mem_free(t->sides);
    t->sides = NULL;
}

/* Nearly all connections are never looked at. */
static struct imap_trace_side *side_get(struct imap_trace_state *t, bool sent)
{
    if (t->sides == NULL) {
        t->sides = mem_array(ARRAY_LEN(t->wanted), sizeof *t->sides);
        buf_init(&t->sides[0].line, IMAP_TRACE_LINE_MAX);
        buf_init(&t->sides[1].line, IMAP_TRACE_LINE_MAX);
    }
    return &t->sides[sent];
}

static void side_forget(struct imap_trace_state *t, bool sent)
{
    if (t->sides != NULL) {
        struct imap_trace_side *side = &t->sides[sent];
        buf_release(&side->line);
        side->skip = 0;
        side->overlong = false;
    }
}

/* The length of the literal that a line announces at its end; 0 if it does not. */
static uint64_t literal_of(struct str line)
{
    uint64_t n = 0;
    if (!str_has_suffix(line, "}")) {
        return 0;
    }
    size_t from = line.len - 1;
    while (from > 0 && line.ptr[from - 1] != '{') {
        from--;
    }
    struct str digits = {.ptr = line.ptr + from, .len = line.len - 1 - from};
    if (digits.len > 0 && digits.ptr[digits.len - 1] == '+') {
        digits.len--;
    }
    return from > 0 && num_u64(digits, UINT64_MAX, &n) ? n : 0;
}

static void end_line(struct imap_trace_state *t, struct imap_trace_side *side, bool sent)
{
    struct str line = str_trim(buf_str(&side->line));
    side->skip = side->overlong ? 0 : literal_of(line);
    if (line.len > 0) {
        t->trace.on_line(t->trace.ctx, sent, line);
    }
    /* The memory goes with it: connections are many, and most are silent. */
    buf_release(&side->line);
    side->overlong = false;
}

static void put_text(struct imap_trace_side *side, const char *text, size_t len)
{
    size_t room = IMAP_TRACE_LINE_MAX - side->line.len;
    side->overlong = side->overlong || len > room;
    (void)buf_put(&side->line, text, len < room ? len : room);
}

void imap_trace_bytes(struct imap_trace_state *t, bool sent, const char *data, size_t len)
{
    const char *end = data + len;
    if (t->trace.on_line == NULL) {
        return;
    }
    bool wanted = t->trace.is_wanted(t->trace.ctx);
    if (!wanted || !t->wanted[sent]) {
        /* Begins at the beginning of a response: what runs now cannot be framed. */
        side_forget(t, sent);
        t->wanted[sent] = wanted && (len == 0 || data[len - 1] == '\n');
        return;
    }
    struct imap_trace_side *side = side_get(t, sent);
    while (data < end) {
        size_t left = (size_t)(end - data);
        if (side->skip > 0) {
            size_t n = side->skip < left ? (size_t)side->skip : left;
            side->skip -= n;
            data += n;
            continue;
        }
        const char *lf = memchr(data, '\n', left);
        size_t n = lf != NULL ? (size_t)(lf - data) : left;
        put_text(side, data, n);
        data += n + (lf != NULL ? 1 : 0);
        if (lf != NULL) {
            end_line(t, side, sent);
        }
    }
}
