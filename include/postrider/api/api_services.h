/* api_services: what the handlers of the API work with; given to api_new as `services`.
 * Owner    the app; all members live as long as the api */
#ifndef POSTRIDER_API_API_SERVICES_H
#define POSTRIDER_API_API_SERVICES_H

#include "postrider/account/account.h"
#include "postrider/api/api.h"
#include "postrider/config/config.h"
#include "postrider/store/store.h"
#include "postrider/webhook/webhook.h"

struct api_services {
    struct accounts *accounts;
    struct store *store;
    struct webhooks *webhooks;
    struct changelog *changelog;
    const struct config *config;
    int64_t started_ms; /* wall clock */
    /* The handlers' own: NULL at first, released by api_services_fini. */
    struct api_token_rate *rates;
    struct api_changes *changes;
    struct api_streams *streams;
    struct api_states *states;
    struct api_stats *stats;
    size_t tasks; /* handlers at work: what they use must outlive them */
};

/* After api_new: begins to count for GET /v1/stats. */
void api_services_begin(struct api_services *services, struct api *api);
/* The node stops: ends calls that wait or stream, and refuses new ones. */
void api_services_quiesce(struct api_services *services);
/* After api_free: releases what the handlers keep. */
void api_services_fini(struct api_services *services);

/* The handlers' tables: accounts, mailboxes, messages, settings, tokens, metrics,
 * events. */
extern const struct api_table api_tables[];
extern const size_t api_tables_count;

/* Tokens of the store as the API's authentication port. */
struct api_auth_port api_token_auth(struct api_services *services);

#endif
