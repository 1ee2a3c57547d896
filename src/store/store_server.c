#include "postrider/store/store_server.h"

#include "postrider/base/clock.h"
#include "store_parts.h"

struct store_server {
    struct store_op base;
    int64_t asked_us;
    struct store_server_info info;
    store_server_cb *cb;
    void *ctx;
};

static void server_done(struct op *op)
{
    struct store_server *self = container_of(op, struct store_server, base.op);
    self->cb(self, &op->err, op->err.code == ERR_OK ? &self->info : NULL, self->ctx);
}

static const struct op_type server_type = {"store server", sizeof(struct store_server),
                                           store_op_abort, server_done, store_op_fini};

void store_server_cancel(struct store_server *op)
{
    op_cancel(op != NULL ? &op->base.op : NULL);
}

static const char *text_of(struct store_server *self, struct str info, const char *name)
{
    struct str value = store_info_value(info, name);
    return value.ptr != NULL ? arena_strndup(&self->base.op.arena, value.ptr, value.len)
                             : "";
}

static void on_info(void *ctx, const struct store_reply *reply)
{
    struct store_server *self = ctx;
    if (store_op_refused(&self->base, reply)) {
        return;
    }
    struct str info = reply->value->str;
    struct store_server_info *out = &self->info;
    out->ping_us = clock_mono_us() - self->asked_us;
    /* Those that came from Redis keep its version for old clients, and name their own. */
    const char *name = text_of(self, info, "server_name");
    bool is_redis = name[0] == '\0' || strcmp(name, "redis") == 0;
    out->software = is_redis ? "redis" : name;
    out->version = text_of(
        self, info,
        is_redis ? "redis_version"
                 : arena_printf(&self->base.op.arena, "%s_version", out->software));
    out->cluster = strcmp(text_of(self, info, "redis_mode"), "cluster") == 0;
    op_complete(&self->base.op);
}

struct store_server *store_server_start(struct store *s, store_server_cb *cb, void *ctx)
{
    struct store_server *self = store_op_new(s, &server_type, STORE_DEADLINE_MS);
    self->cb = cb;
    self->ctx = ctx;
    self->asked_us = clock_mono_us();
    if (op_is_running(&self->base.op)) {
        struct store_words w;
        store_words_init(&w, &self->base.op.arena);
        store_word_c(&w, "INFO");
        store_word_c(&w, "server");
        store_op_send(&self->base, &w, on_info, 0);
    }
    return self;
}
