/* str: a borrowed slice of bytes, and comparisons on it.
 * Shape    pointer and length; not terminated; may hold any byte
 * Owner    whoever owns the bytes; a slice never frees */
#ifndef POSTRIDER_BASE_STR_H
#define POSTRIDER_BASE_STR_H

#include "postrider/base/attr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
    const char *ptr; /* NULL means absent; an empty string has ptr != NULL, len 0 */
    size_t len;
};

#define STR(literal) ((struct str){.ptr = (literal), .len = sizeof(literal) - 1})
#define STR_NULL     ((struct str){.ptr = NULL, .len = 0})
/* A member of a constant table. */
#define STR_INIT(literal)                                                                \
    {                                                                                    \
        .ptr = (literal), .len = sizeof(literal) - 1                                     \
    }
/* For printf("%.*s"). */
#define STR_ARG(s) ((int)(s).len), ((s).ptr != NULL ? (s).ptr : "")

static inline struct str str_of(const char *c)
{
    return (struct str){.ptr = c, .len = c != NULL ? strlen(c) : 0};
}

static inline struct str str_from(const void *ptr, size_t len)
{
    return (struct str){.ptr = ptr, .len = len};
}

/* Are n bytes equal, but for the case of ASCII letters? */
bool ascii_ieq(const char *a, const char *b, size_t n) ATTR_PURE;

/* Most comparisons end with the lengths, and the length of a literal is known to the
 * compiler: those that follow are inline for that. */
static inline bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool str_eq_c(struct str a, const char *b)
{
    return str_eq(a, str_of(b));
}

/* ASCII case-insensitive, locale-free. */
static inline bool str_ieq(struct str a, struct str b)
{
    return a.len == b.len && ascii_ieq(a.ptr, b.ptr, a.len);
}

static inline bool str_ieq_c(struct str a, const char *b)
{
    return str_ieq(a, str_of(b));
}

static inline bool str_has_iprefix(struct str s, const char *prefix)
{
    size_t n = strlen(prefix);
    return s.len >= n && ascii_ieq(s.ptr, prefix, n);
}

bool str_has_prefix(struct str s, const char *prefix) ATTR_PURE;
int str_cmp(struct str a, struct str b) ATTR_PURE;
bool str_has_suffix(struct str s, const char *suffix) ATTR_PURE;
/* Position of the byte or of the ASCII case-insensitive needle, or SIZE_MAX. */
size_t str_find_byte(struct str s, char byte) ATTR_PURE;
size_t str_ifind(struct str s, const char *needle) ATTR_PURE;
/* Whether the text has the form of the pattern, in which `*` stands for any bytes. Linear
 * in both. */
bool str_matches(struct str pattern, struct str text) ATTR_PURE;
/* From `start` to the end, clamped. */
struct str str_tail(struct str s, size_t start) ATTR_PURE;
/* Without ASCII white space at both ends. */
struct str str_trim(struct str s) ATTR_PURE;
/* Cuts the next piece up to `sep` from *rest; false when nothing is left. */
bool str_split(struct str *rest, char sep, struct str *piece_out);

static inline char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static inline char ascii_upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - ('a' - 'A')) : c;
}

static inline bool ascii_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool ascii_is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f' || c == '\v';
}

#endif
