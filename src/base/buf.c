#include "postrider/base/buf.h"

#include "postrider/base/mem.h"
#include "postrider/base/num.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    BUF_MIN_CAP = 64
};

void buf_init(struct buf *b, size_t max_bytes)
{
    *b = BUF_INIT(max_bytes);
}

void buf_fini(struct buf *b)
{
    mem_free(b->bytes);
    *b = BUF_INIT(b->max_bytes);
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->overflow = false;
    if (b->bytes != NULL) {
        b->bytes[0] = '\0';
    }
}

void buf_release(struct buf *b)
{
    buf_fini(b);
}

bool buf_grow(struct buf *b, size_t n)
{
    if (b->overflow || b->len > b->max_bytes || n > b->max_bytes - b->len) {
        b->overflow = true;
        return false;
    }
    size_t need = b->len + n + 1;
    if (need > b->cap) {
        size_t cap = b->cap * 2 > need ? b->cap * 2 : need;
        cap = cap < BUF_MIN_CAP ? BUF_MIN_CAP : cap;
        if (cap > b->max_bytes + 1) {
            cap = b->max_bytes + 1;
        }
        b->bytes = mem_realloc(b->bytes, cap);
        b->cap = cap;
    }
    return true;
}

bool buf_put_u64(struct buf *b, uint64_t v)
{
    char room[NUM_DIGITS_MAX];
    return buf_put_str(b, num_digits(v, room));
}

bool buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    bool ok = n >= 0 && buf_reserve(b, (size_t)n);
    if (ok) {
        (void)vsnprintf(b->bytes + b->len, (size_t)n + 1, fmt, ap);
        b->len += (size_t)n;
    }
    va_end(ap);
    return ok;
}

bool buf_put_varint(struct buf *b, uint64_t v)
{
    uint8_t bytes[10];
    size_t n = 0;
    while (v >= 0x80) {
        bytes[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    bytes[n++] = (uint8_t)v;
    return buf_put(b, bytes, n);
}

void buf_consume(struct buf *b, size_t n)
{
    if (n >= b->len) {
        b->len = 0;
    } else if (n > 0) {
        memmove(b->bytes, b->bytes + n, b->len - n);
        b->len -= n;
    }
    if (b->bytes != NULL) {
        b->bytes[b->len] = '\0';
    }
}

void buf_truncate(struct buf *b, size_t len)
{
    if (len < b->len) {
        b->len = len;
        b->bytes[len] = '\0';
    }
}

struct str buf_str(const struct buf *b)
{
    return (struct str){.ptr = buf_c(b), .len = b->len};
}

const char *buf_c(const struct buf *b)
{
    return b->bytes != NULL && b->len > 0 ? b->bytes : "";
}

char *buf_take(struct buf *b, size_t *len_out)
{
    char *bytes = b->len > 0 ? b->bytes : NULL;
    if (len_out != NULL) {
        *len_out = b->len;
    }
    if (bytes == NULL) {
        mem_free(b->bytes);
    }
    *b = BUF_INIT(b->max_bytes);
    return bytes;
}
