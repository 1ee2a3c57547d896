/* Address lists (RFC 5322 §3.4) as strangers write them, in one pass without recursion:
 *
 *   list    = mailbox *("," mailbox)            ";" separates too, as Outlook users type
 *   mailbox = phrase "<" address ">" | address | phrase ":" list ";"
 *
 * Quotes, comments and brackets that are not closed count as ordinary text. */
#include "charset.h"

#include "postrider/base/utf8.h"

enum {
    ENCODED_WORD_MAX = 256 /* bytes looked at for its end */
};

/* What the current mailbox has so far. */
struct reader {
    struct arena *arena;
    struct words words;
    struct str in;
    size_t at;
    bool no_quote; /* no closing quote, parenthesis from here on: stop looking */
    bool no_comment;
    bool has_angle;
    bool has_at;        /* text has one */
    struct buf text;    /* outside of brackets and comments, quotes kept */
    struct buf comment; /* the last one */
    struct buf angle;   /* inside the brackets */
    struct buf scratch;
    struct mime_address *items;
    struct mime_addresses *out;
};

/* --- text helpers --- */

/* Length of the quoted string at `at` with its quotes, or 0 if it is not closed. */
static size_t quoted_len(struct reader *r, size_t at)
{
    if (r->no_quote) {
        return 0;
    }
    for (size_t i = at + 1; i < r->in.len; i++) {
        if (r->in.ptr[i] == '\\') {
            i++;
        } else if (r->in.ptr[i] == '"') {
            return i + 1 - at;
        }
    }
    r->no_quote = true;
    return 0;
}

static size_t comment_len(struct reader *r, size_t at)
{
    unsigned depth = 0;
    for (size_t i = at; i < r->in.len && !r->no_comment; i++) {
        char c = r->in.ptr[i];
        if (c == '\\') {
            i++;
        } else if (c == '(') {
            depth += depth < MIME_COMMENT_DEPTH_MAX ? 1 : 0;
        } else if (c == ')' && --depth == 0) {
            return i + 1 - at;
        }
    }
    r->no_comment = true;
    return 0;
}

/* Removes quotes and backslashes. */
static void put_unquoted(struct buf *out, struct str s)
{
    bool quoted = false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '"') {
            quoted = !quoted;
        } else if (s.ptr[i] == '\\' && quoted && i + 1 < s.len) {
            buf_put_byte(out, s.ptr[++i]);
        } else {
            buf_put_byte(out, s.ptr[i]);
        }
    }
}

static struct str name_make(struct reader *r, struct str raw)
{
    struct buf text = BUF_INIT(SIZE_MAX / 4);
    buf_clear(&r->scratch);
    put_unquoted(&r->scratch, raw);
    words_decode(&r->words, &text, str_trim(buf_str(&r->scratch)));
    struct str name = arena_str(r->arena, str_trim(buf_str(&text)));
    buf_fini(&text);
    return name.ptr != NULL ? name : STR("");
}

/* Address without white space and controls outside of quotes, valid UTF-8. */
static struct str address_make(struct reader *r, struct str raw)
{
    bool quoted = false;
    struct buf text = BUF_INIT(SIZE_MAX / 4);
    buf_clear(&r->scratch);
    for (size_t i = 0; i < raw.len; i++) {
        unsigned char c = (unsigned char)raw.ptr[i];
        quoted = quoted != (c == '"');
        if (c > 0x20 && c != 0x7f) {
            buf_put_byte(&r->scratch, (char)c);
        } else if (quoted && (c == ' ' || c == '\t')) {
            buf_put_byte(&r->scratch, ' ');
        }
    }
    utf8_put_repaired(&text, buf_str(&r->scratch));
    struct str address = arena_str(r->arena, buf_str(&text));
    buf_fini(&text);
    return address.ptr != NULL ? address : STR("");
}

/* --- one mailbox --- */

static void add(struct reader *r, struct str name, struct str address)
{
    if (name.len == 0 && address.len == 0) {
        return;
    }
    if (r->out->count == MIME_ADDRESSES_MAX) {
        r->out->truncated = true;
        return;
    }
    r->items[r->out->count++] = (struct mime_address){.name = name, .address = address};
}

/* White space next to "@" goes, and next to "." after it (RFC 5322 §4.4); the rest of it
 * separates words. */
static void squeeze(struct buf *out, struct str s)
{
    bool after_at = false;
    for (size_t i = 0; i < s.len; i++) {
        size_t end = i;
        while (end < s.len && ascii_is_space(s.ptr[end])) {
            end++;
        }
        if (end == i) {
            buf_put_byte(out, s.ptr[i]);
            after_at = after_at || s.ptr[i] == '@';
            continue;
        }
        char before = out->len > 0 ? out->bytes[out->len - 1] : '@';
        char after = end < s.len ? s.ptr[end] : '@';
        bool joins = before == '@' || after == '@' ||
                     (after_at && (before == '.' || after == '.'));
        if (!joins) {
            buf_put_byte(out, ' ');
        }
        i = end - 1;
    }
}

/* A mailbox without brackets: "a@b", "a@b (name)", "name a@b", or only a name. */
static void add_bare(struct reader *r)
{
    struct buf text = BUF_INIT(SIZE_MAX / 4);
    squeeze(&text, buf_str(&r->text));
    struct str all = buf_str(&text);
    size_t start = all.len;
    bool quoted = false;
    for (size_t i = 0; i < all.len; i++) {
        quoted = quoted != (all.ptr[i] == '"');
        if (all.ptr[i] == ' ' && !quoted) {
            start = i + 1;
        }
    }
    struct str last = start < all.len ? str_tail(all, start) : all;
    struct str before = start < all.len ? str_from(all.ptr, start) : STR("");
    struct str comment = buf_str(&r->comment);
    if (str_find_byte(last, '@') != SIZE_MAX) {
        add(r, name_make(r, before.len > 0 ? before : comment), address_make(r, last));
    } else if (before.len == 0 && str_find_byte(last, '"') == SIZE_MAX &&
               !str_has_prefix(last, "=?")) {
        add(r, name_make(r, comment), address_make(r, last));
    } else {
        add(r, name_make(r, all), STR(""));
    }
    buf_fini(&text);
}

static void flush(struct reader *r)
{
    if (r->has_angle) {
        struct str name = str_trim(buf_str(&r->text));
        name = name.len > 0 ? name : buf_str(&r->comment);
        add(r, name_make(r, name), address_make(r, buf_str(&r->angle)));
    } else {
        add_bare(r);
    }
    r->has_angle = r->has_at = false;
    buf_clear(&r->text);
    buf_clear(&r->comment);
    buf_clear(&r->angle);
}

/* --- the list --- */

static void read_quoted(struct reader *r)
{
    size_t n = quoted_len(r, r->at);
    if (n > 0) {
        buf_put(&r->text, r->in.ptr + r->at, n);
    }
    r->at += n > 0 ? n : 1;
}

static void read_comment(struct reader *r)
{
    size_t n = comment_len(r, r->at);
    if (n >= 2) {
        buf_clear(&r->comment);
        buf_put(&r->comment, r->in.ptr + r->at + 1, n - 2);
        buf_put_byte(&r->text, ' ');
    }
    r->at += n > 0 ? n : 1;
}

/* "<" route ":" address ">"; without its ">" it ends where the mailbox must. */
static void read_angle(struct reader *r)
{
    if (r->has_angle) {
        flush(r);
    }
    r->has_angle = true;
    buf_clear(&r->angle);
    r->at++;
    bool route = r->at < r->in.len && r->in.ptr[r->at] == '@';
    while (r->at < r->in.len) {
        char c = r->in.ptr[r->at];
        size_t quoted = c == '"' ? quoted_len(r, r->at) : 0;
        if (quoted > 0) {
            buf_put(&r->angle, r->in.ptr + r->at, quoted);
            r->at += quoted;
            continue;
        }
        if (c == '<' || (!route && (c == ',' || c == ';'))) {
            return;
        }
        r->at++;
        if (c == '>') {
            return;
        }
        if (c == ':' && route) {
            route = false;
            buf_clear(&r->angle);
        } else if (c != '"') {
            buf_put_byte(&r->angle, c);
        }
    }
}

/* Length of an encoded word at `at`, or 0: some hold commas that they should not. */
static size_t encoded_len(const struct reader *r, size_t at)
{
    struct str rest = str_tail(r->in, at);
    if (!str_has_prefix(rest, "=?")) {
        return 0;
    }
    unsigned marks = 1;
    for (size_t i = 2; i + 1 < rest.len && i < ENCODED_WORD_MAX; i++) {
        if (ascii_is_space(rest.ptr[i])) {
            return 0;
        }
        if (rest.ptr[i] == '?' && marks >= 3 && rest.ptr[i + 1] == '=') {
            return i + 2;
        }
        marks += rest.ptr[i] == '?' ? 1 : 0;
    }
    return 0;
}

static void read_plain(struct reader *r)
{
    size_t encoded = encoded_len(r, r->at);
    if (encoded > 0) {
        buf_put(&r->text, r->in.ptr + r->at, encoded);
        r->at += encoded;
        return;
    }
    char c = r->in.ptr[r->at++];
    if (c == ',' || c == ';') {
        flush(r);
    } else if (c == ':' && !r->has_angle && !r->has_at) {
        /* What came before was the name of a group. */
        buf_clear(&r->text);
        buf_clear(&r->comment);
    } else if (c != '>' && c != '\0') {
        buf_put_byte(&r->text, c);
        r->has_at = r->has_at || c == '@';
    }
}

static void reader_init(struct reader *r, struct arena *arena, struct str in)
{
    *r = (struct reader){.arena = arena, .in = in};
    words_init(&r->words);
    buf_init(&r->text, SIZE_MAX / 4);
    buf_init(&r->comment, SIZE_MAX / 4);
    buf_init(&r->angle, SIZE_MAX / 4);
    buf_init(&r->scratch, SIZE_MAX / 4);
}

static void reader_fini(struct reader *r)
{
    words_fini(&r->words);
    buf_fini(&r->text);
    buf_fini(&r->comment);
    buf_fini(&r->angle);
    buf_fini(&r->scratch);
}

/* More than the mailboxes there can be. */
static size_t count_max(struct str value)
{
    size_t n = 1;
    for (size_t i = 0; i < value.len && n < MIME_ADDRESSES_MAX; i++) {
        n += value.ptr[i] == ',' || value.ptr[i] == ';' || value.ptr[i] == '<' ? 1 : 0;
    }
    return n;
}

void mime_addresses_parse(struct arena *arena, struct str value,
                          struct mime_addresses *out)
{
    *out = (struct mime_addresses){0};
    if (value.len > MIME_ADDRESS_LIST_MAX) {
        value.len = MIME_ADDRESS_LIST_MAX;
        out->truncated = true;
    }
    struct reader r;
    reader_init(&r, arena, value);
    r.out = out;
    r.items = ARENA_ARRAY(arena, struct mime_address, count_max(value));
    while (r.at < value.len && out->count < MIME_ADDRESSES_MAX) {
        switch (value.ptr[r.at]) {
        case '"':
            read_quoted(&r);
            break;
        case '(':
            read_comment(&r);
            break;
        case '<':
            read_angle(&r);
            break;
        default:
            read_plain(&r);
            break;
        }
    }
    flush(&r);
    out->truncated = out->truncated || r.at < value.len;
    out->items = r.items;
    reader_fini(&r);
}

void mime_address_from_parts(struct arena *arena, struct str name, struct str mailbox,
                             struct str host, struct mime_address *out)
{
    struct reader r;
    reader_init(&r, arena, STR(""));
    struct buf joined = BUF_INIT(SIZE_MAX / 4);
    buf_put_str(&joined, mailbox);
    /* Servers put this in place of a missing domain. */
    if (host.len > 0 && !str_eq_c(host, "MISSING_DOMAIN") &&
        !str_eq_c(host, ".MISSING-HOST-NAME.")) {
        buf_put_byte(&joined, '@');
        buf_put_str(&joined, host);
    }
    out->name = name_make(&r, name);
    out->address = address_make(&r, buf_str(&joined));
    buf_fini(&joined);
    reader_fini(&r);
}
