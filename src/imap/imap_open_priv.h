#ifndef POSTRIDER_IMAP_OPEN_PRIV_H
#define POSTRIDER_IMAP_OPEN_PRIV_H

#include "imap_priv.h"

#include "postrider/sasl/sasl.h"

enum open_state {
    OPEN_CONNECT,
    OPEN_GREETING,
    OPEN_CAPABILITY,
    OPEN_STARTTLS,
    OPEN_TLS,
    OPEN_AUTH,
    OPEN_CAPABILITY2,
    OPEN_HELLO,
    OPEN_PREFIX,
    OPEN_READY
};

struct imap_open {
    struct imap_op base; /* base.conn: ours until the callback takes it, or NULL */
    int state;           /* enum open_state */
    struct net *net;
    struct imap_conn_params params; /* strings in the arena */
    char *secret;
    size_t secret_len;
    struct net_connect *connecting;
    struct net_starttls *upgrading;
    struct timer phase;
    const char *phase_name;
    unsigned caps_asked;
    bool caps_fresh; /* told during or after authentication */
    enum sasl_mech mech;
    unsigned sasl_step;
    bool sasl_inline, sasl_plain_form; /* first response sent along; not any more */
    uint32_t enabling;
    unsigned hellos; /* ID, NAMESPACE, ENABLE: unanswered */
    bool has_namespace;
    struct err false_login; /* NAMESPACE was answered with BAD */
    imap_open_cb *cb;
    void *ctx;
};

/* Sends the credentials; ends in imap_open_authenticated or imap_open_fail. */
void imap_login_start(struct imap_open *op);
void imap_open_authenticated(struct imap_open *op);
void imap_open_fail(struct imap_open *op, const struct err *err);
void imap_open_failf(struct imap_open *op, enum err_code code, const char *fmt, ...)
    ATTR_PRINTF(3, 4);

#define OPEN(ptr) container_of(ptr, struct imap_open, base)

/* The only way to change the state; checks the edge, traces, and sends. */
void imap_open_enter(struct imap_open *op, enum open_state state);
/* The server has so long from here. */
void imap_open_set_phase(struct imap_open *op, const char *name, int64_t ms);

/* imap_hello.c */
void imap_open_enter_hello(struct imap_open *op);
void imap_open_enter_prefix(struct imap_open *op);

#endif
