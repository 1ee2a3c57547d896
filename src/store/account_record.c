/* The hash a:<acc>: which member of a record is stored where, and back. */
#include "store_parts.h"

#include "postrider/base/check.h"
#include "postrider/base/mem.h"
#include "postrider/base/num.h"
#include "postrider/json/json.h"

#include <stdio.h>

const char *const store_account_secret_paths[] = {
    "imap.auth.pass",        "imap.auth.accessToken",
    "smtp.auth.pass",        "smtp.auth.accessToken",
    "oauth2.accessToken",    "oauth2.refreshToken",
    "webhooksCustomHeaders", NULL};

enum {
    PATH_DEPTH_MAX = 4,
    PATH_PART_MAX = 32
};

static bool is_secret_field(const char *field)
{
    return strncmp(field, ACCOUNT_FIELD_SECRET, sizeof ACCOUNT_FIELD_SECRET - 1) == 0;
}

struct store_place store_account_place(const struct store_acct *acct, const char *field)
{
    return (struct store_place){.purpose = is_secret_field(field) ? CRYPTO_SECRET
                                                                  : CRYPTO_ACCOUNT,
                                .incarnation = acct->incarnation,
                                .field = field};
}

bool account_field_seal(struct store *s, const struct store_acct *acct, const char *field,
                        const json_t *json, struct store_words *w, struct err *err)
{
    struct store_place place = store_account_place(acct, field);
    struct buf sealed = BUF_INIT(STORE_RECORD_MAX + CRYPTO_FIELD_OVERHEAD);
    bool ok = store_seal_json(s, &place, json, &sealed);
    if (ok) {
        store_word_c(w, arena_strdup(w->arena, field));
        store_word_buf(w, &sealed);
    } else {
        err_set(err, ERR_TOO_LARGE, "account settings are larger than %d KiB",
                STORE_RECORD_MAX / 1024);
    }
    buf_fini(&sealed);
    return ok;
}

/* The object that holds the last part of the path, which is put into `leaf`. With `make`
 * what is missing on the way is created. */
static json_t *walk(json_t *root, const char *path, bool make, char leaf[PATH_PART_MAX])
{
    struct str rest = str_of(path);
    struct str part;
    json_t *at = root;
    (void)str_split(&rest, '.', &part);
    for (;;) {
        (void)snprintf(leaf, PATH_PART_MAX, "%.*s", STR_ARG(part));
        if (!str_split(&rest, '.', &part)) {
            return json_is_object(at) ? at : NULL;
        }
        json_t *next = json_object_get(at, leaf);
        if (next == NULL && make && json_is_object(at)) {
            next = json_object();
            json_object_set_new(at, leaf, next);
        }
        at = next;
    }
}

bool account_record_words(struct store *s, const struct store_acct *acct,
                          const json_t *record, struct store_words *w, struct err *err)
{
    json_t *rest = json_deep_copy(record);
    bool ok = true;
    for (size_t i = 0; ok && store_account_secret_paths[i] != NULL; i++) {
        char leaf[PATH_PART_MAX];
        json_t *parent = walk(rest, store_account_secret_paths[i], false, leaf);
        json_t *secret = json_object_get(parent, leaf);
        if (secret == NULL) {
            continue;
        }
        char field[64];
        (void)snprintf(field, sizeof field, "%s%s", ACCOUNT_FIELD_SECRET,
                       store_account_secret_paths[i]);
        ok = account_field_seal(s, acct, field, secret, w, err);
        json_object_del(parent, leaf);
    }
    ok = ok && account_field_seal(s, acct, ACCOUNT_FIELD_RECORD, rest, w, err);
    json_decref(rest);
    return ok;
}

/* --- reading --- */

static struct str field_of(const struct redis_reply *all, const char *field)
{
    for (size_t i = 0; i + 1 < all->count; i += 2) {
        if (str_eq_c(all->items[i].str, field)) {
            return all->items[i + 1].str;
        }
    }
    return STR_NULL;
}

static json_t *open_field(struct store *s, const struct store_acct *acct,
                          const struct redis_reply *all, const char *field,
                          struct err *err)
{
    struct str sealed = field_of(all, field);
    if (sealed.ptr == NULL) {
        return NULL;
    }
    struct store_place place = store_account_place(acct, field);
    json_t *json = store_open_json(s, &place, sealed, err);
    if (json == NULL) {
        err_wrap(err, "account record, field %s", field);
    }
    return json;
}

static bool put_secrets(struct store *s, const struct store_acct *acct,
                        const struct redis_reply *all, json_t *record, struct err *err)
{
    for (size_t i = 0; store_account_secret_paths[i] != NULL; i++) {
        char field[64];
        (void)snprintf(field, sizeof field, "%s%s", ACCOUNT_FIELD_SECRET,
                       store_account_secret_paths[i]);
        struct err own = {0};
        json_t *secret = open_field(s, acct, all, field, &own);
        if (own.code != ERR_OK) {
            if (err != NULL) {
                *err = own;
            }
            return false;
        }
        char leaf[PATH_PART_MAX];
        json_t *parent = secret != NULL
                             ? walk(record, store_account_secret_paths[i], true, leaf)
                             : NULL;
        if (parent != NULL) {
            json_object_set(parent, leaf, secret);
        }
        json_decref(secret);
    }
    return true;
}

static void put_counters(const struct redis_reply *all, json_t *state)
{
    json_t *counters = json_object();
    for (int type = 0; type < EVENT_TYPE_COUNT; type++) {
        const char *name = event_type_name((enum event_type)type);
        char field[64];
        int64_t n = 0;
        (void)snprintf(field, sizeof field, "%s%s", ACCOUNT_FIELD_COUNT, name);
        struct str text = field_of(all, field);
        if (text.ptr != NULL && num_i64(text, &n)) {
            json_put_int(counters, name, n);
        }
    }
    json_put(state, "counters", counters);
}

bool account_record_read(struct store *s, struct store_acct *acct,
                         const struct redis_reply *all, json_t **record_out,
                         json_t **state_out, struct err *err)
{
    struct str inc =
        all->type == REDIS_ARRAY ? field_of(all, ACCOUNT_FIELD_INC) : STR_NULL;
    if (inc.ptr == NULL) {
        return err_set(err, ERR_NO_ACCOUNT, "account does not exist");
    }
    (void)snprintf(acct->incarnation, sizeof acct->incarnation, "%.*s", STR_ARG(inc));
    struct err own = {0};
    json_t *record = open_field(s, acct, all, ACCOUNT_FIELD_RECORD, &own);
    json_t *state = open_field(s, acct, all, ACCOUNT_FIELD_STATE, &own);
    bool ok = own.code == ERR_OK;
    if (ok && (!json_is_object(record) || (state != NULL && !json_is_object(state)))) {
        ok = err_set(&own, ERR_CORRUPT, "account record is not complete");
    }
    if (!ok || !put_secrets(s, acct, all, record, &own)) {
        json_decref(record);
        json_decref(state);
        if (err != NULL) {
            *err = own;
        }
        return false;
    }
    *record_out = record;
    *state_out = state != NULL ? state : json_object();
    put_counters(all, *state_out);
    return true;
}
