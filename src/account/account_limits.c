/* What an account's failures change for what it does afterwards: when it may connect
 * again, with how many connections, how much it asks at once and which extensions it
 * uses. Everything here is forgotten when the credentials or the server change. */
#include "account_priv.h"

#include "postrider/base/clock.h"
#include "postrider/base/codec.h"
#include "postrider/base/mem.h"

#include <stdio.h>
#include <stdlib.h>

#define MINUTES(n) ((int64_t)(n)*60 * 1000)
#define HOURS(n)   MINUTES(60 * (n))

enum {
    PIPELINE_DEPTH = 4,
    THROTTLES_MAX = 3,   /* each halves the batches; an eighth is the least */
    PROTOCOL_REPEATS = 2 /* failures of that kind before anything is left out */
};

static const int64_t give_up_ms = HOURS(72);
static const int64_t cut_ms = HOURS(24);

/* What is left out from then on, one more with each failure; first it is pipelining. */
static const uint32_t suspects[] = {0, IMAP_CAP_QRESYNC,
                                    IMAP_CAP_QRESYNC | IMAP_CAP_ESEARCH};

/* --- the credentials that a refusal was about --- */

static void credentials_hash(const struct account *a, char out[ACCOUNT_CREDENTIALS_SIZE])
{
    json_t *imap = json_object_get(a->record, "imap");
    json_t *parts =
        json_pack("[O?, O?, O?]", json_object_get(imap, "host"),
                  json_object_get(imap, "port"), json_object_get(imap, "auth"));
    char *text = json_dumps(parts, JSON_COMPACT | JSON_SORT_KEYS);
    uint8_t hash[CRYPTO_NAME_HASH_SIZE];
    keyring_name_hash(store_keyring(a->as->store), "credentials",
                      str_of(text != NULL ? text : ""), hash);
    hex_format(out, hash, sizeof hash);
    if (text != NULL) {
        mem_wipe(text, strlen(text));
        free(text);
    }
    json_decref(parts);
}

/* --- what failures do --- */

static void note_refusal(struct account *a)
{
    struct account_limits *l = &a->limits;
    char of[ACCOUNT_CREDENTIALS_SIZE];
    credentials_hash(a, of);
    if (l->refused_since_ms == 0 || strcmp(l->refused, of) != 0) {
        l->refused_since_ms = clock_wall_ms();
        memcpy(l->refused, of, sizeof of);
    }
}

void account_limits_note(struct account *a, const struct err *err)
{
    struct account_limits *l = &a->limits;
    int64_t now_ms = loop_now_ms(a->as->loop);
    switch (account_class_of(err)) {
    case ACCOUNT_CLASS_AUTH:
    case ACCOUNT_CLASS_GRANT:
        note_refusal(a);
        break;
    case ACCOUNT_CLASS_THROTTLED:
        l->throttles += l->throttles < THROTTLES_MAX ? 1 : 0;
        slot_host_throttled(a->as, account_host(a));
        account_poll_throttled(a);
        break;
    case ACCOUNT_CLASS_CONNECTIONS:
        l->work_less += l->work_less < ACCOUNT_WORK_MAX - 1 ? 1 : 0;
        l->work_less_until_ms = now_ms + cut_ms;
        break;
    case ACCOUNT_CLASS_PROTOCOL:
        l->failures++;
        l->failures_until_ms = now_ms + cut_ms;
        break;
    case ACCOUNT_CLASS_NETWORK:
    case ACCOUNT_CLASS_CERTIFICATE:
    case ACCOUNT_CLASS_TOKEN_DOWN:
    case ACCOUNT_CLASS_STORE:
    case ACCOUNT_CLASS_REQUEST:
    case ACCOUNT_CLASS_COUNT:
        break;
    }
}

void account_limits_bar(struct account *a, enum err_code why, int64_t delay_ms)
{
    a->limits.barred_until_ms = loop_now_ms(a->as->loop) + delay_ms;
    a->limits.barred_by = why;
}

void account_backoffs_reset(struct account *a)
{
    for (size_t i = 0; i < ARRAY_LEN(a->backoffs); i++) {
        backoff_reset(&a->backoffs[i]);
    }
}

void account_limits_relax(struct account *a)
{
    account_backoffs_reset(a);
    a->limits.throttles = 0;
    if (a->limits.failures <= PROTOCOL_REPEATS) {
        a->limits.failures = 0;
    }
}

void account_limits_forget(struct account *a)
{
    a->limits = (struct account_limits){0};
}

/* --- what follows from them --- */

int64_t account_limits_wait_ms(const struct account *a)
{
    int64_t left_ms = a->limits.barred_until_ms - loop_now_ms(a->as->loop);
    return left_ms > 0 ? left_ms : 0;
}

bool account_limits_gave_up(const struct account *a)
{
    return a->limits.refused_since_ms != 0 &&
           clock_wall_ms() - a->limits.refused_since_ms >= give_up_ms;
}

void account_limits_params(const struct account *a, struct imap_conn_params *params)
{
    const struct account_limits *l = &a->limits;
    params->pipeline_depth = PIPELINE_DEPTH >> l->throttles;
    if (l->failures > PROTOCOL_REPEATS &&
        loop_now_ms(a->as->loop) < l->failures_until_ms) {
        size_t step = l->failures - PROTOCOL_REPEATS - 1;
        params->pipeline_depth = 1;
        params->caps_off |=
            suspects[step < ARRAY_LEN(suspects) ? step : ARRAY_LEN(suspects) - 1];
    }
    if (params->pipeline_depth == 0) {
        params->pipeline_depth = 1;
    }
}

size_t account_work_limit(const struct account *a)
{
    bool cut = loop_now_ms(a->as->loop) < a->limits.work_less_until_ms;
    size_t subs = account_subs_count(a), less = cut ? a->limits.work_less : 0;
    if (a->as->memory.level >= MEMORY_LEVEL_WORK) {
        return 1;
    }
    less += subs > 1 ? subs - 1 : 0; /* they count against what an account may open */
    return less < ACCOUNT_WORK_MAX ? ACCOUNT_WORK_MAX - less : 1;
}

uint32_t account_batch_messages(const struct account *a)
{
    uint32_t batch = a->as->config.batch_messages >> a->limits.throttles;
    return batch > 0 ? batch : 1;
}

/* --- over restarts --- */

json_t *account_limits_json(const struct account *a)
{
    const struct account_limits *l = &a->limits;
    if (l->refused_since_ms == 0) {
        return json_null();
    }
    char since[CLOCK_ISO_SIZE];
    clock_format_iso(l->refused_since_ms, since);
    const struct backoff *b = &a->backoffs[account_class_of(account_last_err(a))];
    return json_pack("{s:s, s:s, s:I}", "since", since, "of", l->refused, "tries",
                     (json_int_t)b->tries);
}

static int64_t time_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    int64_t ms = 0;
    return text != NULL && clock_parse_iso(str_of(text), &ms) ? ms : 0;
}

static void restore_error(struct account *a, const json_t *last)
{
    struct err err;
    const char *code = json_string_value(json_object_get(last, "serverResponseCode"));
    const char *text = json_string_value(json_object_get(last, "response"));
    const char *name = json_string_value(json_object_get(last, "code"));
    err_clear(&err);
    if (err_code_by_name(name) == ERR_OK) {
        return;
    }
    (void)err_set(&err, err_code_by_name(name), "%s", text != NULL ? text : "");
    const char *own = err_info_get(err.code)->api_code;
    if (code != NULL && (own == NULL || strcmp(code, own) != 0)) {
        err_set_peer_code(&err, code, strlen(code));
    }
    account_set_last_err(a, &err);
    a->last_err_at_ms = time_of(last, "date");
    a->error_told = account_reaction_get(&err)->tells;
}

/* The last login may have been a moment ago, by the process before this one. */
static void restore_refusal(struct account *a, const json_t *refused)
{
    struct account_limits *l = &a->limits;
    char of[ACCOUNT_CREDENTIALS_SIZE];
    const char *was = json_string_value(json_object_get(refused, "of"));
    json_int_t tries = json_integer_value(json_object_get(refused, "tries"));
    credentials_hash(a, of);
    if (was == NULL || strcmp(was, of) != 0) {
        return;
    }
    memcpy(l->refused, of, sizeof of);
    l->refused_since_ms = time_of(refused, "since");
    a->backoffs[account_class_of(account_last_err(a))].tries =
        tries > 1 ? (uint32_t)tries - 1 : 0;
    int64_t delay_ms = account_reaction_delay_ms(account_last_err(a), a->backoffs);
    int64_t passed_ms = clock_wall_ms() - a->last_err_at_ms;
    if (passed_ms >= 0 && passed_ms < delay_ms) {
        account_limits_bar(a, account_last_err(a)->code, delay_ms - passed_ms);
    }
}

void account_limits_restore(struct account *a, const json_t *state)
{
    if (account_last_err(a)->code == ERR_OK && !a->error_told) {
        restore_error(a, json_object_get(state, "lastError"));
        const json_t *refused = json_object_get(state, "refused");
        if (json_is_object(refused) && account_last_err(a)->code != ERR_OK) {
            restore_refusal(a, refused);
        }
    }
}

void account_limits_check(struct account *a, json_t *before)
{
    if (before != NULL && !json_equal(json_object_get(before, "imap"),
                                      json_object_get(a->record, "imap"))) {
        account_limits_forget(a);
        account_backoffs_reset(a);
    }
}
