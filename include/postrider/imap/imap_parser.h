/* imap_parser: bytes of a server in, responses out; no I/O, no connection.
 * Shape    incremental: any chunking gives the same responses, the same streamed bytes
 *          and the same failure (tested byte by byte)
 * Owner    the connection owns the parser; a response and all it points to is borrowed
 *          until on_response returns (its arena is reset then)
 * Calls    callbacks must not free the parser; they may set `stop` through
 *          imap_parser_stop, then feed returns at once with the number of bytes used
 * Limits   struct imap_limits; of a literal above literal_max that nobody streams, a FETCH
 *          row keeps so much (up to 64 MiB announced), elsewhere it is ERR_LIMIT before a
 *          byte of it is stored; nesting is a counter, nothing recurses on input
 * Errors   ERR_PROTOCOL framing that cannot be trusted any more; ERR_LIMIT; both final. A
 *          line that is framed but does not parse becomes IMAP_RESP_UNPARSED instead.
 * Spec     RFC 9051 §9 and RFC 3501 §9 with the tolerance that real servers need */
#ifndef POSTRIDER_IMAP_IMAP_PARSER_H
#define POSTRIDER_IMAP_IMAP_PARSER_H

#include "postrider/imap/imap_value.h"

struct imap_limits {
    size_t line_max;    /* bytes of one response without its literals */
    size_t literal_max; /* bytes of one literal kept in memory */
    size_t total_max;   /* bytes of one response kept in memory */
    uint32_t depth_max; /* nested lists */
    uint32_t nodes_max; /* values of one response */
};

extern const struct imap_limits
    imap_limits_pre_auth; /* 64 KiB total, line 8 KiB, literal 4 KiB */
extern const struct imap_limits imap_limits_default; /* line 1 MiB, literal 1 MiB, total 8
                                                        MiB, depth 256, nodes 200 000 */

enum imap_resp_kind {
    IMAP_RESP_CONTINUE, /* + */
    IMAP_RESP_TAGGED,
    IMAP_RESP_STATUS, /* untagged OK, NO, BAD, BYE, PREAUTH */
    IMAP_RESP_CAPABILITY,
    IMAP_RESP_ENABLED,
    IMAP_RESP_ID,
    IMAP_RESP_NAMESPACE,
    IMAP_RESP_LIST, /* also LSUB and XLIST */
    IMAP_RESP_MAILBOX_STATUS,
    IMAP_RESP_QUOTA,
    IMAP_RESP_SEARCH, /* also ESEARCH */
    IMAP_RESP_FLAGS,
    IMAP_RESP_EXISTS,
    IMAP_RESP_RECENT,
    IMAP_RESP_EXPUNGE,
    IMAP_RESP_VANISHED,
    IMAP_RESP_FETCH,
    IMAP_RESP_UNKNOWN, /* framed and skipped */
    IMAP_RESP_UNPARSED /* framed, known, but malformed: `text` holds a bounded prefix */
};
const char *imap_resp_kind_name(enum imap_resp_kind kind);

enum imap_cond {
    IMAP_COND_OK,
    IMAP_COND_NO,
    IMAP_COND_BAD,
    IMAP_COND_BYE,
    IMAP_COND_PREAUTH
};

enum imap_code_kind {
    IMAP_CODE_NONE,
    IMAP_CODE_OTHER, /* name and raw arguments only */
    IMAP_CODE_ALERT,
    IMAP_CODE_CAPABILITY,
    IMAP_CODE_PERMANENTFLAGS,
    IMAP_CODE_READ_ONLY,
    IMAP_CODE_READ_WRITE,
    IMAP_CODE_TRYCREATE,
    IMAP_CODE_UIDNEXT,
    IMAP_CODE_UIDVALIDITY,
    IMAP_CODE_UNSEEN,
    IMAP_CODE_APPENDUID,
    IMAP_CODE_COPYUID,
    IMAP_CODE_UIDNOTSTICKY,
    IMAP_CODE_HIGHESTMODSEQ,
    IMAP_CODE_NOMODSEQ,
    IMAP_CODE_MODIFIED,
    IMAP_CODE_CLOSED,
    IMAP_CODE_MAILBOXID,
    IMAP_CODE_UNAVAILABLE,
    IMAP_CODE_AUTHENTICATIONFAILED,
    IMAP_CODE_AUTHORIZATIONFAILED,
    IMAP_CODE_EXPIRED,
    IMAP_CODE_PRIVACYREQUIRED,
    IMAP_CODE_CONTACTADMIN,
    IMAP_CODE_NOPERM,
    IMAP_CODE_INUSE,
    IMAP_CODE_EXPUNGEISSUED,
    IMAP_CODE_CORRUPTION,
    IMAP_CODE_SERVERBUG,
    IMAP_CODE_CLIENTBUG,
    IMAP_CODE_CANNOT,
    IMAP_CODE_LIMIT,
    IMAP_CODE_OVERQUOTA,
    IMAP_CODE_ALREADYEXISTS,
    IMAP_CODE_NONEXISTENT,
    IMAP_CODE_THROTTLED,
    IMAP_CODE_NOTIFICATIONOVERFLOW,
    IMAP_CODE_TOOBIG,
    IMAP_CODE_WEBALERT,
    IMAP_CODE_BADCHARSET,
    IMAP_CODE_UNKNOWN_CTE
};

struct imap_code {
    enum imap_code_kind kind;
    struct str name; /* as sent */
    struct str args; /* raw text behind the name, or absent */
    uint64_t number; /* UIDNEXT, UIDVALIDITY, UNSEEN, HIGHESTMODSEQ; APPENDUID/COPYUID:
                        validity */
    struct imap_set set_a,
        set_b;               /* APPENDUID: a; COPYUID: source, destination; MODIFIED: a */
    struct imap_flags flags; /* PERMANENTFLAGS */
    bool flags_wildcard;     /* \* among them */
    struct str id;           /* MAILBOXID */
};

struct imap_namespace {
    struct str prefix;
    char delimiter;
    bool given;
};

struct imap_resp {
    enum imap_resp_kind kind;
    struct str tag;      /* TAGGED */
    enum imap_cond cond; /* TAGGED, STATUS */
    struct imap_code code;
    struct str text; /* TAGGED, STATUS, CONTINUE; UNPARSED, UNKNOWN: bounded prefix */
    uint32_t number; /* EXISTS, RECENT, EXPUNGE */
    const struct str *words; /* CAPABILITY, ENABLED: upper case; ID: key, value, key, … */
    size_t word_count;
    struct imap_namespace personal; /* NAMESPACE: the first personal one */
    struct imap_list_entry list;
    struct imap_status status;
    struct imap_storage storage; /* QUOTA */
    struct imap_flags flags;
    struct imap_row row;
    struct imap_set set; /* VANISHED; SEARCH/ESEARCH ALL */
    bool earlier;        /* VANISHED (EARLIER) */
    bool esearch;
    struct str search_tag; /* ESEARCH (TAG "…") */
    uint64_t search_count, search_min, search_max, search_modseq;
    uint32_t search_has; /* 1 = count, 2 = min, 4 = max, 8 = all, 16 = modseq */
};

struct imap_literal {
    uint64_t size;
    bool in_fetch;      /* a BODY[…]/BINARY[…] value of a FETCH */
    uint32_t seq, uid;  /* uid 0 if the row has not told it yet */
    struct str section; /* as imap_section.name */
    uint32_t origin;
};

struct imap_parser_events {
    void (*on_response)(void *ctx, const struct imap_resp *resp);
    /* A FETCH section literal begins: true = its bytes go to on_literal_data and are not
     * kept. May be NULL: nothing is streamed. */
    bool (*on_literal_begin)(void *ctx, const struct imap_literal *literal);
    /* Pieces in order; end = this was the last (an empty literal gives one empty piece).
     */
    void (*on_literal_data)(void *ctx, const char *data, size_t len, bool end);
};

struct imap_parser;
struct imap_parser *imap_parser_new(const struct imap_parser_events *events,
                                    void *ctx) ATTR_RETURNS_NONNULL;
void imap_parser_free(struct imap_parser **p);
/* Borrowed as long as the parser lives. */
void imap_parser_set_limits(struct imap_parser *p, const struct imap_limits *limits);
/* UTF8=ACCEPT was enabled: mailbox names are UTF-8, not modified UTF-7. */
void imap_parser_set_utf8(struct imap_parser *p, bool enabled);
/* Feeds bytes; *used_out tells how many were taken (all, unless stopped or failed). */
bool imap_parser_feed(struct imap_parser *p, const char *data, size_t len,
                      size_t *used_out, struct err *err);
void imap_parser_stop(struct imap_parser *p);
/* Bytes of memory that the parser holds now, for budgets; limited by imap_limits. */
size_t imap_parser_memory(const struct imap_parser *p) ATTR_PURE;
/* True between two responses, when nothing is buffered. */
bool imap_parser_is_idle(const struct imap_parser *p);
/* Gives back all buffers that grew; called when a connection goes idle. */
void imap_parser_trim(struct imap_parser *p);

#endif
