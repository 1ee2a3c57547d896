#include "postrider/sasl/sasl.h"

#include "postrider/base/check.h"

/* Separates the fields of the token mechanisms (RFC 7628 §3.1). */
#define SASL_SEPARATOR "\001"

typedef bool sasl_build(const struct sasl_credentials *cred, struct buf *out,
                        struct err *err);

/* --- credentials --- */

/* NUL separates the fields of PLAIN (RFC 4616 §2), control characters those of the token
 * mechanisms: inside a credential they would forge a field. */
static bool credential_check(struct str s, const char *what, unsigned char lowest,
                             struct err *err)
{
    if (s.len == 0) {
        return err_set(err, ERR_INVALID, "the %s is empty", what);
    }
    if (s.len > SASL_CREDENTIAL_MAX) {
        return err_set(err, ERR_INVALID, "the %s is longer than %d bytes", what,
                       SASL_CREDENTIAL_MAX);
    }
    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.ptr[i] < lowest) {
            return err_set(err, ERR_INVALID, "the %s has a character that cannot be sent",
                           what);
        }
    }
    return true;
}

static bool password_check(const struct sasl_credentials *cred, struct err *err)
{
    return credential_check(cred->user, "user name", 1, err) &&
           credential_check(cred->password, "password", 1, err);
}

static bool token_check(const struct sasl_credentials *cred, struct err *err)
{
    return credential_check(cred->user, "user name", 0x20, err) &&
           credential_check(cred->token, "access token", 0x21, err);
}

/* --- mechanisms --- */

static bool plain_build(const struct sasl_credentials *cred, struct buf *out,
                        struct err *err)
{
    if (!password_check(cred, err) ||
        (cred->authzid.len > 0 &&
         !credential_check(cred->authzid, "authorization identity", 1, err))) {
        return false;
    }
    buf_put_str(out, cred->authzid);
    buf_put_byte(out, '\0');
    buf_put_str(out, cred->user);
    buf_put_byte(out, '\0');
    buf_put_str(out, cred->password);
    return true;
}

static bool login_user_build(const struct sasl_credentials *cred, struct buf *out,
                             struct err *err)
{
    if (!password_check(cred, err)) {
        return false;
    }
    buf_put_str(out, cred->user);
    return true;
}

static bool login_password_build(const struct sasl_credentials *cred, struct buf *out,
                                 struct err *err)
{
    if (!password_check(cred, err)) {
        return false;
    }
    buf_put_str(out, cred->password);
    return true;
}

static bool xoauth2_build(const struct sasl_credentials *cred, struct buf *out,
                          struct err *err)
{
    if (!token_check(cred, err)) {
        return false;
    }
    buf_put_c(out, "user=");
    buf_put_str(out, cred->user);
    buf_put_c(out, SASL_SEPARATOR "auth=Bearer ");
    buf_put_str(out, cred->token);
    buf_put_c(out, SASL_SEPARATOR SASL_SEPARATOR);
    return true;
}

/* saslname: "=" and "," are written as "=3D" and "=2C" (RFC 5801 §4). */
static void saslname_put(struct buf *out, struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        switch (name.ptr[i]) {
        case ',':
            buf_put_c(out, "=2C");
            break;
        case '=':
            buf_put_c(out, "=3D");
            break;
        default:
            buf_put_byte(out, name.ptr[i]);
        }
    }
}

static bool oauthbearer_build(const struct sasl_credentials *cred, struct buf *out,
                              struct err *err)
{
    if (!token_check(cred, err) ||
        (cred->host.len > 0 && !credential_check(cred->host, "host name", 0x21, err))) {
        return false;
    }
    buf_put_c(out, "n,a=");
    saslname_put(out, cred->user);
    buf_put_c(out, "," SASL_SEPARATOR);
    if (cred->host.len > 0) {
        buf_put_c(out, "host=");
        buf_put_str(out, cred->host);
        buf_put_c(out, SASL_SEPARATOR);
    }
    if (cred->port != 0) {
        buf_printf(out, "port=%u" SASL_SEPARATOR, (unsigned)cred->port);
    }
    buf_put_c(out, "auth=Bearer ");
    buf_put_str(out, cred->token);
    buf_put_c(out, SASL_SEPARATOR SASL_SEPARATOR);
    return true;
}

/* RFC 7628 §3.2.3: the dummy response to a failure report is a single separator. */
static bool oauthbearer_abort_build(const struct sasl_credentials *cred ATTR_UNUSED,
                                    struct buf *out, struct err *err ATTR_UNUSED)
{
    buf_put_c(out, SASL_SEPARATOR);
    return true;
}

static bool empty_build(const struct sasl_credentials *cred ATTR_UNUSED,
                        struct buf *out ATTR_UNUSED, struct err *err ATTR_UNUSED)
{
    return true;
}

enum {
    SASL_STEPS_MAX = 2
};

static const struct sasl_row {
    const char *name;
    bool token;
    bool is_inline;
    sasl_build *steps[SASL_STEPS_MAX]; /* NULL: the mechanism is at its end */
} rows[] = {
    [SASL_OAUTHBEARER] = {"OAUTHBEARER",
                          true,
                          true,
                          {oauthbearer_build, oauthbearer_abort_build}},
    [SASL_XOAUTH2] = {"XOAUTH2", true, true, {xoauth2_build, empty_build}},
    [SASL_PLAIN] = {"PLAIN", false, true, {plain_build, NULL}},
    [SASL_LOGIN] = {"LOGIN", false, false, {login_user_build, login_password_build}},
};

_Static_assert(ARRAY_LEN(rows) == SASL_MECH_COUNT, "one row per mechanism");

static const struct sasl_row *row_get(enum sasl_mech mech)
{
    CHECK((unsigned)mech < SASL_MECH_COUNT);
    return &rows[mech];
}

const char *sasl_mech_name(enum sasl_mech mech)
{
    return row_get(mech)->name;
}

bool sasl_mech_parse(struct str name, enum sasl_mech *mech_out)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (str_ieq_c(name, rows[i].name)) {
            *mech_out = (enum sasl_mech)i;
            return true;
        }
    }
    return false;
}

bool sasl_is_token(enum sasl_mech mech)
{
    return row_get(mech)->token;
}

bool sasl_is_inline(enum sasl_mech mech)
{
    return row_get(mech)->is_inline;
}

static bool step_build(enum sasl_mech mech, const struct sasl_credentials *cred,
                       unsigned step, struct buf *out, struct err *err)
{
    const struct sasl_row *row = row_get(mech);
    if (step >= SASL_STEPS_MAX || row->steps[step] == NULL) {
        return err_set(err, ERR_PROTOCOL, "the server asks for more than %s has",
                       row->name);
    }
    size_t before = out->len;
    if (!row->steps[step](cred, out, err)) {
        return false;
    }
    if (out->overflow) {
        buf_truncate(out, before);
        return err_set(err, ERR_INVALID, "the credentials are too long for %s",
                       row->name);
    }
    return true;
}

bool sasl_initial(enum sasl_mech mech, const struct sasl_credentials *cred,
                  struct buf *out, struct err *err)
{
    return step_build(mech, cred, 0, out, err);
}

bool sasl_continue(enum sasl_mech mech, const struct sasl_credentials *cred,
                   unsigned step, struct str challenge ATTR_UNUSED, struct buf *out,
                   struct err *err)
{
    CHECK(step > 0);
    return step_build(mech, cred, step, out, err);
}
