#include "postrider/base/check.h"
#include "postrider/base/codec.h"
#include "postrider/base/mem.h"
#include "postrider/base/num.h"
#include "store_index.h"

#include <stdio.h>

enum {
    MESSAGE_ID_BYTES = 8,
    MESSAGE_ID_DIGITS = 11,
    MESSAGE_ID_ROOM = 16
};

static const char *const phase_names[] = {
    [MAILBOX_PHASE_NEW] = "new",   [MAILBOX_PHASE_INITIAL] = "initial",
    [MAILBOX_PHASE_LIVE] = "live", [MAILBOX_PHASE_PARKED] = "parked",
    [MAILBOX_PHASE_GONE] = "gone",
};

const char *mailbox_phase_name(enum mailbox_phase phase)
{
    CHECK((size_t)phase < ARRAY_LEN(phase_names));
    return phase_names[phase];
}

/* One piece of memory, and for most one name: accounts have many mailboxes. */
void mailbox_set_names(struct mailbox *m, struct str wire, struct str path)
{
    bool same = str_eq(wire, path);
    char *names = mem_alloc(wire.len + 1 + (same ? 0 : path.len + 1));
    if (wire.len > 0) {
        memcpy(names, wire.ptr, wire.len);
    }
    if (!same && path.len > 0) {
        memcpy(names + wire.len + 1, path.ptr, path.len);
    }
    mem_free(m->wire);
    m->wire = names;
    m->wire_len = wire.len;
    m->path = same ? names : names + wire.len + 1;
}

struct mailbox *mailbox_new(uint32_t box, struct str wire, struct str path,
                            char delimiter)
{
    struct mailbox *m = MEM_NEW(struct mailbox);
    m->box = box;
    mailbox_set_names(m, wire, path);
    m->delimiter = delimiter;
    return m;
}

void mailbox_clear_rows(struct mailbox *m)
{
    mem_free(m->segments);
    mem_free(m->inline_segment);
    m->segments = NULL;
    m->segment_count = 0;
    m->inline_segment = NULL;
    m->inline_len = 0;
    m->count = 0;
}

void mailbox_free(struct mailbox **mp)
{
    struct mailbox *m = *mp;
    if (m == NULL) {
        return;
    }
    *mp = NULL;
    mailbox_clear_rows(m);
    for (size_t i = 0; i < m->keyword_count; i++) {
        mem_free(m->keywords[i]);
    }
    mem_free(m->keywords);
    mem_free(m->mailbox_id);
    mem_free(m->wire);
    mem_free(m);
}

bool mailbox_uids_known(const struct mailbox *m, uint32_t first_rank, uint32_t count,
                        uint32_t *uids_out)
{
    uint32_t skip = first_rank, n = 0;
    for (size_t i = 0; i < m->segment_count && n < count; i++) {
        const struct segment_entry *segment = &m->segments[i];
        if (skip >= segment->count) {
            skip -= segment->count;
            continue;
        }
        if (segment->last_uid - segment->first_uid != segment->count - 1) {
            return false;
        }
        for (; skip < segment->count && n < count; skip++) {
            uids_out[n++] = segment->first_uid + skip;
        }
        skip = 0;
    }
    return n == count;
}

int mailbox_keyword_id(struct mailbox *m, struct str name, bool add)
{
    for (size_t i = 0; i < m->keyword_count; i++) {
        if (str_ieq_c(name, m->keywords[i])) {
            return (int)i;
        }
    }
    if (!add || m->keyword_count >= MAILBOX_KEYWORDS_MAX || name.len == 0 ||
        name.len > MAILBOX_KEYWORD_BYTES_MAX) {
        return -1;
    }
    m->keywords = mem_realloc(m->keywords, (m->keyword_count + 1) * sizeof *m->keywords);
    m->keywords[m->keyword_count] = mem_strndup(name.ptr, name.len);
    return (int)m->keyword_count++;
}

void message_id_format(uint32_t number, uint32_t uid, char out[12])
{
    uint8_t raw[MESSAGE_ID_BYTES];
    num_put_be32(raw, number);
    num_put_be32(raw + 4, uid);
    CHECK(base64url_write(out, raw, sizeof raw) == MESSAGE_ID_DIGITS);
}

bool message_id_parse(struct str id, uint32_t *number_out, uint32_t *uid_out)
{
    if (id.len != MESSAGE_ID_DIGITS) {
        return false;
    }
    struct buf raw = BUF_INIT(MESSAGE_ID_ROOM);
    bool ok = base64url_decode(&raw, id) && raw.len == MESSAGE_ID_BYTES;
    if (ok) {
        const uint8_t *p = (const uint8_t *)raw.bytes;
        uint32_t number = num_get_be32(p), uid = num_get_be32(p + 4);
        char again[MESSAGE_ID_DIGITS + 1];
        message_id_format(number, uid, again);
        /* One spelling only: stray low bits of the last digit are refused. */
        ok = uid > 0 && str_eq_c(id, again);
        if (ok) {
            *number_out = number;
            *uid_out = uid;
        }
    }
    buf_fini(&raw);
    return ok;
}
