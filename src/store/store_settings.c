/* Runtime settings: the hash PREFIX:settings, field → sealed JSON; its field `!version`
 * counts changes, so that value and count change in one step. */
#include "store_parts.h"

#include "postrider/base/check.h"
#include "postrider/base/log.h"
#include "postrider/base/mem.h"
#include "postrider/base/num.h"

#include <stdio.h>

static const char *const version_field = "!version";

enum {
    SETTING_NAME_MAX = 64
};

struct store_settings_cache {
    json_t *values;
    int64_t version;
    bool loading; /* after a change by another node */
    store_settings_changed_cb *cb;
    void *ctx;
};

struct store_settings_cache *store_settings_cache_new(void)
{
    struct store_settings_cache *c = MEM_NEW(struct store_settings_cache);
    c->values = json_object();
    return c;
}

void store_settings_cache_free(struct store_settings_cache **c)
{
    if (*c != NULL) {
        json_decref((*c)->values);
        mem_free(*c);
        *c = NULL;
    }
}

json_t *store_settings(struct store *s)
{
    return s->settings->values;
}

json_t *store_setting(struct store *s, const char *name)
{
    return json_object_get(s->settings->values, name);
}

void store_settings_set_changed_cb(struct store *s, store_settings_changed_cb *cb,
                                   void *ctx)
{
    s->settings->cb = cb;
    s->settings->ctx = ctx;
}

static void changed(struct store *s)
{
    if (s->settings->cb != NULL && s->opened) {
        s->settings->cb(s, s->settings->ctx);
    }
}

static struct store_place place_of(const char *name, char field[SETTING_NAME_MAX + 16])
{
    (void)snprintf(field, SETTING_NAME_MAX + 16, "setting:%s", name);
    return (struct store_place){
        .purpose = CRYPTO_SETTING, .incarnation = "", .field = field};
}

/* --- loading --- */

static void take_field(struct store *s, json_t *values, struct str name,
                       struct str sealed)
{
    char key[SETTING_NAME_MAX + 1];
    char field[SETTING_NAME_MAX + 16];
    struct err err;
    (void)snprintf(key, sizeof key, "%.*s", STR_ARG(name));
    struct store_place place = place_of(key, field);
    json_t *value = store_open_json(s, &place, sealed, &err);
    if (value == NULL) {
        log_at(LOG_ERROR, "store", "setting cannot be read; as if unset",
               LOG_S("name", key), LOG_ERR_FIELDS(&err));
        return;
    }
    json_object_set_new(values, key, value);
}

void store_settings_load(struct store *s, const struct redis_reply *all)
{
    struct store_settings_cache *c = s->settings;
    json_t *values = json_object();
    c->version = 0;
    for (size_t i = 0; i + 1 < all->count; i += 2) {
        struct str name = all->items[i].str;
        if (str_eq_c(name, version_field)) {
            (void)num_i64(all->items[i + 1].str, &c->version);
        } else {
            take_field(s, values, name, all->items[i + 1].str);
        }
    }
    json_decref(c->values);
    c->values = values;
    changed(s);
}

static void on_all(void *ctx, const struct store_reply *reply)
{
    struct store *s = ctx;
    s->settings->loading = false;
    if (reply->err == NULL && reply->value->type == REDIS_ARRAY) {
        store_settings_load(s, reply->value);
    }
}

static void reload(struct store *s)
{
    if (s->settings->loading) {
        return; /* its version is compared again at the next poll */
    }
    s->settings->loading = true;
    struct arena arena = {0};
    struct store_words w;
    store_words_init(&w, &arena);
    store_word_c(&w, "HGETALL");
    store_word(&w, store_key_global(&arena, s, "settings"));
    struct store_target t = {.store = s, .calls = &s->background, .fn = on_all, .ctx = s};
    store_send(&t, &w);
    arena_fini(&arena);
}

void store_settings_seen(struct store *s, int64_t version)
{
    if (version != s->settings->version) {
        reload(s);
    }
}

/* --- changing --- */

struct store_settings_op {
    struct store_op base;
    json_t *changes;
    store_settings_cb *cb;
    void *ctx;
};

static void settings_done(struct op *op)
{
    struct store_settings_op *self = container_of(op, struct store_settings_op, base.op);
    self->cb(self, &op->err, self->ctx);
}

static void settings_fini(struct op *op)
{
    struct store_settings_op *self = container_of(op, struct store_settings_op, base.op);
    store_op_fini(op);
    json_decref(self->changes);
}

static const struct op_type settings_type = {
    "store settings", sizeof(struct store_settings_op), store_op_abort, settings_done,
    settings_fini};

static void apply(struct store *s, json_t *changes)
{
    /* A new object: what readers borrowed stays as it was until they look again. */
    json_t *values = json_copy(s->settings->values);
    const char *name;
    json_t *value;
    json_object_foreach(changes, name, value)
    {
        if (json_is_null(value)) {
            json_object_del(values, name);
        } else {
            json_object_set(values, name, value);
        }
    }
    json_decref(s->settings->values);
    s->settings->values = values;
}

static void on_set(void *ctx, const struct store_reply *reply)
{
    struct store_settings_op *self = ctx;
    struct store *s = self->base.store;
    if (store_op_refused(&self->base, reply)) {
        return;
    }
    bool alone = reply->value->integer == s->settings->version + 1;
    apply(s, self->changes);
    if (alone) {
        s->settings->version = reply->value->integer;
    } else {
        reload(s); /* somebody else's change lies in between */
    }
    op_complete(&self->base.op);
    changed(s);
}

static bool put_value(struct store *s, const char *name, const json_t *value,
                      struct store_words *w)
{
    char field[SETTING_NAME_MAX + 16];
    struct store_place place = place_of(name, field);
    struct buf sealed = BUF_INIT(STORE_RECORD_MAX + CRYPTO_FIELD_OVERHEAD);
    bool ok = store_seal_json(s, &place, value, &sealed);
    if (ok) {
        store_word_c(w, name);
        store_word_buf(w, &sealed);
    }
    buf_fini(&sealed);
    return ok;
}

static bool name_is_good(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && len <= SETTING_NAME_MAX && name[0] != '!';
}

static bool put_changes(struct store *s, json_t *changes, struct store_words *w,
                        struct err *err)
{
    const char *name;
    json_t *value;
    size_t removals = 0;
    json_object_foreach(changes, name, value)
    {
        if (!name_is_good(name)) {
            return err_set(err, ERR_INVALID, "setting name is empty or too long");
        }
        removals += json_is_null(value) ? 1 : 0;
    }
    store_word_u64(w, removals);
    json_object_foreach(changes, name, value)
    {
        if (json_is_null(value)) {
            store_word_c(w, name);
        }
    }
    json_object_foreach(changes, name, value)
    {
        if (!json_is_null(value) && !put_value(s, name, value, w)) {
            return err_set(err, ERR_TOO_LARGE, "setting %s is larger than %d KiB", name,
                           STORE_RECORD_MAX / 1024);
        }
    }
    return true;
}

struct store_settings_op *store_settings_set_start(struct store *s, json_t *changes,
                                                   store_settings_cb *cb, void *ctx)
{
    struct store_settings_op *self = store_op_new(s, &settings_type, STORE_DEADLINE_MS);
    self->changes = json_deep_copy(changes);
    self->cb = cb;
    self->ctx = ctx;
    if (!op_is_running(&self->base.op)) {
        return self;
    }
    struct err err;
    struct store_words w;
    store_words_init(&w, &self->base.op.arena);
    store_word(&w, store_key_global(w.arena, s, "settings"));
    store_words_end_keys(&w);
    if (!put_changes(s, self->changes, &w, &err)) {
        op_fail_err(&self->base.op, &err);
    } else {
        store_op_script(&self->base, STORE_LUA_SETTINGS_SET, &w, on_set, 0);
    }
    return self;
}
