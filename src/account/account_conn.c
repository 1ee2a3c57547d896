/* A connection of an account and the events it brings. */
#include "account_priv.h"

#include "postrider/base/clock.h"

static void live_changed(struct account_conn *c)
{
    if (c->on_live != NULL) {
        c->on_live(c);
    }
}

static void on_exists(void *ctx, uint32_t count ATTR_UNUSED)
{
    struct account_conn *c = ctx;
    sync_live_exists(&c->live);
    live_changed(c);
}

static void on_expunge(void *ctx, uint32_t seq)
{
    struct account_conn *c = ctx;
    sync_live_expunge(&c->live, seq);
    live_changed(c);
}

static void on_vanished(void *ctx, const struct imap_set *uids, bool earlier)
{
    struct account_conn *c = ctx;
    sync_live_vanished(&c->live, uids, earlier);
    live_changed(c);
}

static void on_row(void *ctx, const struct imap_row *row)
{
    struct account_conn *c = ctx;
    if ((c->takes_row == NULL || !c->takes_row(c, row)) && sync_live_row(&c->live, row)) {
        /* Gmail tells of flags by itself, of labels only who asks. */
        c->live.resync = c->live.resync || (imap_conn_has(c->conn, IMAP_CAP_GMAIL) &&
                                            (row->has & IMAP_ITEM_GM_LABELS) == 0);
    }
    live_changed(c);
}

static void on_status(void *ctx, const struct imap_status *status)
{
    struct account_conn *c = ctx;
    if (c->on_status != NULL) {
        c->on_status(c, status);
    }
}

static void on_list(void *ctx, const struct imap_list_entry *entry ATTR_UNUSED)
{
    struct account_conn *c = ctx;
    if (c->on_list != NULL) {
        c->on_list(c);
    }
}

/* Only who asked for NOTIFY can be told that it ended. */
static void on_overflow(void *ctx)
{
    struct account_conn *c = ctx;
    if (c->on_overflow != NULL) {
        c->on_overflow(c);
    }
}

static void on_closed(void *ctx, const struct err *err)
{
    struct account_conn *c = ctx;
    c->on_lost(c, err);
}

static const struct imap_conn_events events = {.on_exists = on_exists,
                                               .on_expunge = on_expunge,
                                               .on_vanished = on_vanished,
                                               .on_row = on_row,
                                               .on_status = on_status,
                                               .on_list = on_list,
                                               .on_overflow = on_overflow,
                                               .on_closed = on_closed};

void account_conn_attach(struct account_conn *c, struct imap_conn *conn)
{
    c->conn = conn;
    c->since_ms = clock_wall_ms();
    sync_live_reset(&c->live);
    imap_conn_set_events(conn, &events, c);
    imap_conn_hold(conn, c->account->as->held);
}

void account_conn_hold(struct account_conn *c, bool held)
{
    if (c->conn != NULL) {
        imap_conn_hold(c->conn, held);
    }
}

void account_conn_close(struct account_conn *c)
{
    if (c == &c->account->watch) {
        account_server_keep(c->account);
    }
    imap_conn_close(&c->conn);
}
