/* GET /v1/stats: what this node is and what it did lately. What it did is counted once a
 * minute, from totals that others keep; so it is known since the start of the node. */
#include "api_handlers.h"
#include "postrider/base/clock.h"
#include "postrider/base/mem.h"
#include "postrider/changelog/changelog.h"
#include "postrider/store/store_server.h"

#include <stdio.h>
#include <sys/utsname.h>

enum {
    MINUTES = 7 * 24 * 60,
    MS_PER_MINUTE = 60 * 1000,
    US_PER_MS = 1000,
    FILL_WARNING_PERCENT = 80
};

enum counter {
    COUNTER_API_WELL,
    COUNTER_API_FAILED,
    COUNTER_WEBHOOK_WELL,
    COUNTER_WEBHOOK_FAILED,
    COUNTER_EVENTS, /* and one more for each type */
    COUNTER_COUNT = COUNTER_EVENTS + EVENT_TYPE_COUNT
};

static const char *const counter_names[COUNTER_EVENTS] = {
    [COUNTER_API_WELL] = "apiCall:success",
    [COUNTER_API_FAILED] = "apiCall:fail",
    [COUNTER_WEBHOOK_WELL] = "webhooks:success",
    [COUNTER_WEBHOOK_FAILED] = "webhooks:fail"};

struct totals {
    uint64_t of[COUNTER_COUNT];
};

struct api_stats {
    struct api_services *services;
    struct api *api;
    struct timer timer;
    struct totals last; /* when the newest minute ended */
    uint32_t (*minutes)[COUNTER_COUNT];
    size_t next;   /* the minute that is written next */
    size_t filled; /* minutes that were counted */
};

/* --- counting --- */

static void totals_get(const struct api_stats *stats, struct totals *out)
{
    struct api_totals api;
    struct webhook_stats webhooks = {0};
    struct store *store = stats->services->store;
    *out = (struct totals){0};
    api_totals_get(stats->api, &api);
    webhooks_stats_get(stats->services->webhooks, &webhooks);
    out->of[COUNTER_API_WELL] = api.well;
    out->of[COUNTER_API_FAILED] = api.failed;
    out->of[COUNTER_WEBHOOK_WELL] = webhooks.delivered;
    out->of[COUNTER_WEBHOOK_FAILED] = webhooks.failed + webhooks.retries;
    for (size_t i = 0; i < store_directory_count(store); i++) {
        const struct account_entry *entry = store_directory_at(store, i);
        for (size_t type = 0; type < EVENT_TYPE_COUNT; type++) {
            out->of[COUNTER_EVENTS + type] += entry->event_counts[type];
        }
    }
}

/* What came since; less than before is there when an account was deleted. */
static uint32_t increase(const struct totals *now, const struct totals *before, size_t i)
{
    uint64_t more = now->of[i] > before->of[i] ? now->of[i] - before->of[i] : 0;
    return more < UINT32_MAX ? (uint32_t)more : UINT32_MAX;
}

static void on_minute(struct timer *t)
{
    struct api_stats *stats = container_of(t, struct api_stats, timer);
    struct totals now;
    totals_get(stats, &now);
    for (size_t i = 0; i < COUNTER_COUNT; i++) {
        stats->minutes[stats->next][i] = increase(&now, &stats->last, i);
    }
    stats->last = now;
    stats->next = (stats->next + 1) % MINUTES;
    stats->filled += stats->filled < MINUTES ? 1 : 0;
    timer_set(store_loop(stats->services->store), &stats->timer, MS_PER_MINUTE,
              on_minute);
}

void api_services_begin(struct api_services *services, struct api *api)
{
    struct api_stats *stats = MEM_NEW(struct api_stats);
    stats->services = services;
    stats->api = api;
    stats->minutes = mem_array(MINUTES, sizeof *stats->minutes);
    services->stats = stats;
    timer_set(store_loop(services->store), &stats->timer, MS_PER_MINUTE, on_minute);
}

void api_stats_free(struct api_stats **stats)
{
    if (*stats != NULL) {
        timer_stop(&(*stats)->timer);
        mem_free((*stats)->minutes);
        mem_free(*stats);
        *stats = NULL;
    }
}

/* Of the last so many whole minutes and of the one that has begun. */
static json_t *counters_json(const struct api_stats *stats, int64_t seconds)
{
    struct totals now;
    json_t *out = json_object();
    size_t wanted = (size_t)(seconds * 1000 / MS_PER_MINUTE);
    size_t minutes = wanted < stats->filled ? wanted : stats->filled;
    totals_get(stats, &now);
    for (size_t i = 0; i < COUNTER_COUNT; i++) {
        uint64_t sum = increase(&now, &stats->last, i);
        char name[64];
        for (size_t k = 1; k <= minutes; k++) {
            sum += stats->minutes[(stats->next + MINUTES - k) % MINUTES][i];
        }
        (void)snprintf(name, sizeof name, "%s%s", i < COUNTER_EVENTS ? "" : "events:",
                       i < COUNTER_EVENTS
                           ? counter_names[i]
                           : event_type_name((enum event_type)(i - COUNTER_EVENTS)));
        if (sum > 0) {
            json_put_int(out, name, (int64_t)sum);
        }
    }
    return out;
}

/* --- the state of things --- */

static json_t *connections_json(struct store *store)
{
    static const char *const states[] = {
        "init",         "connected", "connecting",   "syncing", "authenticationError",
        "connectError", "unset",     "disconnected", "paused",  "unassigned"};
    json_t *out = json_object();
    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        json_put_int(out, states[i], 0);
    }
    for (size_t i = 0; i < store_directory_count(store); i++) {
        const char *state = store_directory_at(store, i)->state;
        json_put_int(out, state, json_get_int(out, state, 0) + 1);
    }
    return out;
}

static json_t *queues_json(const struct changelog *log)
{
    int64_t active = 0, waiting = 0;
    for (size_t i = 0; i < changelog_reader_count(log); i++) {
        struct changelog_stats stats = {0};
        changelog_reader_stats(changelog_reader_at(log, i), &stats);
        active += (int64_t)stats.active;
        waiting += (int64_t)stats.waiting;
    }
    json_t *notify = json_object();
    json_t *out = json_object();
    json_put_int(notify, "active", active);
    json_put_int(notify, "waiting", waiting);
    json_put_int(notify, "total", active + waiting);
    json_put(out, "notify", notify);
    return out;
}

static void put_warning(json_t *list, const char *key, const char *title,
                        const char *detail)
{
    json_t *details = json_array();
    json_t *row = json_object();
    json_push(details, json_str_repaired(str_of(detail)));
    json_put_cstr(row, "key", key);
    json_put_cstr(row, "color", "warning");
    json_put_cstr(row, "title", title);
    json_put(row, "details", details);
    json_push(list, row);
}

static json_t *warnings_json(const struct store *store)
{
    struct err err = {.code = ERR_OK};
    json_t *list = json_array();
    char text[64];
    if (!store_is_well(store, &err)) {
        put_warning(list, "store", "Redis cannot be used", err.msg);
    }
    if (store_fill_percent(store) >= FILL_WARNING_PERCENT) {
        (void)snprintf(text, sizeof text, "%u percent of maxmemory are in use",
                       store_fill_percent(store));
        put_warning(list, "memory", "Redis is nearly full", text);
    }
    return list;
}

static json_t *stats_json(const struct api_call *call,
                          const struct store_server_info *redis)
{
    const struct api_services *services = call->services;
    struct utsname machine;
    json_t *build = json_object();
    json_t *out = json_object();
    json_put_cstr(build, "version", POSTRIDER_VERSION);
    json_put_cstr(build, "compiler", __VERSION__);
    json_put_cstr(out, "version", POSTRIDER_VERSION);
    json_put_cstr(out, "license", "Free software");
    json_put_int(out, "accounts", (int64_t)store_directory_count(services->store));
    json_put_cstr(out, "redis", redis->version);
    json_put_cstr(out, "redisSoftware", redis->software);
    json_put_bool(out, "redisCluster", redis->cluster);
    json_put(out, "redisWarnings", warnings_json(services->store));
    json_put(out, "redisPing", json_real((double)redis->ping_us / US_PER_MS));
    json_put_cstr(out, "arch", uname(&machine) == 0 ? machine.machine : NULL);
    json_put(out, "build", build);
    json_put(out, "queues", queues_json(services->changelog));
    json_put(out, "connections", connections_json(services->store));
    json_put(out, "counters",
             counters_json(services->stats, json_get_int(call->query, "seconds", 0)));
    return out;
}

static void on_server(struct store_server *op ATTR_UNUSED, const struct err *err,
                      const struct store_server_info *info, void *ctx)
{
    struct api_task *task = ctx;
    bool ok = task->call != NULL && err->code == ERR_OK;
    api_task_reply(task, err, ok ? stats_json(task->call, info) : NULL);
}

static void cancel(void *op)
{
    store_server_cancel(op);
}

void api_stats_get(struct api_call *call)
{
    struct api_task *task = api_task_new(call, cancel);
    task->op = store_server_start(task->services->store, on_server, task);
}

/* --- rows --- */

static const struct field_spec query[] = {
    F_INT("seconds", FIELD_EMPTY_ABSENT, F_RANGE(0, 604800), F_DEFAULT("3600"),
          F_DOC("Length of the time that counters are about, up to now; whole minutes")),
};

static const struct field_spec warning_fields[] = {
    F_STR("key", 0),
    F_STR("color", 0),
    F_STR("title", 0),
    F_ARR("details", 0, F_ITEM(F_STR(NULL, 0))),
};

static const struct field_spec connection_fields[] = {
    F_INT("init", 0),       F_INT("connected", 0),           F_INT("connecting", 0),
    F_INT("syncing", 0),    F_INT("authenticationError", 0), F_INT("connectError", 0),
    F_INT("unset", 0),      F_INT("disconnected", 0),        F_INT("paused", 0),
    F_INT("unassigned", 0),
};

static const struct field_spec response_fields[] = {
    F_STR("version", 0, F_DOC("Version of the program")),
    F_STR("license", 0, F_DOC("Kind of license")),
    F_INT("accounts", 0, F_DOC("Number of accounts")),
    F_STR("node", 0, F_DOC("Never there: a runtime that is not in use")),
    F_STR("redis", 0, F_DOC("Version of Redis")),
    F_STR("redisSoftware", 0, F_DOC("redis, valkey …")),
    F_BOOL("redisCluster", 0),
    F_ARR("redisWarnings", 0, F_LABEL("RedisWarnings"),
          F_ITEM(F_OBJ(NULL, FIELD_UNKNOWN_OK, F_LABEL("RedisWarningEntry"),
                       F_FIELDS(warning_fields)))),
    F_NUM("redisPing", 0, F_DOC("Round trip to Redis in milliseconds")),
    F_STR("imapflow", 0, F_DOC("Never there: a library that is not in use")),
    F_STR("bullmq", 0, F_DOC("Never there: a library that is not in use")),
    F_STR("arch", 0, F_DOC("Kind of processor")),
    F_OBJ("build", FIELD_UNKNOWN_OK, F_LABEL("BuildInfo")),
    F_OBJ("queues", FIELD_UNKNOWN_OK, F_LABEL("QueueStats")),
    F_OBJ("connections", FIELD_UNKNOWN_OK, F_LABEL("ConnectionsStats"),
          F_FIELDS(connection_fields), F_DOC("Accounts by state")),
    F_OBJ("counters", FIELD_UNKNOWN_OK, F_LABEL("CounterStats"),
          F_DOC("What happened on this node in the time asked for")),
};

static const struct field_spec response =
    F_OBJ(NULL, 0, F_LABEL("StatsResponse"), F_FIELDS(response_fields));

const struct api_route api_stats_routes[API_STATS_ROUTES] = {
    {.method = "GET",
     .path = "/v1/stats",
     .operation_id = "getV1Stats",
     .tag = "Stats",
     .summary = "Show what this node is and what it did lately",
     .scope = "api",
     .action = "read",
     .group = "diagnostics",
     ROUTE_QUERY(query),
     .response = &response,
     ROUTE_EXAMPLE(.reply = "{'version': '0.1.0', 'accounts': 1, 'redis': '7.0.15', "
                            "'redisSoftware': 'redis', 'redisPing': 0.2, "
                            "'connections': {'connected': 1}, 'counters': "
                            "{'events:messageNew': 3}}"),
     .handler = api_stats_get},
};
