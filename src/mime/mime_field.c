/* Header fields. Text beyond ASCII goes into base64 words of whole characters (RFC 2047 §5):
 *
 *   "Subject:" *( " " word )         folded in front of a space
 *   "To:" " " address *( "," address ) */
#include "mime_field.h"

#include "mime_priv.h"
#include "postrider/base/codec.h"

#include <stdio.h>
#include <time.h>

enum {
    LINE_SOFT = 78,
    LINE_HARD = 998,
    WORD_BYTES = 45, /* of text in an encoded word: 60 characters of base64 */
    TOKEN_MAX = 900, /* text without a space that may stand as it is */
    ID_BYTES_MAX = 996
};

/* --- folding --- */

/* Where the present line began. */
struct fold {
    struct buf *out;
    size_t line;
};

static struct fold begin(struct buf *out, const char *name)
{
    struct fold f = {.out = out, .line = out->len};
    buf_put_c(out, name);
    buf_put_byte(out, ':');
    return f;
}

/* A token behind white space, on the next line if it does not fit on this one. */
static void put_token(struct fold *f, struct str space, struct str token)
{
    size_t used = f->out->len - f->line;
    if (used + space.len + token.len > LINE_SOFT && used > 0) {
        buf_put_c(f->out, "\r\n");
        f->line = f->out->len;
    }
    buf_put_str(f->out, space.len > 0 ? space : STR(" "));
    buf_put_str(f->out, token);
}

static void end(struct fold *f)
{
    buf_put_c(f->out, "\r\n");
}

/* --- encoded words --- */

static bool is_plain(struct str text)
{
    size_t token = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        token = c == ' ' ? 0 : token + 1;
        if (c < 0x20 || c >= 0x7f || token > TOKEN_MAX ||
            (c == '=' && i + 1 < text.len && text.ptr[i + 1] == '?')) {
            return false;
        }
    }
    return true;
}

/* Bytes of the text that make up whole characters. */
static size_t word_length(struct str text)
{
    size_t n = text.len < WORD_BYTES ? text.len : WORD_BYTES;
    size_t cut = n;
    while (cut > 0 && cut < text.len && ((unsigned char)text.ptr[cut] & 0xc0) == 0x80) {
        cut--;
    }
    return cut > 0 ? cut : n;
}

static void put_words(struct fold *f, struct str text)
{
    while (text.len > 0) {
        struct buf word = BUF_INIT(2 * WORD_BYTES);
        size_t n = word_length(text);
        buf_put_c(&word, "=?utf-8?B?");
        (void)base64_encode(&word, text.ptr, n);
        buf_put_c(&word, "?=");
        put_token(f, STR(" "), buf_str(&word));
        buf_fini(&word);
        text = str_tail(text, n);
    }
}

static void put_plain(struct fold *f, struct str text)
{
    while (text.len > 0) {
        size_t space = 0, n;
        while (space < text.len && text.ptr[space] == ' ') {
            space++;
        }
        for (n = space; n < text.len && text.ptr[n] != ' '; n++) {
        }
        put_token(f, str_from(text.ptr, space), str_from(text.ptr + space, n - space));
        text = str_tail(text, n);
    }
}

/* A copy in which every control character is a space, trimmed. */
static struct str cleaned(struct arena *arena, struct str text)
{
    char *copy = arena_strndup(arena, text.ptr != NULL ? text.ptr : "", text.len);
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)copy[i];
        copy[i] = c < 0x20 || c == 0x7f ? ' ' : copy[i];
    }
    return str_trim(str_from(copy, text.len));
}

static void put_text(struct fold *f, struct str text)
{
    if (is_plain(text)) {
        put_plain(f, text);
    } else {
        put_words(f, text);
    }
}

bool mime_field_name_ok(struct str name)
{
    bool ok = name.len > 0 && name.len <= 76;
    for (size_t i = 0; ok && i < name.len; i++) {
        ok = name.ptr[i] > 0x20 && name.ptr[i] < 0x7f && name.ptr[i] != ':';
    }
    return ok;
}

void mime_field_text(struct buf *out, const char *name, struct str text)
{
    struct arena arena = {0};
    struct fold f = begin(out, name);
    put_text(&f, cleaned(&arena, text));
    end(&f);
    arena_fini(&arena);
}

/* --- addresses --- */

static bool is_address_char(char c)
{
    return (unsigned char)c > 0x20 && (unsigned char)c < 0x7f &&
           strchr("<>(),;:\\\"[]@", c) == NULL;
}

/* local@domain. The domain may be an address literal, or not in ASCII yet. */
static bool is_address(struct str s, bool any_script)
{
    size_t at = SIZE_MAX;
    for (size_t i = 0; i < s.len; i++) {
        at = s.ptr[i] == '@' ? i : at;
    }
    if (at == SIZE_MAX || at == 0 || at + 1 == s.len || s.len > LINE_HARD - 100) {
        return false;
    }
    bool literal = s.ptr[at + 1] == '[' && s.ptr[s.len - 1] == ']';
    for (size_t i = 0; i < s.len; i++) {
        bool bracket = literal && (i == at + 1 || i == s.len - 1);
        bool colon = literal && i > at && s.ptr[i] == ':';
        bool beyond = any_script && i > at && (unsigned char)s.ptr[i] >= 0x80;
        if (i != at && !bracket && !colon && !beyond && !is_address_char(s.ptr[i])) {
            return false;
        }
    }
    return true;
}

/* The address in ASCII; absent if there is none. */
static struct str ascii_address(struct arena *arena, struct str address)
{
    struct str in = str_trim(address);
    if (!is_address(in, true)) {
        return STR_NULL;
    }
    const char *text = arena_strndup(arena, in.ptr, in.len);
    InternetAddress *mailbox = internet_address_mailbox_new(NULL, text);
    const char *idn =
        internet_address_mailbox_get_idn_addr(INTERNET_ADDRESS_MAILBOX(mailbox));
    struct str out = arena_str(arena, str_of(idn));
    g_object_unref(mailbox);
    return out.ptr != NULL && is_address(out, false) ? out : STR_NULL;
}

static void put_quoted(struct buf *out, struct str text)
{
    buf_put_byte(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"' || text.ptr[i] == '\\') {
            buf_put_byte(out, '\\');
        }
        buf_put_byte(out, text.ptr[i]);
    }
    buf_put_byte(out, '"');
}

static void put_name(struct fold *f, struct str name)
{
    struct buf quoted = BUF_INIT(MIME_ANY_SIZE);
    if (!is_plain(name) || name.len > TOKEN_MAX / 2) {
        put_words(f, name);
        return;
    }
    put_quoted(&quoted, name);
    put_token(f, STR(" "), buf_str(&quoted));
    buf_fini(&quoted);
}

bool mime_field_addresses(struct buf *out, const char *name,
                          struct mime_address_list list, struct err *err)
{
    struct arena arena = {0};
    bool ok = true;
    struct fold f = {0};
    for (size_t i = 0; i < list.count && ok; i++) {
        struct str address = ascii_address(&arena, list.items[i].address);
        struct str shown = cleaned(&arena, list.items[i].name);
        ok = address.ptr != NULL;
        if (!ok) {
            continue;
        }
        if (i == 0) {
            f = begin(out, name);
        } else {
            buf_put_byte(out, ',');
        }
        if (shown.len > 0) {
            put_name(&f, shown);
        }
        put_token(&f, STR(" "),
                  str_of(arena_printf(&arena, shown.len > 0 ? "<%.*s>" : "%.*s",
                                      STR_ARG(address))));
    }
    if (ok && list.count > 0) {
        end(&f);
    }
    arena_fini(&arena);
    return ok ||
           err_set(err, ERR_INVALID, "%s: not an address that can be written to", name);
}

/* --- ids and dates --- */

bool mime_field_ids(struct buf *out, const char *name, struct str ids, struct err *err)
{
    struct arena arena = {0};
    struct str rest = cleaned(&arena, ids), id;
    struct fold f = begin(out, name);
    bool ok = rest.len > 0;
    while (ok && str_split(&rest, ' ', &id)) {
        if (id.len == 0) {
            continue;
        }
        bool bare = id.ptr[0] != '<';
        id = bare ? str_of(arena_printf(&arena, "<%.*s>", STR_ARG(id))) : id;
        ok = id.len <= ID_BYTES_MAX && id.len > 2 && id.ptr[id.len - 1] == '>' &&
             is_plain(str_from(id.ptr, id.len < TOKEN_MAX ? id.len : TOKEN_MAX)) &&
             str_find_byte(str_from(id.ptr + 1, id.len - 2), '<') == SIZE_MAX;
        for (size_t i = 0; i < id.len; i++) {
            ok = ok && (unsigned char)id.ptr[i] < 0x7f;
        }
        put_token(&f, STR(" "), id);
    }
    end(&f);
    arena_fini(&arena);
    return ok || err_set(err, ERR_INVALID, "%s: not an id of a message", name);
}

void mime_field_date(struct buf *out, const char *name, int64_t wall_ms)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct tm tm = {0};
    time_t seconds = (time_t)(wall_ms / 1000);
    if (gmtime_r(&seconds, &tm) == NULL) {
        return;
    }
    (void)buf_printf(out, "%s: %.3s, %02d %.3s %04d %02d:%02d:%02d +0000\r\n", name,
                     days + (ptrdiff_t)3 * tm.tm_wday, tm.tm_mday,
                     months + (ptrdiff_t)3 * tm.tm_mon, tm.tm_year + 1900, tm.tm_hour,
                     tm.tm_min, tm.tm_sec);
}

/* --- fields of callers --- */

static bool name_is_one_of(struct str name, const char *const *names)
{
    for (; *names != NULL; names++) {
        if (str_ieq_c(name, *names)) {
            return true;
        }
    }
    return false;
}

bool mime_field_custom(struct buf *out, const struct mime_header *field, struct err *err)
{
    static const char *const addresses[] = {"From", "Sender", "Reply-To", "To",
                                            "Cc",   "Bcc",    NULL};
    static const char *const ids[] = {"Message-ID", "In-Reply-To", "References", NULL};
    struct arena arena = {0};
    bool ok = mime_field_name_ok(field->name);
    if (!ok) {
        return err_set(err, ERR_INVALID, "headers: this is no name of a header");
    }
    const char *name = arena_strndup(&arena, field->name.ptr, field->name.len);
    if (name_is_one_of(field->name, addresses)) {
        struct mime_addresses list;
        mime_addresses_parse(&arena, field->value, &list);
        ok = mime_field_addresses(
            out, name, (struct mime_address_list){list.items, list.count}, err);
    } else if (name_is_one_of(field->name, ids)) {
        ok = mime_field_ids(out, name, field->value, err);
    } else {
        mime_field_text(out, name, field->value);
    }
    arena_fini(&arena);
    return ok;
}

void mime_field_folded(struct buf *out, const char *name, const char *value)
{
    buf_put_c(out, name);
    buf_put_c(out, ": ");
    for (struct str rest = str_trim(str_of(value)); rest.len > 0;) {
        size_t lf = str_find_byte(rest, '\n');
        size_t n = lf != SIZE_MAX ? lf : rest.len;
        buf_put_str(out, str_from(rest.ptr, n));
        buf_put_c(out, "\r\n");
        rest = str_tail(rest, lf != SIZE_MAX ? n + 1 : n);
    }
}
