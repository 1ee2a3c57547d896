/* bench_stream: resident memory of idle TLS streams.
 * Opens N streams (default 1000) to a TLS server of its own, in another process, with and
 * without resumption, for TLS 1.3 and 1.2, and prints KiB per stream. Run the release
 * build; the limits (32 KiB full, 20 KiB resumed) hold for it.
 *     bench_stream [N] */
#include "loop_fixture.h"
#include "tls_fixture.h"

#include "postrider/base/check.h"
#include "postrider/base/mem.h"
#include "postrider/net/net.h"

#include <malloc.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    AT_ONCE = 50,
    DEADLINE_MS = 60 * 1000,
    LIMIT_FULL_KIB = 32,
    LIMIT_RESUMED_KIB = 20
};

static void serve(int listener, SSL_CTX *ctx)
{
    for (int fd; (fd = accept(listener, NULL, NULL)) >= 0;) {
        SSL *ssl = SSL_new(ctx);
        if (ssl == NULL || SSL_set_fd(ssl, fd) != 1 || SSL_accept(ssl) != 1 ||
            SSL_write(ssl, "* OK ready\r\n", 12) <= 0) {
            SSL_free(ssl);
            close(fd);
        }
        /* Kept open until the process ends. */
    }
}

static pid_t server_start(struct tls_fixture *certs, bool resume, int version,
                          uint16_t *port_out)
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof addr;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(bind(listener, (struct sockaddr *)&addr, sizeof addr) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&addr, &len) == 0);
    CHECK(listen(listener, 1024) == 0);
    SSL_CTX *ctx = tls_fixture_server_ctx(certs, TLS_FIXTURE_CHAIN);
    SSL_CTX_set_max_proto_version(ctx, version);
    if (!resume) {
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(ctx, 0);
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    }
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        serve(listener, ctx);
        _exit(0);
    }
    SSL_CTX_free(ctx);
    close(listener);
    *port_out = ntohs(addr.sin_port);
    return pid;
}

struct client {
    struct bench *bench;
    struct stream *stream;
};

struct bench {
    struct net *net;
    struct net_target target;
    struct client *clients;
    unsigned wanted, started, ready, resumed, greeted;
};

static void on_data(void *ctx, const char *data, size_t len)
{
    struct client *c = ctx;
    (void)data;
    (void)len;
    /* As a mail client would. It matters: OpenSSL takes a write buffer for the session
     * tickets behind the handshake and gives it back after the next write only. */
    CHECK(stream_write(c->stream, "a LOGIN user password\r\n", 23));
    c->bench->greeted++;
}

static void on_end(void *ctx, const struct err *err)
{
    (void)ctx;
    (void)fprintf(stderr, "stream ended: %s\n", err->msg);
    exit(1);
}

static const struct stream_events events = {on_data, NULL, on_end};

static void next_start(struct bench *b);

static void on_connect(struct net_connect *op, const struct err *err,
                       struct stream *stream, void *ctx)
{
    (void)op;
    struct bench *b = ctx;
    if (err->code != ERR_OK) {
        (void)fprintf(stderr, "%s\n", err->msg);
        exit(1);
    }
    struct stream_info info;
    stream_info_get(stream, &info);
    b->resumed += info.resumed ? 1 : 0;
    struct client *c = &b->clients[b->ready++];
    *c = (struct client){.bench = b, .stream = stream};
    stream_set_events(stream, &events, c);
    next_start(b);
}

static void next_start(struct bench *b)
{
    if (b->started < b->wanted) {
        b->started++;
        (void)net_connect_start(b->net, &b->target, DEADLINE_MS, on_connect, b);
    }
}

static long rss_kib(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file != NULL && fscanf(file, "%*d %ld", &pages) == 1);
    (void)fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* KiB per stream, in a process of its own so that no memory is reused. */
static double measure(struct tls_fixture *certs, unsigned n, bool resume, int version)
{
    struct bench b = {.clients = mem_array(n + 1, sizeof(struct client))};
    uint16_t port = 0;
    pid_t server = server_start(certs, resume, version, &port);
    struct loop *loop = loop_new();
    b.net = net_new(loop, NULL);
    b.target = (struct net_target){.host = "localhost",
                                   .port = port,
                                   .security = NET_TLS,
                                   .tls = {.ca_file = tls_fixture_ca_file(certs)}};
    /* One first: it pays for the library, the authorities and the first session. */
    b.wanted = 1;
    next_start(&b);
    loop_fixture_run_until_count(loop, &b.greeted, 1, DEADLINE_MS);
    long before_kib = rss_kib();
    size_t before_used = mallinfo2().uordblks;
    b.wanted = n + 1;
    for (unsigned i = 0; i < AT_ONCE; i++) {
        next_start(&b);
    }
    loop_fixture_run_until_count(loop, &b.greeted, n + 1, DEADLINE_MS);
    loop_fixture_run_for(loop, 200);
    double kib = (double)(rss_kib() - before_kib) / (double)n;
    printf("%s %-8s %u streams, %u resumed: %.1f KiB resident, %.1f KiB "
           "allocated per stream\n",
           version == TLS1_3_VERSION ? "TLS 1.3" : "TLS 1.2", resume ? "resumed" : "full",
           n, b.resumed, kib,
           (double)(mallinfo2().uordblks - before_used) / 1024 / (double)n);
    for (unsigned i = 0; i < b.ready; i++) {
        stream_close(&b.clients[i].stream);
    }
    net_free(&b.net);
    loop_free(&loop);
    mem_free(b.clients);
    (void)kill(server, SIGTERM);
    (void)waitpid(server, NULL, 0);
    return kib;
}

static bool measure_apart(struct tls_fixture *certs, unsigned n, bool resume, int version)
{
    (void)fflush(stdout);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        double kib = measure(certs, n, resume, version);
        (void)fflush(stdout);
        _exit(kib <= (resume ? LIMIT_RESUMED_KIB : LIMIT_FULL_KIB) ? 0 : 1);
    }
    int status = 0;
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

int main(int argc, char **argv)
{
    unsigned n = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1000;
    struct rlimit files;
    CHECK(getrlimit(RLIMIT_NOFILE, &files) == 0);
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
    struct tls_fixture *certs = tls_fixture_new();
    bool ok = measure_apart(certs, n, false, TLS1_3_VERSION);
    ok = measure_apart(certs, n, true, TLS1_3_VERSION) && ok;
    ok = measure_apart(certs, n, false, TLS1_2_VERSION) && ok;
    ok = measure_apart(certs, n, true, TLS1_2_VERSION) && ok;
    tls_fixture_free(&certs);
    return ok ? 0 : 1;
}
