#include "store_fixture.h"

#include "postrider/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

struct store_fixture *store_fixture_new(void)
{
    struct store_fixture *f = MEM_NEW(struct store_fixture);
    f->server = redis_fixture_start(NULL);
    f->loop = loop_fixture_new();
    f->net = net_new(f->loop, &(struct net_config){.egress = EGRESS_OFF});
    (void)snprintf(f->dir, sizeof f->dir, "/tmp/store-test-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    (void)snprintf(f->key_file, sizeof f->key_file, "%s/secret.key", f->dir);
    return f;
}

void store_fixture_free(struct store_fixture **fp)
{
    struct store_fixture *f = *fp;
    *fp = NULL;
    net_free(&f->net);
    loop_fixture_free(&f->loop);
    redis_fixture_free(&f->server);
    (void)unlink(f->key_file);
    (void)rmdir(f->dir);
    mem_free(f);
}

struct store *store_fixture_store(struct store_fixture *f, struct store_config config)
{
    struct err err;
    struct redis *redis = redis_new(
        f->net, &(struct redis_config){.url = redis_fixture_url(f->server)}, &err);
    assert_non_null(redis);
    config.loop = f->loop;
    if (config.key.key_text == NULL && config.key.key_file == NULL) {
        config.key.key_file = f->key_file;
    }
    if (config.node_id == NULL && !config.passive) {
        config.node_id = NODE_A;
    }
    return store_new(redis, &config);
}

struct outcome {
    bool done;
    struct err err;
};

static void on_open(struct store_open *op, const struct err *err, void *ctx)
{
    (void)op;
    struct outcome *o = ctx;
    o->err = *err;
    o->done = true;
}

bool store_fixture_try_open(struct store_fixture *f, struct store *s, struct err *err_out)
{
    struct outcome o = {0};
    store_open_start(s, on_open, &o);
    loop_fixture_run_until(f->loop, &o.done, STORE_FIXTURE_WAIT_MS);
    *err_out = o.err;
    return o.err.code == ERR_OK;
}

struct store *store_fixture_open(struct store_fixture *f, const char *node_id)
{
    struct err err;
    struct store *s = store_fixture_store(f, (struct store_config){.node_id = node_id});
    if (!store_fixture_try_open(f, s, &err)) {
        fail_msg("store open: %s", err.msg);
    }
    return s;
}

static void on_close(struct store_close *op, const struct err *err, void *ctx)
{
    (void)op;
    struct outcome *o = ctx;
    o->err = *err;
    o->done = true;
}

void store_fixture_close(struct store_fixture *f, struct store **s)
{
    struct outcome o = {0};
    struct redis *redis = store_redis(*s);
    store_close_start(*s, STORE_FIXTURE_WAIT_MS, on_close, &o);
    loop_fixture_run_until(f->loop, &o.done, STORE_FIXTURE_WAIT_MS);
    assert_int_equal(o.err.code, ERR_OK);
    store_free(s);
    redis_free(&redis);
}

void store_fixture_crash(struct store_fixture *f, struct store **s)
{
    (void)f;
    struct redis *redis = store_redis(*s);
    store_free(s);
    redis_free(&redis);
}

long long store_fixture_key_count(struct store_fixture *f, const char *pattern)
{
    redisReply *keys = redis_fixture_command(f->server, "KEYS %s", pattern);
    long long count = (long long)keys->elements;
    freeReplyObject(keys);
    return count;
}

static bool has_text(const redisReply *r, const char *text)
{
    if (r->type == REDIS_REPLY_STRING &&
        memmem(r->str, r->len, text, strlen(text)) != NULL) {
        return true;
    }
    for (size_t i = 0; r->type == REDIS_REPLY_ARRAY && i < r->elements; i++) {
        if (has_text(r->element[i], text)) {
            return true;
        }
    }
    return false;
}

static redisReply *read_key(struct store_fixture *f, const char *key)
{
    static const struct {
        const char *type, *command;
    } readers[] = {{"string", "GET %s"},       {"hash", "HGETALL %s"},
                   {"set", "SMEMBERS %s"},     {"zset", "ZRANGE %s 0 -1"},
                   {"list", "LRANGE %s 0 -1"}, {"stream", "XRANGE %s - +"}};
    redisReply *type = redis_fixture_command(f->server, "TYPE %s", key);
    redisReply *value = NULL;
    for (size_t i = 0; i < ARRAY_LEN(readers); i++) {
        if (strcmp(type->str, readers[i].type) == 0) {
            value = redis_fixture_command(f->server, readers[i].command, key);
        }
    }
    assert_non_null(value);
    freeReplyObject(type);
    return value;
}

bool store_fixture_contains(struct store_fixture *f, const char *text)
{
    redisReply *keys = redis_fixture_command(f->server, "KEYS *");
    bool found = has_text(keys, text);
    for (size_t i = 0; i < keys->elements && !found; i++) {
        redisReply *value = read_key(f, keys->element[i]->str);
        found = has_text(value, text);
        freeReplyObject(value);
    }
    freeReplyObject(keys);
    return found;
}

int store_fixture_setup(void **state)
{
    *state = store_fixture_new();
    return 0;
}

int store_fixture_teardown(void **state)
{
    struct store_fixture *f = *state;
    store_fixture_free(&f);
    return 0;
}
