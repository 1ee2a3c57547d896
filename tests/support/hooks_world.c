#include "hooks_world.h"

#include "postrider/base/attr.h"
#include "postrider/base/log.h"
#include "postrider/base/mem.h"
#include "postrider/json/json.h"
#include "postrider/store/store_settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void answer(const struct http_seen *seen, struct http_answer *out, void *arg)
{
    struct hooks_world *f = arg;
    if (http_seen_is_path(seen, "/slow")) {
        *out = f->slow;
    } else if (f->fail_count > 0) {
        f->fail_count--;
        *out = f->fail;
    } else {
        out->headers = f->headers;
    }
}

/* --- an enricher that answers in the next turn */

struct enrich_request {
    struct deferred d;
    struct hooks_world *f;
    bool canceled;
    enrich_cb *cb;
    void *ctx;
};

static void on_enrich(struct deferred *d)
{
    struct enrich_request *req = container_of(d, struct enrich_request, d);
    struct err err = {.code = req->canceled ? ERR_CANCELED : req->f->enrich_code};
    json_t *data = json_pack("{s:s, s:s}", "id", "AAAAAQAAAAE", "subject", "Hello");
    json_t *lost = json_pack("{s:s, s:i, s:i, s:i}", "id", "AAAAAQAAAAE", "uid", 1,
                             "missingRetries", 3, "missingDelay", 5590);
    bool missing = err.code == ERR_NO_MESSAGE && req->f->missing;
    req->cb(req, &err, missing ? lost : err.code == ERR_OK ? data : NULL, req->ctx);
    json_decref(lost);
    json_decref(data);
    mem_free(req);
}

static struct enrich_request *enrich_start(void *impl, struct str account,
                                           const struct event *event, int64_t deadline_ms,
                                           enrich_cb *cb, void *ctx)
{
    struct hooks_world *f = impl;
    assert_true(account.len > 0 && event->type == EVENT_MESSAGE_NEW &&
                deadline_ms <= 30000);
    struct enrich_request *req = MEM_NEW(struct enrich_request);
    req->f = f;
    req->cb = cb;
    req->ctx = ctx;
    f->enriched++;
    loop_defer(f->w.loop, &req->d, on_enrich);
    return req;
}

static void enrich_cancel(struct enrich_request *req)
{
    req->canceled = true;
}

/* --- up and down */

static void on_settings_changed(struct store *s, void *ctx)
{
    (void)s;
    const struct hooks_world *f = ctx;
    if (f->hooks != NULL) {
        webhooks_settings_changed(f->hooks);
    }
}

void hooks_begin(struct hooks_world *f)
{
    f->c = changelog_new(f->w.store, &(struct changelog_config){0});
    f->hooks = webhooks_new(f->w.store, f->httpc, f->c, &f->enricher, &f->config);
    webhooks_start(f->hooks);
    changelog_start(f->c);
}

static void on_changelog_stop(struct changelog *c, void *ctx)
{
    (void)c;
    struct hooks_world *f = ctx;
    f->stopped = true;
}

static void on_webhooks_stop(struct webhooks *w, void *ctx)
{
    (void)w;
    struct hooks_world *f = ctx;
    f->stopped = true;
}

void hooks_end(struct hooks_world *f)
{
    f->stopped = false;
    changelog_stop(f->c, 1, on_changelog_stop, f);
    loop_fixture_run_until(f->w.loop, &f->stopped, HOOKS_WAIT_MS);
    f->stopped = false;
    webhooks_stop(f->hooks, on_webhooks_stop, f);
    loop_fixture_run_until(f->w.loop, &f->stopped, HOOKS_WAIT_MS);
    changelog_free(&f->c);
    webhooks_free(&f->hooks);
}

int hooks_setup(void **state)
{
    static struct hooks_world f;
    f = (struct hooks_world){
        .config = {.retry_first_ms = HOOKS_RETRY_MS},
        .slow = {.status = 200},
        .enricher = {.start = enrich_start, .cancel = enrich_cancel}};
    f.enricher.impl = &f;
    log_configure(LOG_OFF, LOG_FORMAT_TEXT);
    store_world_start(&f.w, NULL, NULL);
    f.server = http_fixture_new(f.w.loop, answer, &f);
    f.httpc = httpc_new(f.w.net, &(struct httpc_config){.egress = EGRESS_LINK_LOCAL});
    store_settings_set_changed_cb(f.w.store, on_settings_changed, &f);
    log_world_settings(&f.w,
                       json_pack("{s:s, s:b, s:[s], s:s}", "webhooks",
                                 http_fixture_url(f.server, "/hook"), "webhooksEnabled",
                                 1, "webhookEvents", "*", "serviceSecret", "a secret"));
    *state = &f;
    return 0;
}

int hooks_teardown(void **state)
{
    struct hooks_world *f = *state;
    if (f->c != NULL) {
        hooks_end(f);
    }
    httpc_free(&f->httpc);
    http_fixture_free(&f->server);
    store_world_end(&f->w);
    return 0;
}

void hooks_wait(struct hooks_world *f, unsigned want)
{
    loop_fixture_run_until_count(f->w.loop, http_fixture_count(f->server), want,
                                 HOOKS_WAIT_MS);
}

void hooks_append(struct hooks_world *f, enum event_type type, uint32_t uid,
                  unsigned count)
{
    log_world_append(&f->w, &f->w.acct, type, uid, count);
}

json_t *hooks_body(struct hooks_world *f, unsigned index)
{
    const struct http_seen *seen = http_fixture_at(f->server, index);
    json_t *doc = NULL;
    struct err err;
    assert_true(
        json_parse_strict(str_from(seen->body, seen->body_len), 1 << 20, &doc, &err));
    return doc;
}

int64_t hooks_uid(struct hooks_world *f, unsigned index)
{
    json_t *doc = hooks_body(f, index);
    int64_t uid = json_get_int(json_get_obj(doc, "data"), "uid", 0);
    json_decref(doc);
    return uid;
}

void hooks_header(struct hooks_world *f, unsigned index, const char *name, char out[256])
{
    if (!http_seen_header(http_fixture_at(f->server, index), name, out, 256)) {
        fail_msg("no header %s", name);
    }
}

void hooks_nothing_more(struct hooks_world *f, unsigned count)
{
    loop_fixture_run_for(f->w.loop, 150);
    assert_int_equal(*http_fixture_count(f->server), count);
}
