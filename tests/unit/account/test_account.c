/* The actor and the sync engine against a real Dovecot and a real Redis: what the log says after
 * each change, and what the index holds. */
#include "account_priv.h"

#include "append_fixture.h"
#include "dovecot_fixture.h"
#include "store_fixture.h"

#include "postrider/account/account.h"
#include "postrider/account/account_message.h"
#include "postrider/base/mem.h"
#include "postrider/json/json.h"
#include "postrider/mime/mime.h"
#include "postrider/store/store_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum {
    WAIT_MS = 20000,
    EVENTS_MAX = 4000
};

struct world {
    struct store_fixture *redis;
    struct dovecot_fixture *dovecot;
    struct store *store;
    struct accounts *accounts;
    struct imap_conn *other; /* a second client on the same mailbox */
    struct err err;
    bool done;
    unsigned appended;
    struct {
        enum event_type type;
        uint32_t uid;
        char id[EVENT_ID_SIZE];
        char path[64];
    } events[EVENTS_MAX];
    size_t event_count;
    char last[STORE_ENTRY_ID_SIZE];
    json_t *result;
    struct buf body;
};

static struct dovecot_fixture *dovecot;

static int group_setup(void **state)
{
    *state = NULL;
    mime_init();
    dovecot = dovecot_fixture_start();
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    dovecot_fixture_stop(&dovecot);
    mime_fini();
    return 0;
}

static void wait_done(struct world *w)
{
    loop_fixture_run_until(w->redis->loop, &w->done, WAIT_MS);
    w->done = false;
}

/* --- the other client --- */

static void on_open(struct imap_open *op, const struct err *err, struct imap_conn *conn,
                    void *ctx)
{
    (void)op;
    struct world *w = ctx;
    assert_string_equal(err->msg, "");
    w->other = conn;
    w->done = true;
}

static void on_selected(struct imap_select *op, const struct err *err,
                        const struct imap_selected *selected, void *ctx)
{
    (void)op;
    (void)selected;
    struct world *w = ctx;
    assert_string_equal(err->msg, "");
    w->done = true;
}

static void other_select(struct world *w, const char *mailbox)
{
    struct imap_select_params params = {.mailbox = str_of(mailbox)};
    (void)imap_select_start(w->other, &params, WAIT_MS, on_selected, w);
    wait_done(w);
}

static void other_open(struct world *w, const char *user)
{
    struct imap_conn_params params = {.host = "127.0.0.1",
                                      .port = dovecot_fixture_tls_port(dovecot),
                                      .security = IMAP_SECURITY_TLS,
                                      .tls = {.insecure = true},
                                      .user = user,
                                      .secret = STR("secret")};
    (void)imap_open_start(w->redis->net, &params, WAIT_MS, on_open, w);
    wait_done(w);
}

static void other_append(struct world *w, const char *mailbox, const char *subject)
{
    char text[512];
    (void)snprintf(text, sizeof text,
                   "From: Ann <ann@example.com>\r\nTo: bob@example.com\r\nSubject: %s\r\n"
                   "Message-ID: <%s@example.com>\r\n\r\nHello there.\r\n",
                   subject, subject);
    append_fixture_run(w->redis->loop, w->other, mailbox, text);
}

static void on_stored(struct imap_store *op, const struct err *err, void *ctx)
{
    (void)op;
    struct world *w = ctx;
    assert_string_equal(err->msg, "");
    w->done = true;
}

static void other_flag(struct world *w, const char *uid, uint8_t bit)
{
    struct imap_store_params params = {
        .uid_set = str_of(uid), .mode = IMAP_STORE_ADD, .flags = {.system = bit}};
    (void)imap_store_start(w->other, &params, WAIT_MS, on_stored, w);
    wait_done(w);
}

static void on_expunged(struct imap_expunge *op, const struct err *err, void *ctx)
{
    (void)op;
    struct world *w = ctx;
    assert_string_equal(err->msg, "");
    w->done = true;
}

static void other_expunge(struct world *w, const char *uid)
{
    (void)imap_expunge_start(w->other, str_of(uid), WAIT_MS, on_expunged, w);
    wait_done(w);
}

/* --- the log --- */

static void on_log(struct store_log_read *op, const struct err *err,
                   const struct log_entry *entries, size_t count, bool gap, void *ctx)
{
    (void)op;
    struct world *w = ctx;
    assert_string_equal(err->msg, "");
    assert_false(gap);
    for (size_t i = 0; i < count; i++) {
        const struct event *e = &entries[i].event;
        assert_true(w->event_count < EVENTS_MAX);
        w->events[w->event_count].type = e->type;
        w->events[w->event_count].uid = e->uid;
        memcpy(w->events[w->event_count].id, e->id, EVENT_ID_SIZE);
        (void)snprintf(w->events[w->event_count].path, 64, "%s",
                       e->path != NULL ? e->path : "");
        w->event_count++;
        memcpy(w->last, entries[i].entry_id, sizeof w->last);
    }
    w->appended = (unsigned)count;
    w->done = true;
}

static void read_log(struct world *w, const char *account)
{
    struct store_acct acct;
    store_acct_init(w->store, &acct, str_of(account));
    const struct account *a = accounts_get(w->accounts, str_of(account));
    memcpy(acct.incarnation, account_store_acct(a)->incarnation, sizeof acct.incarnation);
    do {
        (void)store_log_read_start(w->store, &acct, w->last, STORE_LOG_PAGE, on_log, w);
        wait_done(w);
    } while (w->appended > 0);
    store_acct_fini(&acct);
}

static size_t count_events(const struct world *w, enum event_type type, uint32_t uid)
{
    size_t n = 0;
    for (size_t i = 0; i < w->event_count; i++) {
        n += w->events[i].type == type && (uid == 0 || w->events[i].uid == uid);
    }
    return n;
}

static void wait_event(struct world *w, const char *account, enum event_type type,
                       uint32_t uid, size_t want)
{
    for (int i = 0; i < WAIT_MS / 20; i++) {
        read_log(w, account);
        if (count_events(w, type, uid) >= want) {
            return;
        }
        loop_fixture_run_for(w->redis->loop, 20);
    }
    fail_msg("no %s of %u (%zu)", event_type_name(type), uid, want);
}

/* --- the account --- */

static void on_account(struct store_account_op *op, const struct err *err,
                       const struct store_acct *acct, json_t *record, json_t *state,
                       void *ctx)
{
    (void)op;
    (void)acct;
    (void)record;
    (void)state;
    struct world *w = ctx;
    assert_string_equal(err->msg, "");
    w->done = true;
}

static json_t *record_of(const char *user, const char *notify_from)
{
    return json_pack("{s:s, s:s, s:s, s:{s:s, s:i, s:b, s:{s:b}, s:{s:s, s:s}}}",
                     "account", user, "name", user, "notifyFrom", notify_from, "imap",
                     "host", "127.0.0.1", "port", (int)dovecot_fixture_tls_port(dovecot),
                     "secure", 1, "tls", "rejectUnauthorized", 0, "auth", "user", user,
                     "pass", "secret");
}

static void add_account(struct world *w, const char *user)
{
    json_t *record = record_of(user, "2020-01-01T00:00:00.000Z");
    (void)store_account_create_start(w->store, str_of(user), record, on_account, w);
    wait_done(w);
    json_decref(record);
    accounts_created(w->accounts, str_of(user));
}

static void wait_state(struct world *w, const char *user, const char *state)
{
    for (int i = 0; i < WAIT_MS / 10; i++) {
        struct account *a = accounts_get(w->accounts, str_of(user));
        if (a != NULL && strcmp(account_state(a), state) == 0) {
            return;
        }
        loop_fixture_run_for(w->redis->loop, 10);
    }
    fail_msg("%s does not become %s", user, state);
}

static uint32_t indexed(struct world *w, const char *user, const char *path)
{
    struct account *a = accounts_get(w->accounts, str_of(user));
    struct mailbox *m = account_mailbox_by_path(a, str_of(path));
    return m != NULL ? m->count : UINT32_MAX;
}

static void on_stopped(void *ctx)
{
    struct world *w = ctx;
    w->done = true;
}

static void start_accounts(struct world *w)
{
    struct accounts_config config = {.poll_interval_ms = 300,
                                     .delete_confirm_ms = 200,
                                     .batch_messages = 50,
                                     .connect_concurrency = 8};
    w->accounts = accounts_new(w->redis->net, w->store, &config);
    accounts_start(w->accounts);
}

static void stop_accounts(struct world *w)
{
    accounts_stop(w->accounts, on_stopped, w);
    wait_done(w);
    accounts_free(&w->accounts);
}

static struct world *world_new(void)
{
    if (dovecot == NULL) {
        skip();
    }
    struct world *w = MEM_NEW(struct world);
    buf_init(&w->body, 1 << 20);
    w->redis = store_fixture_new();
    w->store = store_fixture_open(w->redis, NODE_A);
    start_accounts(w);
    return w;
}

static void world_free(struct world *w)
{
    imap_conn_close(&w->other);
    stop_accounts(w);
    store_fixture_close(w->redis, &w->store);
    store_fixture_free(&w->redis);
    buf_fini(&w->body);
    mem_free(w);
}

/* --- tests --- */

static void a_new_account_becomes_connected(void **state)
{
    (void)state;
    struct world *w = world_new();
    add_account(w, "fresh");
    wait_state(w, "fresh", "connected");
    wait_event(w, "fresh", EVENT_ACCOUNT_INITIALIZED, 0, 1);
    assert_int_equal(count_events(w, EVENT_ACCOUNT_ADDED, 0), 1);
    assert_int_equal(indexed(w, "fresh", "INBOX"), 0);
    world_free(w);
}

static void changes_reach_the_log_once_and_in_order(void **state)
{
    (void)state;
    struct world *w = world_new();
    other_open(w, "live");
    add_account(w, "live");
    wait_state(w, "live", "connected");
    other_select(w, "INBOX");
    other_append(w, "INBOX", "one");
    wait_event(w, "live", EVENT_MESSAGE_NEW, 1, 1);
    other_append(w, "INBOX", "two");
    wait_event(w, "live", EVENT_MESSAGE_NEW, 2, 1);
    other_flag(w, "1", IMAP_FLAG_FLAGGED);
    wait_event(w, "live", EVENT_MESSAGE_UPDATED, 1, 1);
    other_expunge(w, "2");
    wait_event(w, "live", EVENT_MESSAGE_DELETED, 2, 1);
    assert_int_equal(count_events(w, EVENT_MESSAGE_NEW, 0), 2);
    assert_int_equal(indexed(w, "live", "INBOX"), 1);
    world_free(w);
}

/* What the log's readers get of one event; its text is not asked for. */
static void on_content(struct enrich_request *req, const struct err *err, json_t *data,
                       void *ctx)
{
    (void)req;
    struct world *w = ctx;
    assert_string_equal(err->msg, "");
    json_decref(w->result);
    w->result = json_incref(data);
    w->done = true;
}

static void assert_subject(struct world *w, const char *account, const char *event_id,
                           const char *subject)
{
    struct enricher enricher = account_enricher(w->accounts);
    struct event e;
    event_init(&e, EVENT_MESSAGE_NEW, 0, 1, 1, "INBOX", NULL,
               json_pack("{s:s}", "id", "kept"));
    memcpy(e.id, event_id, sizeof e.id);
    (void)enricher.start(enricher.impl, str_of(account), &e, WAIT_MS, on_content, w);
    wait_done(w);
    assert_string_equal(json_string_value(json_object_get(w->result, "subject")),
                        subject);
    json_decref(w->result);
    w->result = NULL;
    event_fini(&e);
}

/* Quick arrivals, pushed ones and such that have to be asked for: the listing that runs
 * every 300 ms ends IDLE in between, and other changes come among them. */
static void quick_arrivals_reach_the_log_once_and_in_order(void **state)
{
    (void)state;
    enum {
        COUNT = 60
    };
    struct world *w = world_new();
    other_open(w, "stream");
    add_account(w, "stream");
    wait_state(w, "stream", "connected");
    other_select(w, "INBOX");
    for (unsigned uid = 1; uid <= COUNT; uid++) {
        char text[16], number[16];
        (void)snprintf(text, sizeof text, "s%u", uid);
        (void)snprintf(number, sizeof number, "%u", uid);
        other_append(w, "INBOX", text);
        if (uid % 4 == 0) {
            other_flag(w, number, IMAP_FLAG_SEEN);
        }
        if (uid % 10 == 0) {
            other_expunge(w, number); /* perhaps before anybody saw it */
        }
        loop_fixture_run_for(w->redis->loop, 40);
    }
    wait_event(w, "stream", EVENT_MESSAGE_NEW, COUNT - 1, 1);
    for (int i = 0; i < WAIT_MS / 20 && indexed(w, "stream", "INBOX") != COUNT * 9 / 10;
         i++) {
        loop_fixture_run_for(w->redis->loop, 20);
    }
    assert_int_equal(indexed(w, "stream", "INBOX"), COUNT * 9 / 10);
    read_log(w, "stream");
    uint32_t last = 0;
    for (size_t i = 0; i < w->event_count; i++) {
        if (w->events[i].type == EVENT_MESSAGE_NEW) {
            assert_true(w->events[i].uid > last);
            last = w->events[i].uid;
        }
    }
    for (uint32_t uid = 1; uid <= COUNT; uid++) {
        size_t news = count_events(w, EVENT_MESSAGE_NEW, uid);
        size_t deletes = count_events(w, EVENT_MESSAGE_DELETED, uid);
        if (deletes != (uid % 10 == 0 ? news : 0) || (uid % 10 != 0 && news != 1)) {
            fail_msg("UID %u: %zu arrivals, %zu deletions, %zu moves to it", uid, news,
                     deletes, count_events(w, EVENT_MESSAGE_MOVED, uid));
        }
    }
    world_free(w);
}

static void content_of_arrivals_is_kept_for_readers(void **state)
{
    (void)state;
    struct world *w = world_new();
    other_open(w, "kept");
    add_account(w, "kept");
    wait_state(w, "kept", "connected");
    other_select(w, "INBOX");
    other_append(w, "INBOX", "s1");
    other_append(w, "INBOX", "s2");
    wait_event(w, "kept", EVENT_MESSAGE_NEW, 2, 1);
    /* What is gone cannot have been fetched late. */
    other_expunge(w, "1:2");
    wait_event(w, "kept", EVENT_MESSAGE_DELETED, 2, 1);
    for (size_t i = 0; i < w->event_count; i++) {
        if (w->events[i].type == EVENT_MESSAGE_NEW) {
            assert_subject(w, "kept", w->events[i].id,
                           w->events[i].uid == 1 ? "s1" : "s2");
        }
    }
    world_free(w);
}

static void an_existing_mailbox_is_indexed_in_batches(void **state)
{
    (void)state;
    struct world *w = world_new();
    other_open(w, "full");
    for (int i = 0; i < 230; i++) {
        char subject[32];
        (void)snprintf(subject, sizeof subject, "m%d", i);
        other_append(w, i % 3 == 0 ? "Archive" : "INBOX", subject);
    }
    add_account(w, "full");
    wait_state(w, "full", "connected");
    assert_int_equal(indexed(w, "full", "INBOX"), 153);
    assert_int_equal(indexed(w, "full", "Archive"), 77);
    wait_event(w, "full", EVENT_MESSAGE_NEW, 0, 230);
    assert_int_equal(count_events(w, EVENT_MESSAGE_NEW, 0), 230);
    world_free(w);
}

static void what_happened_meanwhile_is_found_at_the_next_start(void **state)
{
    (void)state;
    struct world *w = world_new();
    other_open(w, "away");
    for (int i = 0; i < 5; i++) {
        char subject[32];
        (void)snprintf(subject, sizeof subject, "m%d", i);
        other_append(w, "INBOX", subject);
    }
    add_account(w, "away");
    wait_state(w, "away", "connected");
    wait_event(w, "away", EVENT_MESSAGE_NEW, 0, 5);
    stop_accounts(w);
    other_select(w, "INBOX");
    other_append(w, "INBOX", "late");
    other_flag(w, "2", IMAP_FLAG_SEEN);
    other_expunge(w, "3");
    start_accounts(w);
    wait_event(w, "away", EVENT_MESSAGE_NEW, 6, 1);
    wait_event(w, "away", EVENT_MESSAGE_UPDATED, 2, 1);
    wait_event(w, "away", EVENT_MESSAGE_DELETED, 3, 1);
    wait_state(w, "away", "connected");
    assert_int_equal(indexed(w, "away", "INBOX"), 5);
    assert_int_equal(count_events(w, EVENT_MESSAGE_NEW, 0), 6);
    assert_int_equal(count_events(w, EVENT_MESSAGE_UPDATED, 0), 1);
    assert_int_equal(count_events(w, EVENT_ACCOUNT_INITIALIZED, 0), 1);
    world_free(w);
}

static void other_mailboxes_are_polled(void **state)
{
    (void)state;
    struct world *w = world_new();
    other_open(w, "poll");
    add_account(w, "poll");
    wait_state(w, "poll", "connected");
    other_append(w, "Sent", "elsewhere");
    wait_event(w, "poll", EVENT_MESSAGE_NEW, 1, 1);
    assert_string_equal(w->events[w->event_count - 1].path, "Sent");
    world_free(w);
}

static void wrong_servers_are_told_once(void **state)
{
    (void)state;
    struct world *w = world_new();
    json_t *record = record_of("nohost", "2020-01-01T00:00:00.000Z");
    json_t *imap = json_object_get(record, "imap");
    json_object_set_new(imap, "port", json_integer(1));
    (void)store_account_create_start(w->store, STR("nohost"), record, on_account, w);
    wait_done(w);
    json_decref(record);
    accounts_created(w->accounts, STR("nohost"));
    wait_state(w, "nohost", "connectError");
    wait_event(w, "nohost", EVENT_CONNECT_ERROR, 0, 1);
    world_free(w);
}

/* --- messages --- */

static void on_result(struct account_call *op, const struct err *err, json_t *result,
                      void *ctx)
{
    (void)op;
    struct world *w = ctx;
    w->err = *err;
    json_decref(w->result);
    w->result = json_incref(result);
    w->done = true;
}

static void on_text(struct account_call *op, const struct err *err, json_t *result,
                    void *ctx)
{
    json_t *value = account_call_value(op);
    assert_null(result);
    on_result(op, err, value, ctx);
    json_decref(value);
}

static void on_begin(struct account_stream *s, const struct account_stream_info *info,
                     void *ctx)
{
    (void)s;
    (void)ctx;
    assert_string_equal(info->content_type, "message/rfc822");
}

static void on_data(struct account_stream *s, struct str data, void *ctx)
{
    (void)s;
    struct world *w = ctx;
    assert_true(buf_put_str(&w->body, data));
}

static void on_end(struct account_stream *s, const struct err *err, void *ctx)
{
    (void)s;
    struct world *w = ctx;
    assert_string_equal(err->msg, "");
    w->done = true;
}

static void messages_can_be_listed_read_and_changed(void **state)
{
    (void)state;
    struct world *w = world_new();
    other_open(w, "read");
    other_append(w, "INBOX", "first");
    other_append(w, "INBOX", "second");
    add_account(w, "read");
    wait_state(w, "read", "connected");
    struct account *a = accounts_get(w->accounts, STR("read"));
    struct account_list_params list = {.path = STR("INBOX"), .page_size = 20};
    (void)account_messages_list_start(a, &list, WAIT_MS, on_text, w);
    wait_done(w);
    assert_string_equal(w->err.msg, "");
    json_t *rows = json_object_get(w->result, "messages");
    assert_int_equal(json_array_size(rows), 2);
    json_t *top = json_array_get(rows, 0);
    assert_string_equal(json_string_value(json_object_get(top, "subject")), "second");
    char id[32];
    (void)snprintf(id, sizeof id, "%s", json_string_value(json_object_get(top, "id")));
    struct account_get_params get = {.id = str_of(id), .text = ACCOUNT_TEXT_ALL};
    (void)account_message_get_start(a, &get, WAIT_MS, on_result, w);
    wait_done(w);
    assert_string_equal(w->err.msg, "");
    json_t *text = json_object_get(w->result, "text");
    assert_string_equal(json_string_value(json_object_get(text, "plain")),
                        "Hello there.\r\n");
    static const struct account_stream_events events = {on_begin, on_data, on_end};
    (void)account_source_start(a, str_of(id), NULL, WAIT_MS, &events, w);
    wait_done(w);
    assert_non_null(strstr(buf_c(&w->body), "Subject: second\r\n"));
    json_t *changes = json_pack("{s:{s:[s]}}", "flags", "add", "\\Flagged");
    (void)account_message_update_start(a, str_of(id), changes, WAIT_MS, on_result, w);
    wait_done(w);
    json_decref(changes);
    assert_string_equal(w->err.msg, "");
    wait_event(w, "read", EVENT_MESSAGE_UPDATED, 2, 1);
    (void)account_message_delete_start(a, str_of(id), false, WAIT_MS, on_result, w);
    wait_done(w);
    assert_string_equal(w->err.msg, "");
    wait_event(w, "read", EVENT_MESSAGE_DELETED, 2, 1);
    (void)account_message_get_start(a, &get, WAIT_MS, on_result, w);
    wait_done(w);
    assert_int_equal(w->err.code, ERR_NO_MESSAGE);
    json_decref(w->result);
    world_free(w);
}

/* --- a download whose client takes nothing --- */

struct download {
    struct world *w;
    struct account_stream *stream; /* NULL: it has ended */
    enum err_code code;
};

static void on_held_begin(struct account_stream *s,
                          const struct account_stream_info *info, void *ctx)
{
    (void)info;
    ((struct download *)ctx)->stream = s;
}

static void on_held_data(struct account_stream *s, struct str data, void *ctx)
{
    (void)data;
    (void)ctx;
    account_stream_pause(s);
}

static void on_held_end(struct account_stream *s, const struct err *err, void *ctx)
{
    (void)s;
    struct download *d = ctx;
    d->stream = NULL;
    d->code = err->code;
}

static void append_large(struct world *w)
{
    struct buf text = BUF_INIT(1 << 20);
    (void)buf_put_c(&text, "Subject: large\r\n\r\n");
    for (unsigned i = 0; i < 20000; i++) {
        (void)buf_put_c(&text, "one more line of the same kind\r\n");
    }
    append_fixture_run(w->redis->loop, w->other, "INBOX", buf_c(&text));
    buf_fini(&text);
}

/* It holds no connection then, and ends with the account all the same. */
static void a_download_that_waits_ends_with_its_account(void **state)
{
    (void)state;
    static const struct account_stream_events events = {on_held_begin, on_held_data,
                                                        on_held_end};
    static const struct account_range range = {.first = 1, .last = INT64_MAX};
    struct account_list_params list = {.path = STR("INBOX"), .page_size = 1};
    struct world *w = world_new();
    struct download d = {.w = w};
    other_open(w, "held");
    append_large(w);
    add_account(w, "held");
    wait_state(w, "held", "connected");
    struct account *a = accounts_get(w->accounts, STR("held"));
    (void)account_messages_list_start(a, &list, WAIT_MS, on_text, w);
    wait_done(w);
    struct str id =
        json_get_str(json_array_get(json_get_arr(w->result, "messages"), 0), "id");
    (void)account_source_start(a, id, &range, WAIT_MS, &events, &d);
    loop_fixture_run_for(w->redis->loop, 1500);
    assert_non_null(d.stream);
    accounts_deleted(w->accounts, STR("held"), on_stopped, w);
    wait_done(w);
    if (d.stream != NULL) {
        account_stream_resume(d.stream);
        loop_fixture_run_for(w->redis->loop, 100);
    }
    assert_null(d.stream);
    assert_int_equal(d.code, ERR_UNAVAILABLE);
    json_decref(w->result);
    world_free(w);
}

/* --- memory --- */

static uint64_t resident;

static uint64_t fake_resident(void)
{
    return resident;
}

static void quiet_accounts_are_paused_when_memory_is_short_and_come_back(void **state)
{
    (void)state;
    struct world *w = world_new();
    other_open(w, "busy");
    add_account(w, "busy");
    add_account(w, "quiet");
    wait_state(w, "busy", "connected");
    wait_state(w, "quiet", "connected");
    other_append(w, "INBOX", "news");
    wait_event(w, "busy", EVENT_MESSAGE_NEW, 1, 1);
    w->accounts->memory.resident = fake_resident;
    w->accounts->config.memory_max_bytes = 100;
    resident = 95;
    for (int i = 0; i < 20; i++) {
        accounts_memory_look(w->accounts);
        loop_fixture_run_for(w->redis->loop, 20);
    }
    wait_state(w, "quiet", "paused");
    wait_state(w, "busy", "connected");
    assert_int_equal(account_connection_count(accounts_get(w->accounts, STR("quiet"))),
                     0);
    resident = 50;
    accounts_memory_look(w->accounts);
    wait_state(w, "quiet", "connected");
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_account_becomes_connected),
        cmocka_unit_test(changes_reach_the_log_once_and_in_order),
        cmocka_unit_test(quick_arrivals_reach_the_log_once_and_in_order),
        cmocka_unit_test(content_of_arrivals_is_kept_for_readers),
        cmocka_unit_test(an_existing_mailbox_is_indexed_in_batches),
        cmocka_unit_test(what_happened_meanwhile_is_found_at_the_next_start),
        cmocka_unit_test(other_mailboxes_are_polled),
        cmocka_unit_test(wrong_servers_are_told_once),
        cmocka_unit_test(quiet_accounts_are_paused_when_memory_is_short_and_come_back),
        cmocka_unit_test(messages_can_be_listed_read_and_changed),
        cmocka_unit_test(a_download_that_waits_ends_with_its_account),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
