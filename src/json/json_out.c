#include "postrider/json/json_out.h"

#include "postrider/base/check.h"
#include "postrider/base/clock.h"
#include "postrider/base/utf8.h"

/* --- strings --- */

#define EACH_BYTE(value) (UINT64_C(0x0101010101010101) * (value))

/* Not 0 if one of the eight bytes is below `limit`; bytes above 0x7f count as not. */
static uint64_t below(uint64_t eight, uint64_t limit)
{
    return (eight - EACH_BYTE(limit)) & ~eight & EACH_BYTE(0x80);
}

static bool is_plain(char c)
{
    unsigned char byte = (unsigned char)c;
    return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
}

/* Bytes at the front that stay as they are: ASCII without quotes, backslashes, controls. */
static size_t plain_len(struct str s)
{
    size_t n = 0;
    uint64_t eight;
    for (; n + sizeof eight <= s.len; n += sizeof eight) {
        memcpy(&eight, s.ptr + n, sizeof eight);
        if (((eight & EACH_BYTE(0x80)) | below(eight, 0x20) |
             below(eight ^ EACH_BYTE('"'), 1) | below(eight ^ EACH_BYTE('\\'), 1)) != 0) {
            break;
        }
    }
    while (n < s.len && is_plain(s.ptr[n])) {
        n++;
    }
    return n;
}

static void put_special(struct buf *out, char c)
{
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    static const char hex[] = "0123456789ABCDEF";
    const char *known = memchr(from, c, sizeof from - 1);
    if ((unsigned char)c >= 0x80) {
        (void)buf_put_c(out, "\xef\xbf\xbd");
    } else if (known != NULL) {
        const char pair[] = {'\\', to[known - from]};
        (void)buf_put(out, pair, sizeof pair);
    } else {
        /* Not by printf: a message may consist of nothing else. */
        const char escape[] = {'\\', 'u', '0', '0', (char)('0' + c / 16), hex[c % 16]};
        (void)buf_put(out, escape, sizeof escape);
    }
}

void json_out_quoted(struct buf *out, struct str s)
{
    size_t done = 0, at = 0;
    (void)buf_put_byte(out, '"');
    while ((at += plain_len(str_tail(s, at))) < s.len) {
        size_t n = utf8_sequence_len(str_tail(s, at));
        if ((unsigned char)s.ptr[at] >= 0x80 && n > 0) {
            at += n;
            continue;
        }
        (void)buf_put(out, s.ptr + done, at - done);
        put_special(out, s.ptr[at++]);
        done = at;
    }
    (void)buf_put(out, s.ptr + done, s.len - done);
    (void)buf_put_byte(out, '"');
}

/* --- members and items --- */

/* A comma goes in front unless a bracket was opened just before. */
static void begin(struct buf *out, const char *key)
{
    char last = out->len > 0 ? out->bytes[out->len - 1] : '{';
    if (last != '{' && last != '[') {
        (void)buf_put_byte(out, ',');
    }
    if (key != NULL) {
        (void)buf_put_byte(out, '"');
        (void)buf_put_c(out, key);
        (void)buf_put(out, "\":", 2);
    }
}

static void put_plain(struct buf *out, const char *key, const char *word)
{
    begin(out, key);
    (void)buf_put_c(out, word);
}

/* Takes the value. */
static void add(struct json_out *out, const char *key, json_t *value)
{
    if (out->depth == 0) {
        out->value = value;
    } else if (key != NULL) {
        json_put(out->open[out->depth - 1], key, value);
    } else {
        json_push(out->open[out->depth - 1], value);
    }
}

void json_out_open(struct json_out *out, const char *key, char bracket)
{
    if (out->text != NULL) {
        begin(out->text, key);
        (void)buf_put_byte(out->text, bracket);
        return;
    }
    json_t *value = bracket == '{' ? json_object() : json_array();
    CHECK(out->depth < JSON_OUT_DEPTH_MAX);
    add(out, key, value);
    out->open[out->depth++] = value;
}

void json_out_close(struct json_out *out, char bracket)
{
    if (out->text != NULL) {
        (void)buf_put_byte(out->text, bracket);
    } else {
        CHECK(out->depth > 0);
        out->depth--;
    }
}

void json_out_str(struct json_out *out, const char *key, struct str s)
{
    if (s.ptr == NULL) {
        return;
    }
    if (out->text != NULL) {
        begin(out->text, key);
        json_out_quoted(out->text, s);
    } else {
        add(out, key, json_str_repaired(s));
    }
}

void json_out_int(struct json_out *out, const char *key, int64_t v)
{
    if (out->text != NULL) {
        put_plain(out->text, key, v < 0 ? "-" : "");
        (void)buf_put_u64(out->text, v < 0 ? -(uint64_t)v : (uint64_t)v);
    } else {
        add(out, key, json_integer((json_int_t)v));
    }
}

void json_out_bool(struct json_out *out, const char *key, bool v)
{
    if (out->text != NULL) {
        put_plain(out->text, key, v ? "true" : "false");
    } else {
        add(out, key, json_boolean(v));
    }
}

void json_out_null(struct json_out *out, const char *key)
{
    if (out->text != NULL) {
        put_plain(out->text, key, "null");
    } else {
        add(out, key, json_null());
    }
}

void json_out_time(struct json_out *out, const char *key, int64_t wall_ms)
{
    char text[CLOCK_ISO_SIZE];
    clock_format_iso(wall_ms, text);
    json_out_str(out, key, str_from(text, sizeof text - 1));
}

void json_out_text(struct json_out *out, const char *key, struct str json)
{
    begin(out->text, key);
    (void)buf_put_str(out->text, json);
}

void json_out_members(struct json_out *out, const json_t *obj)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)obj, key, value)
    {
        begin(out->text, NULL);
        json_out_quoted(out->text, str_of(key));
        (void)buf_put_byte(out->text, ':');
        (void)json_emit(value, out->text);
    }
}
