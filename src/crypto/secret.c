#include "postrider/crypto/crypto.h"

#include "postrider/base/mem.h"

struct secret {
    size_t len;
    char bytes[];
};

struct secret *secret_new(struct str bytes)
{
    struct secret *s = mem_alloc(sizeof *s + bytes.len + 1);
    s->len = bytes.len;
    if (bytes.len > 0) {
        memcpy(s->bytes, bytes.ptr, bytes.len);
    }
    return s;
}

void secret_free(struct secret **s)
{
    if (s == NULL || *s == NULL) {
        return;
    }
    mem_wipe(*s, sizeof **s + (*s)->len);
    mem_free(*s);
    *s = NULL;
}

struct str secret_str(const struct secret *s)
{
    return s != NULL ? str_from(s->bytes, s->len) : STR_NULL;
}
