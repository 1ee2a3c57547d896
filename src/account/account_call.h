/* account_call: the frame of every operation on messages: find the mailbox, borrow a work
 * connection, run commands, answer JSON. */
#ifndef POSTRIDER_ACCOUNT_CALL_H
#define POSTRIDER_ACCOUNT_CALL_H

#include "account_priv.h"
#include "account_render.h"

#include "postrider/account/account_message.h"
#include "postrider/json/json.h"
#include "postrider/loop/op.h"

enum {
    CALL_COMMAND_MS = 60000,
    /* what a row of a listing is made of */
    CALL_LISTING_ITEMS = IMAP_ITEM_UID | IMAP_ITEM_FLAGS | IMAP_ITEM_INTERNALDATE |
                         IMAP_ITEM_SIZE | IMAP_ITEM_ENVELOPE | IMAP_ITEM_BODYSTRUCTURE |
                         IMAP_ITEM_EMAILID | IMAP_ITEM_THREADID | IMAP_ITEM_GM_MSGID |
                         IMAP_ITEM_GM_THRID | IMAP_ITEM_GM_LABELS,
    /* … where what cannot change is kept; the size tells the row from an update of flags */
    CALL_LISTING_LIVE_ITEMS = IMAP_ITEM_UID | IMAP_ITEM_FLAGS | IMAP_ITEM_SIZE |
                              IMAP_ITEM_THREADID | IMAP_ITEM_GM_THRID |
                              IMAP_ITEM_GM_LABELS
};

struct account_call;
typedef void call_told_fn(struct account_call *c, const uint64_t *threads, size_t count);

struct account_call {
    struct op op;
    struct account *a;
    account_call_cb *cb;
    void *ctx;
    json_t *result;
    struct buf text;    /* or the answer as text */
    size_t shown_bytes; /* of rows that are made for it, in op.arena */
    /* what it works on */
    uint32_t box, uid;
    uint32_t number; /* of the message id the call is about; 0 = about none */
    /* The connection is there. Of a call that reads: from the beginning, as if nothing had
     * come yet. */
    void (*granted)(struct account_call *c);
    /* It is not to be had. True: the call goes on without. NULL: the call fails. */
    bool (*refused)(struct account_call *c, const struct err *err);
    void *detail;                          /* the operation's own, in op.arena */
    void (*fini)(struct account_call *c);  /* frees what of it the arena does not hold */
    void (*abort)(struct account_call *c); /* cancels what `detail` has in flight */
    /* in flight */
    struct account_work *work;
    struct imap_conn *conn;
    bool broken;
    bool reads; /* changes nothing: asked again when the connection ended under it … */
    bool retried;    /* … once */
    bool refused_no; /* the server said NO where it might have said nothing */
    struct imap_fetch *fetch;
    struct imap_store *store;
    struct imap_move *move;
    struct imap_expunge *expunge;
    struct imap_mailbox_status *status;
    struct imap_simple *simple;
    struct imap_append *append;
    struct imap_search *search;
    struct store_rank *rank;
    struct store_thread_list *thread_list;
    struct picks *picks; /* account_pick.c */
    struct account_call *sub;
    struct store_threads *threads;
    bool asks_threads;    /* or did, and the store failed */
    uint64_t map_changes; /* of the account when they were asked for */
    size_t threads_asked;
    call_told_fn *told;
    void (*then)(struct account_call *c);
    void *asking;          /* account_row.c */
    struct safe_job *safe; /* account_safe.c */
    struct list listing;   /* account_listing_await */
    bool listing_late;     /* the listing under way began before */
    void (*on_listing)(struct account_call *c);
};

struct account_call *call_new(struct account *a, const char *name, int64_t deadline_ms,
                              account_call_cb *cb, void *ctx);
/* The mailbox; NULL = it went meanwhile and the call has failed. */
struct mailbox *call_mailbox(struct account_call *c);
/* Finds mailbox and UID of a message id; false: the call has failed. */
bool call_find_message(struct account_call *c, struct str id);
/* The mailbox of a path; NULL = there is none and the call has failed. */
struct mailbox *call_path(struct account_call *c, struct str path);
/* Asks for a connection with the mailbox selected; then `granted`. */
void call_borrow(struct account_call *c, enum account_lane lane,
                 void (*granted)(struct account_call *c));
/* The same with another mailbox; the connection at hand goes on with it if it has it
 * selected, else back. */
void call_borrow_box(struct account_call *c, uint32_t box,
                     void (*granted)(struct account_call *c),
                     bool (*refused)(struct account_call *c, const struct err *err));
void call_fail(struct account_call *c, enum err_code code, const char *fmt, ...)
    ATTR_PRINTF(3, 4);
void call_fail_err(struct account_call *c, const struct err *err);
/* A step ended so: does the call go on? It fails with the step's error, but for NO where a
 * server may refuse some of what was asked. */
bool call_goes_on(struct account_call *c, const struct err *err);
bool call_goes_on_past_no(struct account_call *c, const struct err *err);
/* Threads are asked for while something else is, too: what so many questions will need can
 * be read before the first of them is known. */
void call_expect_threads(struct account_call *c, size_t count);
/* The number of the question, from 1; 0 = nobody knows. */
size_t call_ask_thread(struct account_call *c, const struct thread_query *query);
/* Tells what the store knows, by the numbers of the questions, if it knows anything; then goes
 * on: without the store the rest can still be shown. */
void call_await_threads(struct account_call *c, call_told_fn *told,
                        void (*then)(struct account_call *c));
/* The connection is not needed any more: who waits for one gets it. */
void call_return(struct account_call *c);
/* Success; takes the result. */
void call_complete(struct account_call *c, json_t *result);
/* Success with c->text, unless there is too much of it. */
void call_complete_text(struct account_call *c);

/* From now until the call ends or is removed from the list: on_listing after each listing of
 * the mailboxes that begins from now on. */
void account_listing_await(struct account *a, struct list *listing);
/* Work connections that lie idle with this mailbox selected are closed: it is about to go, or
 * to change its name. */
void account_work_forget(struct account *a, struct str wire);

/* Trash or what stands in for it; NULL if the account has none. */
struct mailbox *call_trash(struct account_call *c);

#endif
