/* Backpressure: while the store cannot keep up, mail servers are not read. Connections
 * stay, no deadline runs, and nothing is lost: what was not read is still to come. */
#include "account_priv.h"
#include "account_watch.h"

#include "postrider/base/log.h"

static void account_hold(struct account *a, bool held)
{
    account_conn_hold(&a->watch, held);
    account_subs_hold(a, held);
    for (size_t i = 0; i < ACCOUNT_WORK_MAX; i++) {
        if (a->work[i] != NULL) {
            account_conn_hold(&a->work[i]->c, held);
        }
    }
}

/* Mail stays where it is, and the memory of what was read but not stored is bounded. */
static void on_turn(struct loop_hook *h)
{
    struct accounts *as = container_of(h, struct accounts, hook);
    bool held = store_is_behind(as->store);
    as->store_fill = store_fill_percent(as->store);
    if (held == as->held) {
        return;
    }
    as->held = held;
    as->holds += held ? 1 : 0;
    log_at(LOG_WARN, "account",
           held ? "the store cannot keep up: mail servers are not read"
                : "mail servers are read again");
    list_foreach (node, &as->all) {
        account_hold(container_of(node, struct account, node), held);
    }
}

void accounts_hold_init(struct accounts *as)
{
    loop_hook_add(as->loop, &as->hook, on_turn);
}

void accounts_hold_fini(struct accounts *as)
{
    loop_hook_remove(&as->hook);
}
