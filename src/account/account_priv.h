#ifndef POSTRIDER_ACCOUNT_PRIV_H
#define POSTRIDER_ACCOUNT_PRIV_H

#include "postrider/account/account.h"
#include "postrider/base/map.h"
#include "postrider/changelog/changelog.h"
#include "postrider/loop/backoff.h"

#include "account_measure.h"
#include "account_watch.h"

enum account_phase {
    ACCOUNT_PHASE_LOADING,  /* reading record and mailboxes from the store */
    ACCOUNT_PHASE_WAITING,  /* for the retry timer, or for good (disabled) */
    ACCOUNT_PHASE_QUEUED,   /* for a handshake slot of the host */
    ACCOUNT_PHASE_OPENING,  /* connecting and logging in */
    ACCOUNT_PHASE_ONLINE,   /* the watching connection is up */
    ACCOUNT_PHASE_STOPPING, /* waiting for operations to end */
    ACCOUNT_PHASE_STOPPED
};

/* --- what failures mean (account_reaction.c) --- */

enum account_class {
    ACCOUNT_CLASS_NETWORK,
    ACCOUNT_CLASS_CERTIFICATE,
    ACCOUNT_CLASS_AUTH,
    ACCOUNT_CLASS_TOKEN_DOWN,
    ACCOUNT_CLASS_GRANT,
    ACCOUNT_CLASS_THROTTLED,
    ACCOUNT_CLASS_CONNECTIONS, /* too many of them */
    ACCOUNT_CLASS_PROTOCOL,
    ACCOUNT_CLASS_STORE,
    ACCOUNT_CLASS_REQUEST, /* a mailbox, a message or a quota: no more than that fails */
    ACCOUNT_CLASS_COUNT
};

struct account_reaction {
    const char *name;
    const char *state; /* as the API shows it */
    bool tells;        /* an event is due */
    bool bars;         /* nothing connects before the next try, whatever asks for it */
    struct backoff_policy retry;
    const int64_t *steps_ms; /* instead of retry; the last one repeats */
    size_t step_count;
};
enum account_class account_class_of(const struct err *err);
const struct account_reaction *account_reaction_get(const struct err *err);
/* Time to the next try, which counts; the server's own suggestion where it made one. */
int64_t account_reaction_delay_ms(const struct err *err,
                                  struct backoff backoffs[ACCOUNT_CLASS_COUNT]);

/* A connection and what it said without being asked. */
struct account_conn {
    struct account *account;
    struct imap_conn *conn;
    int64_t since_ms; /* wall clock; conn was attached */
    struct sync_live live;
    /* Is it an arrival, noted as such? NULL: none is. */
    bool (*takes_row)(struct account_conn *c, const struct imap_row *row);
    void (*on_live)(struct account_conn *c); /* live changed */
    /* What NOTIFY has it say of other mailboxes. NULL: not listened to. */
    void (*on_status)(struct account_conn *c, const struct imap_status *status);
    void (*on_list)(struct account_conn *c);
    void (*on_overflow)(struct account_conn *c);
    void (*on_lost)(struct account_conn *c, const struct err *err);
};

void account_conn_attach(struct account_conn *c, struct imap_conn *conn);
void account_conn_close(struct account_conn *c);
void account_conn_hold(struct account_conn *c, bool held);

/* --- handshake slots per host (account_slots.c) --- */

struct host_slots;
struct slot_wait {
    struct list node;
    struct host_slots *host; /* NULL: neither waiting nor holding */
    bool granted;
    void (*on_grant)(struct slot_wait *w);
};
/* Calls on_grant at once or later. */
void slot_request(struct accounts *as, const char *host, struct slot_wait *w,
                  void (*on_grant)(struct slot_wait *w));
void slot_release(struct accounts *as, struct slot_wait *w);
/* The host asked for less: it gets fewer handshakes at once for a while. */
void slot_host_throttled(struct accounts *as, const char *host);
void host_slots_free(void *host);

/* --- first indexes (account_walks.c) --- */

enum account_walk {
    ACCOUNT_WALK_NONE,
    ACCOUNT_WALK_WAITING,
    ACCOUNT_WALK_GRANTED,
    ACCOUNT_WALK_SLOW /* goes on, but keeps nobody out any more */
};
enum {
    ACCOUNT_FULL_WALK = 80, /* percent of the log or of Redis: no first index begins … */
    ACCOUNT_FULL_PASS = 90  /* … and no pass at all: mail stays on its server */
};
/* Percent, whichever of the two is fuller. */
unsigned account_fill_percent(const struct account *a);
/* Is it so full that no pass may begin? account_watch_next runs again later. */
bool account_is_full(struct account *a);
/* Before a pass over a mailbox that has no index yet. False: account_watch_next runs
 * again when it may. */
bool account_walk_take(struct account *a);
/* After a pass, of which there may be two: gives the turn back when none needs it. */
void account_walk_ended(struct account *a);
/* None is to be made. */
void account_walk_give(struct account *a);

/* Has neither the log, Redis nor the memory of the process room for a first index? */
bool account_walk_is_full(const struct account *a);

/* --- memory of the process (account_memory.c) --- */

enum memory_level {
    MEMORY_LEVEL_OK,
    MEMORY_LEVEL_WALKS, /* no first index begins */
    MEMORY_LEVEL_WORK,  /* and an account gets one work connection */
    MEMORY_LEVEL_PAUSE  /* and quiet accounts are paused */
};
struct accounts_memory {
    uint64_t (*resident)(void);
    struct timer look;
    unsigned percent; /* of the limit */
    enum memory_level level;
    int64_t trimmed_ms;
    int64_t busy_ms; /* the last time since then that accounts were; 0 = none */
};
enum memory_level accounts_memory_level(enum memory_level before, unsigned percent);
void accounts_memory_init(struct accounts *as);
void accounts_memory_fini(struct accounts *as);
/* Is freed memory to be given back now? busy: accounts are being connected or indexed. */
bool accounts_memory_trims(struct accounts_memory *m, bool busy, int64_t now_ms);
/* Looks now; there is a limit. */
void accounts_memory_look(struct accounts *as);
/* account_work.c: closes the work connections that nobody uses. */
void account_work_close_idle(struct account *a);

/* --- consequences of failures (account_limits.c) --- */

enum {
    ACCOUNT_CREDENTIALS_SIZE = 33
};

struct account_limits {
    int64_t barred_until_ms; /* no connection of any kind begins before … */
    enum err_code barred_by; /* … because of this */
    uint32_t throttles;      /* since the last long life */
    uint32_t work_less;      /* work connections that the server has no room for … */
    int64_t work_less_until_ms;
    uint32_t failures; /* of the protocol … */
    int64_t failures_until_ms;
    int64_t refused_since_ms;               /* wall clock; 0 = not refused */
    char refused[ACCOUNT_CREDENTIALS_SIZE]; /* hash of the credentials */
};

/* A failure of this class happened on any connection of the account. */
void account_limits_note(struct account *a, const struct err *err);
void account_limits_bar(struct account *a, enum err_code why, int64_t delay_ms);
int64_t account_limits_wait_ms(const struct account *a);
void account_backoffs_reset(struct account *a);
/* The account was in sync on a connection that lived for long. */
void account_limits_relax(struct account *a);
void account_limits_forget(struct account *a);
/* Credentials refused for days: nobody is going to correct them without telling us. */
bool account_limits_gave_up(const struct account *a);
void account_limits_params(const struct account *a, struct imap_conn_params *params);
size_t account_work_limit(const struct account *a);
uint32_t account_batch_messages(const struct account *a);
/* For the state record: what must outlive this process. */
json_t *account_limits_json(const struct account *a);
void account_limits_restore(struct account *a, const json_t *state);
/* A record was read; before: the one it replaces, or NULL. */
void account_limits_check(struct account *a, json_t *before);

/* --- the log of what passes the connections (account_traffic.c) --- */

enum {
    ACCOUNT_TRAFFIC_LINES = 200 /* that wait for being stored */
};

struct account_traffic {
    struct timer timer;
    char **lines; /* NULL while nothing is logged */
    size_t count;
};

/* Has the connection tell what passes it, while that is wanted. */
void account_traffic_params(struct account *a, struct imap_conn_params *params);
/* Stores what waits. */
void account_traffic_end(struct account *a);

/* --- work connections (account_work.c) --- */

enum work_state {
    WORK_STATE_OPENING,
    WORK_STATE_FREE,
    WORK_STATE_SELECTING,
    WORK_STATE_LENT,
    WORK_STATE_DROPPED /* not the account's any more; freed when its operation has ended
                        */
};

struct work_conn {
    struct account_conn c;
    enum work_state state;
    struct imap_open *open;
    struct imap_select *select;
    struct imap_simple *noop;
    struct slot_wait slot;
    struct account_work *user;
    uint32_t box; /* selected, 0 = none */
    uint64_t
        version; /* of the mailbox record when the connection was last asked for news */
    struct timer idle;
    int64_t keep_until_ms; /* for its next user, on loop_now_ms */
    bool doomed;           /* close when given back */
};

enum work_req_state {
    WORK_REQ_WAITING,
    WORK_REQ_SELECTING,
    WORK_REQ_GRANTED,
    WORK_REQ_FAILED
};

struct account_work {
    struct list node;
    struct account *account;
    enum work_req_state state;
    enum account_lane lane;
    uint32_t box;
    struct work_conn *wc;
    bool again; /* the connection that it was given first was dead */
    bool held;  /* account_work_hold */
    struct timer deadline;
    struct deferred tell;
    struct err err;
    account_work_cb *cb;
    void *ctx;
};

void account_work_init(struct account *a);
/* Fails all requests and closes all connections. */
void account_work_shut(struct account *a, const struct err *why);
/* True when nothing of it is in flight. */
bool account_work_is_quiet(const struct account *a);
size_t account_work_count(const struct account *a);
struct work_conn *account_work_slot(struct account_work *w);
/* It keeps its place among those that wait, and gets no connection meanwhile. */
void account_work_hold(struct account_work *w, bool held);
/* A connection ended while it was used, as one does that nobody used for a while. */
bool account_work_is_stale(const struct err *err);
/* Gives back the connection that ended under its user. The free ones are closed, too: who
 * asks again gets one that is known to live. */
void account_work_end_stale(struct account_work **w);

/* --- downloads (account_stream.c) --- */

/* The actor is about to go: downloads end that wait for their consumers. */
void account_streams_end(struct account *a, const struct err *why);

/* --- what is shown of it to who looks for a fault (account_diagnose.c) --- */

enum {
    ACCOUNT_ERRORS_MAX = 10
};

struct account_error {
    int64_t at_ms; /* wall clock; the last time */
    uint32_t times;
    const char *role; /* what failed; static */
    enum err_code code;
    char peer_code[ERR_PEER_CODE_MAX];
};

/* The last ones, a ring; the same one again and again takes one place. */
struct account_errors {
    struct account_error items[ACCOUNT_ERRORS_MAX];
    size_t count; /* ever put in */
};

/* What the last watching connection found. */
struct account_server {
    char *name; /* these two once it is closed; NULL: none ever was */
    char *caps;
    uint32_t enabled; /* enum imap_cap bits */
    uint32_t quirks;  /* enum sync_quirk bits */
};

void account_errors_note(struct account *a, const char *role, const struct err *err);
void account_server_note(struct account *a, const struct imap_conn *conn);
/* Before the watching connection is closed: what it can be asked for until then. */
void account_server_keep(struct account *a);
void account_server_fini(struct account *a);

/* --- the actor --- */

struct account {
    uint32_t magic;
    enum account_phase phase;
    struct accounts *as;
    struct list node;
    struct store_acct acct;
    const char *state;    /* as the API shows it */
    struct err *last_err; /* NULL: none; see account_last_err */
    int64_t last_err_at_ms;
    bool error_told;    /* the event for last_err is in the log */
    bool reload;        /* the memory of the store is stale: load before connecting */
    bool outdated;      /* the record was changed since it was read */
    bool initialized;   /* accountInitialized was committed */
    bool authenticated; /* the last login succeeded, and that was told */
    bool lost;    /* it was initialized, and its mailboxes are gone from the store */
    bool heard;   /* INBOX was compared once since the start */
    bool settled; /* everything was in sync once on this connection */
    bool parked;  /* the store failed: the watching connection waits for it */
    bool paused;  /* memory was short: disconnected for a while */
    bool refresh_again; /* changes of the record */
    bool round_open;    /* a listing began; all it finds is to be done first */
    bool commit_again;  /* of the state */
    enum account_walk walk;
    struct account_traffic traffic;
    json_t *record;
    struct mailbox_table table;
    struct sync_learned learned;
    struct sync_moves moves;
    struct timer move_round;  /* a listing that finds where removed messages went */
    int64_t move_round_at_ms; /* the last one */
    int64_t notify_from_ms;
    int64_t online_since_ms;
    int64_t connected_ms; /* when the watching connection came up */
    struct backoff backoffs[ACCOUNT_CLASS_COUNT];
    struct account_limits limits;
    struct list walk_node;
    struct timer walk_slow;
    struct timer full; /* looks whether there is room again */
    struct timer retry;
    struct timer close_timer;
    void (*close_then)(struct account *a); /* account_close waits for a pass; else NULL */
    struct deferred next;                  /* runs account_watch_next */
    /* loading */
    struct store_account_op *load;
    struct store_mailboxes *load_boxes;
    struct store_tombstones *load_moves;
    /* watching connection */
    struct slot_wait slot;
    struct imap_open *open;
    struct account_conn watch;
    struct imap_idle *idle;
    struct sync_pass *pass;
    struct sync_list *list;
    struct imap_simple *notify;
    bool list_due, inbox_due, notify_due;
    bool idle_refused;    /* by this connection's server, though it offers IDLE */
    bool idle_trails;     /* it was sent behind a command that was not answered yet … */
    bool idle_waits;      /* … which the server refuses: not so any more */
    bool no_guesses;      /* the server refuses sections that a message does not have */
    uint32_t told_items;  /* of new messages that the server sends by itself; 0 = none */
    uint32_t asked_items; /* told_items, if NOTIFY succeeds */
    enum imap_notify_scope notify_scope;   /* what the server tells on this connection */
    enum imap_notify_scope notify_refused; /* this and what is above it; NONE = nothing */
    unsigned overflows;
    uint32_t watch_box; /* selected on the watching connection */
    bool status_listed; /* listings tell STATUS */
    bool fast;          /* as the record says */
    int64_t born_at_ms; /* its table was loaded first */
    struct account_doubt doubt;
    struct account_poll poll;
    struct account_health health;
    struct account_threads threads;
    struct account_audit audit;
    struct account_server server;
    struct account_errors *errors;     /* NULL: there was none */
    struct account_measures *measures; /* NULL: nothing was measured */
    struct sub_conn *subs[ACCOUNT_SUB_MAX];
    /* passes of the other mailboxes, one after the other on a work connection */
    struct pending_boxes pending;
    struct pending_boxes held; /* failed: wait for hold to end before they are pending */
    struct timer hold;
    struct backoff hold_backoff;
    struct account_work *sync_work;
    struct sync_pass *sync_pass;
    uint32_t sync_box;
    uint32_t probe_box;              /* selected to find out whether STATUS lies */
    struct imap_status *sync_status; /* told of sync_box meanwhile; NULL: nothing */
    struct sync_live *sync_live;
    /* changes of the record */
    struct store_account_op *refresh;
    accounts_flush_cb *on_flushed; /* NULL: no flush is under way */
    void *flush_ctx;
    struct store_commit *forget;
    size_t forget_at; /* of the table: mailboxes before it are done */
    /* state commits, one at a time */
    int64_t sync_time_ms; /* end of the last complete look at all mailboxes; 0 = none */
    int64_t sync_time_stored_ms; /* the one of the last commit */
    struct store_commit *commit;
    const char *commit_state;
    struct account_news *news; /* events that go with the next one; NULL: none */
    /* work */
    struct work_conn *work[ACCOUNT_WORK_MAX];
    struct list requests[ACCOUNT_LANE_COUNT];
    size_t work_users;         /* account_work objects that exist */
    size_t calls;              /* account_call objects that exist: they use the table */
    struct list listing_calls; /* those that wait for a listing */
    struct list picks_waiting; /* account_pick.c: for a connection */
    /* What a row cost in the last listings of a mailbox: everything of it, and only what may
     * change. */
    struct row_cost {
        uint32_t box; /* 0 = not known */
        uint32_t us, bytes;
    } row_costs[2];
    struct list streams; /* those that wait for their consumers, and use nothing */
    /* stopping */
    struct timer stop_poll;
    accounts_stop_cb *on_stopped;
    void *stop_ctx;
};

struct account *account_new(struct accounts *as, struct str id);
/* Frees a stopped actor. */
void account_free(struct account **a);
void account_start(struct account *a);
/* Closes everything, then calls back once. */
void account_stop(struct account *a, accounts_stop_cb *cb, void *ctx);
/* Reads the record again and reconnects. */
void account_reload(struct account *a);
/* What of a record is kept apart. */
void account_take_record(struct account *a, json_t *record);
/* Looks again after that time. */
void account_wait(struct account *a, int64_t delay_ms);
/* Ends all that runs (account_fail.c); the callbacks find the phase changed. */
void account_shut(struct account *a, const struct err *why);
/* Its shard went to another node: stops the actor, which starts anew if it comes back. */
void accounts_drop(struct account *a);

/* account_moves.c */

/* The copy or move of ours that the server answered with COPYUID. */
void account_moves_expect(struct account *a, uint32_t from_box, uint32_t to_box,
                          const struct imap_copy_result *result, bool copy);
/* After a pass: messages that left a mailbox may have arrived in one that nobody watches. */
void account_moves_look(struct account *a, const struct sync_pass_result *result);

/* account_watch.c */
/* --- closing on purpose (account_close.c) --- */

typedef void account_close_fn(struct account *a);
/* Calls `then`, at once or after a last pass, within a second or so. Asked for again, the
 * last `then` is called alone. */
void account_close(struct account *a, account_close_fn *then);
bool account_close_waits(const struct account *a);
/* A pass of the watching connection ended. */
void account_close_passed(struct account *a);

void account_watch_begin(struct account *a); /* connection is up */
/* A listing, a pass or NOTIFY is under way. */
bool account_watch_is_working(const struct account *a);
/* SELECT and compare now; nothing is under way. */
void account_watch_catch_up(struct account *a);
void account_watch_next(struct account *a);
void account_watch_end(struct account *a); /* cancels what runs on it, and closes it */
/* Cancels what runs on it; IDLE goes on. */
void account_watch_rest(struct account *a);
/* The watching connection hears of changes by itself. */
bool account_can_idle(const struct account *a);
/* To be called before commands on the watching connection. */
void account_end_idle(struct account *a);
int64_t account_idle_max_ms(const struct account *a);
/* A listing ended well: account_call.c tells those that wait for it. */
void account_listing_ended(struct account *a);
/* The record names other mailboxes than before. */
void account_scope_changed(struct account *a);
bool account_watch_is_quiet(const struct account *a);
struct sync_ctx account_sync_ctx(struct account *a);
/* The connection or the store failed: back to waiting, by the table of errors. */
void account_fail(struct account *a, const struct err *err);

/* account_state.c */
void account_set_state(struct account *a, const char *state);
/* err: NULL = it is over. */
void account_set_last_err(struct account *a, const struct err *err);
/* Commits state, last error and, when it is news, the event. */
void account_tell_error(struct account *a, const struct err *err);
/* A login succeeded: news if the one before failed, or there was none. */
void account_tell_login(struct account *a);
void account_tell_initialized(struct account *a);
/* Events that were not committed are dropped. */
void account_news_free(struct account *a);
/* The server's name, and that of the login, or "". Borrowed from the record. */
const char *account_host(const struct account *a);
const char *account_user(const struct account *a);
/* A look at all mailboxes is complete: commits the time, with the state if that changes. */
void account_tell_synced(struct account *a);

/* Since the end of the last complete look at all mailboxes, or since the actor began; -1:
 * the record asks for no connection. */
int64_t account_sync_age_ms(const struct account *a);

/* account_params.c: a record's imap section as connection parameters; strings in the
 * arena. */
bool account_imap_params(struct arena *arena, struct accounts *as, json_t *record,
                         struct imap_conn_params *out, struct err *err);
/* NULL or the reason why the record asks for no connection. */
const char *account_is_off(json_t *record);
/* It names no server at all. */
bool account_is_unset(const json_t *record);

/* account_enrich.c: what of a new message is fetched at once, and kept for the log's
 * readers. */
extern const uint32_t account_content_items;
void account_on_new_row(void *ctx, const struct mailbox *m, const struct imap_row *row,
                        const char *event_id);

/* account_cache.c: content of new messages, kept for the readers of the log */
void accounts_cache_put(struct accounts *as, const char *event_id,
                        json_t *data); /* taken */
json_t *accounts_cache_get(struct accounts *as,
                           const char *event_id); /* borrowed or NULL */
/* Where memory is short: rows, and texts that are shown. */
void accounts_kept_drop(struct accounts *as);
/* The account's: when it ends, when its index is forgotten, or its server is another. */
void account_rows_forget(struct account *a);
/* The record changed, or the account ends. */
void account_shown_forget(struct account *a);
void accounts_cache_free(struct accounts *as);

struct accounts {
    struct loop *loop;
    struct net *net;
    struct store *store;
    struct accounts_config config;
    char *ca_file;
    struct map *by_id; /* struct account */
    struct map *hosts; /* struct host_slots */
    struct list all;
    uint32_t handshakes; /* slots granted, of all hosts */
    int64_t started_ms;
    size_t on_their_way;   /* accounts not heard yet, when looked at last … */
    int64_t progress_ms;   /* … and when it had become less */
    uint32_t walks;        /* granted */
    uint32_t thread_parts; /* accounts that gather threads of older messages now */
    struct list walks_waiting;
    struct timer walks_look;
    struct accounts_audits audits;
    struct loop_hook hook;
    uint64_t holds;
    bool held;      /* the store cannot keep up: nothing is read from mail servers */
    size_t dropped; /* actors stopped because of lost leases, not logged yet */
    struct timer dropped_log;
    struct changelog *log; /* NULL: not told yet */
    unsigned store_fill;   /* percent */
    struct accounts_memory memory;
    struct lru *contents, *rows, *shown; /* account_cache.c */
    uint32_t loads;                      /* of accounts */
    size_t stopping;
    accounts_stop_cb *on_stopped;
    void *stop_ctx;
    struct deferred stopped;
};

/* account_hold.c */
void accounts_hold_init(struct accounts *as);
void accounts_hold_fini(struct accounts *as);

#endif
