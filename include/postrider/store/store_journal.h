/* store_journal: bounded logs for people to read: the traffic of accounts, the use of
 * tokens.
 * Shape    one Redis list per kind and name, oldest first; every entry sealed
 * Owner    what is appended is copied; what is read is borrowed until the callback returns
 * Calls    loop thread
 * Limits   STORE_JOURNAL_ENTRY_MAX bytes an entry (longer ones are dropped), STORE_JOURNAL_KEEP_MAX
 *          entries a journal; gone STORE_JOURNAL_DAYS after the last addition
 * Errors   append has none: such a log never holds up the work it is about, so it is
 *          dropped while Redis is away or behind. read: those of store.h */
#ifndef POSTRIDER_STORE_STORE_JOURNAL_H
#define POSTRIDER_STORE_STORE_JOURNAL_H

#include "postrider/store/store.h"

enum {
    STORE_JOURNAL_ENTRY_MAX = 16 * 1024,
    STORE_JOURNAL_KEEP_MAX = 1000000,
    STORE_JOURNAL_PAGE_MAX = 1000,
    STORE_JOURNAL_DAYS = 30
};

enum store_journal_kind {
    STORE_JOURNAL_TRAFFIC, /* name: id of the account */
    STORE_JOURNAL_TOKEN    /* name: id of the token */
};

/* Keeps the newest `keep` of them; 0 = forgets all. */
void store_journal_append(struct store *s, enum store_journal_kind kind, struct str name,
                          const struct str *entries, size_t count, size_t keep);
void store_journal_delete(struct store *s, enum store_journal_kind kind, struct str name);

struct store_journal_range {
    enum store_journal_kind kind;
    struct str name;
    size_t first, count; /* count ≤ STORE_JOURNAL_PAGE_MAX */
    bool newest_first;   /* first counts from the newest, and the entries come so */
};

struct store_journal;
/* total: entries in the journal. Entries that cannot be opened are left out. */
typedef void store_journal_cb(struct store_journal *op, const struct err *err,
                              const struct str *entries, size_t count, size_t total,
                              void *ctx);
struct store_journal *store_journal_read_start(struct store *s,
                                               const struct store_journal_range *range,
                                               store_journal_cb *cb,
                                               void *ctx) ATTR_RETURNS_NONNULL;
void store_journal_cancel(struct store_journal *op);

#endif
