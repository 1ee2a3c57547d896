#ifndef POSTRIDER_APP_PRIV_H
#define POSTRIDER_APP_PRIV_H

#include "postrider/account/account.h"
#include "postrider/api/api_services.h"
#include "postrider/app/app.h"
#include "postrider/changelog/changelog.h"
#include "postrider/httpc/httpc.h"
#include "postrider/redis/redis_embedded.h"
#include "postrider/webhook/webhook.h"

enum app_phase {
    APP_PHASE_STARTING,
    APP_PHASE_SERVING,
    APP_PHASE_DRAINING,
    APP_PHASE_STOPPED
};

struct app {
    enum app_phase phase;
    int exit_status;
    int argc;
    char *const *argv;
    const char *config_path;
    const struct config *config;
    int lock_fd;
    char node_id[33];
    char key_file[4096];
    struct redis_embedded *embedded;
    struct loop *loop;
    struct net *net;
    struct redis *redis;
    struct store *store;
    struct store_open *opening;
    struct store_token_op *preparing; /* the token of the configuration */
    struct httpc *httpc;
    struct changelog *changelog;
    struct accounts *accounts;
    struct webhooks *webhooks;
    struct enricher enricher;
    struct api_services services;
    struct api *api;
    struct loop_signal *signals[3];
    struct timer drain, handlers;
    int64_t handlers_until_ms;
    void (*handlers_ended)(struct app *app);
};

/* app_drain.c: SERVING or STARTING ─► STOPPED, one part after the other, bounded by
 * APP_DRAIN_MS. */
void app_drain_begin(struct app *app);
/* Frees whatever was made. */
void app_fini(struct app *app);

/* app_node.c: the node's identity, kept in the locked data directory. */
bool app_node_id_load(const char *data_dir, char out[33], struct err *err);

/* app_notify.c: sd_notify(3) without its library; nothing happens when systemd did not start us. */
void app_notify(const char *state);

#endif
