/* The client's log: one line per result, row and event. */
#include "peer_client_priv.h"

#include <inttypes.h>

void peer_log_escaped(struct buf *b, struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c == '\r' || c == '\n') {
            buf_put_c(b, c == '\r' ? "\\r" : "\\n");
        } else if (c < 0x20 || c >= 0x7f) {
            buf_printf(b, "%%%02X", c);
        } else {
            buf_put_byte(b, (char)c);
        }
    }
}

void peer_log_end_line(struct client *cl)
{
    buf_put_byte(&cl->log, '\n');
}

void peer_log_field(struct client *cl, const char *name, struct str value)
{
    if (value.ptr != NULL) {
        buf_printf(&cl->log, " %s=", name);
        peer_log_escaped(&cl->log, value);
    }
}

void peer_log_set(struct client *cl, const char *name, const struct imap_set *set)
{
    buf_printf(&cl->log, " %s=", name);
    imap_set_print(&cl->log, set, 0, 4096);
}

void peer_log_flags(struct client *cl, const struct imap_flags *flags)
{
    const char *before = " flags=";
    for (unsigned bit = 1; bit <= IMAP_FLAG_DRAFT; bit <<= 1) {
        if ((flags->system & bit) != 0) {
            buf_printf(&cl->log, "%s%s", before, imap_flag_name((uint8_t)bit));
            before = ",";
        }
    }
    for (size_t i = 0; i < flags->keyword_count; i++) {
        buf_put_c(&cl->log, before);
        peer_log_escaped(&cl->log, flags->keywords[i]);
        before = ",";
    }
    if (*before == ' ') {
        buf_put_c(&cl->log, " flags=");
    }
}

void peer_log_row(struct client *cl, const char *what, const struct imap_row *row)
{
    buf_printf(&cl->log, "%s %u uid=%u", what, row->seq, row->uid);
    if ((row->has & IMAP_ITEM_FLAGS) != 0) {
        peer_log_flags(cl, &row->flags);
    }
    if ((row->has & IMAP_ITEM_MODSEQ) != 0) {
        buf_printf(&cl->log, " modseq=%" PRIu64, row->modseq);
    }
    if ((row->has & IMAP_ITEM_SIZE) != 0) {
        buf_printf(&cl->log, " size=%" PRIu64, row->size);
    }
    if (row->envelope != NULL) {
        peer_log_field(cl, "subject", row->envelope->subject);
    }
    if ((row->has & IMAP_ITEM_PREVIEW) != 0) {
        peer_log_field(cl, "preview", row->preview);
    }
    for (size_t i = 0; i < row->label_count; i++) {
        peer_log_field(cl, "label", row->labels[i]);
    }
    for (size_t i = 0; i < row->section_count; i++) {
        peer_log_field(cl, "section", row->sections[i].name);
        peer_log_field(cl, "data", row->sections[i].data);
    }
    peer_log_end_line(cl);
}

/* "select ok" or "select error no peer=CODE: text"; the caller ends the line. */
void peer_log_result(struct client *cl, const char *what, const struct err *err)
{
    cl->last = NULL;
    if (err->code == ERR_OK) {
        buf_printf(&cl->log, "%s ok", what);
        return;
    }
    buf_printf(&cl->log, "%s error %s", what, err_code_name(err->code));
    if (err->peer_code[0] != '\0') {
        buf_printf(&cl->log, " peer=%s", err->peer_code);
    }
    buf_printf(&cl->log, ": %s", err->msg);
}

/* --- events of the connection --- */

static void on_exists(void *ctx, uint32_t count)
{
    struct client *cl = ctx;
    buf_printf(&cl->log, "event exists %u\n", count);
}

static void on_expunge(void *ctx, uint32_t seq)
{
    struct client *cl = ctx;
    buf_printf(&cl->log, "event expunge %u\n", seq);
}

static void on_vanished(void *ctx, const struct imap_set *uids, bool earlier)
{
    struct client *cl = ctx;
    buf_printf(&cl->log, "event vanished%s", earlier ? " earlier" : "");
    peer_log_set(cl, "uids", uids);
    peer_log_end_line(cl);
}

static void on_event_row(void *ctx, const struct imap_row *row)
{
    peer_log_row(ctx, "event row", row);
}

static void on_event_list(void *ctx, const struct imap_list_entry *entry)
{
    struct client *cl = ctx;
    buf_put_c(&cl->log, "event list");
    peer_log_field(cl, "name", entry->wire);
    peer_log_end_line(cl);
}

static void on_event_status(void *ctx, const struct imap_status *status)
{
    struct client *cl = ctx;
    buf_put_c(&cl->log, "event status");
    peer_log_field(cl, "name", status->mailbox);
    peer_log_end_line(cl);
}

static void on_alert(void *ctx, struct str text)
{
    struct client *cl = ctx;
    buf_put_c(&cl->log, "event alert");
    peer_log_field(cl, "text", text);
    peer_log_end_line(cl);
}

static void on_closed(void *ctx, const struct err *err)
{
    struct client *cl = ctx;
    buf_printf(&cl->log, "event closed %s: %s\n", err_code_name(err->code), err->msg);
}

const struct imap_conn_events peer_log_conn_events = {.on_exists = on_exists,
                                                      .on_expunge = on_expunge,
                                                      .on_vanished = on_vanished,
                                                      .on_row = on_event_row,
                                                      .on_list = on_event_list,
                                                      .on_status = on_event_status,
                                                      .on_alert = on_alert,
                                                      .on_closed = on_closed};
