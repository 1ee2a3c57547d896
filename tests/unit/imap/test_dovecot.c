/* The whole session against a real Dovecot. */
#include "dovecot_fixture.h"
#include "loop_fixture.h"

#include "postrider/imap/imap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

enum {
    WAIT_MS = 20000,
    SKIPPED = 77
};

static struct dovecot_fixture *dovecot;

struct session {
    struct loop *loop;
    struct net *net;
    struct imap_conn *conn;
    struct err err;
    bool done, closed;
    unsigned entries, subscribed, sent_found, statuses;
    unsigned rows, event_rows, expunged, vanished;
    uint32_t exists;
    uint32_t last_uid;
    uint8_t last_flags;
    struct imap_selected selected;
    uint32_t appended, moved_to;
    uint64_t found;
    const char *message;
    size_t message_left;
    char body[4096];
    size_t body_len;
    char subject[64];
    uint32_t caps_off;
};

static void finish(struct session *s, const struct err *err)
{
    s->err = *err;
    s->done = true;
}

static void wait_ok(struct session *s)
{
    loop_fixture_run_until(s->loop, &s->done, WAIT_MS);
    if (s->err.code != ERR_OK) {
        fail_msg("%s: %s", err_code_name(s->err.code), s->err.msg);
    }
    s->done = false;
}

/* --- events --- */

static void on_exists(void *ctx, uint32_t count)
{
    ((struct session *)ctx)->exists = count;
}

static void on_expunge(void *ctx, uint32_t seq)
{
    (void)seq;
    ((struct session *)ctx)->expunged++;
}

static void on_vanished(void *ctx, const struct imap_set *uids, bool earlier)
{
    (void)earlier;
    ((struct session *)ctx)->vanished += (unsigned)imap_set_count(uids);
}

static void on_event_row(void *ctx, const struct imap_row *row)
{
    struct session *s = ctx;
    s->event_rows++;
    s->last_flags = row->flags.system;
}

static void on_closed(void *ctx, const struct err *err)
{
    (void)err;
    ((struct session *)ctx)->closed = true;
}

static const struct imap_conn_events events = {.on_exists = on_exists,
                                               .on_expunge = on_expunge,
                                               .on_vanished = on_vanished,
                                               .on_row = on_event_row,
                                               .on_closed = on_closed};

/* --- results --- */

static void on_open(struct imap_open *op, const struct err *err, struct imap_conn *conn,
                    void *ctx)
{
    struct session *s = ctx;
    (void)op;
    s->conn = conn;
    if (conn != NULL) {
        imap_conn_set_events(conn, &events, s);
    }
    finish(s, err);
}

static void on_select(struct imap_select *op, const struct err *err,
                      const struct imap_selected *selected, void *ctx)
{
    struct session *s = ctx;
    (void)op;
    if (selected != NULL) {
        s->selected = *selected;
        s->exists = selected->exists;
    }
    finish(s, err);
}

static void on_entry(struct imap_list *op, const struct imap_list_entry *e, void *ctx)
{
    struct session *s = ctx;
    (void)op;
    s->entries++;
    s->subscribed += (e->attrs & IMAP_LIST_SUBSCRIBED) != 0;
    s->sent_found += str_eq_c(e->special_use, "\\Sent");
    s->statuses += e->status != NULL;
}

static void on_list(struct imap_list *op, const struct err *err, void *ctx)
{
    (void)op;
    finish(ctx, err);
}

static void on_simple(struct imap_simple *op, const struct err *err, void *ctx)
{
    (void)op;
    finish(ctx, err);
}

static void on_store(struct imap_store *op, const struct err *err, void *ctx)
{
    (void)op;
    finish(ctx, err);
}

static void on_expunged(struct imap_expunge *op, const struct err *err, void *ctx)
{
    (void)op;
    finish(ctx, err);
}

static void on_idle(struct imap_idle *op, const struct err *err, void *ctx)
{
    (void)op;
    finish(ctx, err);
}

static void on_search(struct imap_search *op, const struct err *err,
                      const struct imap_search_result *r, void *ctx)
{
    struct session *s = ctx;
    (void)op;
    s->found = r != NULL ? imap_set_count(&r->set) : 0;
    finish(s, err);
}

static void on_move(struct imap_move *op, const struct err *err,
                    const struct imap_copy_result *r, void *ctx)
{
    struct session *s = ctx;
    (void)op;
    s->moved_to = r != NULL && r->to.count > 0 ? r->to.ranges[0].lo : 0;
    finish(s, err);
}

static size_t read_message(void *ctx, char *buf, size_t size)
{
    struct session *s = ctx;
    size_t n = s->message_left < size ? s->message_left : size;
    memcpy(buf, s->message, n);
    s->message += n;
    s->message_left -= n;
    return n;
}

static void on_append(struct imap_append *op, const struct err *err,
                      const struct imap_append_result *r, void *ctx)
{
    struct session *s = ctx;
    (void)op;
    s->appended = r != NULL ? r->uid : 0;
    finish(s, err);
}

static void on_row(struct imap_fetch *op, const struct imap_row *row, void *ctx)
{
    struct session *s = ctx;
    (void)op;
    s->rows++;
    s->last_uid = row->uid;
    s->last_flags = row->flags.system;
    if (row->envelope != NULL) {
        (void)snprintf(s->subject, sizeof s->subject, "%.*s",
                       STR_ARG(row->envelope->subject));
    }
}

static bool on_body_begin(struct imap_fetch *op, const struct imap_literal *l, void *ctx)
{
    (void)op;
    (void)l;
    (void)ctx;
    return true;
}

static void on_body(struct imap_fetch *op, const char *data, size_t len, bool end,
                    void *ctx)
{
    struct session *s = ctx;
    (void)op;
    (void)end;
    assert_true(s->body_len + len < sizeof s->body);
    memcpy(s->body + s->body_len, data, len);
    s->body_len += len;
}

static void on_fetch_end(struct imap_fetch *op, const struct err *err, void *ctx)
{
    (void)op;
    finish(ctx, err);
}

static const struct imap_fetch_events fetch_events = {.on_row = on_row,
                                                      .on_body_begin = on_body_begin,
                                                      .on_body = on_body,
                                                      .on_end = on_fetch_end};

/* --- helpers --- */

static struct session session_new(void)
{
    struct session s = {.loop = loop_fixture_new()};
    struct net_config config = {.egress = EGRESS_OFF};
    s.net = net_new(s.loop, &config);
    return s;
}

static void session_open(struct session *s, enum imap_security security, const char *user)
{
    bool tls = security == IMAP_SECURITY_TLS;
    struct imap_conn_params p = {.host = "127.0.0.1",
                                 .port = tls ? dovecot_fixture_tls_port(dovecot)
                                             : dovecot_fixture_port(dovecot),
                                 .security = security,
                                 .tls = {.ca_file = dovecot_fixture_ca_file(dovecot)},
                                 .user = user,
                                 .secret = STR("secret"),
                                 .client_name = "test",
                                 .client_version = "1",
                                 .caps_off = s->caps_off};
    imap_open_start(s->net, &p, WAIT_MS, on_open, s);
    wait_ok(s);
}

static void session_free(struct session *s)
{
    imap_conn_close(&s->conn);
    loop_fixture_run_for(s->loop, 20);
    net_free(&s->net);
    loop_fixture_free(&s->loop);
}

static void select_inbox(struct session *s)
{
    imap_select_start(
        s->conn, &(struct imap_select_params){.mailbox = STR("INBOX"), .condstore = true},
        WAIT_MS, on_select, s);
    wait_ok(s);
}

static void append(struct session *s, const char *text)
{
    s->message = text;
    s->message_left = strlen(text);
    struct imap_append_params p = {.mailbox = STR("INBOX"),
                                   .flags = {.system = IMAP_FLAG_FLAGGED},
                                   .internaldate_ms = INT64_C(1700000000000),
                                   .size = strlen(text),
                                   .read = read_message};
    imap_append_start(s->conn, &p, WAIT_MS, on_append, s);
    wait_ok(s);
    assert_int_not_equal(s->appended, 0);
}

static const char message[] = "From: a@example.test\r\nSubject: hello\r\n\r\nbody\r\n";

/* --- tests --- */

static void opens_with_every_security(void **state)
{
    (void)state;
    for (int security = IMAP_SECURITY_TLS; security <= IMAP_SECURITY_OPPORTUNISTIC;
         security++) {
        struct session s = session_new();
        struct stream_info info;
        session_open(&s, (enum imap_security)security, "opener");
        imap_conn_stream_info(s.conn, &info);
        assert_true(info.tls);
        assert_true(imap_conn_has(s.conn, IMAP_CAP_IDLE));
        assert_int_equal(imap_conn_namespace(s.conn)->delimiter, '/');
        assert_true((imap_conn_enabled(s.conn) & IMAP_CAP_QRESYNC) != 0);
        assert_string_equal(imap_conn_server_name(s.conn), "Dovecot");
        session_free(&s);
    }
}

static void lists_with_roles_and_status(void **state)
{
    (void)state;
    struct session s = session_new();
    session_open(&s, IMAP_SECURITY_TLS, "lister");
    imap_list_start(s.conn,
                    &(struct imap_list_params){.status_items = IMAP_STATUS_MESSAGES |
                                                               IMAP_STATUS_UIDNEXT},
                    WAIT_MS, on_entry, on_list, &s);
    wait_ok(&s);
    assert_int_equal(s.entries, 4);
    assert_int_equal(s.subscribed, 2);
    assert_int_equal(s.sent_found, 1);
    assert_int_equal(s.statuses, 4);
    session_free(&s);
}

static void appends_fetches_and_searches(void **state)
{
    (void)state;
    struct session s = session_new();
    struct str section = STR("");
    session_open(&s, IMAP_SECURITY_TLS, "reader");
    append(&s, message);
    append(&s, message);
    select_inbox(&s);
    assert_int_equal(s.selected.exists, 2);
    assert_int_not_equal(s.selected.uid_validity, 0);

    struct imap_fetch_params p = {.by_uid = true,
                                  .set = STR("1:*"),
                                  .items = IMAP_ITEM_FLAGS | IMAP_ITEM_ENVELOPE |
                                           IMAP_ITEM_MODSEQ | IMAP_ITEM_BODYSTRUCTURE};
    imap_fetch_start(s.conn, &p, WAIT_MS, &fetch_events, &s);
    wait_ok(&s);
    assert_int_equal(s.rows, 2);
    assert_int_equal(s.last_flags, IMAP_FLAG_FLAGGED);
    assert_string_equal(s.subject, "hello");

    p = (struct imap_fetch_params){
        .by_uid = true, .set = STR("1"), .sections = &section, .section_count = 1};
    imap_fetch_start(s.conn, &p, WAIT_MS, &fetch_events, &s);
    wait_ok(&s);
    assert_int_equal(s.body_len, sizeof message - 1);
    assert_memory_equal(s.body, message, s.body_len);

    imap_search_start(s.conn,
                      &(struct imap_search_params){.criteria = STR("SUBJECT \"hello\""),
                                                   .by_uid = true},
                      WAIT_MS, on_search, &s);
    wait_ok(&s);
    assert_int_equal(s.found, 2);
    session_free(&s);
}

static void stores_moves_and_expunges(void **state)
{
    (void)state;
    struct session s = session_new();
    session_open(&s, IMAP_SECURITY_TLS, "mover");
    append(&s, message);
    append(&s, message);
    append(&s, message);
    select_inbox(&s);
    imap_store_start(s.conn,
                     &(struct imap_store_params){.uid_set = STR("1"),
                                                 .mode = IMAP_STORE_ADD,
                                                 .flags = {.system = IMAP_FLAG_SEEN}},
                     WAIT_MS, on_store, &s);
    wait_ok(&s);
    assert_int_equal(s.event_rows, 1);
    assert_int_equal(s.last_flags, IMAP_FLAG_SEEN | IMAP_FLAG_FLAGGED);

    imap_move_start(s.conn, STR("1"), STR("Archive"), true, WAIT_MS, on_move, &s);
    wait_ok(&s);
    assert_int_equal(s.moved_to, 1);
    assert_int_equal(s.vanished, 1);

    imap_expunge_start(s.conn, STR("3"), WAIT_MS, on_expunged, &s);
    wait_ok(&s);
    assert_int_equal(s.vanished, 2);
    assert_int_equal(imap_conn_selected(s.conn)->exists, 1);
    session_free(&s);
}

static void copies_and_moves_without_the_extension(void **state)
{
    (void)state;
    struct session s = session_new();
    s.caps_off = IMAP_CAP_MOVE;
    session_open(&s, IMAP_SECURITY_TLS, "oldmover");
    append(&s, message);
    select_inbox(&s);
    imap_move_start(s.conn, STR("1"), STR("Sent"), false, WAIT_MS, on_move, &s);
    wait_ok(&s);
    assert_int_equal(s.moved_to, 1);
    assert_int_equal(s.vanished, 0);
    imap_move_start(s.conn, STR("1"), STR("Sent"), true, WAIT_MS, on_move, &s);
    wait_ok(&s);
    assert_int_equal(s.moved_to, 2);
    assert_int_equal(s.vanished, 1);
    session_free(&s);
}

static void resynchronizes_what_vanished(void **state)
{
    (void)state;
    struct session s = session_new();
    session_open(&s, IMAP_SECURITY_TLS, "resyncer");
    append(&s, message);
    append(&s, message);
    select_inbox(&s);
    struct imap_selected before = s.selected;
    imap_expunge_start(s.conn, STR("1"), WAIT_MS, on_expunged, &s);
    wait_ok(&s);
    imap_store_start(s.conn,
                     &(struct imap_store_params){.uid_set = STR("2"),
                                                 .mode = IMAP_STORE_ADD,
                                                 .flags = {.system = IMAP_FLAG_SEEN}},
                     WAIT_MS, on_store, &s);
    wait_ok(&s);
    s.vanished = s.event_rows = 0;
    imap_select_start(s.conn,
                      &(struct imap_select_params){.mailbox = STR("INBOX"),
                                                   .qresync = true,
                                                   .uid_validity = before.uid_validity,
                                                   .modseq = before.highest_modseq,
                                                   .last_uid = 2},
                      WAIT_MS, on_select, &s);
    wait_ok(&s);
    assert_int_equal(s.vanished, 1);
    assert_int_equal(s.event_rows, 1);
    assert_int_equal(s.selected.exists, 1);
    session_free(&s);
}

static void idles_until_mail_comes(void **state)
{
    (void)state;
    struct session watcher = session_new();
    struct session sender = session_new();
    session_open(&watcher, IMAP_SECURITY_TLS, "idler");
    select_inbox(&watcher);
    struct imap_idle *idle = imap_idle_start(watcher.conn, WAIT_MS, on_idle, &watcher);
    session_open(&sender, IMAP_SECURITY_TLS, "idler");
    append(&sender, message);
    for (int i = 0; i < 200 && watcher.exists == 0; i++) {
        loop_fixture_run_for(watcher.loop, 50);
    }
    assert_int_equal(watcher.exists, 1);
    imap_idle_finish(idle);
    wait_ok(&watcher);
    imap_noop_start(watcher.conn, WAIT_MS, on_simple, &watcher);
    wait_ok(&watcher);
    session_free(&sender);
    session_free(&watcher);
}

static void mailboxes_with_odd_names_come_and_go(void **state)
{
    (void)state;
    static const char *const names[] = {"plain", "with space", "quo\"te", "Entw&APw-rfe"};
    struct session s = session_new();
    session_open(&s, IMAP_SECURITY_STARTTLS, "namer");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        imap_create_start(s.conn, str_of(names[i]), WAIT_MS, on_simple, &s);
        wait_ok(&s);
        imap_subscribe_start(s.conn, str_of(names[i]), true, WAIT_MS, on_simple, &s);
        wait_ok(&s);
        imap_rename_start(s.conn, str_of(names[i]), STR("other"), WAIT_MS, on_simple, &s);
        wait_ok(&s);
        imap_delete_start(s.conn, STR("other"), WAIT_MS, on_simple, &s);
        wait_ok(&s);
    }
    session_free(&s);
}

static int start(void **state)
{
    (void)state;
    return 0;
}

static int stop(void **state)
{
    (void)state;
    dovecot_fixture_stop(&dovecot);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_with_every_security),
        cmocka_unit_test(lists_with_roles_and_status),
        cmocka_unit_test(appends_fetches_and_searches),
        cmocka_unit_test(stores_moves_and_expunges),
        cmocka_unit_test(copies_and_moves_without_the_extension),
        cmocka_unit_test(resynchronizes_what_vanished),
        cmocka_unit_test(idles_until_mail_comes),
        cmocka_unit_test(mailboxes_with_odd_names_come_and_go),
    };
    dovecot = dovecot_fixture_start();
    if (dovecot == NULL) {
        return SKIPPED;
    }
    return cmocka_run_group_tests(tests, start, stop);
}
