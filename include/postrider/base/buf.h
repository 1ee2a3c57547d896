/* buf: a growing byte buffer with a maximum that it is born with.
 * Owner    the caller's struct; buf_fini frees the bytes
 * Limits   max_bytes; an append that would cross it changes nothing but sets `overflow`,
 * and all later appends are refused too, so a chain of appends needs one check at the end
 * Note     bytes[len] is always a NUL once something was appended (not counted in len) */
#ifndef POSTRIDER_BASE_BUF_H
#define POSTRIDER_BASE_BUF_H

#include "postrider/base/attr.h"
#include "postrider/base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    char *bytes;
    size_t len;
    size_t cap;
    size_t max_bytes;
    bool overflow;
};

#define BUF_INIT(max) ((struct buf){.max_bytes = (max)})

void buf_init(struct buf *b, size_t max_bytes);
void buf_fini(struct buf *b);
/* Empties the buffer and the overflow mark, keeps the memory. */
void buf_clear(struct buf *b);
/* Empties the buffer and gives the memory back. */
void buf_release(struct buf *b);

/* Inline is what is done for each of the short pieces that answers consist of. */

/* What buf_reserve does when there is no room yet. */
bool buf_grow(struct buf *b, size_t n);

/* Makes room for n more bytes; false on overflow. */
static inline bool buf_reserve(struct buf *b, size_t n)
{
    bool fits = n < b->cap - b->len && b->len + n <= b->max_bytes && !b->overflow;
    return fits || buf_grow(b, n);
}

static inline bool buf_put(struct buf *b, const void *p, size_t n)
{
    if (!buf_reserve(b, n)) {
        return false;
    }
    if (n > 0) {
        memcpy(b->bytes + b->len, p, n);
    }
    b->len += n;
    b->bytes[b->len] = '\0';
    return true;
}

static inline bool buf_put_byte(struct buf *b, char c)
{
    return buf_put(b, &c, 1);
}

static inline bool buf_put_c(struct buf *b, const char *s)
{
    return buf_put(b, s, strlen(s));
}

static inline bool buf_put_str(struct buf *b, struct str s)
{
    return buf_put(b, s.ptr, s.len);
}

bool buf_put_u64(struct buf *b, uint64_t v); /* decimal */
bool buf_printf(struct buf *b, const char *fmt, ...) ATTR_PRINTF(2, 3);
/* Little-endian base-128. */
bool buf_put_varint(struct buf *b, uint64_t v);
/* Drops n bytes from the front. */
void buf_consume(struct buf *b, size_t n);
void buf_truncate(struct buf *b, size_t len);
struct str buf_str(const struct buf *b);
/* The terminated bytes; "" when empty. Borrowed until the next change. */
const char *buf_c(const struct buf *b);
/* The bytes become the caller's (mem_free); the buffer is empty. NULL when empty. */
char *buf_take(struct buf *b, size_t *len_out);

#endif
