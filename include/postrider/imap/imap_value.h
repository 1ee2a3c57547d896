/* imap_value: the values of IMAP responses.
 * Owner    everything is borrowed from the response it came with, until the callback that
 *          delivered it returns; the _copy functions move a value into an arena
 * Limits   as in imap_limits; strings are raw bytes of the server, not yet valid UTF-8
 * Spec     RFC 9051, 3501, 7162 (CONDSTORE, QRESYNC), 8474 (OBJECTID) */
#ifndef POSTRIDER_IMAP_IMAP_VALUE_H
#define POSTRIDER_IMAP_IMAP_VALUE_H

#include "postrider/base/arena.h"
#include "postrider/base/buf.h"
#include "postrider/base/err.h"
#include "postrider/base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- sets of numbers as intervals; never expanded --- */

struct imap_range {
    uint32_t lo, hi; /* lo ≤ hi; UINT32_MAX stands for * */
};

struct imap_set {
    struct imap_range *ranges;
    size_t count;
};

/* "1:3,7,*"; zero is read as one, reversed ranges are turned, order is kept. */
bool imap_set_parse(struct arena *arena, struct str text, struct imap_set *out);
/* Sorted, merged ranges of an unsorted array of numbers (changes the array's order). */
void imap_set_from_numbers(struct arena *arena, uint32_t *numbers, size_t count,
                           struct imap_set *out);
/* Sorts and merges in place. */
void imap_set_normalize(struct imap_set *set);
bool imap_set_contains(const struct imap_set *set, uint32_t n) ATTR_PURE;
/* The same of a set that was normalized, in a few steps however many ranges it has. */
bool imap_set_has(const struct imap_set *set, uint32_t n) ATTR_PURE;
uint64_t imap_set_count(const struct imap_set *set) ATTR_PURE;
/* Appends "1:3,7"; stops before more than `max_bytes` of text and returns how many ranges
 * were written. An open range ends with 4294967295, not "*" (Cyrus hides expunged messages from "1:*"). */
size_t imap_set_print(struct buf *out, const struct imap_set *set, size_t first_range,
                      size_t max_bytes);

/* --- flags --- */

enum imap_flag {
    IMAP_FLAG_SEEN = 1 << 0,
    IMAP_FLAG_ANSWERED = 1 << 1,
    IMAP_FLAG_FLAGGED = 1 << 2,
    IMAP_FLAG_DELETED = 1 << 3,
    IMAP_FLAG_DRAFT = 1 << 4
};

struct imap_flags {
    uint8_t system;             /* enum imap_flag bits; \Recent is dropped */
    const struct str *keywords; /* as spelled, without duplicates */
    size_t keyword_count;
};

/* Bit for "\Seen" …, case-insensitive; 0 if it is not a system flag. */
uint8_t imap_flag_from_name(struct str name) ATTR_PURE;
const char *imap_flag_name(uint8_t bit) ATTR_PURE; /* "\\Seen" */
/* Can it stand where IMAP wants an atom, as a keyword does in STORE and SEARCH? Servers tell
 * others, too. */
bool imap_is_atom(struct str s) ATTR_PURE;

/* --- ENVELOPE, BODYSTRUCTURE --- */

struct imap_address {
    struct str name, route, mailbox,
        host; /* absent = NIL; group start: host absent, mailbox =
                 group name; group end: both absent */
};

struct imap_addresses {
    const struct imap_address *items;
    size_t count;
};

struct imap_envelope {
    struct str date, subject;
    struct imap_addresses from, sender, reply_to, to, cc, bcc;
    struct str in_reply_to, message_id;
};

struct imap_param {
    struct str name, value;
};

struct imap_params {
    const struct imap_param *items;
    size_t count;
};

/* One node of the MIME tree. Children are linked, the tree is walked without recursion
 * through first_child / next / parent. */
struct imap_part {
    struct imap_part *parent, *first_child, *next;
    struct str type, subtype; /* lower case; multipart: type = "multipart" */
    struct imap_params params;
    struct str id, description, encoding; /* encoding lower case */
    uint64_t size;                        /* encoded bytes */
    uint64_t lines;
    struct str md5, disposition; /* disposition lower case */
    struct imap_params disposition_params;
    struct str language, location;
    const struct imap_envelope *envelope; /* message/rfc822 */
    struct str path; /* "1.2" for FETCH BODY[…]; "1" for a single part;
                        "" or "TEXT" form is the caller's business for the
                        root multipart ("") */
    uint32_t depth;
};

struct imap_structure {
    struct imap_part *root;
    bool truncated; /* a cap was met: treat the tree as incomplete */
};

/* Next node in document order, or NULL. */
const struct imap_part *imap_part_next(const struct imap_part *part);
struct str imap_param_get(const struct imap_params *params, const char *name);

/* --- one FETCH row --- */

enum imap_item {
    IMAP_ITEM_UID = 1 << 0,
    IMAP_ITEM_FLAGS = 1 << 1,
    IMAP_ITEM_MODSEQ = 1 << 2,
    IMAP_ITEM_INTERNALDATE = 1 << 3,
    IMAP_ITEM_SIZE = 1 << 4,
    IMAP_ITEM_ENVELOPE = 1 << 5,
    IMAP_ITEM_BODYSTRUCTURE = 1 << 6,
    IMAP_ITEM_EMAILID = 1 << 7, /* RFC 8474 */
    IMAP_ITEM_THREADID = 1 << 8,
    IMAP_ITEM_GM_MSGID = 1 << 9, /* X-GM-EXT-1 */
    IMAP_ITEM_GM_THRID = 1 << 10,
    IMAP_ITEM_GM_LABELS = 1 << 11,
    IMAP_ITEM_SECTIONS = 1 << 12,   /* at least one BODY[…] or BINARY[…] */
    IMAP_ITEM_REFERENCES = 1 << 13, /* to ask with: the References header, a section */
    IMAP_ITEM_PREVIEW = 1 << 14 /* RFC 8970; the server may have to read the message */
};

struct imap_section {
    struct str
        name; /* "HEADER", "1.2", "1.MIME", "HEADER.FIELDS (DATE)" without brackets */
    uint32_t origin; /* of a partial fetch */
    struct str data; /* absent = NIL, or it was streamed to the sink */
    bool streamed;
};

struct imap_row {
    uint32_t seq;
    uint32_t has; /* enum imap_item bits of what the row brought */
    uint32_t uid;
    struct imap_flags flags;
    uint64_t modseq;
    int64_t internaldate_ms; /* UTC */
    uint64_t size;
    const struct imap_envelope *envelope;
    const struct imap_structure *structure;
    struct str email_id, thread_id; /* Gmail: decimal digits */
    struct str preview;             /* UTF-8, or what the server takes for it */
    const struct str *labels;
    size_t label_count;
    const struct imap_section *sections;
    size_t section_count;
    bool partial; /* an item of this row did not parse and was left out */
};

/* --- LIST, STATUS, SELECT --- */

enum imap_list_attr {
    IMAP_LIST_NOSELECT = 1 << 0, /* also \NonExistent */
    IMAP_LIST_NOINFERIORS = 1 << 1,
    IMAP_LIST_HAS_CHILDREN = 1 << 2,
    IMAP_LIST_SUBSCRIBED = 1 << 3,
    IMAP_LIST_NONEXISTENT = 1 << 4,
    IMAP_LIST_NO_CHILDREN = 1 << 5
};

enum imap_status_item {
    IMAP_STATUS_MESSAGES = 1 << 0,
    IMAP_STATUS_UIDNEXT = 1 << 1,
    IMAP_STATUS_UIDVALIDITY = 1 << 2,
    IMAP_STATUS_UNSEEN = 1 << 3,
    IMAP_STATUS_HIGHESTMODSEQ = 1 << 4,
    IMAP_STATUS_MAILBOXID = 1 << 5,
    IMAP_STATUS_SIZE = 1 << 6
};

struct imap_status {
    struct str mailbox; /* wire bytes */
    uint32_t has;       /* enum imap_status_item bits */
    uint32_t messages, uid_next, uid_validity, unseen;
    uint64_t highest_modseq, size;
    struct str mailbox_id;
};

/* Of a quota; limit 0: there is none. */
struct imap_storage {
    bool known;
    uint64_t used_bytes, limit_bytes;
};

struct imap_list_entry {
    struct str wire;                  /* bytes of the server: the identity */
    struct str path;                  /* decoded, valid UTF-8, for people */
    char delimiter;                   /* 0 = NIL */
    uint32_t attrs;                   /* enum imap_list_attr bits */
    struct str special_use;           /* "\\Sent" … as the server said, or absent */
    const struct imap_status *status; /* LIST-STATUS, or NULL */
};

struct imap_selected {
    uint32_t exists, uid_next, uid_validity; /* 0 = not given (exists: none) */
    uint64_t highest_modseq;                 /* 0 = not given */
    bool no_modseq, read_only;
    struct imap_flags flags; /* what FLAGS names: it can be on a message */
    struct imap_flags permanent_flags;
    bool keywords_allowed; /* \* among PERMANENTFLAGS, or none were given */
    struct str mailbox_id;
};

/* --- modified UTF-7 (RFC 3501 §5.1.3) --- */

/* Tolerant: what does not decode is kept byte for byte, repaired to UTF-8. */
bool imap_utf7_decode(struct buf *out, struct str wire);
bool imap_utf7_encode(struct buf *out, struct str utf8);

#endif
