/* Address lists (RFC 5322 §3.4) as strangers write them, in one pass without recursion:
 *
 *   list    = mailbox *("," mailbox)            ";" separates too, as Outlook users type
 *   mailbox = phrase "<" address ">" | address | phrase ":" list ";"
 *
 * Quotes and comments that are not closed count as ordinary text. GMime reads the address of
 * each mailbox, but not lists: its parser recurses into groups until the stack ends, takes
 * quadratic time for names with commas, and loses what follows a semicolon. */
#include "mime_priv.h"

#include "postrider/base/utf8.h"

enum {
    WORD_MAX = 256 /* of an encoded word that keeps its commas */
};

/* What the current mailbox has so far. */
struct reader {
    struct arena *arena;
    struct str in;
    size_t at;
    struct mime_word_scan words;
    bool no_quote; /* no closing quote, parenthesis from here on: stop looking */
    bool no_comment;
    bool has_angle;
    bool has_at;        /* text has one */
    bool has_name;      /* text has a quoted string or an encoded word */
    struct buf text;    /* outside of brackets and comments, quotes kept */
    struct buf comment; /* the last one */
    struct buf angle;   /* "<" and what followed it */
    struct mime_address *items;
    struct mime_addresses *out;
};

/* --- values --- */

struct str mime_name_decode(struct buf *scratch, struct str raw)
{
    if (bytes_is_plain(raw, STR("\"\\=\x7f"))) {
        raw = str_trim(raw);
        return raw.ptr != NULL ? raw : STR("");
    }
    buf_clear(scratch);
    if (str_find_byte(raw, '"') == SIZE_MAX && str_find_byte(raw, '\\') == SIZE_MAX &&
        str_find_byte(raw, '\0') == SIZE_MAX) {
        mime_decode_words(scratch, str_trim(raw));
        return str_trim(buf_str(scratch));
    }
    struct buf plain = BUF_INIT(MIME_ANY_SIZE);
    for (struct str rest = raw, run; str_split(&rest, '\0', &run);) {
        buf_put_str(&plain, run);
    }
    if (plain.len > 0) {
        g_mime_utils_unquote_string(plain.bytes);
        mime_decode_words(scratch, str_trim(str_of(plain.bytes)));
    }
    buf_fini(&plain);
    return str_trim(buf_str(scratch));
}

static struct str name_make(struct arena *arena, struct str raw)
{
    struct buf scratch = BUF_INIT(MIME_ANY_SIZE);
    struct str name = arena_str(arena, mime_name_decode(&scratch, raw));
    buf_fini(&scratch);
    return name;
}

/* Takes white space and controls outside of quotes out; valid UTF-8. */
static void address_repair(struct buf *text)
{
    bool quoted = false;
    size_t kept = 0;
    if (bytes_is_plain(buf_str(text), STR(" \x7f"))) {
        return;
    }
    for (size_t i = 0; i < text->len; i++) {
        unsigned char c = (unsigned char)text->bytes[i];
        quoted = quoted != (c == '"');
        if ((c > 0x20 && c != 0x7f) || (quoted && c == ' ')) {
            text->bytes[kept++] = (char)c;
        }
    }
    buf_truncate(text, kept);
    if (!utf8_is_valid(buf_str(text))) {
        struct buf bytes = BUF_INIT(MIME_ANY_SIZE);
        buf_put_str(&bytes, buf_str(text));
        buf_clear(text);
        utf8_put_repaired(text, buf_str(&bytes));
        buf_fini(&bytes);
    }
}

static struct str address_make(struct arena *arena, struct str raw)
{
    struct buf text = BUF_INIT(MIME_ANY_SIZE);
    buf_put_str(&text, raw);
    address_repair(&text);
    struct str address = arena_str(arena, buf_str(&text));
    buf_fini(&text);
    return address;
}

struct str mime_address_join(struct buf *scratch, struct str mailbox, struct str host)
{
    buf_clear(scratch);
    buf_put_str(scratch, mailbox);
    /* Servers put this in place of a missing domain. */
    if (host.len > 0 && !str_eq_c(host, "MISSING_DOMAIN") &&
        !str_eq_c(host, ".MISSING-HOST-NAME.")) {
        buf_put_byte(scratch, '@');
        buf_put_str(scratch, host);
    }
    address_repair(scratch);
    return buf_str(scratch);
}

/* The address of one mailbox without a name; absent if it is none to GMime. */
static struct str address_read(struct arena *arena, const char *text)
{
    struct str address = STR_NULL;
    InternetAddressList *list = internet_address_list_parse(NULL, text);
    InternetAddress *first =
        list != NULL ? internet_address_list_get_address(list, 0) : NULL;
    if (first != NULL && INTERNET_ADDRESS_IS_MAILBOX(first)) {
        InternetAddressMailbox *mailbox = INTERNET_ADDRESS_MAILBOX(first);
        /* The plain one would turn "xn--" into the characters it stands for. */
        bool ascii = strstr(text, "xn--") != NULL;
        address = str_of(ascii ? internet_address_mailbox_get_idn_addr(mailbox)
                               : internet_address_mailbox_get_addr(mailbox));
        address = address_make(arena, address);
    }
    g_clear_object(&list);
    return address;
}

/* --- one mailbox --- */

/* A mailbox without brackets: an address, "name address", or only a name. */
static struct str address_bare(struct reader *r, struct str *name)
{
    struct str text = str_trim(buf_str(&r->text));
    struct str address = STR_NULL;
    if (text.len > 0 && (r->has_at || !r->has_name)) {
        address = address_read(r->arena, text.ptr);
    }
    if (address.ptr != NULL || text.len == 0) {
        return address;
    }
    size_t start = text.len;
    while (start > 0 && !ascii_is_space(text.ptr[start - 1])) {
        start--;
    }
    struct str last = str_tail(text, start);
    bool is_address = str_find_byte(last, '@') != SIZE_MAX;
    *name = !is_address ? text : start > 0 ? str_from(text.ptr, start) : *name;
    return is_address ? address_make(r->arena, last) : STR_NULL;
}

static void flush(struct reader *r)
{
    struct str text = str_trim(buf_str(&r->text));
    struct str name = buf_str(&r->comment);
    struct str address = STR_NULL;
    if (r->has_angle) {
        name = text.len > 0 ? text : name;
        struct str inside = str_trim(str_tail(buf_str(&r->angle), 1));
        address = inside.len > 0 ? address_read(r->arena, buf_c(&r->angle)) : inside;
        address = address.ptr != NULL ? address : address_make(r->arena, inside);
    } else {
        address = address_bare(r, &name);
    }
    struct mime_address item = {.name = name_make(r->arena, name),
                                .address = address.ptr != NULL ? address : STR("")};
    if (item.name.len + item.address.len > 0) {
        r->items[r->out->count++] = item;
    }
    r->has_angle = r->has_at = r->has_name = false;
    buf_clear(&r->text);
    buf_clear(&r->comment);
    buf_clear(&r->angle);
}

/* --- the list --- */

/* Length of the quoted string at `at` with its quotes, or 0 if it is not closed. */
static size_t quoted_len(struct reader *r, size_t at)
{
    for (size_t i = at + 1; i < r->in.len && !r->no_quote; i++) {
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
    size_t depth = 0;
    for (size_t i = at; i < r->in.len && !r->no_comment; i++) {
        char c = r->in.ptr[i];
        if (c == '\\') {
            i++;
        } else if (c == '(') {
            depth++;
        } else if (c == ')' && --depth == 0) {
            return i + 1 - at;
        }
    }
    r->no_comment = true;
    return 0;
}

/* Length of an encoded word at `at`, or 0: some hold commas that they should not. */
static size_t word_len(struct reader *r, size_t at)
{
    struct mime_word word;
    if (r->in.ptr[at] != '=' || !mime_word_at(&r->words, at, &word) ||
        word.end - at > WORD_MAX || str_find_byte(word.text, ' ') != SIZE_MAX) {
        return 0;
    }
    return word.end - at;
}

static void read_comment(struct reader *r)
{
    size_t n = comment_len(r, r->at);
    if (n > 0) {
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
    buf_put_byte(&r->angle, '<');
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
        route = route && c != ':';
        if (c != '"' && c != '\0') {
            buf_put_byte(&r->angle, c);
        }
    }
}

static void read_text(struct reader *r)
{
    char c = r->in.ptr[r->at];
    size_t name = c == '"' ? quoted_len(r, r->at) : word_len(r, r->at);
    if (name > 0) {
        r->has_name = true;
        buf_put(&r->text, r->in.ptr + r->at, name);
        r->at += name;
        return;
    }
    r->at++;
    if (c == ',' || c == ';') {
        flush(r);
    } else if (c == ':' && !r->has_angle && !r->has_at) {
        /* What came before was the name of a group. */
        r->has_name = false;
        buf_clear(&r->text);
        buf_clear(&r->comment);
    } else if (c != '>' && c != '"' && c != '\0') {
        buf_put_byte(&r->text, c);
        r->has_at = r->has_at || c == '@';
    }
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
    *out = (struct mime_addresses){.truncated = value.len > MIME_ADDRESS_LIST_MAX};
    value.len = out->truncated ? MIME_ADDRESS_LIST_MAX : value.len;
    struct reader r = {.arena = arena, .in = value, .words = {.raw = value}, .out = out};
    buf_init(&r.text, MIME_ANY_SIZE);
    buf_init(&r.comment, MIME_ANY_SIZE);
    buf_init(&r.angle, MIME_ANY_SIZE);
    r.items = ARENA_ARRAY(arena, struct mime_address, count_max(value) + 1);
    while (r.at < value.len && out->count < MIME_ADDRESSES_MAX) {
        if (value.ptr[r.at] == '(') {
            read_comment(&r);
        } else if (value.ptr[r.at] == '<') {
            read_angle(&r);
        } else {
            read_text(&r);
        }
    }
    if (out->count < MIME_ADDRESSES_MAX) {
        flush(&r);
    }
    out->truncated = out->truncated || r.at < value.len;
    out->items = r.items;
    buf_fini(&r.text);
    buf_fini(&r.comment);
    buf_fini(&r.angle);
}
