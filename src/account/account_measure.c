#include "account_measure.h"

#include "postrider/base/mem.h"

enum {
    LINE_MAX_BYTES =
        996, /* characters of a line (RFC 5322 §2.1.1), whole groups of four */
    KEPT = 16,
    PATH_SIZE = 64
};

/* --- the shape of base64 --- */

static bool is_base64_char(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || ascii_is_digit(c) ||
           c == '+' || c == '/';
}

static void line_ended(struct account_measuring *m)
{
    if (m->line == 0) {
        m->line = m->at;
    }
    /* Behind a line that is shorter than the first one only empty lines may follow. */
    m->ended = m->ended || m->at < m->line || m->at == 0;
    m->at = 0;
}

static bool takes(struct account_measuring *m, char c)
{
    if (m->cr) {
        m->cr = false;
        if (c != '\n') {
            return false;
        }
        line_ended(m);
        return true;
    }
    if (c == '\r') {
        m->cr = true;
        return true;
    }
    bool pad = c == '=';
    if (!pad && (m->ended || !is_base64_char(c))) {
        return false;
    }
    m->ended = m->ended || pad;
    m->at++;
    return m->at <= (m->line != 0 ? m->line : LINE_MAX_BYTES);
}

void account_measuring_feed(struct account_measuring *m, struct str data)
{
    for (size_t i = 0; i < data.len && !m->uneven; i++) {
        m->uneven = !takes(m, data.ptr[i]);
    }
}

uint32_t account_measuring_line(const struct account_measuring *m)
{
    uint32_t line = m->line != 0 ? m->line : m->at;
    return m->uneven || m->cr || line % 4 != 0 ? 0 : line;
}

uint64_t account_measure_seek(const struct account_measure *m, uint64_t first,
                              uint64_t *skip_out)
{
    uint64_t decoded = m->line / 4 * 3;
    uint64_t lines = decoded > 0 ? first / decoded : 0;
    *skip_out = first - lines * decoded;
    return lines * ((uint64_t)m->line + 2);
}

/* --- what was measured --- */

struct kept {
    struct account_measure m;
    uint32_t number, uid; /* uid 0: empty */
    char path[PATH_SIZE];
};

struct account_measures {
    struct kept items[KEPT]; /* a ring */
    size_t next;
};

const struct account_measure *account_measures_get(const struct account_measures *all,
                                                   uint32_t number, uint32_t uid,
                                                   struct str path)
{
    for (size_t i = 0; all != NULL && i < KEPT; i++) {
        const struct kept *k = &all->items[i];
        if (k->uid != 0 && k->uid == uid && k->number == number &&
            str_eq_c(path, k->path)) {
            return &k->m;
        }
    }
    return NULL;
}

void account_measures_put(struct account_measures **all, uint32_t number, uint32_t uid,
                          struct str path, const struct account_measure *m)
{
    if (path.len >= PATH_SIZE) {
        return;
    }
    if (*all == NULL) {
        *all = MEM_NEW(struct account_measures);
    }
    struct kept *k = &(*all)->items[(*all)->next++ % KEPT];
    *k = (struct kept){.m = *m, .number = number, .uid = uid};
    memcpy(k->path, path.ptr, path.len);
}

void account_measures_free(struct account_measures **all)
{
    mem_free(*all);
    *all = NULL;
}
