/* The client's side of a script. Commands:
 *
 *   open KEY=VALUE …        security=tls|starttls|opportunistic user= password= token=
 *                           plain caps_off=N depth= greeting_ms= auth_ms= answer_ms=
 *                           deadline_ms=
 *   select NAME [examine] [condstore] [qresync=VALIDITY,MODSEQ,LAST_UID]
 *   list [status]           status NAME            quota NAME
 *   fetch SET KEY …         uid items=flags,size,… section=NAME stream partial=OFFSET.BYTES
 *                           changed=N vanished
 *   search CRITERIA         utf8-search CRITERIA      beside-search CRITERIA
 *   store SET +\Seen,word   copy SET NAME      move SET NAME      expunge SET
 *   append NAME TEXT        TEXT with escapes
 *   noop   create NAME   delete NAME   rename A,B   subscribe NAME   unsubscribe NAME
 *   notify [scope=1…4] items=flags,size,…      scope: enum imap_notify_scope
 *   idle [max_ms=]   done   cancel (the last operation)   pause   resume   close
 *   sleep MS
 * %XX in a name is that byte. */
#include "peer_client_priv.h"

#include "postrider/sync/sync.h"

#include "postrider/base/codec.h"
#include "postrider/base/mem.h"
#include "postrider/base/num.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* --- the words of a command --- */

static struct str word_at(const struct client *cl, size_t i)
{
    return i < cl->word_count ? cl->words[i] : STR("");
}

static bool has_word(const struct client *cl, const char *word)
{
    for (size_t i = 0; i < cl->word_count; i++) {
        if (str_eq_c(cl->words[i], word)) {
            return true;
        }
    }
    return false;
}

/* The value of KEY=; absent if it is not given. */
static struct str value_of(const struct client *cl, const char *key)
{
    size_t n = strlen(key);
    for (size_t i = 0; i < cl->word_count; i++) {
        struct str w = cl->words[i];
        if (str_has_prefix(w, key) && w.len > n && w.ptr[n] == '=') {
            return str_tail(w, n + 1);
        }
    }
    return STR_NULL;
}

static uint64_t number_of(const struct client *cl, const char *key, uint64_t fallback)
{
    uint64_t n = fallback;
    (void)num_u64(value_of(cl, key), UINT64_MAX, &n);
    return n;
}

static char *text_of(struct client *cl, const char *key, const char *fallback)
{
    struct str v = value_of(cl, key);
    return v.ptr != NULL ? arena_strndup(&cl->arena, v.ptr, v.len)
                         : arena_strdup(&cl->arena, fallback);
}

/* %XX → byte */
static struct str name_at(struct client *cl, size_t i)
{
    struct str w = word_at(cl, i);
    struct buf b = BUF_INIT(PEER_TEXT_MAX);
    for (size_t at = 0; at < w.len; at++) {
        char byte = w.ptr[at];
        if (byte == '%' && hex_decode(str_from(w.ptr + at + 1, 2), &byte, 1)) {
            at += 2;
        }
        buf_put_byte(&b, byte);
    }
    struct str out = arena_str(&cl->arena, b.len > 0 ? buf_str(&b) : STR(""));
    buf_fini(&b);
    return out;
}

/* --- open, close --- */

static void on_open(struct imap_open *op, const struct err *err, struct imap_conn *conn,
                    void *ctx)
{
    struct client *cl = ctx;
    (void)op;
    peer_log_result(cl, "open", err);
    cl->conn = conn;
    if (conn != NULL) {
        const struct imap_namespace *ns = imap_conn_namespace(conn);
        struct stream_info info;
        imap_conn_set_events(conn, &peer_log_conn_events, cl);
        imap_conn_stream_info(conn, &info);
        buf_printf(&cl->log, " tls=%d delimiter=%c server=%s enabled=%s%s caps=%s",
                   info.tls, ns->delimiter != 0 ? ns->delimiter : '-',
                   imap_conn_server_name(conn),
                   (imap_conn_enabled(conn) & IMAP_CAP_CONDSTORE) != 0 ? "C" : "",
                   (imap_conn_enabled(conn) & IMAP_CAP_QRESYNC) != 0 ? "Q" : "",
                   imap_conn_caps_text(conn));
    }
    peer_log_end_line(cl);
}

static void cancel_open(void *op)
{
    imap_open_cancel(op);
}

static bool do_open(struct client *cl)
{
    static const char *const names[] = {"tls", "starttls", "opportunistic"};
    struct imap_conn_params p = {.host = "127.0.0.1",
                                 .port = cl->port,
                                 .security = IMAP_SECURITY_OPPORTUNISTIC,
                                 .allow_plain = has_word(cl, "plain"),
                                 .tls = {.ca_file = cl->ca_file},
                                 .user = text_of(cl, "user", "user"),
                                 .client_name = "peer",
                                 .client_version = "1",
                                 .pipeline_depth = (uint32_t)number_of(cl, "depth", 0),
                                 .caps_off = (uint32_t)number_of(cl, "caps_off", 0),
                                 .greeting_ms = (int64_t)number_of(cl, "greeting_ms", 0),
                                 .auth_ms = (int64_t)number_of(cl, "auth_ms", 0),
                                 .answer_ms = (int64_t)number_of(cl, "answer_ms", 0)};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (str_eq_c(value_of(cl, "security"), names[i])) {
            p.security = (enum imap_security)i;
        }
    }
    if (value_of(cl, "token").ptr != NULL) {
        p.auth = IMAP_AUTH_TOKEN;
        p.secret = value_of(cl, "token");
    } else {
        p.secret = str_of(text_of(cl, "password", "pass"));
    }
    cl->last = imap_open_start(cl->net, &p, cl->deadline_ms, on_open, cl);
    cl->last_cancel = cancel_open;
    return true;
}

static bool do_close(struct client *cl)
{
    imap_conn_close(&cl->conn);
    return true;
}

/* --- mailboxes --- */

static void on_select(struct imap_select *op, const struct err *err,
                      const struct imap_selected *s, void *ctx)
{
    struct client *cl = ctx;
    (void)op;
    peer_log_result(cl, "select", err);
    if (s != NULL) {
        buf_printf(&cl->log,
                   " exists=%u uidvalidity=%u uidnext=%u modseq=%" PRIu64 "%s%s",
                   s->exists, s->uid_validity, s->uid_next, s->highest_modseq,
                   s->read_only ? " readonly" : "", s->no_modseq ? " nomodseq" : "");
        peer_log_field(cl, "id", s->mailbox_id);
        peer_log_flags(cl, &s->permanent_flags);
        buf_put_c(&cl->log, s->keywords_allowed ? ",\\*" : "");
    }
    peer_log_end_line(cl);
}

static void cancel_select(void *op)
{
    imap_select_cancel(op);
}

static bool do_select(struct client *cl)
{
    struct imap_select_params p = {.mailbox = name_at(cl, 0),
                                   .examine = has_word(cl, "examine"),
                                   .condstore = has_word(cl, "condstore")};
    struct str qresync = value_of(cl, "qresync");
    struct str n;
    if (qresync.ptr != NULL) {
        p.qresync = true;
        p.uid_validity = str_split(&qresync, ',', &n) && num_u32(n, &p.uid_validity)
                             ? p.uid_validity
                             : 0;
        (void)(str_split(&qresync, ',', &n) && num_u64(n, UINT64_MAX, &p.modseq));
        (void)(str_split(&qresync, ',', &n) && num_u32(n, &p.last_uid));
    }
    cl->last = imap_select_start(cl->conn, &p, cl->deadline_ms, on_select, cl);
    cl->last_cancel = cancel_select;
    return true;
}

static void on_list_entry(struct imap_list *op, const struct imap_list_entry *e,
                          void *ctx)
{
    struct client *cl = ctx;
    (void)op;
    buf_put_c(&cl->log, "list");
    peer_log_field(cl, "name", e->wire);
    peer_log_field(cl, "path", e->path);
    buf_printf(&cl->log, " delimiter=%c attrs=%u", e->delimiter != 0 ? e->delimiter : '-',
               e->attrs);
    peer_log_field(cl, "use", e->special_use);
    if (e->status != NULL) {
        buf_printf(&cl->log, " messages=%u uidnext=%u", e->status->messages,
                   e->status->uid_next);
    }
    peer_log_end_line(cl);
}

static void on_list(struct imap_list *op, const struct err *err, void *ctx)
{
    (void)op;
    peer_log_result(ctx, "list", err);
    peer_log_end_line(ctx);
}

static void cancel_list(void *op)
{
    imap_list_cancel(op);
}

static bool do_list(struct client *cl)
{
    struct imap_list_params p = {
        .status_items =
            has_word(cl, "status") ? IMAP_STATUS_MESSAGES | IMAP_STATUS_UIDNEXT : 0};
    cl->last = imap_list_start(cl->conn, &p, cl->deadline_ms, on_list_entry, on_list, cl);
    cl->last_cancel = cancel_list;
    return true;
}

static void on_status(struct imap_mailbox_status *op, const struct err *err,
                      const struct imap_status *s, void *ctx)
{
    struct client *cl = ctx;
    (void)op;
    peer_log_result(cl, "status", err);
    if (s != NULL) {
        buf_printf(&cl->log, " has=%u messages=%u uidnext=%u", s->has, s->messages,
                   s->uid_next);
    }
    peer_log_end_line(cl);
}

static void cancel_status(void *op)
{
    imap_status_cancel(op);
}

static bool do_status(struct client *cl)
{
    cl->last = imap_status_start(cl->conn, name_at(cl, 0),
                                 IMAP_STATUS_MESSAGES | IMAP_STATUS_UIDNEXT,
                                 cl->deadline_ms, on_status, cl);
    cl->last_cancel = cancel_status;
    return true;
}

static void on_quota(struct imap_quota *op, const struct err *err,
                     const struct imap_storage *s, void *ctx)
{
    struct client *cl = ctx;
    (void)op;
    peer_log_result(cl, "quota", err);
    if (s != NULL && s->known) {
        buf_printf(&cl->log, " used=%" PRIu64 " limit=%" PRIu64, s->used_bytes,
                   s->limit_bytes);
    }
    peer_log_end_line(cl);
}

static void cancel_quota(void *op)
{
    imap_quota_cancel(op);
}

static bool do_quota(struct client *cl)
{
    cl->last = imap_quota_start(cl->conn, name_at(cl, 0), cl->deadline_ms, on_quota, cl);
    cl->last_cancel = cancel_quota;
    return true;
}

/* --- messages --- */

static void on_fetch_row(struct imap_fetch *op, const struct imap_row *row, void *ctx)
{
    (void)op;
    peer_log_row(ctx, "row", row);
}

static void on_fetch_vanished(struct imap_fetch *op, const struct imap_set *uids,
                              void *ctx)
{
    (void)op;
    buf_put_c(&((struct client *)ctx)->log, "vanished");
    peer_log_set(ctx, "uids", uids);
    peer_log_end_line(ctx);
}

static bool on_body_begin(struct imap_fetch *op, const struct imap_literal *l, void *ctx)
{
    struct client *cl = ctx;
    (void)op;
    buf_printf(&cl->log, "body seq=%u size=%" PRIu64, l->seq, l->size);
    peer_log_field(cl, "section", l->section);
    buf_put_c(&cl->log, " data=");
    return true;
}

static void on_body(struct imap_fetch *op, const char *data, size_t len, bool end,
                    void *ctx)
{
    struct client *cl = ctx;
    (void)op;
    peer_log_escaped(&cl->log, str_from(data, len));
    if (end) {
        peer_log_end_line(cl);
    }
}

static void on_fetch_end(struct imap_fetch *op, const struct err *err, void *ctx)
{
    (void)op;
    peer_log_result(ctx, "fetch", err);
    peer_log_end_line(ctx);
}

static void cancel_fetch(void *op)
{
    imap_fetch_cancel(op);
}

static uint32_t parse_items(struct str names)
{
    static const struct {
        const char *name;
        uint32_t item;
    } items[] = {{"flags", IMAP_ITEM_FLAGS},       {"modseq", IMAP_ITEM_MODSEQ},
                 {"size", IMAP_ITEM_SIZE},         {"envelope", IMAP_ITEM_ENVELOPE},
                 {"date", IMAP_ITEM_INTERNALDATE}, {"labels", IMAP_ITEM_GM_LABELS},
                 {"preview", IMAP_ITEM_PREVIEW}};
    uint32_t bits = 0;
    struct str name;
    while (str_split(&names, ',', &name)) {
        for (size_t i = 0; i < ARRAY_LEN(items); i++) {
            bits |= str_eq_c(name, items[i].name) ? items[i].item : 0;
        }
    }
    return bits;
}

static bool do_fetch(struct client *cl)
{
    struct str section = value_of(cl, "section");
    struct str partial = value_of(cl, "partial");
    struct str n;
    bool streamed = has_word(cl, "stream");
    struct imap_fetch_params p = {.by_uid = has_word(cl, "uid"),
                                  .set = word_at(cl, 0),
                                  .items = parse_items(value_of(cl, "items")),
                                  .sections = &section,
                                  .section_count = section.ptr != NULL ? 1 : 0,
                                  .changed_since = number_of(cl, "changed", 0),
                                  .vanished = has_word(cl, "vanished")};
    (void)(str_split(&partial, '.', &n) && num_u64(n, UINT64_MAX, &p.partial_offset));
    (void)(str_split(&partial, '.', &n) && num_u64(n, UINT64_MAX, &p.partial_bytes));
    struct imap_fetch_events events = {.on_row = on_fetch_row,
                                       .on_vanished = on_fetch_vanished,
                                       .on_body_begin = streamed ? on_body_begin : NULL,
                                       .on_body = streamed ? on_body : NULL,
                                       .on_end = on_fetch_end};
    cl->last = imap_fetch_start(cl->conn, &p, cl->deadline_ms, &events, cl);
    cl->last_cancel = cancel_fetch;
    return true;
}

static bool do_pause(struct client *cl)
{
    imap_fetch_pause(cl->last);
    return true;
}

static bool do_resume(struct client *cl)
{
    imap_fetch_resume(cl->last);
    return true;
}

static void on_search(struct imap_search *op, const struct err *err,
                      const struct imap_search_result *r, void *ctx)
{
    (void)op;
    peer_log_result(ctx, "search", err);
    if (r != NULL) {
        peer_log_set(ctx, "set", &r->set);
    }
    peer_log_end_line(ctx);
}

static void cancel_search(void *op)
{
    imap_search_cancel(op);
}

static bool search(struct client *cl, bool utf8, bool beside)
{
    struct buf text = BUF_INIT(PEER_TEXT_MAX);
    if (!peer_unescape(&text, cl->rest)) {
        return false;
    }
    struct imap_search_params p = {
        .criteria = buf_str(&text), .by_uid = true, .utf8 = utf8, .beside = beside};
    cl->last = imap_search_start(cl->conn, &p, cl->deadline_ms, on_search, cl);
    cl->last_cancel = cancel_search;
    buf_fini(&text);
    return true;
}

static bool do_search(struct client *cl)
{
    return search(cl, false, false);
}

static bool do_utf8_search(struct client *cl)
{
    return search(cl, true, false);
}

static bool do_beside_search(struct client *cl)
{
    return search(cl, false, true);
}

static void on_store(struct imap_store *op, const struct err *err, void *ctx)
{
    (void)op;
    peer_log_result(ctx, "store", err);
    peer_log_end_line(ctx);
}

static bool do_store(struct client *cl)
{
    struct str text = name_at(cl, 1);
    struct str keywords[WORDS_MAX];
    struct str name;
    struct imap_store_params p = {.uid_set = word_at(cl, 0),
                                  .mode = IMAP_STORE_REPLACE,
                                  .flags = {.keywords = keywords}};
    if (str_has_prefix(text, "+") || str_has_prefix(text, "-")) {
        p.mode = text.ptr[0] == '+' ? IMAP_STORE_ADD : IMAP_STORE_REMOVE;
        text = str_tail(text, 1);
    }
    while (str_split(&text, ',', &name) && p.flags.keyword_count < WORDS_MAX) {
        uint8_t bit = imap_flag_from_name(name);
        p.flags.system |= bit;
        if (bit == 0) {
            keywords[p.flags.keyword_count++] = name;
        }
    }
    if (has_word(cl, "labels")) {
        p.labels = keywords;
        p.label_count = p.flags.keyword_count;
    }
    imap_store_start(cl->conn, &p, cl->deadline_ms, on_store, cl);
    return true;
}

static void on_move(struct imap_move *op, const struct err *err,
                    const struct imap_copy_result *r, void *ctx)
{
    struct client *cl = ctx;
    (void)op;
    peer_log_result(cl, "move", err);
    if (r != NULL) {
        buf_printf(&cl->log, " uidvalidity=%u", r->uid_validity);
        peer_log_set(cl, "from", &r->from);
        peer_log_set(cl, "to", &r->to);
    }
    peer_log_end_line(cl);
}

static bool move(struct client *cl, bool moving)
{
    imap_move_start(cl->conn, word_at(cl, 0), name_at(cl, 1), moving, cl->deadline_ms,
                    on_move, cl);
    return true;
}

static bool do_copy(struct client *cl)
{
    return move(cl, false);
}

static bool do_move(struct client *cl)
{
    return move(cl, true);
}

static void on_expunge_end(struct imap_expunge *op, const struct err *err, void *ctx)
{
    (void)op;
    peer_log_result(ctx, "expunge", err);
    peer_log_end_line(ctx);
}

static bool do_expunge(struct client *cl)
{
    imap_expunge_start(cl->conn, word_at(cl, 0), cl->deadline_ms, on_expunge_end, cl);
    return true;
}

static size_t read_message(void *ctx, char *buf, size_t size)
{
    struct client *cl = ctx;
    size_t n = cl->message.len < size ? cl->message.len : size;
    memcpy(buf, cl->message.ptr, n);
    cl->message = str_tail(cl->message, n);
    return n;
}

static void on_append(struct imap_append *op, const struct err *err,
                      const struct imap_append_result *r, void *ctx)
{
    struct client *cl = ctx;
    (void)op;
    peer_log_result(cl, "append", err);
    if (r != NULL) {
        buf_printf(&cl->log, " uidvalidity=%u uid=%u", r->uid_validity, r->uid);
    }
    peer_log_end_line(cl);
}

static void cancel_append(void *op)
{
    imap_append_cancel(op);
}

static bool do_append(struct client *cl)
{
    struct str rest = cl->rest;
    struct str name;
    struct buf text = BUF_INIT(PEER_TEXT_MAX);
    (void)str_split(&rest, ' ', &name);
    if (!peer_unescape(&text, rest)) {
        return false;
    }
    cl->message = arena_str(&cl->arena, buf_str(&text));
    buf_fini(&text);
    struct imap_append_params p = {.mailbox = name,
                                   .flags = {.system = IMAP_FLAG_SEEN},
                                   .internaldate_ms = 1000,
                                   .size = cl->message.len,
                                   .read = read_message};
    cl->last = imap_append_start(cl->conn, &p, cl->deadline_ms, on_append, cl);
    cl->last_cancel = cancel_append;
    return true;
}

/* --- the rest --- */

static void on_simple(struct imap_simple *op, const struct err *err, void *ctx)
{
    (void)op;
    peer_log_result(ctx, "simple", err);
    peer_log_end_line(ctx);
}

static void cancel_simple(void *op)
{
    imap_simple_cancel(op);
}

static bool started(struct client *cl, struct imap_simple *op)
{
    cl->last = op;
    cl->last_cancel = cancel_simple;
    return true;
}

static bool do_noop(struct client *cl)
{
    return started(cl, imap_noop_start(cl->conn, cl->deadline_ms, on_simple, cl));
}

static bool do_notify(struct client *cl)
{
    uint64_t scope = number_of(cl, "scope", IMAP_NOTIFY_SELECTED);
    return started(cl, imap_notify_start(cl->conn, (enum imap_notify_scope)scope,
                                         parse_items(value_of(cl, "items")),
                                         cl->deadline_ms, on_simple, cl));
}

static bool do_create(struct client *cl)
{
    return started(
        cl, imap_create_start(cl->conn, name_at(cl, 0), cl->deadline_ms, on_simple, cl));
}

static bool do_delete(struct client *cl)
{
    return started(
        cl, imap_delete_start(cl->conn, name_at(cl, 0), cl->deadline_ms, on_simple, cl));
}

static bool do_rename(struct client *cl)
{
    struct str to = name_at(cl, 0);
    struct str from;
    (void)str_split(&to, ',', &from);
    return started(cl,
                   imap_rename_start(cl->conn, from, to, cl->deadline_ms, on_simple, cl));
}

static bool do_subscribe(struct client *cl)
{
    return started(cl, imap_subscribe_start(cl->conn, name_at(cl, 0), true,
                                            cl->deadline_ms, on_simple, cl));
}

static bool do_unsubscribe(struct client *cl)
{
    return started(cl, imap_subscribe_start(cl->conn, name_at(cl, 0), false,
                                            cl->deadline_ms, on_simple, cl));
}

static void on_idle(struct imap_idle *op, const struct err *err, void *ctx)
{
    (void)op;
    peer_log_result(ctx, "idle", err);
    peer_log_end_line(ctx);
}

static bool do_idle(struct client *cl)
{
    cl->last =
        imap_idle_start(cl->conn, (int64_t)number_of(cl, "max_ms", 60000), on_idle, cl);
    cl->last_cancel = NULL;
    return true;
}

static bool do_done(struct client *cl)
{
    if (cl->last != NULL) {
        imap_idle_finish(cl->last);
    }
    return true;
}

static bool do_cancel(struct client *cl)
{
    if (cl->last == NULL || cl->last_cancel == NULL) {
        return false;
    }
    cl->last_cancel(cl->last);
    return true;
}

static void on_time(struct timer *t)
{
    (void)t;
}

static void run_for(struct client *cl, int64_t ms)
{
    struct timer t = {0};
    timer_set(cl->loop, &t, ms, on_time);
    while (timer_is_set(&t)) {
        loop_turn(cl->loop, true);
    }
}

static bool do_sleep(struct client *cl)
{
    uint32_t ms = 0;
    bool ok = num_u32(word_at(cl, 0), &ms);
    run_for(cl, ms);
    return ok;
}

static bool do_quirks(struct client *cl)
{
    static const struct {
        const char *name;
        uint32_t bit;
    } names[] = {{"false-vanished", SYNC_QUIRK_FALSE_VANISHED},
                 {"late", SYNC_QUIRK_LATE},
                 {"window", SYNC_QUIRK_WINDOW},
                 {"label-copies", SYNC_QUIRK_LABEL_COPIES},
                 {"slow-status", SYNC_QUIRK_SLOW_STATUS}};
    uint32_t quirks = sync_quirks(cl->conn);
    buf_put_c(&cl->log, "quirks");
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if ((quirks & names[i].bit) != 0) {
            buf_printf(&cl->log, " %s", names[i].name);
        }
    }
    bool resyncs = (imap_conn_enabled(cl->conn) & IMAP_CAP_QRESYNC) != 0;
    buf_printf(&cl->log, " qresync=%s", resyncs ? "on" : "off");
    peer_log_end_line(cl);
    return true;
}

/* --- running --- */

struct command_row {
    const char *name;
    bool (*fn)(struct client *cl);
    bool needs_conn;
};

static const struct command_row commands[] = {{"append", do_append, true},
                                              {"beside-search", do_beside_search, true},
                                              {"cancel", do_cancel, false},
                                              {"close", do_close, false},
                                              {"copy", do_copy, true},
                                              {"create", do_create, true},
                                              {"delete", do_delete, true},
                                              {"done", do_done, true},
                                              {"expunge", do_expunge, true},
                                              {"fetch", do_fetch, true},
                                              {"idle", do_idle, true},
                                              {"list", do_list, true},
                                              {"move", do_move, true},
                                              {"noop", do_noop, true},
                                              {"notify", do_notify, true},
                                              {"open", do_open, false},
                                              {"pause", do_pause, true},
                                              {"quirks", do_quirks, true},
                                              {"rename", do_rename, true},
                                              {"resume", do_resume, true},
                                              {"search", do_search, true},
                                              {"select", do_select, true},
                                              {"sleep", do_sleep, false},
                                              {"status", do_status, true},
                                              {"quota", do_quota, true},
                                              {"store", do_store, true},
                                              {"subscribe", do_subscribe, true},
                                              {"unsubscribe", do_unsubscribe, true},
                                              {"utf8-search", do_utf8_search, true}};

static bool fail_line(const struct peer_line *l, const char *why, struct str what)
{
    (void)fprintf(stderr, "client, line %d: %s: %.*s\n", l->number, why, STR_ARG(what));
    return false;
}

static bool run_command(struct client *cl, const struct peer_line *l)
{
    struct str rest = l->rest;
    struct str name, word;
    (void)str_split(&rest, ' ', &name);
    cl->rest = rest.ptr != NULL ? rest : STR("");
    cl->word_count = 0;
    while (cl->word_count < WORDS_MAX && str_split(&rest, ' ', &word)) {
        cl->words[cl->word_count++] = word;
    }
    cl->deadline_ms = (int64_t)number_of(cl, "deadline_ms", PEER_WAIT_MS / 2);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (str_eq_c(name, commands[i].name)) {
            if (commands[i].needs_conn && cl->conn == NULL) {
                return fail_line(l, "no connection", name);
            }
            return commands[i].fn(cl) || fail_line(l, "cannot be done", l->rest);
        }
    }
    return fail_line(l, "unknown command", name);
}

/* The next whole line of the log, if there is one. */
static bool next_line(struct client *cl, struct str *line)
{
    struct str rest = str_tail(buf_str(&cl->log), cl->log_read);
    size_t end = str_find_byte(rest, '\n');
    if (rest.ptr == NULL || end == SIZE_MAX) {
        return false;
    }
    *line = str_from(rest.ptr, end);
    cl->log_read += end + 1;
    return true;
}

static bool run_expect(struct client *cl, const struct peer_line *l)
{
    struct timer deadline = {0};
    struct str line;
    bool found;
    timer_set(cl->loop, &deadline, PEER_WAIT_MS / 2, on_time);
    while (!(found = next_line(cl, &line)) && timer_is_set(&deadline)) {
        loop_turn(cl->loop, true);
    }
    timer_stop(&deadline);
    if (!found) {
        return fail_line(l, "nothing came", l->rest);
    }
    return peer_match(l->rest, line) || fail_line(l, "the log says", line);
}

bool peer_client_run(const struct peer_script *s, uint16_t port, const char *ca_file)
{
    struct client cl = {.ca_file = ca_file, .port = port, .loop = loop_new()};
    struct net_config config = {.egress = EGRESS_OFF};
    struct str line;
    bool ok = true;
    buf_init(&cl.log, (size_t)16 * 1024 * 1024);
    cl.net = net_new(cl.loop, &config);
    for (size_t i = 0; ok && i < s->client_count; i++) {
        const struct peer_line *l = &s->client[i];
        ok = str_eq_c(l->word, "client") ? run_command(&cl, l) : run_expect(&cl, l);
    }
    if (cl.last != NULL && cl.last_cancel != NULL) {
        cl.last_cancel(cl.last);
    }
    imap_conn_close(&cl.conn);
    run_for(&cl, 20);
    if (ok && next_line(&cl, &line)) {
        (void)fprintf(stderr, "client: the log also says: %.*s\n", STR_ARG(line));
        ok = false;
    }
    net_free(&cl.net);
    loop_free(&cl.loop);
    buf_fini(&cl.log);
    arena_fini(&cl.arena);
    return ok;
}
