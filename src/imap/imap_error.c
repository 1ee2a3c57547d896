/* imap_error: what a server's refusal means for us.
 * One table in order of precedence: unmistakable texts, then response codes (RFC 5530),
 * then vague texts. What no row matches falls to the defaults of the command's context.
 */
#include "imap_priv.h"

#include "postrider/base/num.h"

enum {
    COND_NO = 1 << IMAP_COND_NO,
    COND_BAD = 1 << IMAP_COND_BAD,
    COND_BYE = 1 << IMAP_COND_BYE,
    COND_ANY = COND_NO | COND_BAD | COND_BYE,
    TEXT_MAX = 160,
    BACKOFF_MAX_MS = 5 * 60 * 1000
};

struct refusal_row {
    enum imap_code_kind code; /* IMAP_CODE_NONE = any */
    const char *text;         /* part of the text in any case; NULL = any */
    unsigned contexts;
    unsigned conds;
    enum err_code err;
};

#define CODE(kind, contexts, err)                                                        \
    {                                                                                    \
        IMAP_CODE_##kind, NULL, (contexts), COND_ANY, (err)                              \
    }
#define TEXT(text, contexts, err)                                                        \
    {                                                                                    \
        IMAP_CODE_NONE, (text), (contexts), COND_ANY, (err)                              \
    }

static const struct refusal_row rows[] = {
    /* limits on connections */
    TEXT("too many simultaneous connections", IMAP_CONTEXT_ANY, ERR_MAXCONN),
    TEXT("too many concurrent connections", IMAP_CONTEXT_ANY, ERR_MAXCONN),
    TEXT("too many connections", IMAP_CONTEXT_ANY, ERR_MAXCONN),
    TEXT("maximum number of connections", IMAP_CONTEXT_ANY, ERR_MAXCONN),
    /* Gmail says OVERQUOTA for bandwidth, Exchange BAD for an overloaded mailbox */
    TEXT("exceeded command or bandwidth limits", IMAP_CONTEXT_ANY, ERR_THROTTLED),
    TEXT("request is throttled", IMAP_CONTEXT_ANY, ERR_THROTTLED),
    TEXT("[throttled]", IMAP_CONTEXT_ANY, ERR_THROTTLED),
    TEXT("server unavailable", IMAP_CONTEXT_ANY, ERR_THROTTLED),
    TEXT("authenticated but not connected", IMAP_CONTEXT_ANY, ERR_THROTTLED),
    TEXT("connection closed. 14", IMAP_CONTEXT_ANY, ERR_THROTTLED),
    TEXT("account is temporarily unavailable", IMAP_CONTEXT_ANY, ERR_THROTTLED),
    TEXT("rate limit", IMAP_CONTEXT_ANY, ERR_THROTTLED),
    /* the account's owner has to act */
    TEXT("application-specific password required", IMAP_CONTEXT_AUTH, ERR_AUTH),
    TEXT("log in via your web browser", IMAP_CONTEXT_AUTH, ERR_AUTH),
    TEXT("authorized code", IMAP_CONTEXT_AUTH, ERR_AUTH),
    TEXT("imap access is disabled", IMAP_CONTEXT_AUTH, ERR_AUTH),
    TEXT("not enabled for imap use", IMAP_CONTEXT_AUTH, ERR_AUTH),
    /* Outlook: the token expired */
    TEXT("command error. 10", IMAP_CONTEXT_AUTH, ERR_AUTH),
    /* 163: wants ID before SELECT; the mailbox exists */
    TEXT("unsafe login", IMAP_CONTEXT_MAILBOX, ERR_NO),
    /* response codes */
    CODE(OVERQUOTA, IMAP_CONTEXT_STORAGE, ERR_QUOTA),
    CODE(OVERQUOTA, IMAP_CONTEXT_ANY, ERR_THROTTLED),
    CODE(THROTTLED, IMAP_CONTEXT_ANY, ERR_THROTTLED),
    CODE(LIMIT, IMAP_CONTEXT_ANY, ERR_THROTTLED),
    CODE(UNAVAILABLE, IMAP_CONTEXT_ANY, ERR_THROTTLED),
    CODE(INUSE, IMAP_CONTEXT_ANY, ERR_THROTTLED),
    CODE(CONTACTADMIN, IMAP_CONTEXT_ANY, ERR_THROTTLED),
    CODE(SERVERBUG, IMAP_CONTEXT_ANY, ERR_THROTTLED),
    CODE(AUTHENTICATIONFAILED, IMAP_CONTEXT_ANY, ERR_AUTH),
    CODE(AUTHORIZATIONFAILED, IMAP_CONTEXT_ANY, ERR_AUTH),
    CODE(EXPIRED, IMAP_CONTEXT_ANY, ERR_AUTH),
    CODE(PRIVACYREQUIRED, IMAP_CONTEXT_ANY, ERR_AUTH),
    CODE(WEBALERT, IMAP_CONTEXT_ANY, ERR_AUTH),
    CODE(NONEXISTENT, IMAP_CONTEXT_ANY, ERR_NO_MAILBOX),
    CODE(TRYCREATE, IMAP_CONTEXT_ANY, ERR_NO_MAILBOX),
    /* texts that other refusals use too */
    TEXT("[tempfail]", IMAP_CONTEXT_ANY, ERR_THROTTLED),
    TEXT("try again later", IMAP_CONTEXT_ANY, ERR_THROTTLED),
    /* Gmail: passes by itself */
    TEXT("system error (failure)", IMAP_CONTEXT_ANY, ERR_THROTTLED),
};

static bool row_matches(const struct refusal_row *row, unsigned cond,
                        enum imap_context context, enum imap_code_kind code,
                        struct str text)
{
    return (row->contexts & context) != 0 && (row->conds & cond) != 0 &&
           (row->code == IMAP_CODE_NONE || row->code == code) &&
           (row->text == NULL || str_ifind(text, row->text) != SIZE_MAX);
}

static const struct refusal_row *find_row(unsigned cond, enum imap_context context,
                                          enum imap_code_kind code, struct str text)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (row_matches(&rows[i], cond, context, code, text)) {
            return &rows[i];
        }
    }
    return NULL;
}

static enum err_code default_code(enum imap_cond cond, enum imap_context context)
{
    if (cond == IMAP_COND_BYE) {
        return ERR_BYE;
    }
    if (context == IMAP_CONTEXT_AUTH) {
        /* Only NO speaks of the credentials; BAD comes from confused servers. */
        return cond == IMAP_COND_NO ? ERR_AUTH : ERR_PROTOCOL;
    }
    if (cond == IMAP_COND_NO && context == IMAP_CONTEXT_MAILBOX) {
        return ERR_NO_MAILBOX;
    }
    return cond == IMAP_COND_NO ? ERR_NO : ERR_BAD;
}

/* A bounded copy without control bytes, for people. */
static const char *printable(struct str text, char out[TEXT_MAX + 1])
{
    size_t len = text.len < TEXT_MAX ? text.len : TEXT_MAX;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        out[i] = c < 0x20 || c == 0x7f ? '?' : text.ptr[i];
    }
    out[len] = '\0';
    return out;
}

static const char *verb(enum imap_cond cond)
{
    return cond == IMAP_COND_BYE   ? "the server closed the connection"
           : cond == IMAP_COND_BAD ? "not understood by the server"
                                   : "refused by the server";
}

void imap_error_from_resp(struct err *err, const char *what, enum imap_context context,
                          const struct imap_resp *resp)
{
    char text[TEXT_MAX + 1];
    const struct refusal_row *row =
        find_row(1u << resp->cond, context, resp->code.kind, resp->text);
    err_set(err, row != NULL ? row->err : default_code(resp->cond, context), "%s: %s%s%s",
            what, verb(resp->cond), resp->text.len > 0 ? ": " : "",
            printable(resp->text, text));
    if (resp->code.kind != IMAP_CODE_NONE) {
        err_set_peer_code(err, resp->code.name.ptr, resp->code.name.len);
    }
}

bool imap_error_from_text(struct err *err, enum imap_context context, struct str text)
{
    char copy[TEXT_MAX + 1];
    const struct refusal_row *row = find_row(COND_BAD, context, IMAP_CODE_NONE, text);
    if (row == NULL) {
        return false;
    }
    err_set(err, row->err, "the server says: %s", printable(text, copy));
    return true;
}

int64_t imap_backoff_hint_ms(const struct err *err)
{
    static const char key[] = "Suggested Backoff Time: ";
    struct str rest = str_of(err->msg);
    size_t at = str_ifind(rest, key);
    struct str number;
    uint64_t ms = 0;
    if (at == SIZE_MAX) {
        return 0;
    }
    rest = str_tail(rest, at + sizeof key - 1);
    if (!str_split(&rest, ' ', &number) || !num_u64(number, UINT64_MAX, &ms)) {
        return 0;
    }
    return ms < BACKOFF_MAX_MS ? (int64_t)ms : BACKOFF_MAX_MS;
}
