/* store_settings: runtime settings and access tokens.
 * Shape    settings: one JSON object, every value sealed, cached in memory and written
 *          through. tokens: by SHA-256 of the 32 raw bytes; the record is sealed; cached
 *          until any token is revoked, negative answers for 1 s
 * Owner    JSON given to callbacks or returned is borrowed; whoever keeps it takes a
 *          reference
 * Calls    loop thread. Each hash carries a counter of its changes, asked for twice a
 *          second: that is how nodes learn of each other's changes.
 * Limits   a setting or token record ≤ 256 KiB; setting names ≤ 64 bytes, not beginning
 *          with "!"; 10 000 tokens in memory
 * Errors   ERR_NOT_FOUND for an unknown or malformed token; ERR_INVALID, ERR_TOO_LARGE;
 *          and store.h's. `expires` and scopes of a token are the caller's to check. */
#ifndef POSTRIDER_STORE_STORE_SETTINGS_H
#define POSTRIDER_STORE_STORE_SETTINGS_H

#include "postrider/store/store.h"

/* The settings in memory, loaded by store_open; borrowed until the next change. */
json_t *store_settings(struct store *s);
/* The value or NULL; borrowed. */
json_t *store_setting(struct store *s, const char *name);

struct store_settings_op;
typedef void store_settings_cb(struct store_settings_op *op, const struct err *err,
                               void *ctx);
/* Merges: a null removes the setting. */
struct store_settings_op *store_settings_set_start(struct store *s, json_t *changes,
                                                   store_settings_cb *cb, void *ctx);
/* Called after every change, also one made by another node (within 1 s). */
typedef void store_settings_changed_cb(struct store *s, void *ctx);
void store_settings_set_changed_cb(struct store *s, store_settings_changed_cb *cb,
                                   void *ctx);

enum {
    TOKEN_BYTES = 32,
    TOKEN_TEXT_SIZE = 65,
    TOKEN_ID_SIZE = 65
};

/* Record: {id, account?, scopes[], description, permissions?, restrictions?, metadata?,
 * ip?, created, expires?, lastUsed?, lastAddress?}. */
struct store_token_op;
typedef void store_token_cb(struct store_token_op *op, const struct err *err,
                            json_t *record, void *ctx);
/* text: 64 hex digits as the client sent them. */
struct store_token_op *store_token_get_start(struct store *s, struct str text,
                                             store_token_cb *cb, void *ctx);
/* Same by id (SHA-256 as hex), for management. */
struct store_token_op *store_token_get_by_id_start(struct store *s, struct str id,
                                                   store_token_cb *cb, void *ctx);
/* Answers at once from memory if it can; false = start the operation. *record_out
 * borrowed, NULL = known not to exist. */
bool store_token_cached(struct store *s, struct str text, json_t **record_out);
/* A token in memory was used from this address (NULL = unknown): written to its record
 * once a minute at most. */
void store_token_used(struct store *s, struct str id, const char *address);
/* Makes a new token; its text is put into `text_out` before the operation starts. */
struct store_token_op *store_token_create_start(struct store *s, json_t *record,
                                                char text_out[TOKEN_TEXT_SIZE],
                                                store_token_cb *cb, void *ctx);
/* Stores a record under the `id` it has; one that is there stays as it is. */
struct store_token_op *store_token_import_start(struct store *s, json_t *record,
                                                store_token_cb *cb, void *ctx);
/* The same for the token of the configuration. ERR_NOT_FOUND: it was made before, and was
 * revoked since. */
struct store_token_op *store_token_prepare_start(struct store *s, json_t *record,
                                                 store_token_cb *cb, void *ctx);
/* A record as text, and back: a new record, or NULL with ERR_INVALID. A token itself gives
 * one that allows everything. */
bool store_token_to_text(const json_t *record, struct buf *out);
json_t *store_token_from_text(struct str text, struct err *err);
/* By text (64 hex) or id. ERR_NOT_FOUND. Effective on every node within 1 s. */
struct store_token_op *store_token_delete_start(struct store *s, struct str text_or_id,
                                                store_token_cb *cb, void *ctx);
void store_token_cancel(struct store_token_op *op);

struct store_tokens_list;
typedef void store_tokens_cb(struct store_tokens_list *op, const struct err *err,
                             json_t *records, void *ctx); /* array, borrowed */
struct store_tokens_list *store_tokens_list_start(struct store *s,
                                                  struct str account_or_absent,
                                                  store_tokens_cb *cb, void *ctx);

#endif
