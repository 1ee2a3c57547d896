#include "changelog_priv.h"

#include "postrider/base/check.h"
#include "postrider/base/log.h"
#include "postrider/base/mem.h"

static const uint32_t changelog_magic = 0x636c6f67u;

static const struct backoff_policy scan_policy = {
    .first_ms = 500, .max_ms = 10000, .factor_percent = 200, .jitter_percent = 20};

const char *changelog_result_name(enum changelog_result r)
{
    static const char *const names[] = {[CHANGELOG_DONE] = "done",
                                        [CHANGELOG_RETRY] = "retry",
                                        [CHANGELOG_LATER] = "later",
                                        [CHANGELOG_DEAD] = "dead",
                                        [CHANGELOG_PAUSE] = "pause"};
    CHECK((size_t)r < ARRAY_LEN(names));
    return names[r];
}

/* --- stopping */

static void on_stopped(struct deferred *d)
{
    struct changelog *c = container_of(d, struct changelog, stop_later);
    c->stopped = true;
    c->stop_cb(c, c->stop_ctx);
}

void changelog_check_stopped(struct changelog *c)
{
    if (!c->stopping || c->ops > 0) {
        return;
    }
    for (size_t i = 0; i < c->reader_count; i++) {
        if (c->readers[i]->active > 0) {
            return;
        }
    }
    timer_stop(&c->drain);
    if (!c->stopped) {
        loop_defer(c->loop, &c->stop_later, on_stopped);
    }
}

void changelog_op_begun(struct changelog *c)
{
    c->ops++;
}

void changelog_op_ended(struct changelog *c)
{
    CHECK(c->ops > 0);
    c->ops--;
    changelog_check_stopped(c);
}

static void on_drained(struct timer *t)
{
    struct changelog *c = container_of(t, struct changelog, drain);
    for (size_t i = 0; i < c->reader_count; i++) {
        reader_cancel_all(c->readers[i]);
    }
    changelog_check_stopped(c);
}

void changelog_stop(struct changelog *c, int64_t drain_ms, changelog_stop_cb *cb,
                    void *ctx)
{
    CHECK_MAGIC(c, changelog_magic);
    CHECK(!c->stopping);
    c->stopping = true;
    c->stop_cb = cb;
    c->stop_ctx = ctx;
    timer_stop(&c->scan_timer);
    timer_stop(&c->look_timer);
    retention_stop(c);
    if (c->started) {
        store_set_appended_cb(c->store, NULL, NULL);
        store_set_moved_cb(c->store, NULL, NULL);
    }
    for (size_t i = 0; i < c->reader_count; i++) {
        reader_stop_timers(c->readers[i]);
    }
    timer_set(c->loop, &c->drain, drain_ms, on_drained);
    changelog_check_stopped(c);
}

/* --- finding accounts with unread entries */

static void scan(struct changelog *c);

static void on_scan_timer(struct timer *t)
{
    scan(container_of(t, struct changelog, scan_timer));
}

static void notice_name(struct changelog *c, struct str name)
{
    const char *id = store_account_id_by_name(c->store, name);
    if (id == NULL) {
        return; /* being created or deleted: nothing of it is to be told now */
    }
    struct store_acct acct;
    store_acct_init(c->store, &acct, str_of(id));
    for (size_t i = 0; i < c->reader_count && acct.incarnation[0] != '\0'; i++) {
        reader_notice(c->readers[i], &acct);
    }
    store_acct_fini(&acct);
}

static void on_dirty(struct store_dirty *op ATTR_UNUSED, const struct err *err,
                     const struct str *names, size_t count, void *ctx)
{
    struct changelog *c = ctx;
    c->scanning = false;
    if (!c->stopping && err->code != ERR_OK) {
        log_at(LOG_WARN, "changelog", "cannot look for unread entries; trying again",
               LOG_ERR_FIELDS(err));
        timer_set(c->loop, &c->scan_timer,
                  backoff_next_ms(&c->scan_backoff, &scan_policy), on_scan_timer);
    } else if (!c->stopping) {
        backoff_reset(&c->scan_backoff);
        for (size_t i = 0; i < count; i++) {
            notice_name(c, names[i]);
        }
        if (c->scan_again) {
            scan(c);
        }
    }
    changelog_op_ended(c);
}

static void scan(struct changelog *c)
{
    if (c->scanning) {
        c->scan_again = true;
        return;
    }
    c->scanning = true;
    c->scan_again = false;
    timer_stop(&c->scan_timer);
    changelog_op_begun(c);
    (void)store_dirty_start(c->store, on_dirty, c);
}

void changelog_rescan(struct changelog *c)
{
    CHECK_MAGIC(c, changelog_magic);
    if (c->started && !c->stopping) {
        scan(c);
    }
}

/* --- what the store tells */

static void on_appended(struct store *s ATTR_UNUSED, const struct store_acct *acct,
                        size_t count, void *ctx)
{
    struct changelog *c = ctx;
    for (size_t i = 0; i < c->reader_count; i++) {
        reader_notice(c->readers[i], acct);
    }
    watches_tell(c, acct);
    retention_appended(c, acct, count);
}

static void on_moved(struct store *s ATTR_UNUSED, void *ctx)
{
    struct changelog *c = ctx;
    for (size_t i = 0; i < c->reader_count; i++) {
        reader_moved(c->readers[i]);
    }
    scan(c);
}

/* --- the changelog */

struct changelog *changelog_new(struct store *s, const struct changelog_config *config)
{
    struct changelog *c = MEM_NEW(struct changelog);
    c->magic = changelog_magic;
    c->store = s;
    c->loop = store_loop(s);
    c->max_active =
        config->max_active > 0 ? config->max_active : CHANGELOG_ACTIVE_DEFAULT;
    retention_init(c, config);
    list_init(&c->watches);
    return c;
}

void changelog_free(struct changelog **cp)
{
    struct changelog *c = *cp;
    if (c == NULL) {
        return;
    }
    CHECK_MAGIC(c, changelog_magic);
    CHECK((c->stopped || !c->started) && c->ops == 0);
    *cp = NULL;
    for (size_t i = 0; i < c->reader_count; i++) {
        reader_free(c->readers[i]);
    }
    retention_fini(c);
    c->magic = 0;
    mem_free(c);
}

void changelog_start(struct changelog *c)
{
    CHECK_MAGIC(c, changelog_magic);
    CHECK(!c->started && !c->stopping);
    c->started = true;
    store_set_appended_cb(c->store, on_appended, c);
    store_set_moved_cb(c->store, on_moved, c);
    retention_start(c);
    scan(c);
}

void changelog_forget(struct changelog *c, struct str account_id)
{
    CHECK_MAGIC(c, changelog_magic);
    struct store_acct acct;
    store_acct_init(c->store, &acct, account_id);
    for (size_t i = 0; i < c->reader_count; i++) {
        reader_forget(c->readers[i], str_of(acct.name));
    }
    retention_forget(c, str_of(acct.name));
    store_acct_fini(&acct);
}
