#include "cli_priv.h"

#include "postrider/redis/redis_embedded.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    OPEN_MS = 15000,  /* it may be loading its file … */
    REFUSED_MS = 3000 /* … but where nobody is, nobody comes */
};

static void on_opened(struct store_open *op ATTR_UNUSED, const struct err *err, void *ctx)
{
    struct cli_store *cs = ctx;
    cs->err = *err;
    cs->done = true;
}

static void on_overdue(struct timer *t)
{
    container_of(t, struct cli_store, overdue)->done = true;
}

static void on_refused(struct timer *t)
{
    struct cli_store *cs = container_of(t, struct cli_store, overdue);
    enum err_code code = redis_last_err(cs->redis)->code;
    if (code == ERR_CONNECT || code == ERR_DNS) {
        cs->done = true;
    } else {
        timer_set(cs->loop, t, OPEN_MS - REFUSED_MS, on_overdue);
    }
}

void cli_store_wait(struct cli_store *cs)
{
    while (!cs->done) {
        loop_turn(cs->loop, true);
    }
}

/* The URL of the private server: ours if no daemon holds the data directory. */
static bool embedded_url(struct cli_store *cs, const struct config *config, char *url,
                         size_t size, struct err *err)
{
    if (data_dir_lock(config->data.dir, &cs->lock_fd, NULL)) {
        cs->embedded = redis_embedded_start(config->data.dir, url, size, err);
        return cs->embedded != NULL;
    }
    return redis_embedded_url(config->data.dir, url, size, err);
}

bool cli_store_open(struct cli_store *cs, const struct config *config, struct err *err)
{
    char url[REDIS_EMBEDDED_URL_SIZE];
    struct arena arena = {0};
    *cs = (struct cli_store){.lock_fd = -1};
    struct redis_config redis = {.url = config->redis.url,
                                 .ca_file = config->redis.ca_file,
                                 .tls_insecure = config->redis.tls_insecure,
                                 .allow_eviction = true};
    if (strcmp(config->redis.url, "embedded") == 0) {
        if (!embedded_url(cs, config, url, sizeof url, err)) {
            return false;
        }
        redis.url = url;
    }
    cs->loop = loop_new();
    cs->net = net_new(cs->loop, &(struct net_config){.egress = EGRESS_OFF});
    cs->redis = redis_new(cs->net, &redis, err);
    if (cs->redis == NULL) {
        return false;
    }
    struct store_config store = {
        .loop = cs->loop,
        .prefix = config->redis.prefix,
        .key = {.key_text = config->secret.key,
                .key_file = arena_printf(&arena, "%s/secret.key", config->data.dir)},
        .passive = true};
    cs->store = store_new(cs->redis, &store);
    arena_fini(&arena);
    timer_set(cs->loop, &cs->overdue, REFUSED_MS, on_refused);
    cs->err = (struct err){.code = ERR_TIMEOUT, .msg = "no answer"};
    struct store_open *open = store_open_start(cs->store, on_opened, cs);
    cli_store_wait(cs);
    bool timed_out = !timer_is_set(&cs->overdue);
    timer_stop(&cs->overdue);
    if (timed_out) {
        const struct err *why = redis_last_err(cs->redis);
        cs->err = why->code != ERR_OK ? *why : cs->err;
        struct err shown = cs->err;
        cs->done = false;
        store_open_cancel(open);
        cli_store_wait(cs);
        cs->err = shown;
    }
    if (cs->err.code != ERR_OK) {
        *err = cs->err;
        return timed_out ? err_wrap(err, "Redis") : false;
    }
    cs->done = false;
    return true;
}

void cli_store_close(struct cli_store *cs)
{
    store_free(&cs->store);
    redis_free(&cs->redis);
    if (cs->loop != NULL) {
        loop_run(cs->loop); /* what was canceled calls back before its home goes */
    }
    net_free(&cs->net);
    loop_free(&cs->loop);
    redis_embedded_stop(&cs->embedded);
    if (cs->lock_fd >= 0) {
        (void)close(cs->lock_fd);
    }
}
