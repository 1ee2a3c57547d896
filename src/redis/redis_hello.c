/* The handshake: everything is sent at once, the replies come in the order of the rows.
 * A failure of any row keeps the client from becoming ready; the next try comes after the
 * backoff, since all of them can be repaired while we wait (a server that loads its data,
 * a wrong password, an eviction policy). */
#include "redis_priv.h"

#include "postrider/base/check.h"
#include "postrider/base/log.h"
#include "postrider/base/num.h"

#include <string.h>

enum {
    VERSION_MAJOR = 6,
    VERSION_MINOR = 2
};

struct hello_row {
    const char *name;
    bool (*wanted)(const struct redis *r); /* NULL: always */
    void (*put)(struct redis *r);
    /* False with err when this server cannot be used. */
    bool (*on_reply)(struct redis *r, const struct redis_reply *reply, struct err *err);
};

/* --- what replies mean */

static bool must_succeed(struct redis *r, const struct redis_reply *reply,
                         struct err *err)
{
    (void)r;
    if (reply->type != REDIS_ERROR) {
        return true;
    }
    redis_reply_err(err, reply->str);
    static const char *const busy[] = {"LOADING", "MASTERDOWN", "BUSY", "CLUSTERDOWN"};
    for (size_t i = 0; i < ARRAY_LEN(busy); i++) {
        if (str_has_prefix(reply->str, busy[i])) {
            err->code = ERR_STORE_DOWN;
        }
    }
    return false;
}

/* Older or restricted servers refuse some commands, and that is fine; but these words
 * come as an answer to whatever is sent first. */
static bool may_fail(struct redis *r, const struct redis_reply *reply, struct err *err)
{
    static const char *const fatal[] = {"DENIED", "ERR max number of clients"};
    for (size_t i = 0; i < ARRAY_LEN(fatal); i++) {
        if (reply->type == REDIS_ERROR && str_has_prefix(reply->str, fatal[i])) {
            return must_succeed(r, reply, err);
        }
    }
    return true;
}

static bool on_auth(struct redis *r, const struct redis_reply *reply, struct err *err)
{
    return must_succeed(r, reply, err) ||
           err_wrap(err, "Redis refused user or password of redis.url");
}

static bool on_select(struct redis *r, const struct redis_reply *reply, struct err *err)
{
    return must_succeed(r, reply, err) ||
           err_wrap(err, "database %u of redis.url", r->address.db);
}

static struct str info_get(struct str info, const char *name)
{
    struct str line;
    while (str_split(&info, '\n', &line)) {
        line = str_trim(line);
        size_t colon = str_find_byte(line, ':');
        if (colon != SIZE_MAX && str_eq_c(str_from(line.ptr, colon), name)) {
            return str_tail(line, colon + 1);
        }
    }
    return STR_NULL;
}

static bool check_version(struct str text, struct err *err)
{
    struct str rest = text;
    struct str major;
    struct str minor = STR("0");
    uint32_t a = 0;
    uint32_t b = 0;
    if (text.ptr == NULL || !str_split(&rest, '.', &major) || !num_u32(major, &a)) {
        return true; /* not Redis's own numbering: the commands will tell */
    }
    (void)str_split(&rest, '.', &minor);
    if (a > VERSION_MAJOR ||
        (a == VERSION_MAJOR && num_u32(minor, &b) && b >= VERSION_MINOR)) {
        return true;
    }
    return err_set(err, ERR_CONFIG, "Redis %.*s is too old: %d.%d or newer is needed",
                   STR_ARG(text), VERSION_MAJOR, VERSION_MINOR);
}

static bool check_policy(struct redis *r, struct str policy, struct err *err)
{
    if (policy.ptr == NULL) {
        return true;
    }
    r->policy_known = true;
    if (str_eq_c(policy, "noeviction")) {
        return true;
    }
    if (!r->allow_eviction) {
        return err_set(
            err, ERR_STORE_POLICY,
            "maxmemory-policy is %.*s, so Redis may drop stored data; set it to "
            "noeviction, or set redis.allow_eviction",
            STR_ARG(policy));
    }
    if (!r->policy_warned) {
        r->policy_warned = true;
        log_at(LOG_WARN, "redis", "maxmemory-policy may drop stored data",
               LOG_STR("policy", policy));
    }
    return true;
}

static bool on_info(struct redis *r, const struct redis_reply *reply, struct err *err)
{
    if (!may_fail(r, reply, err)) {
        return false;
    }
    if (reply->type != REDIS_STRING) {
        return true;
    }
    struct str info = reply->str;
    if (str_eq_c(info_get(info, "role"), "slave")) {
        (void)err_set(
            err, ERR_STORE_DOWN,
            "this Redis is a read-only replica; redis.url must name the primary");
        err_set_peer_code(err, "READONLY", strlen("READONLY"));
        return false;
    }
    return check_version(info_get(info, "redis_version"), err) &&
           check_policy(r, info_get(info, "maxmemory_policy"), err);
}

/* The value of a CONFIG GET of one name. */
static struct str config_value(const struct redis_reply *reply)
{
    bool pair = reply->type == REDIS_ARRAY && reply->count == 2 &&
                reply->items[1].type == REDIS_STRING;
    return pair ? reply->items[1].str : STR_NULL;
}

static bool on_policy(struct redis *r, const struct redis_reply *reply, struct err *err)
{
    if (!may_fail(r, reply, err) || !check_policy(r, config_value(reply), err)) {
        return false;
    }
    if (!r->policy_known && !r->policy_warned) {
        r->policy_warned = true;
        log_at(LOG_WARN, "redis",
               "maxmemory-policy cannot be read (INFO and CONFIG are refused); make sure "
               "that it is noeviction",
               LOG_S("setting", "maxmemory-policy"));
    }
    return true;
}

static bool on_appendonly(struct redis *r, const struct redis_reply *reply,
                          struct err *err)
{
    r->append_off = str_eq_c(config_value(reply), "no");
    return may_fail(r, reply, err);
}

static bool on_save(struct redis *r, const struct redis_reply *reply, struct err *err)
{
    struct str save = config_value(reply);
    if (r->append_off && save.ptr != NULL && save.len == 0 && !r->durability_warned) {
        r->durability_warned = true;
        log_at(LOG_WARN, "redis",
               "persistence is off: accounts and settings are lost when Redis restarts",
               LOG_S("advice", "set appendonly yes"));
    }
    return may_fail(r, reply, err);
}

/* --- what is sent */

static void put_words(struct redis *r, size_t count, const char *const *words)
{
    redis_put_count(&r->out, count);
    for (size_t i = 0; i < count; i++) {
        redis_put_arg(&r->out, str_of(words[i]));
    }
}

#define PUT(fn, ...)                                                                     \
    static void fn(struct redis *r)                                                      \
    {                                                                                    \
        static const char *const words[] = {__VA_ARGS__};                                \
        put_words(r, ARRAY_LEN(words), words);                                           \
    }

PUT(put_setname, "CLIENT", "SETNAME", "postrider")
PUT(put_no_evict, "CLIENT", "NO-EVICT", "on")
PUT(put_info, "INFO")
PUT(put_policy, "CONFIG", "GET", "maxmemory-policy")
PUT(put_appendonly, "CONFIG", "GET", "appendonly")
PUT(put_save, "CONFIG", "GET", "save")
PUT(put_ping, "PING")

static bool has_credentials(const struct redis *r)
{
    return r->address.user != NULL || r->address.password != NULL;
}

static void put_auth(struct redis *r)
{
    const char *password = r->address.password != NULL ? r->address.password : "";
    const char *const words[] = {"AUTH", r->address.user, password};
    const char *const old_words[] = {"AUTH", password};
    if (r->address.user != NULL) {
        put_words(r, ARRAY_LEN(words), words);
    } else {
        put_words(r, ARRAY_LEN(old_words), old_words);
    }
}

static bool has_db(const struct redis *r)
{
    return r->address.db != 0;
}

static void put_select(struct redis *r)
{
    struct buf number = BUF_INIT(16);
    (void)buf_put_u64(&number, r->address.db);
    const char *const words[] = {"SELECT", buf_c(&number)};
    put_words(r, ARRAY_LEN(words), words);
    buf_fini(&number);
}

/* PING comes last: unlike INFO and CONFIG it is refused while the server loads its data,
 * waits for its primary, or wants a password. */
static const struct hello_row rows[] = {
    {"AUTH", has_credentials, put_auth, on_auth},
    {"CLIENT SETNAME", NULL, put_setname, may_fail},
    {"CLIENT NO-EVICT", NULL, put_no_evict, may_fail},
    {"SELECT", has_db, put_select, on_select},
    {"INFO", NULL, put_info, on_info},
    {"CONFIG GET maxmemory-policy", NULL, put_policy, on_policy},
    {"CONFIG GET appendonly", NULL, put_appendonly, on_appendonly},
    {"CONFIG GET save", NULL, put_save, on_save},
    {"PING", NULL, put_ping, must_succeed},
};

static bool is_wanted(const struct redis *r, size_t i)
{
    return rows[i].wanted == NULL || rows[i].wanted(r);
}

static size_t next_wanted(const struct redis *r, size_t i)
{
    while (i < ARRAY_LEN(rows) && !is_wanted(r, i)) {
        i++;
    }
    return i;
}

void redis_hello_send(struct redis *r)
{
    err_clear(&r->hello_err);
    r->policy_known = false;
    r->append_off = false;
    r->hello_next = next_wanted(r, 0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (is_wanted(r, i)) {
            rows[i].put(r);
        }
    }
}

void redis_hello_reply(struct redis *r, const struct redis_reply *reply)
{
    CHECK(r->hello_next < ARRAY_LEN(rows));
    const struct hello_row *row = &rows[r->hello_next];
    struct err err;
    if (!row->on_reply(r, reply, &err)) {
        log_at(LOG_DEBUG, "redis", "handshake refused", LOG_S("step", row->name));
        if (r->hello_err.code == ERR_OK) {
            r->hello_err = err;
        }
    }
    r->hello_next = next_wanted(r, r->hello_next + 1);
    if (r->hello_next < ARRAY_LEN(rows)) {
        return;
    }
    if (r->hello_err.code != ERR_OK) {
        redis_conn_lost(r, &r->hello_err);
    } else {
        redis_enter(r, REDIS_STATE_READY);
    }
}
