/* imap_fake: a simulated IMAP server with one mailbox whose truth the test holds.
 * Shape    speaks enough of RFC 3501, 4731 and 7162 for passes over a mailbox; counts the
 *          bytes and commands; misbehaves in the ways the test asks for
 *          Its sessions see a view that only NOOP and UID commands bring up to date.
 * Owner    the test: imap_fake_start, then imap_fake_stop
 * Calls    everything but the hook from the test's thread, while no command runs or while
 *          the loop does: calls lock
 * Limits   one session at a time */
#ifndef POSTRIDER_TESTS_IMAP_FAKE_H
#define POSTRIDER_TESTS_IMAP_FAKE_H

#include "postrider/imap/imap.h"

enum fake_trouble {
    FAKE_NOTHING,
    FAKE_REFUSES,  /* NO to every FETCH that names it, unless flags alone are wanted */
    FAKE_STUBBORN, /* NO even then */
    FAKE_HIDDEN,   /* visible late: not shown yet */
    FAKE_TORN /* shown without size, of 1970 (Dovecot: another session expunged it) */
};

struct fake_message {
    uint32_t uid;
    uint8_t flags; /* enum imap_flag bits */
    bool keyword;  /* "alpha" */
    enum fake_trouble trouble;
    uint64_t modseq;
    int64_t date_s;
};

enum fake_quirk {
    FAKE_VANISHES_ALL = 1 << 0,     /* QRESYNC: all messages went (James) */
    FAKE_NO_MODSEQ = 1 << 1,        /* CONDSTORE, but not for this mailbox */
    FAKE_NO_UIDNEXT = 1 << 2,       /* 163.com */
    FAKE_REFUSES_SEARCH = 1 << 3,   /* NO to every search */
    FAKE_LOSES_ROWS = 1 << 4,       /* FETCH by number: the first answer lacks a row */
    FAKE_TELLS_APART = 1 << 5,      /* what went and what came: one at a time */
    FAKE_TELLS_FLAGS = 1 << 6,      /* flags that changed, when it tells the rest */
    FAKE_KEEPS_NO_KEYWORD = 1 << 7, /* by PERMANENTFLAGS, which names none */
    FAKE_STICKS_UIDNEXT = 1 << 8,   /* it never rises above FAKE_STUCK_AT */
    FAKE_SEARCHES_UNTAGGED = 1 << 9 /* ESEARCH does not say to which search it is */
};

enum {
    FAKE_STUCK_AT = 10
};

struct imap_fake;
struct imap_fake_config {
    const char *capabilities;   /* besides IMAP4rev1 */
    const char *id;             /* NULL = no ID */
    uint32_t quirks;            /* enum fake_quirk */
    size_t chop;                /* bytes a send; 0 = all */
    size_t window;              /* only so many of the newest are shown; 0 = all */
    const char *refuses_select; /* text behind NO, or NULL */
    const char *more_flags;     /* " word word" at the end of FLAGS, or NULL */
    /* Before each command, on the server's thread, unlocked. */
    void (*hook)(struct imap_fake *f, const char *command, void *ctx);
    /* Behind the rows of a UID FETCH, before the news that come with its end; unlocked. */
    void (*behind)(struct imap_fake *f, void *ctx);
    void *ctx; /* of both */
};

struct imap_fake *imap_fake_start(const struct imap_fake_config *config);
void imap_fake_stop(struct imap_fake **f);
uint16_t imap_fake_port(const struct imap_fake *f);
struct imap_fake_config *imap_fake_config(struct imap_fake *f);

/* The truth. */
/* Another UIDVALIDITY; the messages keep their UIDs. */
void imap_fake_reset(struct imap_fake *f, uint32_t uid_validity);
/* Another mailbox in its place, empty, with the same UIDVALIDITY (Cyrus 3.6 after RENAME). */
void imap_fake_replace(struct imap_fake *f);
/* Keeps a copy of the messages, UIDNEXT and HIGHESTMODSEQ as they are … */
void imap_fake_keep(struct imap_fake *f);
/* … to be shown instead, as by a replica that lags; the other way round the next time. */
void imap_fake_trade(struct imap_fake *f);
/* MODSEQ begins anew, as if its index had been lost: all messages have the same. */
void imap_fake_rewind(struct imap_fake *f);
uint32_t imap_fake_add(struct imap_fake *f, size_t count); /* returns the last UID */
void imap_fake_expunge(struct imap_fake *f, uint32_t lo, uint32_t hi);
void imap_fake_flags(struct imap_fake *f, uint32_t uid, uint8_t flags, bool keyword);
/* The message becomes another one, and nobody is told. */
void imap_fake_swap(struct imap_fake *f, uint32_t uid, const struct fake_message *other);
void imap_fake_trouble(struct imap_fake *f, uint32_t uid, enum fake_trouble trouble);
const struct fake_message *imap_fake_find(const struct imap_fake *f, uint32_t uid);
size_t imap_fake_count(const struct imap_fake *f);
const struct fake_message *imap_fake_at(const struct imap_fake *f, size_t i);

/* What went over the wire since the last call with reset, both ways. */
size_t imap_fake_bytes(struct imap_fake *f, bool reset);
/* Commands that began with this word since then. */
size_t imap_fake_commands(struct imap_fake *f, const char *word);

#endif
