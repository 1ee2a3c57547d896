#include "postrider/base/str.h"

bool ascii_ieq(const char *a, const char *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (a[i] != b[i] && ascii_lower(a[i]) != ascii_lower(b[i])) {
            return false;
        }
    }
    return true;
}

int str_cmp(struct str a, struct str b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int order = n == 0 ? 0 : memcmp(a.ptr, b.ptr, n);
    if (order != 0) {
        return order;
    }
    return (a.len > b.len) - (a.len < b.len);
}

bool str_has_prefix(struct str s, const char *prefix)
{
    size_t n = strlen(prefix);
    return s.len >= n && (n == 0 || memcmp(s.ptr, prefix, n) == 0);
}

bool str_has_suffix(struct str s, const char *suffix)
{
    size_t n = strlen(suffix);
    return s.len >= n && (n == 0 || memcmp(s.ptr + s.len - n, suffix, n) == 0);
}

size_t str_find_byte(struct str s, char byte)
{
    const char *p = s.len > 0 ? memchr(s.ptr, byte, s.len) : NULL;
    return p != NULL ? (size_t)(p - s.ptr) : SIZE_MAX;
}

size_t str_ifind(struct str s, const char *needle)
{
    size_t n = strlen(needle);
    for (size_t i = 0; i + n <= s.len; i++) {
        if (ascii_ieq(s.ptr + i, needle, n)) {
            return i;
        }
    }
    return SIZE_MAX;
}

struct str str_tail(struct str s, size_t start)
{
    if (start >= s.len) {
        return (struct str){.ptr = s.ptr != NULL ? s.ptr + s.len : NULL, .len = 0};
    }
    return (struct str){.ptr = s.ptr + start, .len = s.len - start};
}

bool str_matches(struct str pattern, struct str text)
{
    size_t star = str_find_byte(pattern, '*');
    if (pattern.ptr == NULL || text.ptr == NULL) {
        return false;
    }
    if (star == SIZE_MAX) {
        return str_eq(pattern, text);
    }
    if (text.len < star || memcmp(text.ptr, pattern.ptr, star) != 0) {
        return false;
    }
    /* Between two stars the first place that fits is as good as any. */
    text = str_tail(text, star);
    for (;;) {
        pattern = str_tail(pattern, star + 1);
        star = str_find_byte(pattern, '*');
        if (star == SIZE_MAX) {
            struct str end = str_tail(text, text.len - pattern.len);
            return text.len >= pattern.len && str_eq(end, pattern);
        }
        const char *found = memmem(text.ptr, text.len, pattern.ptr, star);
        if (found == NULL) {
            return false;
        }
        text = str_tail(text, (size_t)(found - text.ptr) + star);
    }
}

struct str str_trim(struct str s)
{
    while (s.len > 0 && ascii_is_space(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && ascii_is_space(s.ptr[s.len - 1])) {
        s.len--;
    }
    return s;
}

bool str_split(struct str *rest, char sep, struct str *piece_out)
{
    if (rest->ptr == NULL) {
        return false;
    }
    size_t at = str_find_byte(*rest, sep);
    if (at == SIZE_MAX) {
        *piece_out = *rest;
        *rest = STR_NULL;
        return true;
    }
    *piece_out = (struct str){.ptr = rest->ptr, .len = at};
    *rest = (struct str){.ptr = rest->ptr + at + 1, .len = rest->len - at - 1};
    return true;
}
