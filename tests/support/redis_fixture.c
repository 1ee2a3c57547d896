#include "redis_fixture.h"

#include "postrider/base/mem.h"
#include "postrider/base/str.h"

#include <arpa/inet.h>
#include <ftw.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    ARGS_MAX = 64,
    START_TRIES = 1000, /* × 10 ms */
    URL_SIZE = 256
};

struct redis_fixture {
    struct redis_fixture_options options;
    char dir[64];
    char socket_path[96];
    char url[URL_SIZE];
    char tcp_url[URL_SIZE];
    char tls_url[URL_SIZE];
    char tcp_port[16];
    char tls_port[16];
    pid_t pid;
    redisContext *side;
};

static bool server_is_installed(void)
{
    static const char *const places[] = {"/usr/bin/redis-server",
                                         "/usr/local/bin/redis-server"};
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        if (access(places[i], X_OK) == 0) {
            return true;
        }
    }
    return false;
}

/* A port that was free a moment ago. */
static void pick_port(char *out, size_t size)
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof addr;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
    assert_int_equal(close(fd), 0);
    (void)snprintf(out, size, "%u", (unsigned)ntohs(addr.sin_port));
}

static size_t build_args(struct redis_fixture *f, const char **args)
{
    const struct redis_fixture_options *o = &f->options;
    const char *const base[] = {"redis-server",
                                "--unixsocket",
                                f->socket_path,
                                "--dir",
                                f->dir,
                                "--save",
                                "",
                                "--appendonly",
                                "no",
                                "--daemonize",
                                "no",
                                "--loglevel",
                                "warning",
                                "--maxmemory-policy",
                                "noeviction",
                                "--logfile",
                                "server.log",
                                "--bind",
                                "127.0.0.1"};
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(base); i++) {
        args[n++] = base[i];
    }
    args[n++] = "--port";
    args[n++] = o->tcp ? f->tcp_port : "0";
    if (o->password != NULL) {
        args[n++] = "--requirepass";
        args[n++] = o->password;
    }
    if (o->tls_cert != NULL) {
        const char *const tls[] = {
            "--tls-port",         f->tls_port, "--tls-cert-file",    o->tls_cert,
            "--tls-key-file",     o->tls_key,  "--tls-ca-cert-file", o->tls_ca,
            "--tls-auth-clients", "no"};
        for (size_t i = 0; i < ARRAY_LEN(tls); i++) {
            args[n++] = tls[i];
        }
    }
    for (size_t i = 0; o->arguments != NULL && o->arguments[i] != NULL; i++) {
        assert_true(n + 1 < ARGS_MAX);
        args[n++] = o->arguments[i];
    }
    args[n] = NULL;
    return n;
}

static void spawn(struct redis_fixture *f)
{
    const char *args[ARGS_MAX];
    (void)build_args(f, args);
    f->pid = fork();
    assert_true(f->pid >= 0);
    if (f->pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)execvp("redis-server", (char *const *)(uintptr_t)args);
        _exit(127);
    }
}

static bool side_connect(struct redis_fixture *f)
{
    f->side = redisConnectUnix(f->socket_path);
    if (f->side == NULL || f->side->err != 0) {
        if (f->side != NULL) {
            redisFree(f->side);
            f->side = NULL;
        }
        return false;
    }
    if (f->options.password != NULL) {
        freeReplyObject(redisCommand(f->side, "AUTH %s", f->options.password));
    }
    redisReply *reply = redisCommand(f->side, "PING");
    bool ready = reply != NULL && reply->type == REDIS_REPLY_STATUS;
    freeReplyObject(reply);
    if (!ready) {
        redisFree(f->side);
        f->side = NULL;
    }
    return ready;
}

static void start_and_wait(struct redis_fixture *f)
{
    spawn(f);
    for (int i = 0; i < START_TRIES; i++) {
        if (side_connect(f)) {
            return;
        }
        if (waitpid(f->pid, NULL, WNOHANG) == f->pid) {
            spawn(f); /* a port was taken meanwhile, or the old server still held it */
        }
        (void)usleep(10 * 1000);
    }
    fail_msg("redis-server does not start; see %s/server.log", f->dir);
}

static void build_urls(struct redis_fixture *f)
{
    char auth[96] = "";
    if (f->options.password != NULL) {
        (void)snprintf(auth, sizeof auth, ":%s@", f->options.password);
    }
    (void)snprintf(f->url, sizeof f->url, "unix://%s%s", auth, f->socket_path);
    if (f->options.tcp) {
        pick_port(f->tcp_port, sizeof f->tcp_port);
        (void)snprintf(f->tcp_url, sizeof f->tcp_url, "redis://%s127.0.0.1:%s", auth,
                       f->tcp_port);
    }
    if (f->options.tls_cert != NULL) {
        pick_port(f->tls_port, sizeof f->tls_port);
        (void)snprintf(f->tls_url, sizeof f->tls_url, "rediss://%s127.0.0.1:%s", auth,
                       f->tls_port);
    }
}

struct redis_fixture *redis_fixture_start(const struct redis_fixture_options *options)
{
    if (!server_is_installed()) {
        if (getenv("CI") != NULL) {
            fail_msg("redis-server is not installed");
        }
        print_message("SKIPPED: redis-server is not installed\n");
        skip();
    }
    struct redis_fixture *f = MEM_NEW(struct redis_fixture);
    if (options != NULL) {
        f->options = *options;
    }
    (void)snprintf(f->dir, sizeof f->dir, "/tmp/postrider-redis-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    (void)snprintf(f->socket_path, sizeof f->socket_path, "%s/redis.sock", f->dir);
    build_urls(f);
    start_and_wait(f);
    return f;
}

void redis_fixture_kill(struct redis_fixture *f)
{
    if (f->side != NULL) {
        redisFree(f->side);
        f->side = NULL;
    }
    if (f->pid > 0) {
        (void)kill(f->pid, SIGKILL);
        (void)waitpid(f->pid, NULL, 0);
        f->pid = 0;
    }
}

void redis_fixture_restart(struct redis_fixture *f)
{
    redis_fixture_kill(f);
    start_and_wait(f);
}

void redis_fixture_pause(struct redis_fixture *f, bool paused)
{
    assert_int_equal(kill(f->pid, paused ? SIGSTOP : SIGCONT), 0);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

void redis_fixture_free(struct redis_fixture **f)
{
    if (f == NULL || *f == NULL) {
        return;
    }
    redis_fixture_kill(*f);
    (void)nftw((*f)->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    mem_free(*f);
    *f = NULL;
}

static const char *url_or_null(const char *url)
{
    return url[0] != '\0' ? url : NULL;
}

const char *redis_fixture_url(const struct redis_fixture *f)
{
    return f->url;
}

const char *redis_fixture_tcp_url(const struct redis_fixture *f)
{
    return url_or_null(f->tcp_url);
}

const char *redis_fixture_tls_url(const struct redis_fixture *f)
{
    return url_or_null(f->tls_url);
}

static redisReply *command(struct redis_fixture *f, const char *format, va_list ap)
{
    assert_non_null(f->side);
    redisReply *reply = redisvCommand(f->side, format, ap);
    assert_non_null(reply);
    return reply;
}

struct redisReply *redis_fixture_command(struct redis_fixture *f, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    redisReply *reply = command(f, format, ap);
    va_end(ap);
    return reply;
}

void redis_fixture_run(struct redis_fixture *f, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    redisReply *reply = command(f, format, ap);
    va_end(ap);
    if (reply->type == REDIS_REPLY_ERROR) {
        fail_msg("%s: %s", format, reply->str);
    }
    freeReplyObject(reply);
}
