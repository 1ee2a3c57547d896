/* bench_httpd: serves /health (answered at once), /wait (suspended until the next turn) and
 * /stream (100 MB from a producer) on the port given, until SIGINT; prints its CPU time. For
 * use with wrk or curl, e.g.: bench_httpd 8080 & wrk -t1 -c64 http://127.0.0.1:8080/wait
 * A second argument is the size of the answer in bytes. */
#include "postrider/base/num.h"
#include "postrider/httpd/httpd.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

enum {
    STREAM_BYTES = 100 * 1000 * 1000,
    ANSWER_MAX = 1000 * 1000
};

struct bench_req {
    struct deferred later;
    struct httpd_req *req;
    size_t left;
};

static struct loop *bench_loop;
static const char short_answer[] = "{\"success\":true}";
static struct str answer = {short_answer, sizeof short_answer - 1};

static void reply(struct httpd_req *req)
{
    httpd_reply(req, &(struct httpd_reply){.status = 200,
                                           .content_type = "application/json",
                                           .body = answer});
}

static void fill(struct bench_req *b)
{
    static char block[HTTPD_STREAM_BLOCK];
    while (b->left > 0) {
        size_t n = b->left < sizeof block ? b->left : sizeof block;
        b->left -= n;
        if (httpd_stream_write(b->req, str_from(block, n)) >= HTTPD_STREAM_HIGH) {
            return;
        }
    }
    httpd_stream_end(b->req);
}

static void on_later(struct deferred *d)
{
    reply(container_of(d, struct bench_req, later)->req);
}

static void on_headers(struct httpd_req *req, void *ctx)
{
    (void)ctx;
    httpd_body_accept(req, 0);
}

static void on_body(struct httpd_req *req, void *ctx)
{
    (void)ctx;
    struct str path = httpd_req_raw_path(req);
    struct bench_req *b = ARENA_NEW(httpd_req_arena(req), struct bench_req);
    b->req = req;
    httpd_req_set_user(req, b);
    if (str_eq_c(path, "/wait")) {
        loop_defer(bench_loop, &b->later, on_later);
    } else if (str_eq_c(path, "/stream")) {
        b->left = STREAM_BYTES;
        httpd_stream_start(req, &(struct httpd_reply){.status = 200}, STREAM_BYTES);
        fill(b);
    } else {
        reply(req);
    }
}

static void on_drain(struct httpd_req *req, void *ctx)
{
    (void)ctx;
    fill(httpd_req_user(req));
}

static void on_closed(struct httpd_req *req, void *ctx)
{
    (void)ctx;
    struct bench_req *b = httpd_req_user(req);
    loop_undefer(&b->later);
}

static void on_signal(int signum, void *ctx)
{
    (void)signum;
    loop_stop(ctx);
}

int main(int argc, char **argv)
{
    static const struct httpd_handler handler = {.on_headers = on_headers,
                                                 .on_body = on_body,
                                                 .on_drain = on_drain,
                                                 .on_closed = on_closed};
    static char text[ANSWER_MAX];
    uint32_t port = 0, size = 0;
    struct err err = {0};
    struct rusage usage;
    if (argc < 2 || argc > 3 || !num_u32(str_of(argv[1]), &port) || port > UINT16_MAX ||
        (argc == 3 && (!num_u32(str_of(argv[2]), &size) || size > ANSWER_MAX))) {
        fprintf(stderr, "usage: bench_httpd PORT [SIZE]\n");
        return 2;
    }
    if (size > 2) {
        memset(text, 'x', size);
        text[0] = text[size - 1] = '"';
        answer = str_from(text, size);
    }
    bench_loop = loop_new();
    struct httpd_config config = {.port = (uint16_t)port};
    struct httpd *h = httpd_new(bench_loop, &config, &handler, NULL, &err);
    if (h == NULL) {
        fprintf(stderr, "%s\n", err.msg);
        return 1;
    }
    printf("listening on %u\n", (unsigned)httpd_port(h));
    (void)fflush(stdout);
    struct loop_signal *signal_handle =
        loop_signal_new(bench_loop, SIGINT, on_signal, bench_loop);
    loop_run(bench_loop);
    loop_signal_free(&signal_handle);
    httpd_free(&h);
    loop_free(&bench_loop);
    (void)getrusage(RUSAGE_SELF, &usage);
    printf("user %lld ms, system %lld ms\n",
           (long long)usage.ru_utime.tv_sec * 1000 + usage.ru_utime.tv_usec / 1000,
           (long long)usage.ru_stime.tv_sec * 1000 + usage.ru_stime.tv_usec / 1000);
    return 0;
}
