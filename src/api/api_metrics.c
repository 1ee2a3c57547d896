/* GET /metrics: the state of this node as Prometheus text (format 0.0.4). */
#include "api_handlers.h"
#include "postrider/base/clock.h"
#include "postrider/base/mem.h"
#include "postrider/changelog/changelog.h"

#include <stdio.h>

enum {
    METRICS_MAX = 64 * 1024,
    MS_PER_S = 1000,
    US_PER_S = 1000 * 1000
};

static const char *const states[] = {
    "init",         "unset",        "connected",
    "connecting",   "syncing",      "authenticationError",
    "connectError", "disconnected", "paused",
};

static void put_head(struct buf *out, const char *name, const char *type,
                     const char *help)
{
    (void)buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_one(struct buf *out, const char *name, const char *type, const char *help,
                    uint64_t value)
{
    put_head(out, name, type, help);
    (void)buf_printf(out, "%s %llu\n", name, (unsigned long long)value);
}

static void put_accounts(struct buf *out, struct store *store)
{
    static const char name[] = "postrider_accounts";
    size_t counts[ARRAY_LEN(states)] = {0};
    for (size_t i = 0; i < store_directory_count(store); i++) {
        const struct account_entry *entry = store_directory_at(store, i);
        size_t j = 0;
        while (j < ARRAY_LEN(states) && strcmp(entry->state, states[j]) != 0) {
            j++;
        }
        if (j < ARRAY_LEN(states)) {
            counts[j]++;
        }
    }
    put_head(out, name, "gauge", "Accounts by state.");
    for (size_t j = 0; j < ARRAY_LEN(states); j++) {
        (void)buf_printf(out, "%s{state=\"%s\"} %zu\n", name, states[j], counts[j]);
    }
}

static void put_webhooks(struct buf *out, const struct webhooks *w)
{
    struct webhook_stats stats = {0};
    webhooks_stats_get(w, &stats);
    put_one(out, "postrider_webhooks_delivered_total", "counter",
            "Webhook requests answered with 2xx.", stats.delivered);
    put_one(out, "postrider_webhooks_skipped_total", "counter",
            "Events that the settings do not want.", stats.skipped);
    put_one(out, "postrider_webhooks_retries_total", "counter",
            "Webhook requests that failed and are repeated.", stats.retries);
    put_one(out, "postrider_webhooks_failed_total", "counter",
            "Events given up after all repetitions.", stats.failed);
    put_one(out, "postrider_webhooks_active", "gauge", "Webhook requests under way.",
            stats.active);
    put_one(out, "postrider_webhooks_destinations_down", "gauge",
            "Receivers that are left alone for now because they fail.",
            webhooks_down_count(w));
}

/* One line a route; the value is made by `get`. */
static void put_routes(struct buf *out, const struct changelog *c, const char *name,
                       uint64_t (*get)(const struct changelog_stats *stats))
{
    for (size_t i = 0; i < changelog_reader_count(c); i++) {
        const struct changelog_reader *r = changelog_reader_at(c, i);
        struct changelog_stats stats = {0};
        changelog_reader_stats(r, &stats);
        (void)buf_printf(out, "%s{route=\"%s\"} %llu\n", name, changelog_reader_name(r),
                         (unsigned long long)get(&stats));
    }
}

static uint64_t behind(const struct changelog_stats *stats)
{
    return stats->active + stats->waiting;
}

static uint64_t oldest_age_s(const struct changelog_stats *stats)
{
    int64_t age_ms = stats->oldest_ms > 0 ? clock_wall_ms() - stats->oldest_ms : 0;
    return age_ms > 0 ? (uint64_t)(age_ms / MS_PER_S) : 0;
}

static uint64_t gaps(const struct changelog_stats *stats)
{
    return stats->gaps;
}

static void put_deliveries(struct buf *out, const struct changelog *c)
{
    static const char name[] = "postrider_route_entries_total";
    put_head(out, name, "counter",
             "Log entries that left the route, and repeated tries.");
    for (size_t i = 0; i < changelog_reader_count(c); i++) {
        const struct changelog_reader *r = changelog_reader_at(c, i);
        struct changelog_stats stats = {0};
        changelog_reader_stats(r, &stats);
        const struct {
            const char *result;
            uint64_t count;
        } rows[] = {{"done", stats.done},
                    {"retry", stats.retries},
                    {"failed", stats.dead},
                    {"unreadable", stats.unreadable}};
        for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
            (void)buf_printf(out, "%s{route=\"%s\",result=\"%s\"} %llu\n", name,
                             changelog_reader_name(r), rows[k].result,
                             (unsigned long long)rows[k].count);
        }
    }
}

static void put_changelog(struct buf *out, const struct changelog *c)
{
    static const struct {
        const char *name, *type, *help;
        uint64_t (*get)(const struct changelog_stats *stats);
    } rows[] = {
        {"postrider_route_accounts_behind", "gauge",
         "Accounts with entries that the route has still to deliver.", behind},
        {"postrider_route_oldest_undelivered_seconds", "gauge",
         "Age of the oldest of these entries.", oldest_age_s},
        {"postrider_route_gaps_total", "counter",
         "Times that entries were trimmed before the route read them.", gaps},
    };
    struct changelog_sizes sizes = {0};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        put_head(out, rows[i].name, rows[i].type, rows[i].help);
        put_routes(out, c, rows[i].name, rows[i].get);
    }
    put_deliveries(out, c);
    changelog_sizes_get(c, &sizes);
    put_one(out, "postrider_log_bytes", "gauge",
            "Memory of the change logs in Redis, as of their last trim.", sizes.bytes);
    put_one(out, "postrider_log_entries", "gauge", "Entries of the change logs.",
            sizes.entries);
    put_one(out, "postrider_logs_full", "gauge",
            "Change logs at 80 percent of changelog.max_bytes or more.", sizes.full);
}

static void put_loop(struct buf *out, const struct loop *loop)
{
    static const char name[] = "postrider_loop_turn_seconds";
    struct loop_turns turns = {0};
    loop_turns_get(loop, &turns);
    put_head(out, name, "histogram",
             "Time in callbacks of one turn of the event loop: nobody else is served "
             "meanwhile.");
    for (size_t i = 0; i < LOOP_TURN_BOUNDS; i++) {
        (void)buf_printf(out, "%s_bucket{le=\"%g\"} %llu\n", name,
                         (double)loop_turn_bounds_us[i] / US_PER_S,
                         (unsigned long long)turns.within[i]);
    }
    (void)buf_printf(out, "%s_bucket{le=\"+Inf\"} %llu\n%s_sum %g\n%s_count %llu\n", name,
                     (unsigned long long)turns.turns, name,
                     (double)turns.busy_us / US_PER_S, name,
                     (unsigned long long)turns.turns);
    put_head(out, "postrider_loop_turn_longest_seconds", "gauge",
             "Longest turn of the last one to two minutes.");
    (void)buf_printf(out, "postrider_loop_turn_longest_seconds %g\n",
                     (double)turns.longest_us / US_PER_S);
}

static void put_totals(struct buf *out, const struct accounts_totals *t)
{
    put_one(out, "postrider_imap_connections", "gauge",
            "Open connections to IMAP servers.", t->connections);
    put_one(out, "postrider_accounts_connected", "gauge",
            "Accounts that are connected by this process, all of them in order.",
            t->connected);
    put_one(out, "postrider_imap_handshakes", "gauge",
            "Connections to IMAP servers on their way.", t->handshakes);
    put_one(out, "postrider_accounts_indexing", "gauge",
            "Accounts that build a first index.", t->walks);
    put_one(out, "postrider_accounts_left_alone", "gauge",
            "Accounts that may not connect yet: throttled or refused.", t->barred);
    put_one(out, "postrider_accounts_parked", "gauge",
            "Accounts that wait for the store with their connection open.", t->parked);
    put_one(out, "postrider_accounts_full", "gauge",
            "Accounts that index nothing new: their log or Redis is nearly full.",
            t->full);
    put_one(out, "postrider_accounts_paused", "gauge",
            "Accounts that are disconnected since memory is short.", t->paused);
    put_one(out, "postrider_memory_fill_percent", "gauge",
            "Resident memory, of sync.memory_max_mib; 0 without a limit.",
            t->memory_percent);
    put_one(out, "postrider_backpressure", "gauge",
            "Whether mail servers are not read because the store cannot keep up.",
            t->held);
    put_one(out, "postrider_backpressure_total", "counter",
            "Times the store could not keep up.", t->holds);
}

static void put_audits(struct buf *out, const struct accounts_totals *t)
{
    static const char age[] = "postrider_freshness_age_seconds";
    static const char audits[] = "postrider_audit_total";
    static const char drift[] = "postrider_drift_total";
    const struct accounts_audits *a = &t->audits;
    const struct {
        const char *kind;
        uint64_t count;
    } kinds[] = {{"missing", a->missing}, {"extra", a->extra}, {"flags", a->stale}};
    put_head(
        out, age, "gauge",
        "Longest time since the last complete look at all mailboxes of an account: of "
        "those connected, and of all that are switched on.");
    (void)buf_printf(out, "%s{accounts=\"connected\"} %lld\n%s{accounts=\"all\"} %lld\n",
                     age, (long long)(t->oldest_sync_ms / MS_PER_S), age,
                     (long long)(t->oldest_any_ms / MS_PER_S));
    put_head(out, audits, "counter", "Audits of mailboxes by what they found.");
    for (int i = 0; i < ACCOUNT_AUDIT_COUNT; i++) {
        (void)buf_printf(out, "%s{result=\"%s\"} %llu\n", audits,
                         account_audit_outcome_name((enum account_audit_outcome)i),
                         (unsigned long long)a->outcomes[i]);
    }
    put_head(out, drift, "counter",
             "Messages in which an index differed from the server for no good reason.");
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        (void)buf_printf(out, "%s{kind=\"%s\"} %llu\n", drift, kinds[i].kind,
                         (unsigned long long)kinds[i].count);
    }
}

static void put_process(struct buf *out, struct api_services *services, struct api *api)
{
    int64_t up_ms = clock_wall_ms() - services->started_ms;
    struct api_totals totals;
    put_one(out, "postrider_uptime_seconds", "gauge", "Time since the start.",
            (uint64_t)(up_ms > 0 ? up_ms / MS_PER_S : 0));
    put_one(out, "postrider_store_up", "gauge", "Whether the store can be used.",
            store_is_well(services->store, NULL) ? 1 : 0);
    put_one(out, "postrider_store_fill_percent", "gauge",
            "Memory of Redis in use, of its maxmemory; 0 without a limit.",
            store_fill_percent(services->store));
    put_one(out, "postrider_api_requests_active", "gauge", "API requests under way.",
            api_active(api));
    api_totals_get(api, &totals);
    put_one(out, "postrider_api_large_bodies", "gauge",
            "API requests that hold more than 1 MiB.", totals.large);
    put_one(out, "postrider_api_large_bodies_refused_total", "counter",
            "API requests refused since too many held more than 1 MiB.",
            totals.large_refused);
    put_one(out, "process_resident_memory_bytes", "gauge", "Resident memory.",
            mem_resident_bytes());
    put_head(out, "process_start_time_seconds", "gauge", "Start of the process.");
    (void)buf_printf(out, "process_start_time_seconds %lld\n",
                     (long long)(services->started_ms / MS_PER_S));
    put_head(out, "postrider_build_info", "gauge", "Version of the program.");
    (void)buf_printf(out, "postrider_build_info{version=\"%s\"} 1\n", POSTRIDER_VERSION);
}

void api_metrics_get(struct api_call *call)
{
    struct api_services *services = api_services_of(call);
    struct accounts_totals totals = {0};
    struct buf out = BUF_INIT(METRICS_MAX);
    accounts_totals_get(services->accounts, &totals);
    put_accounts(&out, services->store);
    put_totals(&out, &totals);
    put_audits(&out, &totals);
    put_loop(&out, store_loop(services->store));
    put_webhooks(&out, services->webhooks);
    put_changelog(&out, services->changelog);
    put_process(&out, services, call->api);
    api_reply_raw(call, &(struct httpd_reply){
                            .status = 200,
                            .content_type = "text/plain; version=0.0.4; charset=utf-8",
                            .take = &out});
}

const struct api_route api_metrics_routes[API_METRICS_ROUTES] = {
    {.method = "GET",
     .path = "/metrics",
     .operation_id = "getMetrics",
     .tag = "Metrics",
     .summary = "Show metrics as Prometheus text",
     .scope = "metrics",
     .action = "read",
     .group = "diagnostics",
     .response_type = "text/plain",
     .handler = api_metrics_get},
};
