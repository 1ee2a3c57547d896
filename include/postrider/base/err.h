/* err: one error value for the whole program.
 * Shape    a code, the system or library number behind it, a message a person can act on,
 *          and optionally the machine-readable code a peer gave (an IMAP response code,
 *          an OpenSSL reason).
 * Owner    the caller's memory, always; fixed size, freely copied
 * Errors   the table in err.c maps each code to its name, API code string, HTTP status
 *          and retry class; it is the only such mapping. */
#ifndef POSTRIDER_BASE_ERR_H
#define POSTRIDER_BASE_ERR_H

#include "postrider/base/attr.h"

#include <stdarg.h>
#include <stdbool.h>

enum err_code {
    ERR_OK = 0,
    /* the request */
    ERR_INVALID,      /* malformed or out-of-range input */
    ERR_UNAUTHORIZED, /* no or unknown credentials for our API */
    ERR_FORBIDDEN,    /* known credentials that do not allow this */
    ERR_NOT_FOUND,    /* the named object does not exist */
    ERR_METHOD,       /* the path exists, the method does not */
    ERR_CONFLICT,     /* the object exists already or changed meanwhile */
    ERR_TOO_LARGE,    /* body over the limit */
    ERR_RATE_LIMITED, /* our own limit */
    ERR_UNSUPPORTED,  /* media type or feature that the peer does not have */
    /* ourselves */
    ERR_INTERNAL,    /* a bug that was contained */
    ERR_UNAVAILABLE, /* we cannot do it now: shutting down, account not connected */
    ERR_TIMEOUT,     /* the deadline of the operation passed */
    ERR_CANCELED,    /* the owner asked for it */
    ERR_LIMIT,       /* a peer crossed a size or count limit */
    ERR_CONFIG,      /* configuration that cannot work */
    ERR_USAGE,       /* wrong command line */
    ERR_IO,          /* file or system call */
    /* network */
    ERR_DNS,      /* name not resolved */
    ERR_CONNECT,  /* refused or unreachable */
    ERR_CLOSED,   /* the peer closed the connection */
    ERR_NET,      /* reset or another socket error */
    ERR_EGRESS,   /* target refused by the egress policy */
    ERR_TLS,      /* handshake or record failure */
    ERR_TLS_CERT, /* certificate refused */
    ERR_STARTTLS, /* STARTTLS missing, refused, or bytes injected before it */
    /* mail servers */
    ERR_PROTOCOL,    /* the peer does not speak the protocol */
    ERR_NO,          /* command refused (IMAP NO) */
    ERR_BAD,         /* command not understood (IMAP BAD) */
    ERR_BYE,         /* the server said goodbye */
    ERR_AUTH,        /* mail server refused the credentials */
    ERR_TOKEN_DOWN,  /* no access token now: its source does not answer */
    ERR_TOKEN_GRANT, /* no access token any more: the consent is gone */
    ERR_THROTTLED,   /* mail server asks to slow down */
    ERR_MAXCONN,     /* too many connections to the mail server */
    ERR_NO_MAILBOX,  /* mailbox does not exist or cannot be selected */
    ERR_NO_MESSAGE,  /* message does not exist */
    ERR_NO_ACCOUNT,  /* account does not exist */
    ERR_QUOTA,       /* storage quota of the mailbox */
    /* store */
    ERR_STORE_DOWN,   /* Redis not reachable or not ready */
    ERR_STORE_REPLY,  /* Redis answered with an error */
    ERR_STORE_POLICY, /* Redis is configured in a way that loses data */
    ERR_FENCED,       /* this node lost the lease of the shard */
    ERR_STALE,        /* the record changed since it was read */
    ERR_DECRYPT,      /* stored value does not authenticate */
    ERR_KEY,          /* master key missing or wrong */
    ERR_CORRUPT,      /* stored value does not parse */
    ERR_CODE_COUNT
};

/* What a retry loop may do with a failure. */
enum err_class {
    ERR_CLASS_NONE,      /* not a failure */
    ERR_CLASS_TRANSIENT, /* the same again may work */
    ERR_CLASS_THROTTLED, /* the same later may work; slow down */
    ERR_CLASS_AUTH,      /* needs other credentials */
    ERR_CLASS_PERMANENT  /* the same again fails again */
};

enum {
    ERR_MSG_MAX = 256,
    ERR_PEER_CODE_MAX = 40
};

struct err {
    enum err_code code;
    int sys; /* errno, uv or OpenSSL number; 0 if none */
    char peer_code[ERR_PEER_CODE_MAX];
    char msg[ERR_MSG_MAX];
};

struct err_info {
    enum err_code code;
    const char *name;     /* "timeout", for logs and metrics */
    const char *api_code; /* "code" member of API error bodies, NULL if none */
    int http_status;
    enum err_class klass;
};

const struct err_info *err_info_get(enum err_code code) ATTR_RETURNS_NONNULL;
const char *err_code_name(enum err_code code) ATTR_RETURNS_NONNULL;
/* ERR_OK for a name that no code has. */
enum err_code err_code_by_name(const char *name);
const char *err_class_name(enum err_class klass) ATTR_RETURNS_NONNULL;

/* Sets code and message; returns false, so that `return err_set(err, …)` reads well.
 * A NULL err is allowed: the failure is reported, its reason is not wanted. */
bool err_set(struct err *err, enum err_code code, const char *fmt, ...) ATTR_PRINTF(3, 4);
bool err_vset(struct err *err, enum err_code code, const char *fmt, va_list ap)
    ATTR_PRINTF(3, 0);
/* Same, with a system number whose text the caller has already put into the message. */
bool err_set_sys(struct err *err, enum err_code code, int sys, const char *fmt, ...)
    ATTR_PRINTF(4, 5);
/* Puts "context: " in front of the message; once per layer. Returns false. */
bool err_wrap(struct err *err, const char *fmt, ...) ATTR_PRINTF(2, 3);
/* Stores the peer's machine-readable code, cut to fit and restricted to printable ASCII.
 */
void err_set_peer_code(struct err *err, const char *code, size_t len);
void err_clear(struct err *err);
bool err_is_transient(const struct err *err);

#endif
