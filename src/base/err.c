#include "postrider/base/err.h"

#include "postrider/base/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* One row per code: the only place where an error becomes an HTTP status and a retry
 * class. */
static const struct err_info infos[] = {
    {ERR_OK, "ok", NULL, 200, ERR_CLASS_NONE},
    {ERR_INVALID, "invalid", "InputValidationError", 400, ERR_CLASS_PERMANENT},
    {ERR_UNAUTHORIZED, "unauthorized", NULL, 401, ERR_CLASS_AUTH},
    {ERR_FORBIDDEN, "forbidden", NULL, 403, ERR_CLASS_AUTH},
    {ERR_NOT_FOUND, "notFound", "NotFound", 404, ERR_CLASS_PERMANENT},
    {ERR_METHOD, "methodNotAllowed", NULL, 405, ERR_CLASS_PERMANENT},
    {ERR_CONFLICT, "conflict", "Conflict", 409, ERR_CLASS_PERMANENT},
    {ERR_TOO_LARGE, "tooLarge", "TooLarge", 413, ERR_CLASS_PERMANENT},
    {ERR_RATE_LIMITED, "rateLimited", "RateLimited", 429, ERR_CLASS_THROTTLED},
    {ERR_UNSUPPORTED, "unsupported", "Unsupported", 400, ERR_CLASS_PERMANENT},
    {ERR_INTERNAL, "internal", "InternalError", 500, ERR_CLASS_TRANSIENT},
    {ERR_UNAVAILABLE, "unavailable", "NotAvailable", 503, ERR_CLASS_TRANSIENT},
    {ERR_TIMEOUT, "timeout", "Timeout", 504, ERR_CLASS_TRANSIENT},
    {ERR_CANCELED, "canceled", "Canceled", 503, ERR_CLASS_TRANSIENT},
    {ERR_LIMIT, "limit", "LimitExceeded", 502, ERR_CLASS_PERMANENT},
    {ERR_CONFIG, "config", NULL, 500, ERR_CLASS_PERMANENT},
    {ERR_USAGE, "usage", NULL, 400, ERR_CLASS_PERMANENT},
    {ERR_IO, "io", "IOError", 500, ERR_CLASS_TRANSIENT},
    {ERR_DNS, "dns", "ENOTFOUND", 502, ERR_CLASS_TRANSIENT},
    {ERR_CONNECT, "connect", "ECONNREFUSED", 502, ERR_CLASS_TRANSIENT},
    {ERR_CLOSED, "closed", "ECONNRESET", 502, ERR_CLASS_TRANSIENT},
    {ERR_NET, "network", "ECONNRESET", 502, ERR_CLASS_TRANSIENT},
    {ERR_EGRESS, "egress", "EEGRESSBLOCKED", 400, ERR_CLASS_PERMANENT},
    {ERR_TLS, "tls", "TLSError", 502, ERR_CLASS_TRANSIENT},
    {ERR_TLS_CERT, "tlsCertificate", "TLSCertificateError", 502, ERR_CLASS_PERMANENT},
    {ERR_STARTTLS, "starttls", "starttlsInjection", 502, ERR_CLASS_PERMANENT},
    {ERR_PROTOCOL, "protocol", "ProtocolError", 502, ERR_CLASS_TRANSIENT},
    {ERR_NO, "refused", "ServerRefused", 502, ERR_CLASS_PERMANENT},
    {ERR_BAD, "badCommand", "ServerRefused", 502, ERR_CLASS_PERMANENT},
    {ERR_BYE, "bye", "ECONNRESET", 502, ERR_CLASS_TRANSIENT},
    {ERR_AUTH, "authentication", "EAUTH", 502, ERR_CLASS_AUTH},
    {ERR_TOKEN_DOWN, "tokenDown", "OauthUnavailable", 503, ERR_CLASS_TRANSIENT},
    {ERR_TOKEN_GRANT, "tokenGrant", "OauthRenewError", 502, ERR_CLASS_AUTH},
    {ERR_THROTTLED, "throttled", "Throttled", 503, ERR_CLASS_THROTTLED},
    {ERR_MAXCONN, "maxConnections", "Throttled", 503, ERR_CLASS_THROTTLED},
    {ERR_NO_MAILBOX, "noMailbox", "FolderNotFound", 404, ERR_CLASS_PERMANENT},
    {ERR_NO_MESSAGE, "noMessage", "MessageNotFound", 404, ERR_CLASS_PERMANENT},
    {ERR_NO_ACCOUNT, "noAccount", "AccountNotFound", 404, ERR_CLASS_PERMANENT},
    {ERR_QUOTA, "quota", "QuotaExceeded", 507, ERR_CLASS_PERMANENT},
    {ERR_STORE_DOWN, "storeDown", "StoreUnavailable", 503, ERR_CLASS_TRANSIENT},
    {ERR_STORE_REPLY, "storeReply", "StoreUnavailable", 503, ERR_CLASS_TRANSIENT},
    {ERR_STORE_POLICY, "storePolicy", "StoreUnavailable", 503, ERR_CLASS_PERMANENT},
    {ERR_FENCED, "fenced", "NotAvailable", 503, ERR_CLASS_TRANSIENT},
    {ERR_STALE, "stale", "Conflict", 409, ERR_CLASS_TRANSIENT},
    {ERR_DECRYPT, "decrypt", "InternalError", 500, ERR_CLASS_PERMANENT},
    {ERR_KEY, "key", "InternalError", 500, ERR_CLASS_PERMANENT},
    {ERR_CORRUPT, "corrupt", "InternalError", 500, ERR_CLASS_PERMANENT},
};

_Static_assert(ARRAY_LEN(infos) == ERR_CODE_COUNT, "one row per error code, in order");

const struct err_info *err_info_get(enum err_code code)
{
    CHECK((size_t)code < ARRAY_LEN(infos) && infos[code].code == code);
    return &infos[code];
}

const char *err_code_name(enum err_code code)
{
    return err_info_get(code)->name;
}

enum err_code err_code_by_name(const char *name)
{
    for (size_t i = 0; name != NULL && i < ARRAY_LEN(infos); i++) {
        if (strcmp(infos[i].name, name) == 0) {
            return infos[i].code;
        }
    }
    return ERR_OK;
}

const char *err_class_name(enum err_class klass)
{
    switch (klass) {
    case ERR_CLASS_NONE:
        return "none";
    case ERR_CLASS_TRANSIENT:
        return "transient";
    case ERR_CLASS_THROTTLED:
        return "throttled";
    case ERR_CLASS_AUTH:
        return "auth";
    case ERR_CLASS_PERMANENT:
        return "permanent";
    }
    check_failed("err class", __FILE__, __LINE__, __func__);
}

static void ATTR_PRINTF(4, 0)
    set_all(struct err *err, enum err_code code, int sys, const char *fmt, va_list ap)
{
    if (err == NULL) {
        return;
    }
    err->code = code;
    err->sys = sys;
    err->peer_code[0] = '\0';
    (void)vsnprintf(err->msg, sizeof err->msg, fmt, ap);
}

bool err_vset(struct err *err, enum err_code code, const char *fmt, va_list ap)
{
    set_all(err, code, 0, fmt, ap);
    return false;
}

bool err_set(struct err *err, enum err_code code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)err_vset(err, code, fmt, ap);
    va_end(ap);
    return false;
}

bool err_set_sys(struct err *err, enum err_code code, int sys, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    set_all(err, code, sys, fmt, ap);
    va_end(ap);
    return false;
}

bool err_wrap(struct err *err, const char *fmt, ...)
{
    if (err == NULL) {
        return false;
    }
    char context[ERR_MSG_MAX];
    char old[ERR_MSG_MAX];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(context, sizeof context, fmt, ap);
    va_end(ap);
    memcpy(old, err->msg, sizeof old);
    size_t used = strlen(context);
    if (used > sizeof err->msg / 2) {
        used = sizeof err->msg / 2;
    }
    (void)snprintf(err->msg, sizeof err->msg, "%.*s: %.*s", (int)used, context,
                   (int)(sizeof err->msg - used - 3), old);
    return false;
}

void err_set_peer_code(struct err *err, const char *code, size_t len)
{
    if (err == NULL) {
        return;
    }
    size_t n = 0;
    for (size_t i = 0; i < len && n + 1 < sizeof err->peer_code; i++) {
        if (code[i] > 0x20 && code[i] < 0x7f) {
            err->peer_code[n++] = code[i];
        }
    }
    err->peer_code[n] = '\0';
}

void err_clear(struct err *err)
{
    *err = (struct err){.code = ERR_OK};
}

bool err_is_transient(const struct err *err)
{
    enum err_class klass = err_info_get(err->code)->klass;
    return klass == ERR_CLASS_TRANSIENT || klass == ERR_CLASS_THROTTLED;
}
