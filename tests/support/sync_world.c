#include "sync_world.h"

#include "append_fixture.h"

#include "postrider/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

const char *const world_keywords[2] = {"alpha", "beta"};

static const char mailbox_name[] = "Archive";

static void finish(struct sync_world *w, const struct err *err)
{
    w->err = *err;
    w->done = true;
}

static void wait_any(struct sync_world *w)
{
    loop_fixture_run_until(w->redis->loop, &w->done, WORLD_SYNC_WAIT_MS);
    w->done = false;
}

static void wait_ok(struct sync_world *w)
{
    wait_any(w);
    if (w->err.code != ERR_OK) {
        fail_msg("%s: %s", err_code_name(w->err.code), w->err.msg);
    }
}

/* --- connections --- */

static void on_exists(void *ctx, uint32_t count)
{
    (void)count;
    struct sync_world *w = ctx;
    sync_live_exists(&w->live);
}

static void on_expunge(void *ctx, uint32_t seq)
{
    struct sync_world *w = ctx;
    sync_live_expunge(&w->live, seq);
}

static void on_vanished(void *ctx, const struct imap_set *uids, bool earlier)
{
    struct sync_world *w = ctx;
    sync_live_vanished(&w->live, uids, earlier);
}

static void on_row(void *ctx, const struct imap_row *row)
{
    struct sync_world *w = ctx;
    sync_live_row(&w->live, row);
}

static void on_open(struct imap_open *op, const struct err *err, struct imap_conn *conn,
                    void *ctx)
{
    (void)op;
    struct sync_world *w = ctx;
    w->opened = conn;
    finish(w, err);
}

static struct imap_conn *conn_open(struct sync_world *w, uint32_t caps_off)
{
    struct imap_conn_params params = {.host = "127.0.0.1",
                                      .port = w->port,
                                      .security = w->security,
                                      .tls = {.insecure = true},
                                      .user = w->user,
                                      .secret = STR("secret"),
                                      .client_name = "test",
                                      .caps_off = caps_off};
    (void)imap_open_start(w->redis->net, &params, WORLD_SYNC_WAIT_MS, on_open, w);
    wait_ok(w);
    return w->opened;
}

void world_connect(struct sync_world *w)
{
    static const struct imap_conn_events events = {.on_exists = on_exists,
                                                   .on_expunge = on_expunge,
                                                   .on_vanished = on_vanished,
                                                   .on_row = on_row};
    w->conn = conn_open(w, w->caps_off);
    sync_live_reset(&w->live);
    imap_conn_set_events(w->conn, &events, w);
}

void world_disconnect(struct sync_world *w)
{
    imap_conn_close(&w->conn);
}

static void on_simple(struct imap_simple *op, const struct err *err, void *ctx)
{
    (void)op;
    finish(ctx, err);
}

void world_listen(struct sync_world *w)
{
    (void)imap_noop_start(w->conn, WORLD_SYNC_WAIT_MS, on_simple, w);
    wait_ok(w);
}

static void on_selected(struct imap_select *op, const struct err *err,
                        const struct imap_selected *selected, void *ctx)
{
    (void)op;
    (void)selected;
    finish(ctx, err);
}

static void other_select(struct sync_world *w)
{
    struct imap_select_params params = {.mailbox = str_of(mailbox_name)};
    (void)imap_select_start(w->other, &params, WORLD_SYNC_WAIT_MS, on_selected, w);
    wait_ok(w);
}

/* --- the world --- */

static void on_account(struct store_account_op *op, const struct err *err,
                       const struct store_acct *acct, json_t *record, json_t *state,
                       void *ctx)
{
    (void)op;
    (void)record;
    (void)state;
    struct sync_world *w = ctx;
    if (err->code == ERR_OK) {
        memcpy(w->acct.incarnation, acct->incarnation, sizeof w->acct.incarnation);
    }
    finish(w, err);
}

static struct sync_world *world_new(uint16_t port, enum imap_security security,
                                    uint32_t caps_off)
{
    static unsigned users;
    struct sync_world *w = MEM_NEW(struct sync_world);
    w->port = port;
    w->security = security;
    w->caps_off = caps_off;
    (void)snprintf(w->user, sizeof w->user, "sync%u", ++users);
    w->redis = store_fixture_new();
    w->store = store_fixture_open(w->redis, NODE_A);
    store_acct_init(w->store, &w->acct, str_of(w->user));
    json_t *record = json_pack("{s:s, s:s}", "account", w->user, "name", w->user);
    (void)store_account_create_start(w->store, str_of(w->user), record, on_account, w);
    json_decref(record);
    wait_ok(w);
    w->m = mailbox_new(1, str_of(mailbox_name), str_of(mailbox_name), '/');
    w->m->number = 1;
    w->table.next_number = 2;
    mailbox_table_add(&w->table, w->m);
    w->replay = replay_new();
    sync_moves_init(&w->moves, 60000);
    w->sc = (struct sync_ctx){.store = w->store,
                              .acct = &w->acct,
                              .table = &w->table,
                              .learned = &w->learned,
                              .batch_messages = 20,
                              .moves = &w->moves};
    return w;
}

struct sync_world *sync_world_new(const struct dovecot_fixture *dovecot,
                                  uint32_t caps_off)
{
    struct sync_world *w =
        world_new(dovecot_fixture_tls_port(dovecot), IMAP_SECURITY_TLS, caps_off);
    w->other = conn_open(w, 0);
    other_select(w);
    world_connect(w);
    return w;
}

struct sync_world *sync_world_new_at(uint16_t port, uint32_t caps_off)
{
    struct sync_world *w = world_new(port, IMAP_SECURITY_OPPORTUNISTIC, caps_off);
    world_connect(w);
    return w;
}

void sync_world_free(struct sync_world **wp)
{
    struct sync_world *w = *wp;
    *wp = NULL;
    imap_conn_close(&w->conn);
    imap_conn_close(&w->other);
    sync_live_fini(&w->live);
    sync_moves_fini(&w->moves);
    sync_learned_fini(&w->learned);
    replay_free(&w->replay);
    mailbox_table_fini(&w->table);
    store_acct_fini(&w->acct);
    store_fixture_close(w->redis, &w->store);
    store_fixture_free(&w->redis);
    mem_free(w);
}

/* --- passes --- */

static void on_pass(struct sync_pass *op, const struct err *err,
                    const struct sync_pass_result *result, void *ctx)
{
    (void)op;
    struct sync_world *w = ctx;
    w->result = *result;
    finish(w, err);
}

struct sync_pass *world_pass_start(struct sync_world *w, bool select)
{
    return sync_pass_start(w->conn, &w->sc, w->m, &w->live, select, on_pass, w);
}

void world_try_pass(struct sync_world *w, bool select)
{
    (void)world_pass_start(w, select);
    wait_any(w);
}

void world_pass(struct sync_world *w, bool select)
{
    (void)world_pass_start(w, select);
    wait_ok(w);
}

void world_sync_live(struct sync_world *w)
{
    for (int i = 0; i < 10 && !sync_live_is_empty(&w->live); i++) {
        world_pass(w, false);
    }
    assert_true(sync_live_is_empty(&w->live));
}

void world_sync(struct sync_world *w)
{
    world_pass(w, true);
    world_sync_live(w);
}

static void on_mailboxes(struct store_mailboxes *op, const struct err *err,
                         struct mailbox **boxes, size_t count, uint32_t next_number,
                         void *ctx)
{
    (void)op;
    struct sync_world *w = ctx;
    for (size_t i = 0; i < count; i++) {
        mailbox_table_add(&w->table, boxes[i]);
    }
    w->table.next_number = next_number > 0 ? next_number : 2;
    finish(w, err);
}

void world_reload(struct sync_world *w)
{
    mailbox_table_fini(&w->table);
    (void)store_mailboxes_start(w->store, &w->acct, on_mailboxes, w);
    wait_ok(w);
    assert_int_equal(w->table.count, 1);
    w->m = w->table.items[0];
}

/* --- the other client --- */

/* No two of them have the same size, before the sizes begin again. */
static void append_one(struct sync_world *w)
{
    static const unsigned sizes = 300;
    char text[512];
    (void)snprintf(text, sizeof text,
                   "From: ann@example.com\r\nSubject: hello\r\n\r\n%*s Hello.\r\n",
                   (int)(w->appended++ % sizes), "");
    append_fixture_run(w->redis->loop, w->other, mailbox_name, text);
}

static void on_copied(struct imap_move *op, const struct err *err,
                      const struct imap_copy_result *result, void *ctx)
{
    (void)op;
    (void)result;
    finish(ctx, err);
}

/* Many messages are made by copying: the copies are new mail, too. */
void other_append(struct sync_world *w, size_t count)
{
    static const size_t seed = 10;
    for (size_t i = 0; i < count && i < seed; i++) {
        append_one(w);
    }
    other_select(w);
    uint32_t top = imap_conn_selected(w->other)->uid_next - 1;
    uint32_t first = top - (uint32_t)(count < seed ? count : seed) + 1;
    for (size_t have = seed; have < count;) {
        size_t n = count - have < have ? count - have : have;
        char set[32];
        (void)snprintf(set, sizeof set, "%u:%u", first, first + (uint32_t)n - 1);
        (void)imap_move_start(w->other, str_of(set), str_of(mailbox_name), false,
                              WORLD_SYNC_WAIT_MS, on_copied, w);
        wait_ok(w);
        have += n;
    }
}

static void on_stored(struct imap_store *op, const struct err *err, void *ctx)
{
    (void)op;
    finish(ctx, err);
}

void other_store(struct sync_world *w, const char *uids, enum imap_store_mode mode,
                 uint8_t system, const char *keyword)
{
    struct str word = str_of(keyword);
    struct imap_store_params params = {
        .uid_set = str_of(uids),
        .mode = mode,
        .flags = {.system = system, .keywords = &word, .keyword_count = keyword != NULL}};
    other_select(w);
    (void)imap_store_start(w->other, &params, WORLD_SYNC_WAIT_MS, on_stored, w);
    wait_ok(w);
}

static void on_expunged(struct imap_expunge *op, const struct err *err, void *ctx)
{
    (void)op;
    finish(ctx, err);
}

void other_expunge(struct sync_world *w, const char *uids)
{
    other_select(w);
    (void)imap_expunge_start(w->other, str_of(uids), WORLD_SYNC_WAIT_MS, on_expunged, w);
    wait_ok(w);
}

void other_recreate(struct sync_world *w)
{
    (void)imap_delete_start(w->other, str_of(mailbox_name), WORLD_SYNC_WAIT_MS, on_simple,
                            w);
    wait_ok(w);
    imap_conn_close(&w->other);
    w->other = conn_open(w, 0);
    uint32_t before = w->m->uid_validity;
    for (int i = 0; i < 3; i++) {
        /* Dovecot derives UIDVALIDITY from the time and creates Archive by itself. */
        other_select(w);
        if (imap_conn_selected(w->other)->uid_validity != before) {
            return;
        }
        loop_fixture_run_for(w->redis->loop, 1000);
    }
    fail_msg("the server keeps UIDVALIDITY %u", before);
}

/* --- the views --- */

static uint8_t keyword_bit(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(world_keywords); i++) {
        if (str_ieq_c(name, world_keywords[i])) {
            return (uint8_t)(1u << i);
        }
    }
    fail_msg("unknown keyword %.*s", STR_ARG(name));
    return 0;
}

static struct world_message *message_at(struct world_message *view, uint32_t uid)
{
    assert_in_range(uid, 1, WORLD_UID_MAX - 1);
    return &view[uid];
}

static void on_server_row(struct imap_fetch *op, const struct imap_row *row, void *ctx)
{
    (void)op;
    struct sync_world *w = ctx;
    struct world_message *out = message_at(w->server, row->uid);
    *out = (struct world_message){.present = true, .system = row->flags.system};
    for (size_t i = 0; i < row->flags.keyword_count; i++) {
        out->keywords |= keyword_bit(row->flags.keywords[i]);
    }
}

static void on_server_end(struct imap_fetch *op, const struct err *err, void *ctx)
{
    (void)op;
    finish(ctx, err);
}

static void read_server(struct sync_world *w)
{
    static const struct imap_fetch_events events = {.on_row = on_server_row,
                                                    .on_end = on_server_end};
    struct imap_fetch_params params = {
        .by_uid = true, .set = STR("1:*"), .items = IMAP_ITEM_UID | IMAP_ITEM_FLAGS};
    memset(w->server, 0, sizeof w->server);
    other_select(w);
    if (imap_conn_selected(w->other)->exists > 0) {
        (void)imap_fetch_start(w->other, &params, WORLD_SYNC_WAIT_MS, &events, w);
        wait_ok(w);
    }
}

static void on_index_rows(struct store_scan *op, const struct msg_row *rows, size_t count,
                          void *ctx)
{
    (void)op;
    struct sync_world *w = ctx;
    for (size_t i = 0; i < count; i++) {
        struct world_message *out = message_at(w->index, rows[i].uid);
        assert_false(out->present);
        *out = (struct world_message){.present = true, .system = rows[i].flags};
        for (size_t k = 0; k < rows[i].keyword_count; k++) {
            out->keywords |= keyword_bit(str_of(w->m->keywords[rows[i].keywords[k]]));
        }
    }
}

static void on_index_end(struct store_scan *op, const struct err *err, void *ctx)
{
    (void)op;
    finish(ctx, err);
}

static void read_index(struct sync_world *w)
{
    memset(w->index, 0, sizeof w->index);
    (void)store_scan_start(w->store, &w->acct, w->m, 1, UINT32_MAX, on_index_rows,
                           on_index_end, w);
    wait_ok(w);
}

static void set_flags(struct world_message *out, const json_t *flags)
{
    size_t i;
    const json_t *name;
    out->system = out->keywords = 0;
    assert_true(json_is_array(flags));
    json_array_foreach(flags, i, name)
    {
        struct str text = str_of(json_string_value(name));
        uint8_t bit = imap_flag_from_name(text);
        out->system |= bit;
        out->keywords |= bit == 0 ? keyword_bit(text) : 0;
    }
}

static void replay_one(struct sync_world *w, const struct event *e)
{
    w->events[e->type]++;
    const char *wrong = replay_event(w->replay, e);
    if (wrong != NULL) {
        fail_msg("%s of UID %u %s", event_type_name(e->type), e->uid, wrong);
    }
}

static void on_log(struct store_log_read *op, const struct err *err,
                   const struct log_entry *entries, size_t count, bool gap, void *ctx)
{
    (void)op;
    struct sync_world *w = ctx;
    assert_false(gap);
    for (size_t i = 0; i < count; i++) {
        assert_true(entries[i].readable);
        replay_one(w, &entries[i].event);
        memcpy(w->last, entries[i].entry_id, sizeof w->last);
    }
    w->page = count;
    finish(w, err);
}

void world_read_log(struct sync_world *w)
{
    do {
        (void)store_log_read_start(w->store, &w->acct, w->last, STORE_LOG_PAGE, on_log,
                                   w);
        wait_ok(w);
    } while (w->page > 0);
}

static void same_views(const struct world_message *a, const struct world_message *b,
                       const char *what)
{
    for (uint32_t uid = 1; uid < WORLD_UID_MAX; uid++) {
        if (a[uid].present != b[uid].present || a[uid].system != b[uid].system ||
            a[uid].keywords != b[uid].keywords) {
            fail_msg("UID %u: server %d/%x/%x, %s %d/%x/%x", uid, a[uid].present,
                     a[uid].system, a[uid].keywords, what, b[uid].present, b[uid].system,
                     b[uid].keywords);
        }
    }
}

static uint32_t present(const struct world_message *view)
{
    uint32_t n = 0;
    for (uint32_t uid = 1; uid < WORLD_UID_MAX; uid++) {
        n += view[uid].present;
    }
    return n;
}

static void check_index(struct sync_world *w)
{
    read_server(w);
    read_index(w);
    world_read_log(w);
    same_views(w->server, w->index, "index");
    assert_int_equal(w->m->count, present(w->server));
    assert_int_equal(w->m->phase, MAILBOX_PHASE_LIVE);
}

void world_check_index(struct sync_world *w)
{
    check_index(w);
    replay_free(&w->replay);
    w->replay = replay_new();
    replay_baseline(w->replay, w->m->box, w->m->count);
}

void world_check(struct sync_world *w)
{
    size_t unnamed = 0;
    check_index(w);
    for (uint32_t uid = 1; uid < WORLD_UID_MAX; uid++) {
        char id[12];
        struct world_message told = {.present = true};
        message_id_format(w->m->number, uid, id);
        const json_t *flags = replay_flags(w->replay, id);
        unnamed += flags == NULL && w->index[uid].present;
        if (flags == NULL) {
            continue;
        }
        set_flags(&told, flags);
        if (!w->index[uid].present || told.system != w->index[uid].system ||
            told.keywords != w->index[uid].keywords) {
            fail_msg("UID %u: index %d/%x/%x, log 1/%x/%x", uid, w->index[uid].present,
                     w->index[uid].system, w->index[uid].keywords, told.system,
                     told.keywords);
        }
    }
    assert_int_equal(unnamed, replay_carried(w->replay, w->m->box));
    assert_int_equal(w->m->count, replay_count(w->replay, w->m->box));
}
