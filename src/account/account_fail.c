/* Back to waiting: what ends, what stays, and when it goes on.
 *
 *   the connection failed   everything is closed; next try by the table of reactions
 *   the store failed        the watching connection stays, so that the outage costs the
 *                           mail server nothing; memory is loaded again, then it goes on
 *   the lease is gone       the account is another node's: the actor stops */
#include "account_priv.h"

#include "postrider/base/log.h"
#include "postrider/base/rand.h"

enum {
    LONG_LIFE_MS = 5 * 60 * 1000,
    COME_BACK_MS = 3000 /* after a long life; spread, as a server's end concerns many */
};

void account_shut(struct account *a, const struct err *why)
{
    timer_stop(&a->retry);
    slot_release(a->as, &a->slot);
    imap_open_cancel(a->open);
    account_watch_end(a);
    account_work_shut(a, why);
    a->parked = false;
}

static void park(struct account *a, const struct err *err)
{
    log_at(LOG_DEBUG, "account", "waits for the store", LOG_S("account", a->acct.name),
           LOG_ERR_FIELDS(err));
    a->phase = ACCOUNT_PHASE_WAITING;
    a->parked = true;
    a->reload = true;
    account_watch_rest(a);
    account_work_shut(a, err);
    account_wait(a, account_reaction_delay_ms(err, a->backoffs));
}

static bool may_park(const struct account *a, const struct err *err)
{
    return account_class_of(err) == ACCOUNT_CLASS_STORE && a->watch.conn != NULL &&
           imap_conn_is_open(a->watch.conn) &&
           (a->phase == ACCOUNT_PHASE_ONLINE || a->parked);
}

/* Lost, not refused: nothing is told before a try to come back has failed. */
static bool is_lost(const struct err *err, bool was_online)
{
    enum account_class klass = account_class_of(err);
    return was_online && (klass == ACCOUNT_CLASS_NETWORK || klass == ACCOUNT_CLASS_STORE);
}

static int64_t next_try_ms(struct account *a, const struct err *err, bool lived)
{
    if (lived && account_class_of(err) == ACCOUNT_CLASS_NETWORK) {
        return (int64_t)rand_below(COME_BACK_MS);
    }
    int64_t delay_ms = account_reaction_delay_ms(err, a->backoffs);
    if (account_reaction_get(err)->bars) {
        account_limits_bar(a, err->code, delay_ms);
    }
    int64_t least_ms = account_limits_wait_ms(a);
    return delay_ms > least_ms ? delay_ms : least_ms;
}

void account_fail(struct account *a, const struct err *cause)
{
    if (a->phase == ACCOUNT_PHASE_STOPPING || a->phase == ACCOUNT_PHASE_STOPPED ||
        a->phase == ACCOUNT_PHASE_WAITING) {
        return;
    }
    struct err err = *cause; /* may lie in a connection that is closed below */
    if (!store_owns(a->as->store, a->acct.shard) && err.code == ERR_FENCED) {
        accounts_drop(a);
        return;
    }
    account_errors_note(a, "watch", &err);
    if (may_park(a, &err)) {
        park(a, &err);
        return;
    }
    bool was_online = a->phase == ACCOUNT_PHASE_ONLINE;
    bool lived = was_online && a->settled &&
                 loop_now_ms(a->as->loop) - a->connected_ms >= LONG_LIFE_MS;
    log_at(LOG_DEBUG, "account", "back to waiting", LOG_S("account", a->acct.name),
           LOG_ERR_FIELDS(&err));
    a->phase = ACCOUNT_PHASE_WAITING;
    account_shut(a, &err);
    /* A pass that was cut off may have moved records in memory that were never stored. */
    a->reload = true;
    if (lived) {
        account_limits_relax(a);
    }
    if (a->record != NULL) {
        account_limits_note(a, &err);
    }
    int64_t delay_ms = next_try_ms(a, &err, lived);
    if (is_lost(&err, was_online)) {
        account_set_state(a, "connecting");
    } else if (a->record != NULL) {
        account_tell_error(a, &err);
    }
    account_wait(a, delay_ms);
}
