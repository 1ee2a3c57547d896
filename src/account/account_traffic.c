/* The log of what passes the connections of an account, for who looks for a fault: while
 * the account's member `logs` or the setting logs.all is true. */
#include "account_priv.h"

#include "postrider/base/clock.h"
#include "postrider/base/mem.h"
#include "postrider/json/json.h"
#include "postrider/store/store_journal.h"
#include "postrider/store/store_settings.h"

enum {
    STORE_MS = 1000,
    KEPT = 10000 /* lines, unless the setting says otherwise */
};

static json_t *logs_setting(const struct account *a)
{
    return store_setting(accounts_store(a->as), "logs");
}

static bool is_wanted(void *ctx)
{
    const struct account *a = ctx;
    return json_get_bool(a->record, "logs", false) ||
           json_get_bool(logs_setting(a), "all", false);
}

static void free_lines(struct account_traffic *t)
{
    for (size_t i = 0; i < t->count; i++) {
        mem_free(t->lines[i]);
    }
    mem_free(t->lines);
    t->lines = NULL;
    t->count = 0;
}

static void store_lines(struct account *a)
{
    struct account_traffic *t = &a->traffic;
    struct str entries[ACCOUNT_TRAFFIC_LINES];
    int64_t kept = json_get_int(logs_setting(a), "maxLogLines", KEPT);
    for (size_t i = 0; i < t->count; i++) {
        entries[i] = str_of(t->lines[i]);
    }
    if (t->count > 0) {
        store_journal_append(accounts_store(a->as), STORE_JOURNAL_TRAFFIC,
                             str_of(account_id(a)), entries, t->count,
                             kept > 0 ? (size_t)kept : 0);
    }
    timer_stop(&t->timer);
    free_lines(t);
}

static void on_timer(struct timer *timer)
{
    store_lines(container_of(timer, struct account, traffic.timer));
}

static char *entry_of(bool sent, struct str line)
{
    json_t *entry ATTR_CLEANUP(json_cleanup) = json_object();
    struct buf text = BUF_INIT(STORE_JOURNAL_ENTRY_MAX);
    json_put_time(entry, "time", clock_wall_ms());
    json_put_cstr(entry, "src", sent ? "c" : "s");
    json_put_str(entry, "msg", line);
    if (!json_emit(entry, &text)) {
        buf_fini(&text);
    }
    return buf_take(&text, NULL);
}

static void on_line(void *ctx, bool sent, struct str line)
{
    struct account *a = ctx;
    struct account_traffic *t = &a->traffic;
    char *entry = entry_of(sent, line);
    if (entry == NULL) {
        return;
    }
    if (t->lines == NULL) {
        t->lines = mem_array(ACCOUNT_TRAFFIC_LINES, sizeof *t->lines);
        timer_set(a->as->loop, &t->timer, STORE_MS, on_timer);
    }
    t->lines[t->count++] = entry;
    if (t->count == ACCOUNT_TRAFFIC_LINES) {
        store_lines(a);
    }
}

void account_traffic_params(struct account *a, struct imap_conn_params *params)
{
    params->trace =
        (struct imap_trace){.ctx = a, .is_wanted = is_wanted, .on_line = on_line};
}

void account_traffic_end(struct account *a)
{
    store_lines(a);
}
