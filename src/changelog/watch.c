#include "postrider/changelog/watch.h"

#include "changelog_priv.h"

#include "postrider/base/log.h"

#include <stdio.h>

static void tell(struct changelog *c, uint8_t shard, const char *account_name)
{
    list_foreach (node, &c->watches) {
        struct changelog_watch *w = container_of(node, struct changelog_watch, node);
        bool all = w->account_name[0] == '\0';
        if (all || (w->shard == shard && (account_name == NULL ||
                                          strcmp(w->account_name, account_name) == 0))) {
            w->fn(w, shard);
        }
    }
}

void watches_tell(struct changelog *c, const struct store_acct *acct)
{
    tell(c, acct->shard, acct->name);
}

/* --- shards of other nodes */

static void on_look(struct timer *t);

static void look_again(struct changelog *c)
{
    if (!list_is_empty(&c->watches) && !c->stopping) {
        timer_set(c->loop, &c->look_timer, CHANGELOG_WATCH_MS, on_look);
    }
}

static void on_ends(struct store_feed_ends *op ATTR_UNUSED, const struct err *err,
                    const struct feed_place *ends, void *ctx)
{
    struct changelog *c = ctx;
    c->looking = false;
    for (size_t i = 0; err->code == ERR_OK && i < STORE_SHARDS; i++) {
        if (!store_owns(c->store, (uint8_t)i) &&
            feed_place_before(c->seen_ends[i], ends[i])) {
            c->seen_ends[i] = ends[i];
            tell(c, (uint8_t)i, NULL);
        }
    }
    if (err->code != ERR_OK) {
        log_at(LOG_DEBUG, "changelog", "feeds of other nodes not seen",
               LOG_ERR_FIELDS(err));
    }
    look_again(c);
    changelog_op_ended(c);
}

static void on_look(struct timer *t)
{
    struct changelog *c = container_of(t, struct changelog, look_timer);
    bool shards[STORE_SHARDS];
    bool foreign = false;
    for (size_t i = 0; i < STORE_SHARDS; i++) {
        shards[i] = !store_owns(c->store, (uint8_t)i);
        foreign = foreign || shards[i];
    }
    if (!foreign) {
        look_again(c);
        return;
    }
    c->looking = true;
    changelog_op_begun(c);
    (void)store_feed_ends_start(c->store, shards, on_ends, c);
}

/* --- watches */

void changelog_watch_start(struct changelog *c, struct changelog_watch *w,
                           const struct store_acct *acct, changelog_watch_fn *fn)
{
    *w = (struct changelog_watch){.changelog = c, .fn = fn};
    if (acct != NULL) {
        (void)snprintf(w->account_name, sizeof w->account_name, "%s", acct->name);
        w->shard = acct->shard;
    }
    if (list_is_empty(&c->watches) && !c->looking && !c->stopping) {
        /* What was seen long ago would hide what came since. */
        memset(c->seen_ends, 0, sizeof c->seen_ends);
        timer_set(c->loop, &c->look_timer, CHANGELOG_WATCH_MS, on_look);
    }
    list_init(&w->node);
    list_append(&c->watches, &w->node);
}

void changelog_watch_stop(struct changelog_watch *w)
{
    if (w->changelog == NULL) {
        return;
    }
    list_remove(&w->node);
    if (list_is_empty(&w->changelog->watches)) {
        timer_stop(&w->changelog->look_timer);
    }
    w->changelog = NULL;
}
