#include "postrider/json/json_out.h"

#include "postrider/base/bytes.h"
#include "postrider/base/check.h"
#include "postrider/base/clock.h"
#include "postrider/base/num.h"
#include "postrider/base/utf8.h"

/* --- strings --- */

/* Bytes at the front that stay as they are. */
static size_t plain_len(struct str s)
{
    return utf8_plain_len(s, STR("\"\\"));
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
    (void)buf_put_byte(out, '"');
    for (;;) {
        size_t n = plain_len(s);
        (void)buf_put(out, s.ptr, n);
        if (n == s.len) {
            break;
        }
        put_special(out, s.ptr[n]);
        s = str_tail(s, n + 1);
    }
    (void)buf_put_byte(out, '"');
}

/* --- members and items --- */

/* Room for a member: its comma, its key and n bytes, which begin where the result points;
 * NULL on overflow. A comma goes in front unless a bracket was opened just before. */
static char *begin(struct buf *out, struct str key, size_t n)
{
    char last = out->len > 0 ? out->bytes[out->len - 1] : '{';
    size_t comma = last != '{' && last != '[' ? 1 : 0;
    if (!buf_reserve(out, comma + (key.ptr != NULL ? key.len + 3 : 0) + n)) {
        return NULL;
    }
    char *to = out->bytes + out->len;
    *to = ',';
    to += comma;
    if (key.ptr != NULL) {
        *to++ = '"';
        memcpy(to, key.ptr, key.len);
        to += key.len;
        *to++ = '"';
        *to++ = ':';
    }
    return to;
}

static void end(struct buf *out, char *to)
{
    *to = '\0';
    out->len = (size_t)(to - out->bytes);
}

/* A value that stays as it is. */
static void put_word(struct buf *out, struct str key, struct str word)
{
    char *to = begin(out, key, word.len);
    if (to != NULL) {
        memcpy(to, word.ptr, word.len);
        end(out, to + word.len);
    }
}

static void put_string(struct buf *out, struct str key, struct str s)
{
    if (plain_len(s) < s.len) {
        put_word(out, key, STR(""));
        json_out_quoted(out, s);
        return;
    }
    char *to = begin(out, key, s.len + 2);
    if (to != NULL) {
        *to++ = '"';
        memcpy(to, s.ptr, s.len);
        to += s.len;
        *to++ = '"';
        end(out, to);
    }
}

/* Takes the value. */
static void add(struct json_out *out, struct str key, json_t *value)
{
    if (out->depth == 0) {
        out->value = value;
    } else if (key.ptr != NULL) {
        json_put(out->open[out->depth - 1], key.ptr, value);
    } else {
        json_push(out->open[out->depth - 1], value);
    }
}

void json_out_keyed_open(struct json_out *out, struct str key, char bracket)
{
    if (out->text != NULL) {
        put_word(out->text, key, str_from(&bracket, 1));
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

void json_out_keyed_str(struct json_out *out, struct str key, struct str s)
{
    if (s.ptr == NULL) {
        return;
    }
    if (out->text != NULL) {
        put_string(out->text, key, s);
    } else {
        add(out, key, json_str_repaired(s));
    }
}

void json_out_keyed_int(struct json_out *out, struct str key, int64_t v)
{
    if (out->text != NULL) {
        char room[1 + NUM_DIGITS_MAX];
        struct str text = num_digits(v < 0 ? -(uint64_t)v : (uint64_t)v, room + 1);
        if (v < 0) {
            char *sign = room + sizeof room - text.len - 1;
            *sign = '-';
            text = str_from(sign, text.len + 1);
        }
        put_word(out->text, key, text);
    } else {
        add(out, key, json_integer((json_int_t)v));
    }
}

void json_out_keyed_bool(struct json_out *out, struct str key, bool v)
{
    if (out->text != NULL) {
        put_word(out->text, key, v ? STR("true") : STR("false"));
    } else {
        add(out, key, json_boolean(v));
    }
}

void json_out_keyed_null(struct json_out *out, struct str key)
{
    if (out->text != NULL) {
        put_word(out->text, key, STR("null"));
    } else {
        add(out, key, json_null());
    }
}

void json_out_keyed_time(struct json_out *out, struct str key, int64_t wall_ms)
{
    char text[CLOCK_ISO_SIZE];
    clock_format_iso(wall_ms, text);
    json_out_keyed_str(out, key, str_from(text, sizeof text - 1));
}

void json_out_text(struct json_out *out, const char *key, struct str json)
{
    put_word(out->text, str_of(key), json);
}

void json_out_json(struct json_out *out, const char *key, json_t *value)
{
    if (out->text != NULL) {
        put_word(out->text, str_of(key), STR(""));
        (void)json_emit(value, out->text);
    } else {
        add(out, str_of(key), json_incref(value));
    }
}

void json_out_members(struct json_out *out, const json_t *obj)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)obj, key, value)
    {
        put_string(out->text, STR_NULL, str_of(key));
        (void)buf_put_byte(out->text, ':');
        (void)json_emit(value, out->text);
    }
}
