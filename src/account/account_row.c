#include "account_row.h"

/* Only with an index a mailbox has another number as soon as its UIDs mean others, and one
 * that is not read yet, or is forgotten, takes whatever UIDVALIDITY comes next. A row that
 * lacks something may have it the next time. */
static bool may_keep(const struct account *a, const struct mailbox *m,
                     const struct imap_row *row)
{
    const uint32_t needed =
        IMAP_ITEM_INTERNALDATE | IMAP_ITEM_ENVELOPE | IMAP_ITEM_BODYSTRUCTURE;
    return account_indexes(a, m) && m->uid_validity != 0 && (row->has & needed) == needed;
}

/* The server does not tell its thread. */
static bool asks(const struct account_call *c, const struct imap_row *row)
{
    return row->thread_id.ptr == NULL && account_keeps_threads(c->a);
}

static void ask(struct account_call *c, const struct imap_row *row,
                const struct thread_query *query, struct shown_row *out)
{
    if (!asks(c, row) || query->own == 0) {
        return;
    }
    if (account_row_has_thread(c->a, &out->kept)) {
        out->thread = out->kept.thread;
    } else {
        out->own = query->own;
        out->asked = call_ask_thread(c, query);
    }
}

/* Gives what its thread is asked by. */
static struct thread_query make_fixed(struct account_call *c, const struct mailbox *m,
                                      const struct imap_row *row, struct buf *text)
{
    size_t from = text->len;
    struct kept_row made = {.size = row->size};
    render_listed_fixed(text, m, row);
    if (asks(c, row)) {
        made.query = account_thread_query(c->a, m, row, &c->op.arena);
    }
    made.fixed = str_tail(buf_str(text), from);
    if (!text->overflow && may_keep(c->a, m, row)) {
        account_row_keep(c->a, m->number, row->uid, &made);
    }
    return made.query;
}

void shown_row_make(struct account_call *c, const struct mailbox *m,
                    const struct imap_row *row, struct shown_row *out)
{
    if (c->shown_bytes > ACCOUNT_ANSWER_MAX) {
        c->text.overflow = true; /* whatever comes, the answer is too long */
        return;
    }
    struct thread_query query = out->kept.query;
    struct buf *text = &c->text; /* which is empty until all rows are there */
    size_t from = text->len;
    (void)buf_put_byte(text, '{');
    render_listed_live(text, m, row);
    if (out->kept.fixed.ptr != NULL) {
        (void)buf_put_str(text, out->kept.fixed);
    } else {
        query = make_fixed(c, m, row, text);
    }
    (void)buf_put_byte(text, '}');
    out->number = m->number;
    out->uid = row->uid;
    if (!text->overflow) { /* what was cut off is no JSON any more */
        out->text = arena_str(&c->op.arena, str_tail(buf_str(text), from));
        ask(c, row, &query, out);
    }
    c->shown_bytes += text->len - from;
    buf_truncate(text, from);
}

bool shown_row_recall(struct account_call *c, uint32_t number, uint32_t uid,
                      struct shown_row *out)
{
    const struct kept_row *kept = account_row_kept(c->a, number, uid);
    if (kept != NULL) {
        out->kept = *kept;
        out->kept.fixed = arena_str(&c->op.arena, kept->fixed);
        out->kept.query.parent = arena_str(&c->op.arena, kept->query.parent);
    }
    return kept != NULL;
}

/* --- threads --- */

struct asking {
    struct shown_row *rows;
    size_t count;
};

static void on_told(struct account_call *c, const uint64_t *threads, size_t count)
{
    const struct asking *asking = c->asking;
    for (size_t i = 0; i < asking->count; i++) {
        struct shown_row *row = &asking->rows[i];
        if (row->asked > 0 && row->asked <= count) {
            row->thread = threads[row->asked - 1];
            account_row_keep_thread(c, row->number, row->uid, row->own, row->thread);
        }
    }
}

void shown_rows_put_threads(struct account_call *c, struct shown_row *rows, size_t count,
                            void (*then)(struct account_call *c))
{
    struct asking *asking = ARENA_NEW(&c->op.arena, struct asking);
    *asking = (struct asking){.rows = rows, .count = count};
    c->asking = asking;
    call_return(c);
    call_await_threads(c, on_told, then);
}

/* --- out --- */

void shown_row_put(struct json_out *out, const struct shown_row *row)
{
    char thread[THREAD_ID_SIZE];
    if (row->text.ptr == NULL) {
        return;
    }
    if (row->thread == 0) {
        json_out_text(out, NULL, row->text);
        return;
    }
    thread_id_format(row->thread, thread);
    json_out_text(out, NULL, str_from(row->text.ptr, row->text.len - 1));
    json_out_str(out, "threadId", str_of(thread));
    json_out_close(out, '}');
}

json_t *shown_row_json(const struct shown_row *row)
{
    json_t *value = NULL;
    if (row->text.ptr != NULL) {
        struct buf text = BUF_INIT(ACCOUNT_ANSWER_MAX);
        shown_row_put(&(struct json_out){.text = &text}, row);
        value = json_of_own(buf_str(&text));
        buf_fini(&text);
    }
    return value;
}
