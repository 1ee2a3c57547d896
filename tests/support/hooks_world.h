/* hooks_world: the webhooks of a store_world, from the commit to the receiver: a real
 * redis-server, a real HTTP server, an enricher that says what the test wants.
 * Owner    hooks_setup and hooks_teardown are cmocka's, for a struct hooks_world each test */
#ifndef POSTRIDER_TESTS_HOOKS_WORLD_H
#define POSTRIDER_TESTS_HOOKS_WORLD_H

#include "http_fixture.h"
#include "log_world.h"

#include "postrider/webhook/webhook.h"

enum {
    HOOKS_WAIT_MS = 20000,
    HOOKS_RETRY_MS = 40 /* the first one */
};

struct hooks_world {
    struct store_world w;
    struct http_fixture *server;
    struct httpc *httpc;
    struct changelog *c;
    struct webhooks *hooks;
    struct webhook_config config;
    struct enricher enricher;
    enum err_code enrich_code; /* what the enricher says */
    bool missing;              /* with ERR_NO_MESSAGE: it is still listed */
    unsigned enriched;
    /* Answers: for the first `fail_count` requests, or for those to /slow. */
    struct http_answer fail;
    unsigned fail_count;
    struct http_answer slow;
    const char *headers; /* of the good answers */
    bool stopped;
};

int hooks_setup(void **state);
int hooks_teardown(void **state);
/* Nothing is delivered before the first; f->config counts. */
void hooks_begin(struct hooks_world *f);
void hooks_end(struct hooks_world *f);
/* Until so many requests have come. */
void hooks_wait(struct hooks_world *f, unsigned want);
/* And none after it. */
void hooks_nothing_more(struct hooks_world *f, unsigned count);
/* Entries for the account of the store_world. */
void hooks_append(struct hooks_world *f, enum event_type type, uint32_t uid,
                  unsigned count);
/* Of a request: the body, a new reference; the UID in it; a header that must be there. */
json_t *hooks_body(struct hooks_world *f, unsigned index);
int64_t hooks_uid(struct hooks_world *f, unsigned index);
void hooks_header(struct hooks_world *f, unsigned index, const char *name, char out[256]);

#endif
