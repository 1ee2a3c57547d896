/* Who may connect now: handshakes at once per host and over all, and the pace of providers
 * that count logins.
 *
 *   waiting ──a slot of the host, one of all, and its pace──► granted ──► released
 *
 * A host that throttled gets half of its slots for ten minutes. */
#include "account_priv.h"

#include "postrider/base/check.h"
#include "postrider/base/mem.h"

enum {
    CUT_MS = 10 * 60 * 1000,
    RETRY_MS = 10
};

struct host_slots {
    struct accounts *as;
    uint32_t busy;
    uint32_t pace_per_s; /* 0 = any */
    int64_t next_ms;     /* by its pace */
    int64_t cut_until_ms;
    bool granting;
    struct list waiting;
    struct timer timer;
};

/* Those known to refuse logins that come faster, by the end of their host names. */
static const struct {
    const char *suffix;
    uint32_t per_s;
} paces[] = {
    {".gmail.com", 5},      {".office365.com", 5}, {".outlook.com", 5},
    {".mail.yahoo.com", 5}, {".mail.me.com", 5},   {".163.com", 2},
    {".126.com", 2},        {".qq.com", 2},        {".yandex.com", 5},
    {".yandex.ru", 5},      {".mail.ru", 5},       {".zoho.com", 5},
};

static uint32_t pace_of(struct str host)
{
    for (size_t i = 0; i < ARRAY_LEN(paces); i++) {
        struct str suffix = str_of(paces[i].suffix);
        if (host.len >= suffix.len &&
            str_ieq_c(str_tail(host, host.len - suffix.len), paces[i].suffix)) {
            return paces[i].per_s;
        }
    }
    return 0;
}

static struct host_slots *host_get(struct accounts *as, const char *host)
{
    struct host_slots *h = map_get(as->hosts, str_of(host));
    if (h == NULL) {
        h = MEM_NEW(struct host_slots);
        h->as = as;
        h->pace_per_s = pace_of(str_of(host));
        list_init(&h->waiting);
        map_put(as->hosts, str_of(host), h);
    }
    return h;
}

void host_slots_free(void *ptr)
{
    struct host_slots *h = ptr;
    timer_stop(&h->timer);
    mem_free(h);
}

static bool may_grant(const struct host_slots *h)
{
    const struct accounts *as = h->as;
    uint32_t limit = as->config.connect_concurrency;
    int64_t now_ms = loop_now_ms(as->loop);
    if (now_ms < h->cut_until_ms) {
        limit = limit > 1 ? limit / 2 : 1;
    }
    return h->busy < limit && as->handshakes < as->config.connect_total &&
           now_ms >= h->next_ms;
}

static void host_run(struct host_slots *h);

static void on_timer(struct timer *t)
{
    host_run(container_of(t, struct host_slots, timer));
}

/* A grant can end at once and come back here: this loop goes on with it then. */
static void host_run(struct host_slots *h)
{
    struct accounts *as = h->as;
    if (h->granting) {
        return;
    }
    h->granting = true;
    struct list *node;
    while (may_grant(h) && (node = list_pop(&h->waiting)) != NULL) {
        struct slot_wait *w = container_of(node, struct slot_wait, node);
        h->next_ms = h->pace_per_s > 0 ? loop_now_ms(as->loop) + 1000 / h->pace_per_s : 0;
        h->busy++;
        as->handshakes++;
        w->granted = true;
        w->on_grant(w);
    }
    h->granting = false;
    /* The pace, or the slots of all hosts: nobody else wakes this one. */
    if (!list_is_empty(&h->waiting) && !timer_is_set(&h->timer)) {
        int64_t wait_ms = h->next_ms - loop_now_ms(as->loop);
        timer_set(as->loop, &h->timer, wait_ms > RETRY_MS ? wait_ms : RETRY_MS, on_timer);
    }
}

void slot_request(struct accounts *as, const char *host, struct slot_wait *w,
                  void (*on_grant)(struct slot_wait *w))
{
    CHECK(w->host == NULL);
    list_init(&w->node);
    w->host = host_get(as, host);
    w->granted = false;
    w->on_grant = on_grant;
    list_append(&w->host->waiting, &w->node);
    host_run(w->host);
}

void slot_release(struct accounts *as, struct slot_wait *w)
{
    struct host_slots *h = w->host;
    if (h == NULL) {
        return;
    }
    w->host = NULL;
    if (!w->granted) {
        list_remove(&w->node);
        return;
    }
    w->granted = false;
    h->busy--;
    as->handshakes--;
    host_run(h);
}

void slot_host_throttled(struct accounts *as, const char *host)
{
    host_get(as, host)->cut_until_ms = loop_now_ms(as->loop) + CUT_MS;
}
