#include "imap_dump.h"

#include "postrider/base/check.h"
#include "postrider/base/mem.h"

#include <inttypes.h>

const struct imap_dump_options imap_dump_defaults = {.limits = {.line_max = 1 << 20,
                                                                .literal_max = 1 << 20,
                                                                .total_max = 8 << 20,
                                                                .depth_max = 256,
                                                                .nodes_max = 200000}};

void imap_dump_str(struct buf *out, struct str s)
{
    if (s.ptr == NULL) {
        buf_put_c(out, "NIL");
        return;
    }
    buf_put_byte(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = (uint8_t)s.ptr[i];
        if (c < 0x20 || c > 0x7e || c == '"' || c == '\\') {
            buf_printf(out, "\\x%02x", c);
        } else {
            buf_put_byte(out, (char)c);
        }
    }
    buf_put_byte(out, '"');
}

static void put_named(struct buf *out, const char *name, struct str s)
{
    if (s.ptr != NULL) {
        buf_printf(out, " %s=", name);
        imap_dump_str(out, s);
    }
}

static void put_number(struct buf *out, const char *name, uint64_t v)
{
    if (v != 0) {
        buf_printf(out, " %s=%" PRIu64, name, v);
    }
}

static void put_words(struct buf *out, const char *name, const struct str *words,
                      size_t n)
{
    buf_printf(out, " %s=[", name);
    for (size_t i = 0; i < n; i++) {
        buf_put_c(out, i > 0 ? " " : "");
        imap_dump_str(out, words[i]);
    }
    buf_put_byte(out, ']');
}

static void put_set(struct buf *out, const char *name, const struct imap_set *set)
{
    if (set->count > 0) {
        buf_printf(out, " %s=", name);
        (void)imap_set_print(out, set, 0, SIZE_MAX);
    }
}

static void put_flags(struct buf *out, const struct imap_flags *flags)
{
    buf_put_c(out, " flags=");
    for (unsigned bit = 1; bit <= IMAP_FLAG_DRAFT; bit <<= 1) {
        if (flags->system & bit) {
            buf_put_c(out, imap_flag_name((uint8_t)bit));
        }
    }
    put_words(out, "keywords", flags->keywords, flags->keyword_count);
}

static void put_code(struct buf *out, const struct imap_code *code)
{
    if (code->kind == IMAP_CODE_NONE) {
        return;
    }
    buf_printf(out, " code=%d", (int)code->kind);
    put_named(out, "name", code->name);
    put_named(out, "args", code->args);
    put_number(out, "number", code->number);
    put_set(out, "a", &code->set_a);
    put_set(out, "b", &code->set_b);
    if (code->kind == IMAP_CODE_PERMANENTFLAGS) {
        put_flags(out, &code->flags);
        buf_put_c(out, code->flags_wildcard ? " wildcard" : "");
    }
    put_named(out, "id", code->id);
}

static void put_addresses(struct buf *out, const char *name,
                          const struct imap_addresses *list)
{
    if (list->count == 0) {
        return;
    }
    buf_printf(out, " %s=(", name);
    for (size_t i = 0; i < list->count; i++) {
        const struct imap_address *a = &list->items[i];
        const struct str fields[] = {a->name, a->route, a->mailbox, a->host};
        buf_put_c(out, i > 0 ? " (" : "(");
        for (size_t f = 0; f < 4; f++) {
            buf_put_c(out, f > 0 ? " " : "");
            imap_dump_str(out, fields[f]);
        }
        buf_put_byte(out, ')');
    }
    buf_put_byte(out, ')');
}

static void put_envelope(struct buf *out, const struct imap_envelope *e)
{
    buf_put_c(out, " envelope{");
    put_named(out, "date", e->date);
    put_named(out, "subject", e->subject);
    put_addresses(out, "from", &e->from);
    put_addresses(out, "sender", &e->sender);
    put_addresses(out, "reply-to", &e->reply_to);
    put_addresses(out, "to", &e->to);
    put_addresses(out, "cc", &e->cc);
    put_addresses(out, "bcc", &e->bcc);
    put_named(out, "in-reply-to", e->in_reply_to);
    put_named(out, "message-id", e->message_id);
    buf_put_c(out, " }");
}

static void put_params(struct buf *out, const struct imap_params *params)
{
    for (size_t i = 0; i < params->count; i++) {
        buf_put_byte(out, ';');
        imap_dump_str(out, params->items[i].name);
        buf_put_byte(out, '=');
        imap_dump_str(out, params->items[i].value);
    }
}

static void put_part(struct buf *out, const struct imap_part *part)
{
    buf_printf(out, " [%.*s:%u %.*s/%.*s", STR_ARG(part->path), part->depth,
               STR_ARG(part->type), STR_ARG(part->subtype));
    put_params(out, &part->params);
    put_named(out, "id", part->id);
    put_named(out, "description", part->description);
    buf_printf(out, " %.*s", STR_ARG(part->encoding));
    put_number(out, "size", part->size);
    put_number(out, "lines", part->lines);
    put_named(out, "md5", part->md5);
    put_named(out, "disposition", part->disposition);
    put_params(out, &part->disposition_params);
    put_named(out, "language", part->language);
    put_named(out, "location", part->location);
    if (part->envelope != NULL) {
        put_envelope(out, part->envelope);
    }
    buf_put_byte(out, ']');
}

void imap_dump_structure(struct buf *out, const struct imap_structure *structure)
{
    buf_put_c(out, structure->truncated ? " truncated" : "");
    for (const struct imap_part *p = structure->root; p != NULL; p = imap_part_next(p)) {
        put_part(out, p);
    }
}

static void put_row(struct buf *out, const struct imap_row *row)
{
    buf_printf(out, " seq=%u has=%x", row->seq, row->has);
    put_number(out, "uid", row->uid);
    if (row->has & IMAP_ITEM_FLAGS) {
        put_flags(out, &row->flags);
    }
    put_number(out, "modseq", row->modseq);
    if (row->has & IMAP_ITEM_INTERNALDATE) {
        buf_printf(out, " date=%" PRId64, row->internaldate_ms);
    }
    put_number(out, "size", row->size);
    put_named(out, "email", row->email_id);
    put_named(out, "thread", row->thread_id);
    put_named(out, "preview", row->preview);
    if (row->has & IMAP_ITEM_GM_LABELS) {
        put_words(out, "labels", row->labels, row->label_count);
    }
    if (row->envelope != NULL) {
        put_envelope(out, row->envelope);
    }
    if (row->structure != NULL) {
        imap_dump_structure(out, row->structure);
    }
    for (size_t i = 0; i < row->section_count; i++) {
        const struct imap_section *s = &row->sections[i];
        buf_printf(out, " section %.*s<%u>=", STR_ARG(s->name), s->origin);
        imap_dump_str(out, s->data);
        buf_put_c(out, s->streamed ? " streamed" : "");
    }
    buf_put_c(out, row->partial ? " partial" : "");
}

static void put_list(struct buf *out, const struct imap_list_entry *e)
{
    buf_put_c(out, " wire=");
    imap_dump_str(out, e->wire);
    put_named(out, "path", e->path);
    buf_printf(out, " delimiter=%c attrs=%x", e->delimiter != '\0' ? e->delimiter : '-',
               e->attrs);
    put_named(out, "use", e->special_use);
}

static void put_status(struct buf *out, const struct imap_status *s)
{
    buf_put_byte(out, ' ');
    imap_dump_str(out, s->mailbox);
    buf_printf(out, " has=%x", s->has);
    put_number(out, "messages", s->messages);
    put_number(out, "uidnext", s->uid_next);
    put_number(out, "uidvalidity", s->uid_validity);
    put_number(out, "unseen", s->unseen);
    put_number(out, "highestmodseq", s->highest_modseq);
    put_number(out, "size", s->size);
    put_named(out, "id", s->mailbox_id);
}

static void put_search(struct buf *out, const struct imap_resp *r)
{
    struct imap_set set = r->set;
    imap_set_normalize(&set);
    put_set(out, "set", &set);
    buf_put_c(out, r->esearch ? " esearch" : "");
    put_named(out, "tag", r->search_tag);
    buf_printf(out, " has=%x", r->search_has);
    put_number(out, "count", r->search_count);
    put_number(out, "min", r->search_min);
    put_number(out, "max", r->search_max);
    put_number(out, "modseq", r->search_modseq);
}

static const char *const cond_names[] = {"OK", "NO", "BAD", "BYE", "PREAUTH"};

static void put_response(struct buf *out, const struct imap_resp *r)
{
    buf_put_c(out, imap_resp_kind_name(r->kind));
    put_named(out, "tag", r->tag);
    if (r->kind == IMAP_RESP_TAGGED || r->kind == IMAP_RESP_STATUS) {
        buf_printf(out, " %s", cond_names[r->cond]);
    }
    put_code(out, &r->code);
    put_named(out, "text", r->text);
    if (r->kind == IMAP_RESP_FETCH) {
        put_row(out, &r->row);
    } else {
        put_number(out, "n", r->number);
    }
    if (r->word_count > 0) {
        put_words(out, "words", r->words, r->word_count);
    }
    if (r->personal.given) {
        put_named(out, "prefix", r->personal.prefix);
        buf_printf(out, " delimiter=%c",
                   r->personal.delimiter != '\0' ? r->personal.delimiter : '-');
    }
    if (r->kind == IMAP_RESP_LIST) {
        put_list(out, &r->list);
    } else if (r->kind == IMAP_RESP_MAILBOX_STATUS) {
        put_status(out, &r->status);
    } else if (r->kind == IMAP_RESP_QUOTA && r->storage.known) {
        put_number(out, "used", r->storage.used_bytes);
        put_number(out, "limit", r->storage.limit_bytes);
    } else if (r->kind == IMAP_RESP_FLAGS) {
        put_flags(out, &r->flags);
    } else if (r->kind == IMAP_RESP_SEARCH) {
        put_search(out, r);
    } else if (r->kind == IMAP_RESP_VANISHED) {
        put_set(out, "set", &r->set);
        buf_put_c(out, r->earlier ? " earlier" : "");
    }
    buf_put_byte(out, '\n');
}

/* --- feeding --- */

struct dump {
    struct buf *out;
    const struct imap_dump_options *options;
    struct imap_parser *parser;
    struct buf body;
};

/* What one response may cost: its text (a buffer doubles), its ranges, its tokens and
 * what is made of them, a part of a structure being the most expensive. */
static void check_memory(const struct dump *d)
{
    const struct imap_limits *limits = &d->options->limits;
    size_t most = 65536 + limits->total_max * 8 + (size_t)limits->nodes_max * 640;
    CHECK(imap_parser_memory(d->parser) <= most);
}

static void after_callback(struct dump *d)
{
    check_memory(d);
    if (d->options->stop) {
        imap_parser_stop(d->parser);
    }
}

static void on_response(void *ctx, const struct imap_resp *resp)
{
    struct dump *d = ctx;
    put_response(d->out, resp);
    after_callback(d);
}

static bool on_literal_begin(void *ctx, const struct imap_literal *l)
{
    struct dump *d = ctx;
    buf_printf(d->out, "literal seq=%u uid=%u section=%.*s<%u> size=%" PRIu64, l->seq,
               l->uid, STR_ARG(l->section), l->origin, l->size);
    buf_put_c(d->out, l->in_fetch ? "\n" : " outside fetch\n");
    after_callback(d);
    return true;
}

static void on_literal_data(void *ctx, const char *data, size_t len, bool end)
{
    struct dump *d = ctx;
    buf_put(&d->body, data, len);
    if (end) {
        buf_put_c(d->out, "streamed ");
        imap_dump_str(d->out, buf_str(&d->body));
        buf_put_byte(d->out, '\n');
        buf_clear(&d->body);
    }
    after_callback(d);
}

/* A copy of exactly the chunk: AddressSanitizer then sees what reads beyond it or keeps
 * pointers into it. */
static bool feed_copy(struct imap_parser *p, struct str chunk, size_t *used,
                      struct err *err)
{
    char *copy = mem_alloc(chunk.len);
    memcpy(copy, chunk.ptr, chunk.len);
    bool ok = imap_parser_feed(p, copy, chunk.len, used, err);
    mem_free(copy);
    return ok;
}

void imap_dump(struct buf *out, struct str input, const struct imap_dump_options *options,
               imap_dump_chunk *chunk, void *state)
{
    struct dump d = {
        .out = out, .options = options, .body = BUF_INIT((size_t)64 * 1024 * 1024)};
    const struct imap_parser_events events = {
        .on_response = on_response,
        .on_literal_begin = options->stream ? on_literal_begin : NULL,
        .on_literal_data = on_literal_data};
    struct imap_parser *p = imap_parser_new(&events, &d);
    struct err err = {0};
    bool ok = true;
    d.parser = p;
    imap_parser_set_limits(p, &options->limits);
    imap_parser_set_utf8(p, options->utf8);
    while (ok && input.len > 0) {
        size_t n = chunk != NULL ? chunk(state) : 0;
        n = n == 0 || n > input.len ? input.len : n;
        size_t used = 0;
        ok = feed_copy(p, str_from(input.ptr, n), &used, &err);
        CHECK(!ok || used == n || options->stop);
        CHECK(used <= n);
        input = str_tail(input, used);
    }
    if (!ok) {
        buf_printf(out, "failed %s: %s\n", err_code_name(err.code), err.msg);
    } else if (imap_parser_is_idle(p)) {
        imap_parser_trim(p);
    } else {
        buf_put_c(out, "unfinished\n");
    }
    imap_parser_free(&p);
    buf_fini(&d.body);
}
