/* sync_list_priv: what the files of a listing share. */
#ifndef POSTRIDER_SYNC_LIST_PRIV_H
#define POSTRIDER_SYNC_LIST_PRIV_H

#include "postrider/sync/sync.h"

/* One mailbox of the listing. */
struct list_row {
    struct imap_list_entry entry; /* strings in the op's arena */
    struct imap_status status;
    struct mailbox *known; /* NULL: it is new */
    bool guessed;          /* what it is for, by its name */
    bool renamed;          /* known was listed under another name before */
    bool postponed;        /* perhaps renamed; cannot be told before the next listing */
};

/* --- sync_list_use.c --- */

/* Gives a special use to those that are named like one, where the server gives none. */
void sync_list_guess_uses(struct list_row *rows, size_t count);

/* --- sync_list_gone.c: which mailboxes are no more --- */

enum sync_gone {
    SYNC_GONE_NO,
    SYNC_GONE_PERHAPS, /* the next listing tells */
    SYNC_GONE_LOOK,    /* SELECT tells */
    SYNC_GONE_YES
};
/* What a listing says of m; row NULL: nothing. What it was before is in m. */
enum sync_gone sync_gone_look(struct mailbox *m, const struct list_row *row,
                              int64_t confirm_ms);
/* A name that is listed although the mailbox m is no more. */
struct mailbox *sync_gone_successor(const struct mailbox *m, const struct list_row *row,
                                    uint32_t number) ATTR_RETURNS_NONNULL;

/* --- sync_rename.c: which new rows are missing mailboxes under another name --- */

/* Sets `known` and `renamed` of rows that are new. May select other mailboxes on the
 * connection: sc->may_select is asked before. Ends with the errors of imap and store. */
struct sync_rename;
typedef void sync_rename_cb(struct sync_rename *op, const struct err *err, void *ctx);
struct sync_rename *sync_rename_start(struct imap_conn *conn, const struct sync_ctx *sc,
                                      struct list_row *rows, size_t row_count,
                                      sync_rename_cb *cb, void *ctx);
void sync_rename_cancel(struct sync_rename *op);

/* --- sync_label.c --- */

/* Marks what the mailboxes of a server with labels are to the index. */
void sync_label_listing(const struct imap_conn *conn, const struct sync_ctx *sc,
                        struct list_row *rows, size_t count);

/* --- sync_sample.c: is this what was indexed? --- */

/* Compares up to five indexed messages of m with what the mailbox `wire` of the server has
 * under their UIDs. */
struct sync_sample;
typedef void sync_sample_cb(struct sync_sample *op, const struct err *err, bool same,
                            void *ctx);
struct sync_sample *sync_sample_start(struct imap_conn *conn, const struct sync_ctx *sc,
                                      const struct mailbox *m, struct str wire,
                                      sync_sample_cb *cb, void *ctx);
void sync_sample_cancel(struct sync_sample *op);

#endif
