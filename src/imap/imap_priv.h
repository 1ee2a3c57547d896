/* imap_priv: what the files of the IMAP session share.
 * Shape    imap_conn owns imap_cmd objects: one command on the wire each. An operation
 *          (imap_op) owns none of them; it is told about them while it runs. So an
 *          operation that ends early leaves its commands to end on the wire by themselves.
 * Calls    loop thread. Command hooks run inside the parser's callback; those that call
 *          the user (rows, entries) return at once afterwards. */
#ifndef POSTRIDER_IMAP_PRIV_H
#define POSTRIDER_IMAP_PRIV_H

#include "postrider/base/buf.h"
#include "postrider/base/list.h"
#include "postrider/imap/imap.h"
#include "postrider/loop/loop.h"

enum {
    IMAP_PIPELINE_DEFAULT = 4,
    IMAP_GREETING_MS = 30 * 1000,
    IMAP_AUTH_MS = 60 * 1000,
    IMAP_ANSWER_MS = 30 * 1000,        /* DONE, "+" of IDLE, end of a canceled command */
    IMAP_CLEAR_BYTES_MAX = 64 * 1024,  /* received before authentication */
    IMAP_DRAIN_BYTES_MAX = 256 * 1024, /* of a canceled fetch */
    IMAP_SET_TEXT_MAX = 7900,          /* keeps a command line under 8000 (RFC 2683) */
    IMAP_CMD_TEXT_MAX = 1024 * 1024,
    IMAP_CMD_BREAKS_MAX = 64,
    IMAP_LITERAL_MINUS_MAX = 4096 /* RFC 7888 §5 */
};

/* --- errors (imap_error.c) --- */

/* What a refusal means depends on what was asked. */
enum imap_context {
    IMAP_CONTEXT_OTHER = 1 << 0,
    IMAP_CONTEXT_GREETING = 1 << 1,
    IMAP_CONTEXT_AUTH = 1 << 2,
    IMAP_CONTEXT_MAILBOX = 1 << 3, /* SELECT, STATUS: NO means no such mailbox */
    IMAP_CONTEXT_STORAGE = 1 << 4, /* APPEND, COPY, MOVE, CREATE: OVERQUOTA is storage */
    IMAP_CONTEXT_ANY = (1 << 5) - 1
};

/* Fills err from a NO, BAD or BYE. `what` names the command. */
void imap_error_from_resp(struct err *err, const char *what, enum imap_context context,
                          const struct imap_resp *resp);
/* The same for a line that is no IMAP at all; false if the text says nothing known. */
bool imap_error_from_text(struct err *err, enum imap_context context, struct str text);

/* --- commands (imap_cmd.c) --- */

struct imap_op;
struct imap_cmd;

/* Which commands may be on the wire together (RFC 3501 §5.5). */
enum imap_order {
    IMAP_ORDER_ALONE, /* nothing before it is unanswered, nothing is sent behind it; but
                         SELECT follows a LIST at once while nothing is selected */
    IMAP_ORDER_LIST, /* NOTIFY, LIST, and what is asked right after authentication: beside
                         others of its kind, whose answers cannot be mistaken for its own */
    IMAP_ORDER_UID,  /* beside others of its kind */
    IMAP_ORDER_TAG,  /* the same: its answers hold its tag */
    IMAP_ORDER_SEQ   /* beside others of its kind: an EXPUNGE that a UID command lets
                         through would shift its numbers */
};

struct imap_cmd_type {
    const char *name;
    enum imap_order order;
    enum imap_context context;
    bool continues;   /* a "+" behind its whole text is its own */
    bool secret;      /* its text is wiped */
    bool undrainable; /* once sent it cannot end without its operation */
    bool selects;     /* its rows describe a mailbox that is not selected yet */
    bool trails;      /* may be sent behind … */
    bool leads;       /* … these before they are answered, whatever their order is */
    /* All of the text went out. */
    void (*on_sent)(struct imap_op *op, struct imap_cmd *cmd);
    /* What was sent before it is answered. */
    void (*on_turn)(struct imap_op *op, struct imap_cmd *cmd);
    /* True = taken. Who returns false has called nobody. */
    bool (*on_untagged)(struct imap_op *op, struct imap_cmd *cmd,
                        const struct imap_resp *resp);
    void (*on_continue)(struct imap_op *op, struct imap_cmd *cmd,
                        const struct imap_resp *resp);
    /* Room in the stream's queue again; for what streams. */
    void (*on_drain)(struct imap_op *op, struct imap_cmd *cmd);
    /* A section literal begins: true = streamed to this command. */
    bool (*on_literal)(struct imap_op *op, struct imap_cmd *cmd,
                       const struct imap_literal *literal);
    void (*on_literal_data)(struct imap_op *op, struct imap_cmd *cmd, const char *data,
                            size_t len, bool end);
    /* The tagged reply; err->code is ERR_OK for OK. Required. */
    void (*on_end)(struct imap_op *op, struct imap_cmd *cmd, const struct imap_resp *resp,
                   const struct err *err);
};

enum imap_cmd_state {
    IMAP_CMD_WAITING, /* not a byte sent */
    IMAP_CMD_HALTED,  /* a synchronizing literal waits for "+" */
    IMAP_CMD_SENT     /* all text is out */
};

struct imap_cmd {
    struct list node;       /* the connection's waiting or running list */
    struct list owner_node; /* the operation's cmds */
    struct imap_conn *conn;
    struct imap_op *owner; /* NULL once the operation ended */
    const struct imap_cmd_type *type;
    enum imap_cmd_state state;
    uint32_t tag;
    struct buf text;
    uint32_t *breaks; /* offsets in text where "+" must come first */
    size_t break_count, next_break;
    size_t sent_bytes;
    const char *refused; /* why the text cannot be sent, or NULL */
    uint64_t drained_bytes;
    struct timer drain; /* runs once the operation is gone */
};

/* An empty command of a running operation. */
struct imap_cmd *imap_cmd_new(struct imap_op *owner,
                              const struct imap_cmd_type *type) ATTR_RETURNS_NONNULL;
/* Text of our own making. */
void imap_cmd_put(struct imap_cmd *cmd, const char *text);
void imap_cmd_put_str(struct imap_cmd *cmd, struct str text);
void imap_cmd_put_u64(struct imap_cmd *cmd, uint64_t n);
/* A literal with its bytes; synchronizing where the server wants it so. */
void imap_cmd_put_literal(struct imap_cmd *cmd, struct str bytes);
/* Remembers why the command is impossible; the first reason stays. */
void imap_cmd_refuse(struct imap_cmd *cmd, const char *why);
/* Puts it into the connection's queue, or ends its operation with ERR_INVALID. */
void imap_cmd_send(struct imap_cmd *cmd);
/* Unlinks and frees. */
void imap_cmd_free(struct imap_cmd *cmd);
/* Writes up to the next break. For the connection. */
void imap_cmd_write(struct imap_cmd *cmd);
struct imap_op *imap_cmd_listener(const struct imap_cmd *cmd);

/* --- strings of users (imap_quote.c): the only way they reach the wire --- */

/* Quoted, or a literal when it has to be; CR, LF and NUL are refused. */
void imap_cmd_put_astring(struct imap_cmd *cmd, struct str s);
/* The mailbox of a command, INBOX in its canonical spelling. */
void imap_cmd_put_mailbox(struct imap_cmd *cmd, struct str wire);
/* What those are made of. */
bool imap_string_is_safe(struct str s) ATTR_PURE; /* neither CR, LF nor NUL */
bool imap_string_is_ascii(struct str s) ATTR_PURE;
void imap_put_quoted(struct buf *out, struct str s);
/* Looks like a flag: told apart from a name by not being quoted. */
bool imap_label_is_system(struct str label) ATTR_PURE;
/* "(\Seen keyword)"; keywords must be atoms. */
void imap_cmd_put_flags(struct imap_cmd *cmd, const struct imap_flags *flags);
/* "(\Inbox "label")". */
void imap_cmd_put_labels(struct imap_cmd *cmd, const struct str *labels, size_t count);
/* A section name between brackets. */
void imap_cmd_put_section(struct imap_cmd *cmd, struct str section);
/* Search keys made by a caller: quoted strings and literals are passed on, literals in
 * the form this server takes. */
void imap_cmd_put_criteria(struct imap_cmd *cmd, struct str criteria);

/* --- operations on a connection (imap_cmd.c) --- */

struct imap_op {
    struct op op;
    struct imap_conn *conn; /* valid while the operation runs */
    int64_t deadline_ms;
    struct list cmds;
    size_t pieces; /* commands of a split set that are unanswered */
};

#define IMAP_OP(ptr) container_of(ptr, struct imap_op, op)

void *imap_op_new(struct imap_conn *c, const struct op_type *type,
                  int64_t deadline_ms) ATTR_RETURNS_NONNULL;
/* Hooks of every type's row. */
void imap_op_abort(struct op *op);
void imap_op_fini(struct op *op);
/* Its commands are on their own from here. Returns one that is on the wire, or NULL. */
struct imap_cmd *imap_op_detach(struct imap_op *op);
/* Ends it, and leaves its commands to themselves. */
void imap_op_complete(struct imap_op *op);
void imap_op_fail(struct imap_op *op, const struct err *err);
/* Sets the deadline anew; it does not run while the connection is held. */
void imap_op_wait(struct imap_op *op, int64_t deadline_ms);
/* A useful byte came: the deadline begins anew. */
void imap_op_progress(struct imap_op *op);
/* The consumer asked for silence: the deadline stops until the next progress. */
void imap_op_suspend(struct imap_op *op);
/* Ends the operation with the command's result. */
void imap_op_end_with(struct imap_op *op, const struct err *err);
void imap_cmd_end_op(struct imap_op *op, struct imap_cmd *cmd,
                     const struct imap_resp *resp, const struct err *err);

/* A set given by a caller, checked, sorted and merged; false: the operation failed. */
bool imap_op_set(struct imap_op *op, struct str text, struct imap_set *out);
/* Puts the command's text around one piece of the set. */
typedef void imap_piece_put(struct imap_op *op, struct imap_cmd *cmd, struct str piece);
/* One command per piece of the set that fits a command line. */
void imap_op_send_pieces(struct imap_op *op, const struct imap_set *set,
                         const struct imap_cmd_type *type, imap_piece_put *put);
/* A piece was answered. True: it was the last one and none failed. */
bool imap_op_piece_ended(struct imap_op *op, const struct err *err);
/* Copies into an arena. */
struct imap_set imap_set_dup(struct arena *arena, const struct imap_set *set);
struct imap_flags imap_flags_dup(struct arena *arena, const struct imap_flags *flags);
/* Appends b's ranges to a, in order. */
void imap_set_append(struct arena *arena, struct imap_set *a, const struct imap_set *b);

/* --- small parts of several operations --- */

/* ID with what the connection says of us, and what the server answers (imap_hello.c). */
void imap_cmd_put_id(struct imap_cmd *cmd);
bool imap_id_untagged(struct imap_op *op, struct imap_cmd *cmd,
                      const struct imap_resp *resp);

/* "(MESSAGES UIDNEXT)", without what the server lacks (imap_status.c). */
void imap_cmd_put_status_items(struct imap_cmd *cmd, uint32_t items);
/* "UID FLAGS …" (imap_fetch.c). */
void imap_cmd_put_items(struct imap_cmd *cmd, uint32_t items);
/* The items this server and this mailbox have. UID is always asked for: a row without it
 * cannot be kept apart from others for long. */
uint32_t imap_items_available(const struct imap_conn *c, uint32_t items);
bool imap_mailbox_names_equal(struct str a, struct str b);

/* --- capabilities (imap_caps.c) --- */

struct imap_caps {
    uint32_t bits;
    uint64_t append_limit; /* 0 = none told */
    const char *text;      /* the words, among the net's texts */
};

void imap_caps_set_words(struct imap_caps *caps, struct intern *texts,
                         const struct str *words, size_t count);
/* From a response code's argument. */
void imap_caps_set_text(struct imap_caps *caps, struct intern *texts, struct str text);
void imap_caps_clear(struct imap_caps *caps);
bool imap_caps_has_word(const struct imap_caps *caps, const char *word);

/* --- the selected mailbox (imap_select.c) --- */

struct imap_mailbox;
struct imap_mailbox *imap_mailbox_new(void) ATTR_RETURNS_NONNULL;
void imap_mailbox_free(struct imap_mailbox **m);
const struct imap_selected *imap_mailbox_selected(const struct imap_mailbox *m);
/* Takes in untagged data and codes that describe the mailbox; false: it is none. */
bool imap_mailbox_apply(struct imap_mailbox *m, const struct imap_resp *resp);

/* --- the connection (imap_conn.c) --- */

enum imap_conn_state {
    IMAP_CONN_GREETING, /* nothing came yet */
    IMAP_CONN_CLEARING, /* before authentication: only codes and capabilities are heard */
    IMAP_CONN_READY,
    IMAP_CONN_DEAD,  /* ended by the server, the network or a broken rule */
    IMAP_CONN_CLOSED /* given up by its owner, freed when the parser returns */
};

struct imap_open;

/* --- what passes it (imap_trace.c) --- */

struct imap_trace_side {
    struct buf line;
    uint64_t skip; /* bytes of a literal to come */
    bool overlong;
};

struct imap_trace_state {
    struct imap_trace trace;
    /* By who speaks, the server or we. */
    bool wanted[2];                /* since the beginning of a line */
    struct imap_trace_side *sides; /* NULL until a line is wanted */
};

void imap_trace_init(struct imap_trace_state *t, const struct imap_trace *trace);
void imap_trace_fini(struct imap_trace_state *t);
void imap_trace_bytes(struct imap_trace_state *t, bool sent, const char *data,
                      size_t len);

struct imap_conn {
    uint32_t magic;
    enum imap_conn_state state;
    bool feeding; /* inside the parser */
    bool cut;     /* STARTTLS was accepted: hand over after this byte */
    bool idling;
    bool held;       /* imap_conn_hold */
    unsigned pauses; /* reasons not to read */
    unsigned lumps;  /* commands that bring much, of which nobody waits for a part */
    size_t op_count; /* operations that have not called back */
    struct loop *loop;
    struct stream *stream;
    struct imap_parser *parser;
    struct imap_open *open; /* while it comes up */
    struct imap_conn_events events;
    void *events_ctx;
    struct list waiting, running; /* struct imap_cmd */
    struct imap_cmd *halted;      /* the one "+" is for, or NULL */
    struct imap_cmd *sink;        /* takes the literal that is streaming */
    uint64_t sink_left;
    uint32_t last_tag, pipeline_depth;
    uint32_t caps_off, enabled;
    uint32_t list_refused; /* parts of LIST that the server answered with BAD */
    int64_t answer_ms;
    struct imap_caps caps;
    struct imap_namespace name_space;
    struct intern
        *texts; /* the net's: they hold the namespace's prefix and what follows */
    const char *server_name;
    const char *greeting;                     /* NULL: it had no text */
    const char *client_name, *client_version; /* said in ID; NULL: ID was not said */
    struct imap_mailbox *mailbox;             /* NULL: none is selected */
    uint64_t clear_bytes;
    uint64_t ignored; /* lines that fit nothing */
    struct imap_trace_state trace;
    struct deferred ending;
    struct err *end; /* DEAD, CLOSED: why */
};

struct imap_conn *imap_conn_new(struct net *net,
                                struct stream *stream) ATTR_RETURNS_NONNULL;
/* The connection is over for this reason. */
void imap_conn_fail(struct imap_conn *c, const struct err *err);
void imap_conn_failf(struct imap_conn *c, enum err_code code, const char *fmt, ...)
    ATTR_PRINTF(3, 4);
/* Frees it if it was closed and nothing uses it. */
void imap_conn_reap(struct imap_conn *c);
/* Reading goes on when every pause was taken back. */
void imap_conn_read_pause(struct imap_conn *c);
void imap_conn_read_resume(struct imap_conn *c);
/* A command begins, or ends, of whose answer nobody waits for a part. */
void imap_conn_lumps(struct imap_conn *c, bool on);
/* Sends what may be sent. */
void imap_conn_pump(struct imap_conn *c);
bool imap_conn_write(struct imap_conn *c, const void *data, size_t len);
/* Authenticated: data of mailboxes is heard, the larger limits hold. */
void imap_conn_set_ready(struct imap_conn *c);
/* TLS is up: forgets all that was heard in clear. */
void imap_conn_forget(struct imap_conn *c);
void imap_conn_set_mailbox(struct imap_conn *c, struct imap_mailbox *m);
void imap_conn_set_idling(struct imap_conn *c, bool idling);
/* imap_dispatch.c: one response to whom it concerns. */
void imap_conn_dispatch(struct imap_conn *c, const struct imap_resp *resp);
bool imap_conn_literal_begin(struct imap_conn *c, const struct imap_literal *literal);
void imap_conn_literal_data(struct imap_conn *c, const char *data, size_t len, bool end);

/* --- bring-up (imap_open.c) --- */

void imap_open_greeting(struct imap_open *op, const struct imap_resp *resp);
/* The stream stands right behind the go-ahead of STARTTLS. */
void imap_open_cut(struct imap_open *op, size_t leftover_len);
/* The connection died under it; it is closed by the operation's end. */
void imap_open_conn_failed(struct imap_open *op, const struct err *err);

#endif
