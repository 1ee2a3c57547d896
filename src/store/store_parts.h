/* store_parts: what the parts of the store ask of each other.
 * Calls    loop thread */
#ifndef POSTRIDER_STORE_PARTS_H
#define POSTRIDER_STORE_PARTS_H

#include "store_priv.h"

/* --- leases (store_lease.c) --- */

/* Asks for every shard that is due, now and from now on. */
void store_leases_start(struct store *s);
void store_leases_check(struct store *s); /* after a reconnect */
void store_leases_stop(struct store *s);
bool store_leases_are_well(const struct store *s, struct err *err);
/* A lease reply for a shard; false if it is not one. */
bool store_lease_take(struct store *s, uint8_t shard, const struct redis_reply *reply,
                      int64_t asked_ms);
void store_lease_words(struct store_words *w, struct store *s, uint8_t shard);
void store_lease_release_words(struct store_words *w, struct store *s, uint8_t shard);

/* Something about its accounts was left half done: looks at them again soon. */
void store_shard_repair(struct store *s, uint8_t shard);

/* --- polling for changes by other nodes (store_poll.c) --- */

void store_poll_start(struct store *s);
void store_poll_now(struct store *s);
void store_poll_stop(struct store *s);

/* --- how full Redis is (store_memory.c) --- */

void store_memory_start(struct store *s);
void store_memory_stop(struct store *s);
/* The value behind "name:" in a text of INFO; absent if it is not there. */
struct str store_info_value(struct str info, const char *name);
/* From the text of INFO memory; 0 = no limit. */
unsigned store_memory_percent(struct str info);

/* The id of a token, which is 64 hexadecimal digits; false if the text is none. */
bool store_token_id(struct str text, char id[TOKEN_ID_SIZE]);

/* --- directory (store_directory.c) --- */

enum directory_stage {
    DIRECTORY_LIVE,
    DIRECTORY_CREATING,
    DIRECTORY_DELETING,
    DIRECTORY_UPDATING
};

/* One account as it is stored in the directory. */
struct directory_row {
    char name[STORE_ACCT_NAME_SIZE];
    char incarnation[STORE_INCARNATION_SIZE];
    enum directory_stage stage;
    uint8_t shard;
    char *id, *full_name, *email;
    int64_t created_ms;
};

struct store_directory *store_directory_new(void);
void store_directory_free(struct store_directory **d);
void directory_row_fini(struct directory_row *row);
/* From an account's settings; the stage is the caller's. */
void directory_row_init(struct directory_row *row, const struct store_acct *acct,
                        const json_t *record, int64_t created_ms);
bool directory_row_seal(struct store *s, const struct directory_row *row,
                        struct buf *out);
bool directory_row_open(struct store *s, struct str name, struct str sealed,
                        struct directory_row *row, struct err *err);
/* Puts a row into memory, or replaces it; the row's strings are taken. */
void store_directory_put(struct store *s, struct directory_row *row);
void store_directory_remove(struct store *s, struct str name);
const char *store_directory_incarnation(struct store *s, struct str name);
/* Takes state, times and counters from a state record just read. */
void store_directory_note(struct store *s, struct str id, const json_t *state);
/* One more event of that type was committed. */
void store_directory_count_event(struct store *s, struct str id, enum event_type type);

/* A load of all rows: begin, one call a row, end; rows not seen are forgotten. */
void store_directory_load_begin(struct store *s);
void store_directory_load_row(struct store *s, struct directory_row *row);
void store_directory_load_end(struct store *s);
/* The shard's set of accounts has it; false if the directory does not. */
bool store_directory_confirm(struct store *s, struct str name);
/* The next row from *at on, in these shards, that no set of accounts has. */
const struct directory_row *
store_directory_unconfirmed(struct store *s, const bool shards[STORE_SHARDS], size_t *at);

/* Brings memory and Redis together for the shards marked: loads the directory, ends what
 * a crash interrupted, adds what is missing. */
struct store_repair;
typedef void store_repair_cb(struct store_repair *op, const struct err *err, void *ctx);
struct store_repair *store_repair_start(struct store *s, const bool shards[STORE_SHARDS],
                                        store_repair_cb *cb, void *ctx);
/* The callback does not run any more; memory of the store is not touched again. */
void store_repair_cancel(struct store_repair *op);

/* --- accounts --- */

/* Fields of the hash a:<acc>. */
#define ACCOUNT_FIELD_ID      "id"      /* sealed */
#define ACCOUNT_FIELD_RECORD  "rec"     /* sealed JSON */
#define ACCOUNT_FIELD_STATE   "st"      /* sealed JSON */
#define ACCOUNT_FIELD_INC     "inc"     /* clear */
#define ACCOUNT_FIELD_CREATED "created" /* clear, ms */
#define ACCOUNT_FIELD_SECRET  "sec:"    /* + path; sealed JSON */
#define ACCOUNT_FIELD_COUNT   "n:"      /* + type of event; clear number */

/* The words of one call of account_delete.lua. */
void store_account_delete_words(struct store_words *w, struct store *s,
                                const struct store_acct *acct, struct str feed_position);
/* The words of directory_swap.lua: an absent slice is "no row". */
void store_directory_swap_words(struct store_words *w, struct store *s, const char *name,
                                struct str seen, struct str next);
/* A field of a:<acc>; purpose by its name. */
struct store_place store_account_place(const struct store_acct *acct, const char *field);

/* --- the parts of a record (account_record.c) --- */

/* Puts field and sealed value of everything in `record`, secrets apart, as words. False
 * with ERR_TOO_LARGE. */
bool account_record_words(struct store *s, const struct store_acct *acct,
                          const json_t *record, struct store_words *w, struct err *err);
/* From HGETALL: sets acct->incarnation, gives new references. ERR_NO_ACCOUNT when the
 * hash is empty. */
bool account_record_read(struct store *s, struct store_acct *acct,
                         const struct redis_reply *all, json_t **record_out,
                         json_t **state_out, struct err *err);
bool account_field_seal(struct store *s, const struct store_acct *acct, const char *field,
                        const json_t *json, struct store_words *w, struct err *err);

/* --- settings and tokens --- */

struct store_settings_cache *store_settings_cache_new(void);
void store_settings_cache_free(struct store_settings_cache **c);
struct store_token_cache *store_token_cache_new(void);
void store_token_cache_free(struct store_token_cache **c);
/* A version seen in Redis; another one than known makes the cache load again. */
void store_settings_seen(struct store *s, int64_t version);
void store_tokens_seen(struct store *s, int64_t epoch);
/* Takes the whole hash as HGETALL gave it. Damaged values are left out and logged. */
void store_settings_load(struct store *s, const struct redis_reply *all);

#endif
