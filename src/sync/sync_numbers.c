/* Flags that a server without QRESYNC tells by sequence number alone. The number is a rank of
 * the index as long as the index is what the connection shows: nothing came or went since
 * the last pass, and the counts are equal. Then nothing has to be asked. */
#include "sync_priv.h"

#include <stdlib.h>

/* Later facts about one message win. */
static int cmp_number(const void *a, const void *b)
{
    const struct sync_flag_row *x = a, *y = b;
    if (x->number != y->number) {
        return x->number > y->number ? 1 : -1;
    }
    return (x->order > y->order) - (x->order < y->order);
}

void sync_numbers_take(struct sync_pass *p)
{
    struct sync_live *live = p->live;
    size_t count = live->numbered_count, kept = 0;
    if (count == 0) {
        return;
    }
    if (!sync_live_numbers_hold(live) || p->sc.fast ||
        p->m->count != sync_pass_exists(p)) {
        live->numbered_count = 0;
        live->resync = true;
        return;
    }
    p->numbered = ARENA_ARRAY(&p->op.arena, struct sync_flag_row, count);
    for (size_t i = 0; i < count; i++) {
        p->numbered[i] = sync_flag_row_dup(&p->op.arena, &live->numbered[i]);
        p->numbered[i].order = (uint32_t)i;
    }
    if (count > 1) {
        qsort(p->numbered, count, sizeof *p->numbered, cmp_number);
    }
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || p->numbered[kept - 1].number != p->numbered[i].number) {
            kept++;
        }
        p->numbered[kept - 1] = p->numbered[i];
    }
    p->numbered_count = kept;
}

void sync_numbers_forget(struct sync_pass *p)
{
    if (p->numbered_count > 0 || p->live->numbered_count > 0) {
        p->numbered_count = p->live->numbered_count = 0;
        p->live->resync = true;
    }
}

const struct sync_flag_row *sync_numbers_of(struct sync_pass *p, uint32_t rank)
{
    while (p->numbered_at < p->numbered_count &&
           p->numbered[p->numbered_at].number <= rank) {
        p->numbered_at++;
    }
    bool told = !p->flushing && p->numbered_at < p->numbered_count &&
                p->numbered[p->numbered_at].number == rank + 1;
    return told ? &p->numbered[p->numbered_at] : NULL;
}
