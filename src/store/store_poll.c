/* What other nodes may have changed is asked for twice a second: three counters. With them
 * goes a write that changes nothing, which shows whether Redis takes writes at all. */
#include "store_log_priv.h"
#include "store_parts.h"

#include "postrider/base/log.h"
#include "postrider/base/num.h"

static const int64_t poll_ms = 500; /* an answer has to be in within a second */

enum {
    POLL_SETTINGS,
    POLL_TOKENS,
    POLL_MOVES
};

/* Why Redis refuses what it would take otherwise: first words of its errors. */
static const struct {
    const char *word, *reason;
} refusals[] = {
    {"MISCONF", "it cannot save to its disk"},
    {"OOM", "its memory limit (maxmemory) is reached"},
    {"READONLY", "it is a replica"},
    {"NOREPLICAS", "too few replicas follow it"},
};

static void refused(struct store *s, const struct err *why)
{
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        if (strcmp(why->peer_code, refusals[i].word) != 0) {
            continue;
        }
        bool is_news = strcmp(s->refusal.peer_code, why->peer_code) != 0;
        (void)err_set(&s->refusal, ERR_STORE_REPLY, "Redis refuses writes (%s): %s",
                      refusals[i].word, refusals[i].reason);
        err_set_peer_code(&s->refusal, refusals[i].word, strlen(refusals[i].word));
        if (is_news) {
            log_at(LOG_ERROR, "store", "nothing can be written", LOG_ERR_FIELDS(why));
        }
    }
}

static void on_probe(void *ctx, const struct store_reply *reply)
{
    struct store *s = ctx;
    if (reply->err != NULL) {
        refused(s, reply->err);
    } else if (s->refusal.code != ERR_OK) {
        err_clear(&s->refusal);
        log_at(LOG_INFO, "store", "Redis takes writes again");
    }
}

/* Empty text into a key that nobody writes: refused like any write that needs memory, and
 * otherwise without a trace. */
static void probe(struct store *s)
{
    struct arena arena = {0};
    struct store_words w;
    store_words_init(&w, &arena);
    store_word_c(&w, "SETRANGE");
    store_word(&w, store_key_global(&arena, s, "probe"));
    store_word_c(&w, "0");
    store_word_c(&w, "");
    struct store_target t = {
        .store = s, .calls = &s->background, .fn = on_probe, .ctx = s};
    store_send(&t, &w);
    arena_fini(&arena);
}

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
    } else if (reply->tag == POLL_TOKENS) {
        store_tokens_seen(s, version);
    } else {
        store_moves_seen(s, version);
    }
}

/* field NULL: the key is the counter. */
static void ask(struct store *s, const char *key, const char *field, size_t tag)
{
    struct arena arena = {0};
    struct store_words w;
    store_words_init(&w, &arena);
    store_word_c(&w, field != NULL ? "HGET" : "GET");
    store_word(&w, store_key_global(&arena, s, key));
    if (field != NULL) {
        store_word_c(&w, field);
    }
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
        ask(s, MOVES_KEY, NULL, POLL_MOVES);
        probe(s);
    }
    timer_set(s->loop, &s->poll_timer, poll_ms, on_timer);
}

void store_poll_start(struct store *s)
{
    if (!s->passive) {
        timer_set(s->loop, &s->poll_timer, poll_ms, on_timer);
        store_memory_start(s);
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
    store_memory_stop(s);
}
