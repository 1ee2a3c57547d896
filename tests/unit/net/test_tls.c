#include "postrider/net/net.h"

#include "net_fixture.h"
#include "net_priv.h"
#include "server_fixture.h"
#include "tls_fixture.h"

#include "postrider/base/attr.h"
#include "postrider/base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum {
    WAIT_MS = 8000
};

static struct loop *loop;
static struct net *net;
static struct tls_fixture *certs;

/* --- servers --- */

/* Says one line, then listens until the client goes. */
static void tls_session(int fd, SSL_CTX *ctx)
{
    SSL *ssl = server_fixture_tls(fd, ctx);
    if (ssl != NULL) {
        char chunk[256];
        (void)SSL_write(ssl, "secure\r\n", 8);
        while (SSL_read(ssl, chunk, sizeof chunk) > 0) {
        }
        SSL_free(ssl);
    }
}

static void serve_tls(int fd, void *arg)
{
    tls_session(fd, arg);
}

static void bytes_send(int fd, BIO *from)
{
    char byte;
    while (BIO_read(from, &byte, 1) == 1 && server_fixture_send(fd, &byte, 1)) {
    }
}

/* The same, but every byte travels alone. */
static void serve_bytewise(int fd, void *arg)
{
    int one = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    SSL *ssl = SSL_new(arg);
    BIO *out = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl, BIO_new_socket(fd, BIO_NOCLOSE), out);
    SSL_set_accept_state(ssl);
    bool greeted = false;
    for (unsigned rounds = 0; rounds < 200; rounds++) {
        char chunk[256];
        int rc = SSL_is_init_finished(ssl) ? SSL_read(ssl, chunk, sizeof chunk)
                                           : SSL_do_handshake(ssl);
        int why = SSL_get_error(ssl, rc);
        if (SSL_is_init_finished(ssl) && !greeted) {
            greeted = true;
            (void)SSL_write(ssl, "secure\r\n", 8);
        }
        bytes_send(fd, out);
        if (rc <= 0 && why != SSL_ERROR_WANT_READ) {
            break;
        }
        struct pollfd p = {.fd = fd, .events = POLLIN};
        (void)poll(&p, 1, 50);
    }
    SSL_free(ssl);
}

enum go_ahead {
    GO_CLEAN,
    GO_SAME_PACKET,   /* bytes behind the go-ahead in one packet */
    GO_BEFORE_RECORD, /* clear text where the server's hello belongs */
    GO_CLOSE,
    GO_SILENT
};

struct starttls_server {
    SSL_CTX *ctx;
    enum go_ahead go;
};

static void serve_starttls(int fd, void *arg)
{
    const struct starttls_server *conf = arg;
    char line[64];
    (void)server_fixture_send(fd, "* ready\r\n", 9);
    if (recv(fd, line, sizeof line, 0) <= 0) {
        return;
    }
    switch (conf->go) {
    case GO_CLEAN:
        (void)server_fixture_send(fd, "OK\r\n", 4);
        tls_session(fd, conf->ctx);
        break;
    case GO_SAME_PACKET:
        (void)server_fixture_send(fd, "OK\r\n* injected\r\n", 16);
        server_fixture_drain(fd);
        break;
    case GO_BEFORE_RECORD:
        (void)server_fixture_send(fd, "OK\r\n", 4);
        (void)recv(fd, line, sizeof line, 0);
        (void)server_fixture_send(fd, "* injected\r\n", 12);
        server_fixture_drain(fd);
        break;
    case GO_CLOSE:
        (void)server_fixture_send(fd, "OK\r\n", 4);
        (void)recv(fd, line, sizeof line, 0);
        break;
    case GO_SILENT:
        (void)server_fixture_send(fd, "OK\r\n", 4);
        server_fixture_drain(fd);
        break;
    }
}

/* --- client --- */

struct client {
    bool connected, ended, upgraded, enough;
    unsigned upgrades;
    struct err err, end, upgrade_err;
    struct stream *stream;
    char got[256];
    size_t len;
    bool starttls;
    int64_t deadline_ms;
    bool close_during;
    struct tls_policy policy;
};

static void on_upgrade(struct net_starttls *op, const struct err *err, void *ctx)
{
    (void)op;
    struct client *c = ctx;
    c->upgraded = true;
    c->upgrades++;
    c->upgrade_err = *err;
    assert_int_equal(c->len, 0);
}

static void on_data(void *ctx, const char *data, size_t len)
{
    struct client *c = ctx;
    assert_true(c->len + len < sizeof c->got);
    memcpy(c->got + c->len, data, len);
    c->len += len;
    c->enough = strstr(c->got, "secure\r\n") != NULL;
    const char *ok = strstr(c->got, "OK\r\n");
    if (strcmp(c->got, "* ready\r\n") == 0) {
        assert_true(stream_write(c->stream, "STARTTLS\r\n", 10));
    } else if (c->starttls && ok != NULL) {
        size_t behind = (size_t)(c->got + c->len - (ok + 4));
        c->starttls = false;
        c->len = 0;
        memset(c->got, 0, sizeof c->got);
        (void)net_starttls_start(c->stream, &c->policy, "localhost", behind,
                                 c->deadline_ms, on_upgrade, c);
        assert_false(c->upgraded);
        if (c->close_during) {
            stream_close(&c->stream);
        }
    }
}

static void on_end(void *ctx, const struct err *err)
{
    struct client *c = ctx;
    c->ended = true;
    c->end = *err;
}

static const struct stream_events events = {on_data, NULL, on_end};

static void on_connect(struct net_connect *op, const struct err *err,
                       struct stream *stream, void *ctx)
{
    (void)op;
    struct client *c = ctx;
    c->connected = true;
    c->err = *err;
    c->stream = stream;
}

static void client_connect(struct client *c, const struct net_target *target)
{
    c->connected = false;
    (void)net_connect_start(net, target, WAIT_MS, on_connect, c);
    loop_fixture_run_until(loop, &c->connected, WAIT_MS);
}

static void client_close(struct client *c)
{
    stream_close(&c->stream);
    loop_fixture_run_for(loop, 10);
}

/* --- tests --- */

static void certificates_are_judged(void **state)
{
    (void)state;
    static const struct {
        enum tls_fixture_cert cert;
        const char *host;
        const char *name; /* server_name */
        bool insecure;
        bool other_ca;
        enum err_code code;
        const char *peer_code;
    } rows[] = {
        {TLS_FIXTURE_GOOD, "localhost", NULL, false, false, ERR_OK, ""},
        {TLS_FIXTURE_GOOD, "127.0.0.1", NULL, false, false, ERR_OK, ""},
        {TLS_FIXTURE_GOOD, "127.0.0.1", "mail.example.test", false, false, ERR_OK, ""},
        {TLS_FIXTURE_GOOD, "127.0.0.1", "mail.example.test.", false, false, ERR_OK, ""},
        {TLS_FIXTURE_GOOD, "127.0.0.1", "a.wild.example.test", false, false, ERR_OK, ""},
        {TLS_FIXTURE_GOOD, "127.0.0.1", "a.b.wild.example.test", false, false,
         ERR_TLS_CERT, "HOSTNAME_MISMATCH"},
        {TLS_FIXTURE_GOOD, "127.0.0.1", "wild.example.test", false, false, ERR_TLS_CERT,
         "HOSTNAME_MISMATCH"},
        {TLS_FIXTURE_GOOD, "127.0.0.1", "", false, false, ERR_INVALID, ""},
        {TLS_FIXTURE_CHAIN, "localhost", NULL, false, false, ERR_OK, ""},
        {TLS_FIXTURE_EXPIRED, "localhost", NULL, false, false, ERR_TLS_CERT,
         "CERT_HAS_EXPIRED"},
        {TLS_FIXTURE_NOT_YET_VALID, "localhost", NULL, false, false, ERR_TLS_CERT,
         "CERT_NOT_YET_VALID"},
        {TLS_FIXTURE_WRONG_HOST, "localhost", NULL, false, false, ERR_TLS_CERT,
         "HOSTNAME_MISMATCH"},
        {TLS_FIXTURE_CN_ONLY, "localhost", NULL, false, false, ERR_TLS_CERT,
         "HOSTNAME_MISMATCH"},
        {TLS_FIXTURE_NO_IP, "127.0.0.1", NULL, false, false, ERR_TLS_CERT,
         "IP_ADDRESS_MISMATCH"},
        {TLS_FIXTURE_CLIENT_USAGE, "localhost", NULL, false, false, ERR_TLS_CERT,
         "INVALID_PURPOSE"},
        {TLS_FIXTURE_WEAK_KEY, "localhost", NULL, false, false, ERR_TLS_CERT,
         "EE_KEY_TOO_SMALL"},
        {TLS_FIXTURE_SELF_SIGNED, "localhost", NULL, false, false, ERR_TLS_CERT,
         "DEPTH_ZERO_SELF_SIGNED_CERT"},
        {TLS_FIXTURE_GOOD, "localhost", NULL, false, true, ERR_TLS_CERT,
         "UNABLE_TO_GET_ISSUER_CERT_LOCALLY"},
        {TLS_FIXTURE_SELF_SIGNED, "localhost", NULL, true, false, ERR_OK, ""},
        {TLS_FIXTURE_WRONG_HOST, "localhost", NULL, true, false, ERR_OK, ""},
    };
    struct tls_fixture *other = tls_fixture_new();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        SSL_CTX *ctx = tls_fixture_server_ctx(certs, rows[i].cert);
        struct server_fixture *server = server_fixture_start(serve_tls, ctx);
        struct net_target target = {
            .host = rows[i].host,
            .port = server_fixture_port(server),
            .security = NET_TLS,
            .tls = {.insecure = rows[i].insecure,
                    .server_name = rows[i].name,
                    .ca_file = tls_fixture_ca_file(rows[i].other_ca ? other : certs)}};
        struct client c = {0};
        client_connect(&c, &target);
        if (c.err.code != rows[i].code ||
            strcmp(c.err.peer_code, rows[i].peer_code) != 0) {
            fail_msg("row %zu: %s %s (%s)", i, err_code_name(c.err.code), c.err.peer_code,
                     c.err.msg);
        }
        assert_true((c.stream != NULL) == (c.err.code == ERR_OK));
        client_close(&c);
        server_fixture_stop(&server);
        SSL_CTX_free(ctx);
    }
    tls_fixture_free(&other);
}

static void versions_are_limited(void **state)
{
    (void)state;
    static const struct {
        int server_max;
        const char *client_min;
        enum err_code code;
        const char *version;
    } rows[] = {
        {TLS1_3_VERSION, NULL, ERR_OK, "TLSv1.3"},
        {TLS1_2_VERSION, NULL, ERR_OK, "TLSv1.2"},
        {TLS1_2_VERSION, "TLSv1.2", ERR_OK, "TLSv1.2"},
        {TLS1_2_VERSION, "TLSv1.3", ERR_TLS, ""},
        {TLS1_1_VERSION, NULL, ERR_TLS, ""},
        {TLS1_3_VERSION, "TLSv1.1", ERR_INVALID, ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        SSL_CTX *ctx = tls_fixture_server_ctx(certs, TLS_FIXTURE_GOOD);
        SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
        SSL_CTX_set_max_proto_version(ctx, rows[i].server_max);
        struct server_fixture *server = server_fixture_start(serve_tls, ctx);
        struct net_target target = {.host = "localhost",
                                    .port = server_fixture_port(server),
                                    .security = NET_TLS,
                                    .tls = {.min_version = rows[i].client_min,
                                            .ca_file = tls_fixture_ca_file(certs)}};
        struct client c = {0};
        client_connect(&c, &target);
        if (c.err.code != rows[i].code) {
            fail_msg("row %zu: %s (%s)", i, err_code_name(c.err.code), c.err.msg);
        }
        if (c.stream != NULL) {
            struct stream_info info;
            stream_info_get(c.stream, &info);
            assert_true(info.tls);
            assert_string_equal(info.tls_version, rows[i].version);
        }
        client_close(&c);
        server_fixture_stop(&server);
        SSL_CTX_free(ctx);
    }
}

static void missing_authorities_are_an_error_each_time(void **state)
{
    (void)state;
    SSL_CTX *ctx = tls_fixture_server_ctx(certs, TLS_FIXTURE_GOOD);
    struct server_fixture *server = server_fixture_start(serve_tls, ctx);
    struct net_target target = {.host = "localhost",
                                .port = server_fixture_port(server),
                                .security = NET_TLS,
                                .tls = {.ca_file = "/nonexistent/ca.pem"}};
    for (unsigned i = 0; i < 2; i++) {
        struct client c = {0};
        client_connect(&c, &target);
        assert_int_equal(c.err.code, ERR_TLS);
        assert_null(c.stream);
    }
    server_fixture_stop(&server);
    SSL_CTX_free(ctx);
}

static bool connect_is_resumed(struct net_target *target)
{
    struct client c = {0};
    client_connect(&c, target);
    assert_int_equal(c.err.code, ERR_OK);
    stream_set_events(c.stream, &events, &c);
    loop_fixture_run_until(loop, &c.enough, WAIT_MS);
    struct stream_info info;
    stream_info_get(c.stream, &info);
    client_close(&c);
    return info.resumed;
}

static void sessions_resume_under_the_same_policy_only(void **state)
{
    (void)state;
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        SSL_CTX *ctx = tls_fixture_server_ctx(certs, TLS_FIXTURE_GOOD);
        SSL_CTX_set_max_proto_version(ctx, versions[i]);
        struct server_fixture *server = server_fixture_start(serve_tls, ctx);
        struct net_target target = {.host = "localhost",
                                    .port = server_fixture_port(server),
                                    .security = NET_TLS,
                                    .tls = {.insecure = true}};
        assert_false(connect_is_resumed(&target));
        assert_true(connect_is_resumed(&target));
        target.tls = (struct tls_policy){.ca_file = tls_fixture_ca_file(certs)};
        assert_false(connect_is_resumed(&target));
        assert_true(connect_is_resumed(&target));
        assert_true(connect_is_resumed(&target));
        target.tls.server_name = "mail.example.test";
        assert_false(connect_is_resumed(&target));
        server_fixture_stop(&server);
        SSL_CTX_free(ctx);
    }
}

static void bytes_one_by_one_make_no_difference(void **state)
{
    (void)state;
    SSL_CTX *ctx = tls_fixture_server_ctx(certs, TLS_FIXTURE_GOOD);
    struct server_fixture *server = server_fixture_start(serve_bytewise, ctx);
    struct net_target target = {.host = "localhost",
                                .port = server_fixture_port(server),
                                .security = NET_TLS,
                                .tls = {.ca_file = tls_fixture_ca_file(certs)}};
    assert_false(connect_is_resumed(&target));
    assert_true(connect_is_resumed(&target));
    server_fixture_stop(&server);
    SSL_CTX_free(ctx);
}

static void serve_silence(int fd, void *arg)
{
    (void)arg;
    server_fixture_drain(fd);
}

static void silent_handshake_ends_at_the_deadline(void **state)
{
    (void)state;
    struct server_fixture *server = server_fixture_start(serve_silence, NULL);
    struct net_target target = {.host = "localhost",
                                .port = server_fixture_port(server),
                                .security = NET_TLS,
                                .tls = {.insecure = true}};
    struct client c = {0};
    (void)net_connect_start(net, &target, 200, on_connect, &c);
    loop_fixture_run_until(loop, &c.connected, WAIT_MS);
    assert_int_equal(c.err.code, ERR_TIMEOUT);
    assert_null(c.stream);
    loop_fixture_run_for(loop, 10);
    server_fixture_stop(&server);
}

static void starttls_upgrades_or_says_why_not(void **state)
{
    (void)state;
    static const struct {
        enum go_ahead go;
        enum tls_fixture_cert cert;
        int64_t deadline_ms;
        bool close_during;
        enum err_code code;
    } rows[] = {
        {GO_CLEAN, TLS_FIXTURE_GOOD, WAIT_MS, false, ERR_OK},
        {GO_CLEAN, TLS_FIXTURE_EXPIRED, WAIT_MS, false, ERR_TLS_CERT},
        {GO_CLEAN, TLS_FIXTURE_GOOD, WAIT_MS, true, ERR_CANCELED},
        {GO_SAME_PACKET, TLS_FIXTURE_GOOD, WAIT_MS, false, ERR_STARTTLS},
        {GO_BEFORE_RECORD, TLS_FIXTURE_GOOD, WAIT_MS, false, ERR_STARTTLS},
        {GO_SILENT, TLS_FIXTURE_GOOD, 150, false, ERR_TIMEOUT},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        SSL_CTX *ctx = tls_fixture_server_ctx(certs, rows[i].cert);
        struct starttls_server conf = {.ctx = ctx, .go = rows[i].go};
        struct server_fixture *server = server_fixture_start(serve_starttls, &conf);
        struct net_target target = {.host = "localhost",
                                    .port = server_fixture_port(server)};
        struct client c = {.starttls = true,
                           .deadline_ms = rows[i].deadline_ms,
                           .close_during = rows[i].close_during,
                           .policy = {.ca_file = tls_fixture_ca_file(certs)}};
        client_connect(&c, &target);
        assert_int_equal(c.err.code, ERR_OK);
        stream_set_events(c.stream, &events, &c);
        loop_fixture_run_until(loop, &c.upgraded, WAIT_MS);
        if (c.upgrade_err.code != rows[i].code) {
            fail_msg("row %zu: %s (%s)", i, err_code_name(c.upgrade_err.code),
                     c.upgrade_err.msg);
        }
        if (rows[i].code == ERR_OK) {
            loop_fixture_run_until(loop, &c.enough, WAIT_MS);
            assert_string_equal(c.got, "secure\r\n");
        } else {
            loop_fixture_run_for(loop, 20);
            assert_int_equal(c.len, 0);
            assert_true(c.stream == NULL || !stream_write(c.stream, "a", 1));
        }
        assert_int_equal(c.upgrades, 1);
        client_close(&c);
        server_fixture_stop(&server);
        SSL_CTX_free(ctx);
    }
}

static void starttls_reports_a_server_that_closes(void **state)
{
    (void)state;
    struct starttls_server conf = {.go = GO_CLOSE};
    struct server_fixture *server = server_fixture_start(serve_starttls, &conf);
    struct net_target target = {.host = "localhost", .port = server_fixture_port(server)};
    struct client c = {
        .starttls = true, .deadline_ms = WAIT_MS, .policy = {.insecure = true}};
    client_connect(&c, &target);
    stream_set_events(c.stream, &events, &c);
    loop_fixture_run_until(loop, &c.upgraded, WAIT_MS);
    /* The server may close before it has read the whole hello: then it is a reset. */
    assert_true(c.upgrade_err.code == ERR_CLOSED || c.upgrade_err.code == ERR_NET);
    assert_false(c.ended);
    client_close(&c);
    server_fixture_stop(&server);
}

static int setup(void **state)
{
    (void)state;
    net_fixture_open(&loop, &net, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    net_fixture_close(&loop, &net);
    return 0;
}

#define TLS_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TLS_TEST(certificates_are_judged),
        TLS_TEST(versions_are_limited),
        TLS_TEST(missing_authorities_are_an_error_each_time),
        TLS_TEST(sessions_resume_under_the_same_policy_only),
        TLS_TEST(bytes_one_by_one_make_no_difference),
        TLS_TEST(silent_handshake_ends_at_the_deadline),
        TLS_TEST(starttls_upgrades_or_says_why_not),
        TLS_TEST(starttls_reports_a_server_that_closes),
    };
    certs = tls_fixture_new();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    tls_fixture_free(&certs);
    return failed;
}
