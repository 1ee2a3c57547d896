/* Content-Disposition of a download (RFC 6266, RFC 8187). The name comes from a
 * stranger's mail: it may neither end the header line, nor name a place, nor mislead the
 * reader. */
#include "mime_priv.h"

#include "postrider/base/utf8.h"

enum {
    NAME_MAX_BYTES = 200, /* of UTF-8; file systems allow 255 */
    EXTENSION_MAX = 16
};

/* attr-char (RFC 8187) beside letters, digits and what is never escaped. */
#define ATTR_CHARS "!#$&+^`|"

/* Device names of one system's file layer, with any extension. */
static const char *const devices[] = {"con", "prn", "aux", "nul"};

/* Controls, direction marks, joiners, byte order marks. */
static bool is_invisible(uint32_t cp)
{
    GUnicodeType type = g_unichar_type(cp);
    return type == G_UNICODE_CONTROL || type == G_UNICODE_FORMAT ||
           type == G_UNICODE_LINE_SEPARATOR || type == G_UNICODE_PARAGRAPH_SEPARATOR;
}

static struct str base_name(struct str name)
{
    for (size_t i = name.len; i > 0; i--) {
        if (name.ptr[i - 1] == '/' || name.ptr[i - 1] == '\\') {
            name = str_tail(name, i);
            break;
        }
    }
    if (name.len >= 2 && name.ptr[1] == ':' && ascii_lower(name.ptr[0]) >= 'a' &&
        ascii_lower(name.ptr[0]) <= 'z') {
        name = str_tail(name, 2);
    }
    return name;
}

static bool is_device(struct str name)
{
    size_t dot = str_find_byte(name, '.');
    struct str stem = str_trim(str_from(name.ptr, dot != SIZE_MAX ? dot : name.len));
    for (size_t i = 0; i < ARRAY_LEN(devices); i++) {
        if (str_ieq_c(stem, devices[i])) {
            return true;
        }
    }
    return stem.len == 4 && ascii_is_digit(stem.ptr[3]) &&
           (str_has_iprefix(stem, "com") || str_has_iprefix(stem, "lpt"));
}

/* Visible characters, those with a meaning to shells and file systems replaced. */
static void put_clean(struct buf *out, struct str name)
{
    struct buf valid = BUF_INIT(SIZE_MAX / 4);
    utf8_put_repaired(&valid, name);
    struct str rest = buf_str(&valid);
    while (rest.len > 0) {
        size_t n = 0;
        uint32_t cp = utf8_decode(rest, &n);
        if (cp < 0x80 && cp >= 0x20 && strchr("<>:\"|?*/\\", (int)cp) != NULL) {
            buf_put_byte(out, '_');
        } else if (!is_invisible(cp)) {
            buf_put(out, rest.ptr, n);
        }
        rest = str_tail(rest, n);
    }
    buf_fini(&valid);
}

/* Without dots and spaces around it: hidden files, "..", "a.exe ." */
static struct str trim_dots(struct str s)
{
    while (s.len > 0 && (s.ptr[0] == '.' || s.ptr[0] == ' ')) {
        s = str_tail(s, 1);
    }
    while (s.len > 0 && (s.ptr[s.len - 1] == '.' || s.ptr[s.len - 1] == ' ')) {
        s.len--;
    }
    return s;
}

/* Shortens in the middle, so that the extension stays. */
static void put_short(struct buf *out, struct str name)
{
    size_t dot = name.len;
    while (dot > 0 && name.ptr[dot - 1] != '.') {
        dot--;
    }
    size_t extension = dot > 0 ? name.len - dot + 1 : 0;
    if (name.len <= NAME_MAX_BYTES || extension > EXTENSION_MAX) {
        extension = 0;
    }
    buf_put_str(out, utf8_clip(name, NAME_MAX_BYTES - extension));
    buf_put_str(out, str_tail(name, name.len - extension));
}

static void put_safe_name(struct buf *out, struct str filename)
{
    struct buf clean = BUF_INIT(SIZE_MAX / 4);
    put_clean(&clean, base_name(filename));
    struct str name = trim_dots(buf_str(&clean));
    if (is_device(name)) {
        buf_put_byte(out, '_');
    }
    if (name.len == 0) {
        name = STR("attachment");
    }
    put_short(out, name);
    buf_fini(&clean);
}

bool mime_disposition(struct buf *out, const char *kind, struct str filename)
{
    struct buf name = BUF_INIT(NAME_MAX_BYTES + 8);
    put_safe_name(&name, filename);
    bool inline_kind = strcmp(kind, "inline") == 0;
    buf_put_c(out, inline_kind ? "inline; filename=\"" : "attachment; filename=\"");
    bool plain = true;
    for (struct str rest = buf_str(&name); rest.len > 0;) {
        size_t n = 0;
        uint32_t cp = utf8_decode(rest, &n);
        /* "%" would be decoded by some browsers even in the plain form. */
        bool ascii = cp < 0x80 && cp != '%';
        plain = plain && ascii;
        buf_put_byte(out, ascii ? (char)cp : '_');
        rest = str_tail(rest, n);
    }
    buf_put_byte(out, '"');
    if (!plain) {
        char *escaped = g_uri_escape_string(buf_c(&name), ATTR_CHARS, FALSE);
        buf_put_c(out, "; filename*=UTF-8''");
        buf_put_c(out, escaped);
        g_free(escaped);
    }
    buf_fini(&name);
    return !out->overflow;
}
