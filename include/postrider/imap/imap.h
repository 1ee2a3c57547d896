/* imap: an IMAP client session and its operations.
 * Shape    imap_open                   operation: connect, TLS or STARTTLS, CAPABILITY,
 *                                      authenticate, ID, ENABLE, NAMESPACE → a connection
 *                                      that is ready
 *          imap_conn                   handle: the command pipeline, correlation,
 *                                      unsolicited data
 *          imap_select, imap_fetch, …  operations on a connection, one file each
 *              open ──► ready ◄──► selected ──► closed
 * Owner    the connection belongs to who got it from imap_open; commands are operations.
 *          Values given to callbacks are borrowed until they return.
 * Calls    loop thread. Row and event callbacks may cancel operations and close the
 *          connection. Closing ends every command with ERR_CLOSED (or the reason), then
 *          on_closed if the server or the network did it.
 * Order    commands are sent in the order of their start. Commands that RFC 3501 §5.5
 *          lets stand beside each other are pipelined up to conn params' depth; the
 *          others wait.
 * Units    milliseconds; deadlines of commands with streamed answers are progress
 *          deadlines: they begin anew with every useful byte
 * Limits   imap_parser.h; tags are A1, A2 …
 * Errors   ERR_NO, ERR_BAD (peer_code = response code, msg = server text), ERR_BYE,
 *          ERR_AUTH, ERR_THROTTLED, ERR_MAXCONN (decided by code and text),
 *          ERR_NO_MAILBOX (SELECT/STATUS: NONEXISTENT or NO), ERR_QUOTA, ERR_PROTOCOL,
 *          ERR_LIMIT, ERR_UNSUPPORTED (capability missing), and what net reports
 * Spec     RFC 9051/3501, 2177, 2971, 4315, 4731, 4959, 5161, 5258, 5465, 5530, 5819,
 *          6154, 6851, 7162, 7628, 7888, 8474, 8970, 9208 */
#ifndef POSTRIDER_IMAP_IMAP_H
#define POSTRIDER_IMAP_IMAP_H

#include "postrider/imap/imap_parser.h"
#include "postrider/imap/imap_value.h"
#include "postrider/net/net.h"

/* --- capabilities --- */

enum imap_cap {
    IMAP_CAP_IDLE = 1 << 0,
    IMAP_CAP_UIDPLUS = 1 << 1,
    IMAP_CAP_MOVE = 1 << 2,
    IMAP_CAP_CONDSTORE = 1 << 3,
    IMAP_CAP_QRESYNC = 1 << 4,
    IMAP_CAP_ENABLE = 1 << 5,
    IMAP_CAP_NAMESPACE = 1 << 6,
    IMAP_CAP_ID = 1 << 7,
    IMAP_CAP_SPECIAL_USE = 1 << 8,
    IMAP_CAP_LIST_EXTENDED = 1 << 9,
    IMAP_CAP_LIST_STATUS = 1 << 10,
    IMAP_CAP_ESEARCH = 1 << 11,
    IMAP_CAP_LITERAL_PLUS = 1 << 12,
    IMAP_CAP_LITERAL_MINUS = 1 << 13,
    IMAP_CAP_OBJECTID = 1 << 14,
    IMAP_CAP_SASL_IR = 1 << 15,
    IMAP_CAP_LOGINDISABLED = 1 << 16,
    IMAP_CAP_STARTTLS = 1 << 17,
    IMAP_CAP_AUTH_PLAIN = 1 << 18,
    IMAP_CAP_AUTH_XOAUTH2 = 1 << 19,
    IMAP_CAP_AUTH_OAUTHBEARER = 1 << 20,
    IMAP_CAP_UTF8_ACCEPT = 1 << 21,
    IMAP_CAP_XLIST = 1 << 22,
    IMAP_CAP_GMAIL = 1 << 23,
    IMAP_CAP_NOTIFY = 1 << 24,
    IMAP_CAP_UNSELECT = 1 << 25,
    IMAP_CAP_WITHIN = 1 << 26,
    IMAP_CAP_AUTH_LOGIN = 1 << 27,
    IMAP_CAP_BINARY = 1 << 28,
    IMAP_CAP_IMAP4REV1 = 1 << 29,
    IMAP_CAP_PREVIEW = 1 << 30
};

/* --- opening --- */

enum imap_security {
    IMAP_SECURITY_TLS,           /* TLS from the first byte */
    IMAP_SECURITY_STARTTLS,      /* STARTTLS or failure */
    IMAP_SECURITY_OPPORTUNISTIC, /* STARTTLS when offered; in clear only to loopback or
                                    with allow_plain */
};

enum imap_auth {
    IMAP_AUTH_PASSWORD,
    IMAP_AUTH_TOKEN
};

enum {
    IMAP_TRACE_LINE_MAX = 4 * 1024 /* what is longer is cut */
};

/* Who reads what passes a connection. Credentials and literals are left out. */
struct imap_trace {
    void *ctx; /* outlives the connection's end */
    bool (*is_wanted)(void *ctx);
    void (*on_line)(void *ctx, bool sent, struct str line); /* NULL: nobody */
};

struct imap_conn_params {
    const char *host;
    uint16_t port;
    enum imap_security security;
    bool allow_plain; /* the account opted down explicitly */
    struct tls_policy tls;
    enum imap_auth auth;
    const char *user;
    struct str secret; /* password or access token; copied to wiped memory */
    const char *client_name, *client_version; /* for ID */
    uint32_t pipeline_depth;                  /* 0 = 4 */
    uint32_t caps_off; /* enum imap_cap bits not to be used on this connection */
    /* Deadlines of the phases; 0 = 30 s for the greeting, 60 s for authentication, 30 s
     * for an answer to DONE and for the end of a canceled command. */
    int64_t greeting_ms, auth_ms, answer_ms;
    struct imap_trace trace;
};

struct imap_conn;
struct imap_open;
/* conn is the callee's on success, NULL otherwise. On failure after a greeting the
 * error's message carries the server's text. */
typedef void imap_open_cb(struct imap_open *op, const struct err *err,
                          struct imap_conn *conn, void *ctx);
struct imap_open *imap_open_start(struct net *net, const struct imap_conn_params *params,
                                  int64_t deadline_ms, imap_open_cb *cb,
                                  void *ctx) ATTR_RETURNS_NONNULL;
void imap_open_cancel(struct imap_open *op);

/* --- the connection --- */

/* Data nobody asked for. Every member may be NULL. Arrival order is kept, also with
 * respect to command callbacks and rows: what came first is told first (command callbacks
 * come later). */
struct imap_conn_events {
    void (*on_exists)(void *ctx, uint32_t count);
    void (*on_expunge)(void *ctx, uint32_t seq);
    void (*on_vanished)(void *ctx, const struct imap_set *uids, bool earlier);
    void (*on_row)(void *ctx, const struct imap_row *row); /* unsolicited FETCH */
    void (*on_list)(void *ctx, const struct imap_list_entry *entry);
    void (*on_status)(void *ctx, const struct imap_status *status);
    /* NOTIFICATIONOVERFLOW: as if NOTIFY NONE had been said, so IDLE is silent, too (RFC
     * 5465 §5.8). Nobody listens: the connection ends. */
    void (*on_overflow)(void *ctx);
    void (*on_alert)(void *ctx, struct str text);
    /* Once; the connection is dead and must be closed with imap_conn_close. */
    void (*on_closed)(void *ctx, const struct err *err);
};

void imap_conn_set_events(struct imap_conn *c, const struct imap_conn_events *events,
                          void *ctx);
/* Says LOGOUT if nothing is running, then closes. NULL is accepted. */
void imap_conn_close(struct imap_conn **c);
bool imap_conn_is_open(const struct imap_conn *c);
uint32_t
imap_conn_caps(const struct imap_conn *c); /* enum imap_cap bits, minus caps_off */
bool imap_conn_has(const struct imap_conn *c, enum imap_cap cap);
/* The capability words as the server sent them, separated by spaces; borrowed. */
const char *imap_conn_caps_text(const struct imap_conn *c);
/* What ENABLE turned on (IMAP_CAP_CONDSTORE, _QRESYNC, _UTF8_ACCEPT). */
uint32_t imap_conn_enabled(const struct imap_conn *c);
const struct imap_namespace *imap_conn_namespace(const struct imap_conn *c);
/* The server's ID name and version, or "". */
const char *imap_conn_server_name(const struct imap_conn *c);
/* The text of the greeting, or its beginning; "" if it had none. */
const char *imap_conn_greeting(const struct imap_conn *c);
void imap_conn_stream_info(const struct imap_conn *c, struct stream_info *out);
/* The selected mailbox's state as of the last untagged data; NULL if none is selected. */
const struct imap_selected *imap_conn_selected(const struct imap_conn *c);
struct loop *imap_conn_loop(struct imap_conn *c);
/* Lines that fitted nothing: unknown tags, unasked "+", malformed data. */
uint64_t imap_conn_ignored(const struct imap_conn *c);
/* The wait in milliseconds that an ERR_THROTTLED's text suggests (at most 5 minutes), or
 * 0. */
int64_t imap_backoff_hint_ms(const struct err *err);
/* While held, nothing is read and no deadline runs; what is sent waits for its answer. */
void imap_conn_hold(struct imap_conn *c, bool held);
/* Commands that have not ended. */
size_t imap_conn_pending(const struct imap_conn *c);

/* --- operations
 * --------------------------------------------------------------------------------- Every
 * struct begins with its struct op, so op_cancel(&x->op)-like functions exist per type as
 * x_cancel. Canceling a command that was already sent lets it end on the wire; its answer
 * is dropped. (A streamed fetch that is canceled closes the connection when more than 256
 * KiB are still to come, else drains it.) */

struct imap_select;
typedef void imap_select_row(void *ctx, const struct imap_row *row);
typedef void imap_select_vanished(void *ctx, const struct imap_set *uids);
struct imap_select_params {
    struct str mailbox; /* wire bytes */
    bool examine;
    bool condstore; /* asks for (CONDSTORE) where offered */
    bool qresync;   /* needs QRESYNC enabled, and the values below */
    uint32_t uid_validity;
    uint64_t modseq;
    uint32_t first_uid; /* 0 = 1 */
    uint32_t last_uid;
    /* Rows and VANISHED (EARLIER) of a QRESYNC answer; where NULL, they go to the
     * connection's events. */
    imap_select_row *on_row;
    imap_select_vanished *on_vanished;
};
typedef void imap_select_cb(struct imap_select *op, const struct err *err,
                            const struct imap_selected *selected, void *ctx);
struct imap_select *imap_select_start(struct imap_conn *c,
                                      const struct imap_select_params *params,
                                      int64_t deadline_ms, imap_select_cb *cb, void *ctx);
void imap_select_cancel(struct imap_select *op);

struct imap_list;
struct imap_list_params {
    struct str reference, pattern; /* wire bytes; "" and "*" when absent */
    uint32_t status_items;         /* enum imap_status_item bits for LIST-STATUS, or 0 */
};
/* Entries arrive one by one, then the end. Subscription and special use are asked for in
 * the best way the server offers (LIST-EXTENDED, else LSUB and XLIST), also STATUS. */
typedef void imap_list_entry_cb(struct imap_list *op, const struct imap_list_entry *entry,
                                void *ctx);
typedef void imap_list_cb(struct imap_list *op, const struct err *err, void *ctx);
struct imap_list *imap_list_start(struct imap_conn *c,
                                  const struct imap_list_params *params,
                                  int64_t deadline_ms, imap_list_entry_cb *on_entry,
                                  imap_list_cb *cb, void *ctx);
void imap_list_cancel(struct imap_list *op);

struct imap_mailbox_status;
typedef void imap_status_cb(struct imap_mailbox_status *op, const struct err *err,
                            const struct imap_status *status, void *ctx);
struct imap_mailbox_status *imap_status_start(struct imap_conn *c, struct str mailbox,
                                              uint32_t items, int64_t deadline_ms,
                                              imap_status_cb *cb, void *ctx);
void imap_status_cancel(struct imap_mailbox_status *op);

struct imap_quota;
typedef void imap_quota_cb(struct imap_quota *op, const struct err *err,
                           const struct imap_storage *storage, void *ctx);
/* The storage that the mailbox counts against; not known where the server bounds none.
 * ERR_UNSUPPORTED: the server does not have QUOTA. */
struct imap_quota *imap_quota_start(struct imap_conn *c, struct str mailbox,
                                    int64_t deadline_ms, imap_quota_cb *cb, void *ctx);
void imap_quota_cancel(struct imap_quota *op);

struct imap_fetch;
struct imap_fetch_params {
    bool by_uid;
    struct str set; /* "1:3,7" or "5:*"; long sets are split into several commands */
    uint32_t items; /* enum imap_item bits; what the server lacks is left out */
    const struct str *sections; /* "HEADER", "1.MIME", "" …: sent as BODY.PEEK[…] */
    size_t section_count;
    uint64_t partial_offset,
        partial_bytes;      /* partial_bytes > 0: <offset.bytes> on every section … */
    size_t whole_sections;  /* … but the first so many */
    uint64_t changed_since; /* > 0: CHANGEDSINCE modifier */
    bool vanished;          /* with changed_since and QRESYNC */
    bool many;              /* rows by the thousand: they may come in lumps */
};
struct imap_fetch_events {
    /* A row that carries at least one of the wanted items for one of the wanted messages;
     * rows that only report flags of others go to the connection's on_row. */
    void (*on_row)(struct imap_fetch *op, const struct imap_row *row, void *ctx);
    /* VANISHED (EARLIER) of this fetch. May be NULL. */
    void (*on_vanished)(struct imap_fetch *op, const struct imap_set *uids, void *ctx);
    /* If set, section literals are streamed here instead of being kept in the row. */
    bool (*on_body_begin)(struct imap_fetch *op, const struct imap_literal *literal,
                          void *ctx);
    void (*on_body)(struct imap_fetch *op, const char *data, size_t len, bool end,
                    void *ctx);
    void (*on_end)(struct imap_fetch *op, const struct err *err, void *ctx);
};
struct imap_fetch *imap_fetch_start(struct imap_conn *c,
                                    const struct imap_fetch_params *params,
                                    int64_t deadline_ms,
                                    const struct imap_fetch_events *events, void *ctx);
void imap_fetch_cancel(struct imap_fetch *op);
/* Stops reading from the connection, for a slow consumer of on_body or on_row; the
 * deadline does not run meanwhile. */
void imap_fetch_pause(struct imap_fetch *op);
void imap_fetch_resume(struct imap_fetch *op);

struct imap_search;
struct imap_search_params {
    struct str criteria; /* already encoded search keys: "UID 1:5 UNSEEN" */
    bool utf8;           /* holds non-ASCII literals/quoted strings: CHARSET UTF-8 */
    bool by_uid;
    bool count; /* how many: has_count, or the whole set where there is no ESEARCH */
    /* Sent before others of this kind are answered; needs ESEARCH. ERR_NO: no answer said
     * that it was to this one. */
    bool beside;
};
struct imap_search_result {
    struct imap_set set; /* normalized */
    bool has_count;
    uint64_t count, modseq;
};
typedef void imap_search_cb(struct imap_search *op, const struct err *err,
                            const struct imap_search_result *result, void *ctx);
struct imap_search *imap_search_start(struct imap_conn *c,
                                      const struct imap_search_params *params,
                                      int64_t deadline_ms, imap_search_cb *cb, void *ctx);
void imap_search_cancel(struct imap_search *op);

enum imap_store_mode {
    IMAP_STORE_ADD,
    IMAP_STORE_REMOVE,
    IMAP_STORE_REPLACE
};
struct imap_store;
struct imap_store_params {
    struct str uid_set;
    enum imap_store_mode mode;
    struct imap_flags flags;
    const struct str *labels; /* instead of flags: X-GM-LABELS */
    size_t label_count;
};
typedef void imap_store_cb(struct imap_store *op, const struct err *err, void *ctx);
/* Not silent: the server's FETCH answers reach the connection's on_row. */
struct imap_store *imap_store_start(struct imap_conn *c,
                                    const struct imap_store_params *params,
                                    int64_t deadline_ms, imap_store_cb *cb, void *ctx);
void imap_store_cancel(struct imap_store *op);

struct imap_copy_result {
    uint32_t uid_validity;    /* 0 = the server did not tell */
    struct imap_set from, to; /* pairs in order */
};
struct imap_move;
typedef void imap_move_cb(struct imap_move *op, const struct err *err,
                          const struct imap_copy_result *result, void *ctx);
/* move: UID MOVE, else COPY + STORE \Deleted + UID EXPUNGE (RFC 6851). */
struct imap_move *imap_move_start(struct imap_conn *c, struct str uid_set,
                                  struct str mailbox, bool move, int64_t deadline_ms,
                                  imap_move_cb *cb, void *ctx);
void imap_move_cancel(struct imap_move *op);

struct imap_expunge;
typedef void imap_expunge_cb(struct imap_expunge *op, const struct err *err, void *ctx);
/* STORE +FLAGS (\Deleted), then UID EXPUNGE of exactly these; without UIDPLUS they stay
 * marked. */
struct imap_expunge *imap_expunge_start(struct imap_conn *c, struct str uid_set,
                                        int64_t deadline_ms, imap_expunge_cb *cb,
                                        void *ctx);
void imap_expunge_cancel(struct imap_expunge *op);

struct imap_append;
struct imap_append_params {
    struct str mailbox;
    struct imap_flags flags;
    int64_t internaldate_ms; /* 0 = now, by the server */
    uint64_t size;           /* bytes of the message, CRLF line ends */
    /* The message comes from here, in order, when the server is ready for it. Returns
     * bytes put into buf, or 0 = nothing now: call imap_append_more later. */
    size_t (*read)(void *ctx, char *buf, size_t size);
};
struct imap_append_result {
    uint32_t uid_validity, uid; /* 0 = the server did not tell */
};
typedef void imap_append_cb(struct imap_append *op, const struct err *err,
                            const struct imap_append_result *result, void *ctx);
struct imap_append *imap_append_start(struct imap_conn *c,
                                      const struct imap_append_params *params,
                                      int64_t deadline_ms, imap_append_cb *cb, void *ctx);
void imap_append_more(struct imap_append *op);
void imap_append_cancel(struct imap_append *op);

/* One-line commands without an answer of their own. */
struct imap_simple;
typedef void imap_simple_cb(struct imap_simple *op, const struct err *err, void *ctx);
struct imap_simple *imap_noop_start(struct imap_conn *c, int64_t deadline_ms,
                                    imap_simple_cb *cb, void *ctx);
struct imap_simple *imap_create_start(struct imap_conn *c, struct str mailbox,
                                      int64_t deadline_ms, imap_simple_cb *cb, void *ctx);
struct imap_simple *imap_delete_start(struct imap_conn *c, struct str mailbox,
                                      int64_t deadline_ms, imap_simple_cb *cb, void *ctx);
struct imap_simple *imap_rename_start(struct imap_conn *c, struct str from, struct str to,
                                      int64_t deadline_ms, imap_simple_cb *cb, void *ctx);
struct imap_simple *imap_subscribe_start(struct imap_conn *c, struct str mailbox,
                                         bool subscribed, int64_t deadline_ms,
                                         imap_simple_cb *cb, void *ctx);
/* What NOTIFY asks for; each one more than the one before. */
enum imap_notify_scope {
    IMAP_NOTIFY_NONE,     /* not asked */
    IMAP_NOTIFY_SELECTED, /* the selected mailbox, whichever it is */
    IMAP_NOTIFY_MESSAGES, /* arrivals and deletions in all personal mailboxes: on_status */
    IMAP_NOTIFY_FLAGS,    /* also changes of flags there */
    IMAP_NOTIFY_NAMES     /* also mailboxes that come, go, change their name: on_list */
};
/* NOTIFY (RFC 5465): from here the server sends these items of every new message of the
 * selected mailbox by itself, as unsolicited rows behind EXISTS, and what the scope says
 * of the others. NO and BAD leave things as they were; ERR_UNSUPPORTED without the
 * capability. May be sent before a mailbox is selected. */
struct imap_simple *imap_notify_start(struct imap_conn *c, enum imap_notify_scope scope,
                                      uint32_t items, int64_t deadline_ms,
                                      imap_simple_cb *cb, void *ctx);
void imap_simple_cancel(struct imap_simple *op);

struct imap_idle;
/* Ends with ERR_OK after imap_idle_finish and the server's tagged OK, or when the server
 * ends IDLE by itself; with ERR_TIMEOUT if DONE is not answered within 30 s. Changes
 * arrive as the connection's events. The connection's buffers are trimmed while it idles.
 */
typedef void imap_idle_cb(struct imap_idle *op, const struct err *err, void *ctx);
/* max_ms: DONE is sent by itself after this long (RFC 2177: under 29 minutes). */
struct imap_idle *imap_idle_start(struct imap_conn *c, int64_t max_ms, imap_idle_cb *cb,
                                  void *ctx);
/* Sends DONE now (after "+" if it has not come yet). May be called twice. */
void imap_idle_finish(struct imap_idle *op);

#endif
