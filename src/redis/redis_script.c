/* Lua scripts by their SHA.
 * The first call of a script sends SCRIPT LOAD, whose reply is the SHA, and runs the
 * source by EVAL; later calls use EVALSHA. A server that lost the script (restart, SCRIPT
 * FLUSH, failover) answers NOSCRIPT, which ran nothing: the call is then sent once more
 * as EVAL, which also stores it. Where SCRIPT LOAD is forbidden, everything goes by EVAL.
 */
#include "redis_priv.h"

#include "postrider/base/check.h"
#include "postrider/base/mem.h"

#include <string.h>

struct script_sha {
    bool asked;
    char sha[REDIS_SHA_LEN + 1]; /* "" while unknown */
};

struct script_call {
    const struct redis_script *script;
    size_t arg_count;
    struct str args; /* as sent: key count, keys and arguments; for the second try */
};

static struct str map_key(const struct redis_script **script)
{
    return str_from(script, sizeof *script);
}

static struct script_sha *sha_of(struct redis *r, const struct redis_script *script)
{
    if (r->shas == NULL) {
        r->shas = map_new(mem_free);
    }
    struct script_sha *sha = map_get(r->shas, map_key(&script));
    if (sha == NULL) {
        sha = MEM_NEW(struct script_sha);
        map_put(r->shas, map_key(&script), sha);
    }
    return sha;
}

void redis_script_learn(struct redis *r, const struct redis_script *script,
                        const struct redis_reply *reply)
{
    struct script_sha *sha = sha_of(r, script);
    if (reply->type == REDIS_STRING && reply->str.len == REDIS_SHA_LEN) {
        memcpy(sha->sha, reply->str.ptr, REDIS_SHA_LEN);
    }
}

void redis_script_forget(struct redis *r)
{
    struct str key;
    void *value = NULL;
    for (size_t it = 0; r->shas != NULL && map_next(r->shas, &it, &key, &value);) {
        struct script_sha *sha = value;
        sha->asked = sha->sha[0] != '\0';
    }
}

static void on_loaded(struct redis_cmd *cmd, const struct err *err,
                      const struct redis_reply *reply, void *ctx)
{
    /* redis_script_learn saw the reply; after a failure the next connection asks again.
     */
    (void)cmd;
    (void)err;
    (void)reply;
    (void)ctx;
}

static void ask_sha(struct redis *r, const struct redis_script *script)
{
    struct script_sha *sha = sha_of(r, script);
    if (sha->asked) {
        return;
    }
    sha->asked = true;
    const struct str argv[] = {STR("SCRIPT"), STR("LOAD"),
                               str_from(script->source, script->source_len)};
    struct redis_cmd *load =
        redis_cmd_start(r, ARRAY_LEN(argv), argv, REDIS_DEADLINE_MS, on_loaded, NULL);
    load->learns = script;
}

static void put_call(struct redis_cmd *cmd, const char *verb, struct str what)
{
    struct redis *r = cmd->r;
    const struct script_call *call = cmd->script;
    size_t start = r->out.len;
    redis_put_count(&r->out, 2 + call->arg_count);
    redis_put_arg(&r->out, str_of(verb));
    redis_put_arg(&r->out, what);
    (void)buf_put_str(&r->out, call->args);
    redis_cmd_commit(cmd, start);
}

static void put_eval(struct redis_cmd *cmd)
{
    const struct redis_script *script = cmd->script->script;
    put_call(cmd, "EVAL", str_from(script->source, script->source_len));
}

bool redis_script_retry(struct redis_cmd *cmd, const struct redis_reply *reply)
{
    if (reply->type != REDIS_ERROR || !str_has_prefix(reply->str, "NOSCRIPT")) {
        return false;
    }
    /* A second NOSCRIPT cannot come from EVAL; a script that fakes one ends here. */
    if (cmd->script->args.ptr == NULL || cmd->r->state != REDIS_STATE_READY) {
        return false;
    }
    put_eval(cmd);
    cmd->script->args = STR_NULL;
    return true;
}

struct redis_cmd *redis_script_start(struct redis *r, const struct redis_script *script,
                                     size_t key_count, size_t argc,
                                     const struct str *argv, int64_t deadline_ms,
                                     redis_cb *cb, void *ctx)
{
    CHECK(key_count <= argc);
    redis_check(r);
    if (r->state == REDIS_STATE_READY) {
        ask_sha(r, script);
    }
    struct redis_cmd *cmd = redis_cmd_new(r, deadline_ms, cb, ctx);
    if (cmd->r == NULL) {
        return cmd;
    }
    struct buf args = BUF_INIT(REDIS_OUT_MAX);
    struct buf count = BUF_INIT(32);
    (void)buf_put_u64(&count, key_count);
    redis_put_arg(&args, buf_str(&count));
    for (size_t i = 0; i < argc; i++) {
        redis_put_arg(&args, argv[i]);
    }
    cmd->script = ARENA_NEW(&cmd->op.arena, struct script_call);
    *cmd->script = (struct script_call){.script = script, .arg_count = 1 + argc};
    const struct script_sha *sha = sha_of(r, script);
    bool by_sha = sha->sha[0] != '\0';
    cmd->script->args = buf_str(&args);
    r->out.overflow = r->out.overflow || args.overflow;
    if (by_sha) {
        cmd->script->args = arena_str(&cmd->op.arena, cmd->script->args);
        put_call(cmd, "EVALSHA", str_from(sha->sha, REDIS_SHA_LEN));
    } else {
        put_eval(cmd);
        cmd->script->args = STR_NULL;
    }
    buf_fini(&count);
    buf_fini(&args);
    return cmd;
}
