/* What a failure means for an account: one table from error codes to classes, one from
 * classes to state, event and time of the next try. How the classes shape connections is
 * in account_limits.c. */
#include "account_priv.h"

#include "postrider/base/check.h"
#include "postrider/base/rand.h"

#define SECONDS(n) ((int64_t)(n)*1000)
#define MINUTES(n) SECONDS(60 * (n))

/* Refused credentials: accounts get locked by those who try on. */
static const int64_t auth_steps[] = {MINUTES(5), MINUTES(15), MINUTES(60), MINUTES(360)};
static const int64_t throttle_steps[] = {MINUTES(1), MINUTES(2),  MINUTES(4),
                                         MINUTES(8), MINUTES(16), MINUTES(30)};

/* The state that is shown is one of EmailEngine's: throttled shows as connecting. */
static const struct account_reaction reactions[] = {
    [ACCOUNT_CLASS_NETWORK] = {.name = "network",
                               .state = "connectError",
                               .tells = true,
                               .retry = {SECONDS(2), MINUTES(10), 150, 20}},
    [ACCOUNT_CLASS_CERTIFICATE] = {.name = "certificate",
                                   .state = "connectError",
                                   .tells = true,
                                   .retry = {MINUTES(60), MINUTES(60), 100, 10}},
    [ACCOUNT_CLASS_AUTH] = {.name = "auth",
                            .state = "authenticationError",
                            .tells = true,
                            .bars = true,
                            .steps_ms = auth_steps,
                            .step_count = ARRAY_LEN(auth_steps)},
    [ACCOUNT_CLASS_TOKEN_DOWN] = {.name = "token",
                                  .state = "connecting",
                                  .retry = {SECONDS(30), MINUTES(30), 200, 20}},
    [ACCOUNT_CLASS_GRANT] = {.name = "grant",
                             .state = "authenticationError",
                             .tells = true,
                             .bars = true,
                             .retry = {MINUTES(24 * 60), MINUTES(24 * 60), 100, 0}},
    [ACCOUNT_CLASS_THROTTLED] = {.name = "throttled",
                                 .state = "connecting",
                                 .bars = true,
                                 .steps_ms = throttle_steps,
                                 .step_count = ARRAY_LEN(throttle_steps)},
    [ACCOUNT_CLASS_CONNECTIONS] = {.name = "connections",
                                   .state = "connecting",
                                   .bars = true,
                                   .retry = {MINUTES(5), MINUTES(5), 100, 0}},
    [ACCOUNT_CLASS_PROTOCOL] = {.name = "protocol",
                                .state = "connectError",
                                .tells = true,
                                .retry = {SECONDS(5), MINUTES(10), 200, 20}},
    [ACCOUNT_CLASS_STORE] = {.name = "store",
                             .state = "connecting",
                             .retry = {500, SECONDS(5), 150, 20}},
    /* Folder, message and quota: they end the request; as the end of an account's own work
     * they are what a server does that does not follow the protocol. */
    [ACCOUNT_CLASS_REQUEST] = {.name = "request",
                               .state = "connectError",
                               .tells = true,
                               .retry = {SECONDS(5), MINUTES(10), 200, 20}},
};

static const struct {
    enum err_code code;
    enum account_class klass;
} classes[] = {
    {ERR_DNS, ACCOUNT_CLASS_NETWORK},
    {ERR_CONNECT, ACCOUNT_CLASS_NETWORK},
    {ERR_CLOSED, ACCOUNT_CLASS_NETWORK},
    {ERR_NET, ACCOUNT_CLASS_NETWORK},
    {ERR_TIMEOUT, ACCOUNT_CLASS_NETWORK},
    {ERR_TLS, ACCOUNT_CLASS_NETWORK},
    {ERR_BYE, ACCOUNT_CLASS_NETWORK},
    {ERR_EGRESS, ACCOUNT_CLASS_CERTIFICATE},
    {ERR_TLS_CERT, ACCOUNT_CLASS_CERTIFICATE},
    {ERR_STARTTLS, ACCOUNT_CLASS_CERTIFICATE},
    {ERR_AUTH, ACCOUNT_CLASS_AUTH},
    {ERR_TOKEN_DOWN, ACCOUNT_CLASS_TOKEN_DOWN},
    {ERR_TOKEN_GRANT, ACCOUNT_CLASS_GRANT},
    {ERR_THROTTLED, ACCOUNT_CLASS_THROTTLED},
    {ERR_MAXCONN, ACCOUNT_CLASS_CONNECTIONS},
    {ERR_PROTOCOL, ACCOUNT_CLASS_PROTOCOL},
    {ERR_BAD, ACCOUNT_CLASS_PROTOCOL},
    {ERR_LIMIT, ACCOUNT_CLASS_PROTOCOL},
    {ERR_STORE_DOWN, ACCOUNT_CLASS_STORE},
    {ERR_STORE_REPLY, ACCOUNT_CLASS_STORE},
    {ERR_STORE_POLICY, ACCOUNT_CLASS_STORE},
    {ERR_FENCED, ACCOUNT_CLASS_STORE},
    {ERR_STALE, ACCOUNT_CLASS_STORE},
    {ERR_UNAVAILABLE, ACCOUNT_CLASS_STORE},
    {ERR_NO, ACCOUNT_CLASS_REQUEST},
    {ERR_NO_MAILBOX, ACCOUNT_CLASS_REQUEST},
    {ERR_NO_MESSAGE, ACCOUNT_CLASS_REQUEST},
    {ERR_QUOTA, ACCOUNT_CLASS_REQUEST},
};

enum account_class account_class_of(const struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(classes); i++) {
        if (classes[i].code == err->code) {
            return classes[i].klass;
        }
    }
    return ACCOUNT_CLASS_PROTOCOL;
}

const struct account_reaction *account_reaction_get(const struct err *err)
{
    return &reactions[account_class_of(err)];
}

int64_t account_reaction_delay_ms(const struct err *err,
                                  struct backoff backoffs[ACCOUNT_CLASS_COUNT])
{
    const struct account_reaction *r = account_reaction_get(err);
    struct backoff *b = &backoffs[account_class_of(err)];
    int64_t hint_ms = imap_backoff_hint_ms(err);
    if (r->step_count == 0) {
        return backoff_next_ms(b, &r->retry);
    }
    size_t step = b->tries < r->step_count ? b->tries : r->step_count - 1;
    b->tries++;
    /* Never early: a tenth later at most, so that many accounts do not come as one. */
    int64_t least_ms = hint_ms > 0 ? hint_ms : r->steps_ms[step];
    return least_ms + (int64_t)rand_below((uint32_t)(least_ms / 10 + 1));
}
