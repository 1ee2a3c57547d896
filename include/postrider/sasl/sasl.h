/* sasl: the client's side of the SASL mechanisms that mail servers know, as pure
 * functions.
 * Shape    no state of its own: the caller counts the server's challenges
 *              sasl_initial ──► sent inline (see sasl_is_inline) or after the first challenge
 *                           ──► sasl_continue(step 1, 2, …) for every further challenge
 * Owner    responses are appended to the caller's buf, which holds a secret from then on:
 *          wipe it. Credentials are borrowed for the call.
 * Calls    any thread
 * Limits   SASL_CREDENTIAL_MAX per credential; the number of steps of each mechanism
 * Errors   ERR_INVALID: a credential is absent, too long or holds a byte the mechanism
 *          cannot carry; ERR_PROTOCOL: the server asks for more than the mechanism has.
 *          Nothing is appended on failure.
 * Spec     PLAIN RFC 4616; LOGIN draft-murchison-sasl-login; OAUTHBEARER RFC 7628;
 *          XOAUTH2 as deployed by Google and Microsoft. Responses are raw: base64 is the
 *          protocol's part. */
#ifndef POSTRIDER_SASL_SASL_H
#define POSTRIDER_SASL_SASL_H

#include "postrider/base/buf.h"
#include "postrider/base/err.h"
#include "postrider/base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum sasl_mech {
    SASL_OAUTHBEARER,
    SASL_XOAUTH2,
    SASL_PLAIN,
    SASL_LOGIN,
    SASL_MECH_COUNT /* listed in order of preference */
};

enum {
    SASL_CREDENTIAL_MAX = 16 * 1024
};

struct sasl_credentials {
    struct str user;
    struct str authzid; /* on whose behalf; absent or empty: the user's own. PLAIN only */
    struct str password; /* PLAIN, LOGIN */
    struct str token;    /* OAUTHBEARER, XOAUTH2: the access token */
    struct str host;     /* OAUTHBEARER: the server really connected to; may be absent */
    uint16_t port;       /* OAUTHBEARER: 0 leaves it out */
};

/* The registered name, "OAUTHBEARER". */
const char *sasl_mech_name(enum sasl_mech mech) ATTR_RETURNS_NONNULL;
/* Case-insensitive; false if we do not have it. */
bool sasl_mech_parse(struct str name, enum sasl_mech *mech_out);
/* Does it authenticate with a token instead of a password? */
bool sasl_is_token(enum sasl_mech mech);
/* May the first response travel with the AUTHENTICATE command (RFC 4959)? Not so for
 * LOGIN, where the server speaks first. */
bool sasl_is_inline(enum sasl_mech mech);

/* The first response; LOGIN: the user name. */
bool sasl_initial(enum sasl_mech mech, const struct sasl_credentials *cred,
                  struct buf *out, struct err *err);
/* The response to a further challenge (decoded); step counts them from 1. LOGIN step 1 is
 * the password, whatever the prompt says. For the token mechanisms a challenge is the
 * server's report of a failure: the answer only makes it finish with its tagged refusal.
 */
bool sasl_continue(enum sasl_mech mech, const struct sasl_credentials *cred,
                   unsigned step, struct str challenge, struct buf *out, struct err *err);

#endif
