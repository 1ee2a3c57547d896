/* What the actor does about moves besides lending its tombstones to the passes. */
#include "account_priv.h"

enum {
    ROUND_DELAY_MS = 1000, /* a connection that hears of everything is faster */
    ROUND_GAP_MS = 10000
};

void account_moves_expect(struct account *a, uint32_t from_box, uint32_t to_box,
                          const struct imap_copy_result *result, bool copy)
{
    const struct mailbox *to = mailbox_table_by_box(&a->table, to_box);
    if (to != NULL && result->uid_validity == to->uid_validity) {
        sync_moves_expect(&a->moves, from_box, &result->from, to_box, &result->to, copy);
    }
}

static void on_round(struct timer *t)
{
    struct account *a = container_of(t, struct account, move_round);
    sync_moves_purge(&a->moves);
    if (a->phase == ACCOUNT_PHASE_ONLINE && a->moves.count > 0) {
        a->move_round_at_ms = loop_now_ms(a->as->loop);
        account_mailboxes_refresh(a);
    }
}

void account_moves_look(struct account *a, const struct sync_pass_result *result)
{
    int64_t since_ms = loop_now_ms(a->as->loop) - a->move_round_at_ms;
    bool early = a->move_round_at_ms != 0 && since_ms < ROUND_GAP_MS;
    if (result->deleted == 0 || a->moves.count == 0 || timer_is_set(&a->move_round)) {
        return;
    }
    timer_set(a->as->loop, &a->move_round,
              early ? ROUND_GAP_MS - since_ms : ROUND_DELAY_MS, on_round);
}
