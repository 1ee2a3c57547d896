/* What other nodes may have changed is asked for twice a second: two counters. */
#include "store_parts.h"

#include "postrider/base/num.h"

static const int64_t poll_ms = 500; /* an answer has to be in within a second */

enum {
    POLL_SETTINGS,
    POLL_TOKENS
};

static void on_version(void *ctx, const struct store_reply *reply)
{
    struct store *s = ctx;
    int64_t version = 0;
    if (reply->err != NULL ||
        (reply->value->type == REDIS_STRING && !num_i64(reply->value->str, &version))) {
        return;
    }
    if (reply->tag == POLL_SETTINGS) {
        store_settings_seen(s, version);
    } else {
        store_tokens_seen(s, version);
    }
}

static void ask(struct store *s, const char *hash, const char *field, size_t tag)
{
    struct arena arena = {0};
    struct store_words w;
    store_words_init(&w, &arena);
    store_word_c(&w, "HGET");
    store_word(&w, store_key_global(&arena, s, hash));
    store_word_c(&w, field);
    struct store_target t = {
        .store = s, .calls = &s->background, .fn = on_version, .ctx = s, .tag = tag};
    store_send(&t, &w);
    arena_fini(&arena);
}

static void on_timer(struct timer *t)
{
    struct store *s = container_of(t, struct store, poll_timer);
    if (redis_state_get(s->redis) == REDIS_STATE_READY) {
        ask(s, "settings", "!version", POLL_SETTINGS);
        ask(s, "tokens", "!epoch", POLL_TOKENS);
    }
    timer_set(s->loop, &s->poll_timer, poll_ms, on_timer);
}

void store_poll_start(struct store *s)
{
    if (!s->passive) {
        timer_set(s->loop, &s->poll_timer, poll_ms, on_timer);
    }
}

void store_poll_now(struct store *s)
{
    if (!s->passive) {
        timer_set(s->loop, &s->poll_timer, 0, on_timer);
    }
}

void store_poll_stop(struct store *s)
{
    timer_stop(&s->poll_timer);
}
