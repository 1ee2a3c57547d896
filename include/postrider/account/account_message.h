/* account_message: what the API and the readers of the log do with messages of an account.
 * Shape    struct account_call: one operation whose result is JSON as the API answers it
 *          struct account_stream: a body that flows (attachment, source), decoded on the way
 *          Lists come from the index (page → UIDs) and one FETCH; details from BODYSTRUCTURE and
 *          partial FETCHes, never from the whole message
 * Owner    the result is borrowed until the callback returns (json_incref to keep it)
 * Calls    loop thread; account and mailbox are looked up at the start, so both may go meanwhile
 * Limits   ACCOUNT_PAGE_MAX rows a page; text parts up to ACCOUNT_TEXT_MAX bytes unless asked for
 *          less; a paused stream gives at most 256 KiB more
 * Errors   ERR_NO_MAILBOX, ERR_NO_MESSAGE, ERR_INVALID (id does not parse: told as
 *          ERR_NO_MESSAGE), ERR_UNAVAILABLE, ERR_TIMEOUT, and what imap reports
 * Ids      message: base64url(number, UID), 11 characters; attachment: base64url(number, UID,
 *          path of the part); text: base64url(number, UID, JSON array of the paths of the text
 *          parts); all opaque to clients */
#ifndef POSTRIDER_ACCOUNT_ACCOUNT_MESSAGE_H
#define POSTRIDER_ACCOUNT_ACCOUNT_MESSAGE_H

#include "postrider/account/account.h"
#include "postrider/changelog/enrich.h"

enum {
    ACCOUNT_PAGE_MAX = 1000,
    ACCOUNT_TEXT_MAX = 5 * 1024 * 1024
};

struct account_call;
typedef void account_call_cb(struct account_call *op, const struct err *err,
                             json_t *result, void *ctx);
void account_call_cancel(struct account_call *op);

/* {"mailboxes": […]}: path, delimiter, parentPath, name, listed, subscribed, specialUse,
 * specialUseSource, noInferiors, messages, uidNext; with counters also status {messages, unseen}
 * by STATUS. */
struct account_call *account_mailboxes_list_start(struct account *a, bool counters,
                                                  int64_t deadline_ms,
                                                  account_call_cb *cb, void *ctx);

struct account_list_params {
    struct str path;
    uint32_t page;      /* 0 = newest */
    uint32_t page_size; /* 1 … ACCOUNT_PAGE_MAX */
};
/* {"total", "page", "pages", "nextPageCursor", "prevPageCursor", "messages": […]}, newest first. */
struct account_call *account_messages_list_start(struct account *a,
                                                 const struct account_list_params *params,
                                                 int64_t deadline_ms, account_call_cb *cb,
                                                 void *ctx);

/* {"usage", "limit", "status"} of the account's storage in bytes and percent, or false where
 * the server bounds none; ERR_UNSUPPORTED where it tells none. */
struct account_call *account_quota_start(struct account *a, int64_t deadline_ms,
                                         account_call_cb *cb, void *ctx);

enum account_text_type {
    ACCOUNT_TEXT_NONE,
    ACCOUNT_TEXT_ALL,
    ACCOUNT_TEXT_PLAIN,
    ACCOUNT_TEXT_HTML
};

struct account_get_params {
    struct str id;
    enum account_text_type text; /* textType: "*", "plain", "html" */
    size_t max_bytes;            /* of each text; 0 = ACCOUNT_TEXT_MAX */
    bool mark_seen;
    bool web_safe; /* HTML made safe to show; made from plain text if there is no other */
    bool fold_quotes;  /* the same, and quoted mail is folded */
    bool embed_images; /* images of the message stand in its HTML as data: URLs */
};
/* The message object of the API, with headers. */
struct account_call *account_message_get_start(struct account *a,
                                               const struct account_get_params *params,
                                               int64_t deadline_ms, account_call_cb *cb,
                                               void *ctx);
/* {"plain"?, "html"?, "webSafe"?, "hasMore"}; id is that of the text. */
struct account_call *account_text_get_start(struct account *a,
                                            const struct account_get_params *params,
                                            int64_t deadline_ms, account_call_cb *cb,
                                            void *ctx);
/* changes: {"flags": {"add", "delete", "set"}, "labels": …}; answers {"flags": {"add": true …}} */
struct account_call *account_message_update_start(struct account *a, struct str id,
                                                  json_t *changes, int64_t deadline_ms,
                                                  account_call_cb *cb, void *ctx);
/* To Trash unless force or already there: {"deleted": bool, "moved"?: {"destination",
 * "message"?}} */
struct account_call *account_message_delete_start(struct account *a, struct str id,
                                                  bool force, int64_t deadline_ms,
                                                  account_call_cb *cb, void *ctx);
/* {"path", "id"?, "uid"?} */
struct account_call *account_message_move_start(struct account *a, struct str id,
                                                struct str path, int64_t deadline_ms,
                                                account_call_cb *cb, void *ctx);

/* --- streams --- */

/* A part of a body (RFC 9110 §14): from `first` to `last`, counted from 0 and both included. */
struct account_range {
    int64_t first; /* -1: the last `last` bytes */
    int64_t last;  /* INT64_MAX: to the end */
};

struct account_stream;
struct account_stream_info {
    const char *content_type;
    const char *filename; /* UTF-8, as the message names it; NULL if it does not */
    int64_t size;         /* of what follows; -1 = unknown (decoded attachments) */
    bool partial;         /* what follows is bytes first … first + size - 1 of total */
    bool unsatisfiable;   /* the range is outside of total; nothing follows */
    int64_t first, total;
};
struct account_stream_events {
    void (*on_begin)(struct account_stream *s, const struct account_stream_info *info,
                     void *ctx);
    void (*on_data)(struct account_stream *s, struct str data, void *ctx);
    /* Once; ERR_OK = complete. Without on_begin before it nothing was found. */
    void (*on_end)(struct account_stream *s, const struct err *err, void *ctx);
};
/* The raw message, byte for byte. range: NULL = all of it. */
struct account_stream *account_source_start(struct account *a, struct str id,
                                            const struct account_range *range,
                                            int64_t deadline_ms,
                                            const struct account_stream_events *events,
                                            void *ctx);
/* One part with its transfer encoding taken off. Before a range of an encoded part is given, the
 * part is measured, once: base64 of even lines is then fetched from where the range begins. */
struct account_stream *
account_attachment_start(struct account *a, struct str attachment_id,
                         const struct account_range *range, int64_t deadline_ms,
                         const struct account_stream_events *events, void *ctx);
void account_stream_pause(struct account_stream *s);
void account_stream_resume(struct account_stream *s);
void account_stream_cancel(struct account_stream *s);

/* The enrich port over the actors of `as`. Text, headers and the like are added as the settings
 * of the store ask (notifyText, notifyTextSize, notifyHeaders). */
struct enricher account_enricher(struct accounts *as);

#endif
