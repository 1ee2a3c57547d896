/* Content-Disposition of a download (RFC 6266, RFC 8187). The name comes from a
 * stranger's mail: it may neither end the header line, nor name a place, nor mislead the
 * reader. */
#include "postrider/mime/mime.h"

#include "postrider/base/utf8.h"

enum {
    NAME_MAX_BYTES = 200, /* of UTF-8; file systems allow 255 */
    EXTENSION_MAX = 16
};

/* Characters that do not print: direction marks, joiners, byte order marks. */
static const struct range {
    uint32_t first, last;
} invisible[] = {
    {0x00, 0x1f},     {0x7f, 0x9f},     {0xad, 0xad},       {0x61c, 0x61c},
    {0x180e, 0x180e}, {0x200b, 0x200f}, {0x2028, 0x202e},   {0x2060, 0x206f},
    {0xfeff, 0xfeff}, {0xfff0, 0xfffb}, {0xe0000, 0xe0fff},
};

/* Device names of one system's file layer, with any extension. */
static const char *const devices[] = {"con", "prn", "aux", "nul"};

static bool is_invisible(uint32_t cp)
{
    for (size_t i = 0; i < ARRAY_LEN(invisible); i++) {
        if (cp >= invisible[i].first && cp <= invisible[i].last) {
            return true;
        }
    }
    return false;
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

static bool is_inside(struct str s, size_t at)
{
    return at < s.len && ((unsigned char)s.ptr[at] & 0xc0) == 0x80;
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
    size_t keep = name.len <= NAME_MAX_BYTES ? name.len : NAME_MAX_BYTES - extension;
    while (keep > 0 && is_inside(name, keep)) {
        keep--;
    }
    buf_put(out, name.ptr, keep);
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

static bool is_attr_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || ascii_is_digit(c) ||
           (c != '\0' && strchr("!#$&+-.^_`|~", c) != NULL);
}

bool mime_disposition(struct buf *out, const char *kind, struct str filename)
{
    static const char hex[] = "0123456789ABCDEF";
    struct buf name = BUF_INIT(NAME_MAX_BYTES + 8);
    put_safe_name(&name, filename);
    bool inline_kind = strcmp(kind, "inline") == 0;
    buf_put_c(out, inline_kind ? "inline; filename=\"" : "attachment; filename=\"");
    bool plain = true;
    for (size_t i = 0; i < name.len; i++) {
        /* "%" would be decoded by some browsers even in the plain form. */
        bool ascii = (unsigned char)name.bytes[i] < 0x80 && name.bytes[i] != '%';
        plain = plain && ascii;
        if (ascii) {
            buf_put_byte(out, name.bytes[i]);
        } else if (!is_inside(buf_str(&name), i)) {
            buf_put_byte(out, '_');
        }
    }
    buf_put_byte(out, '"');
    if (!plain) {
        buf_put_c(out, "; filename*=UTF-8''");
        for (size_t i = 0; i < name.len; i++) {
            unsigned char c = (unsigned char)name.bytes[i];
            if (is_attr_char((char)c)) {
                buf_put_byte(out, (char)c);
            } else {
                const char escaped[3] = {'%', hex[c >> 4], hex[c & 15]};
                buf_put(out, escaped, sizeof escaped);
            }
        }
    }
    buf_fini(&name);
    return !out->overflow;
}
