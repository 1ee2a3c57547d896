#include "http_fixture.h"

#include "postrider/base/buf.h"
#include "postrider/base/check.h"
#include "postrider/base/list.h"
#include "postrider/base/mem.h"
#include "postrider/base/num.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    REQUEST_MAX = 256 * 1024,
    ANSWER_MAX = 64 * 1024 * 1024
};

struct http_fixture {
    struct loop *loop;
    http_fixture_fn *fn;
    void *arg;
    int fd;
    uint16_t port;
    struct io_watch *watch;
    struct list conns;
    unsigned accepted;
    struct http_seen *seen;
    unsigned count;
    char url[256];
};

struct conn {
    struct list node;
    struct http_fixture *f;
    int fd;
    unsigned number;
    struct io_watch *watch;
    struct buf in, out;
    struct timer timer;
    struct http_answer answer;
};

static void conn_close(struct conn *c)
{
    list_remove(&c->node);
    timer_stop(&c->timer);
    io_watch_free(&c->watch);
    (void)close(c->fd);
    buf_fini(&c->in);
    buf_fini(&c->out);
    mem_free(c);
}

static void conn_flush(struct conn *c)
{
    while (c->out.len > 0) {
        ssize_t n = send(c->fd, c->out.bytes, c->out.len, MSG_NOSIGNAL);
        if (n <= 0) {
            break;
        }
        buf_consume(&c->out, (size_t)n);
    }
    io_watch_set(c->watch, IO_READABLE | (c->out.len > 0 ? (unsigned)IO_WRITABLE : 0u));
}

static void conn_answer(struct conn *c)
{
    const struct http_answer *a = &c->answer;
    if (a->reset || a->close) {
        struct linger hard = {.l_onoff = 1, .l_linger = 0};
        if (a->reset) {
            (void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        }
        conn_close(c);
        return;
    }
    if (a->status == 0) {
        return;
    }
    size_t len = a->fill_bytes > 0 ? a->fill_bytes
                 : a->body != NULL ? strlen(a->body)
                                   : 0;
    (void)buf_printf(&c->out, "HTTP/1.1 %d Said\r\nContent-Length: %zu\r\n%s\r\n",
                     a->status, len, a->headers != NULL ? a->headers : "");
    if (a->fill_bytes > 0) {
        CHECK(buf_reserve(&c->out, len));
        memset(c->out.bytes + c->out.len, 'x', len);
        c->out.len += len;
    } else if (len > 0) {
        (void)buf_put(&c->out, a->body, len);
    }
    conn_flush(c);
}

static void on_delay(struct timer *t)
{
    conn_answer(container_of(t, struct conn, timer));
}

bool http_seen_header(const struct http_seen *seen, const char *name, char *out,
                      size_t size)
{
    struct str rest = str_of(seen->text);
    struct str line;
    while (str_split(&rest, '\n', &line)) {
        size_t colon = str_find_byte(line, ':');
        if (colon < line.len && str_ieq_c(str_from(line.ptr, colon), name)) {
            struct str value = str_trim(str_tail(line, colon + 1));
            (void)snprintf(out, size, "%.*s", STR_ARG(value));
            return true;
        }
    }
    return false;
}

bool http_seen_is_path(const struct http_seen *seen, const char *path)
{
    const char *at = strchr(seen->text, ' ');
    size_t len = strlen(path);
    return at != NULL && strncmp(at + 1, path, len) == 0 && at[1 + len] == ' ';
}

/* True if a whole request was taken off the input. */
static bool conn_take(struct conn *c)
{
    struct http_fixture *f = c->f;
    const char *end =
        c->in.len > 0 ? memmem(c->in.bytes, c->in.len, "\r\n\r\n", 4) : NULL;
    if (end == NULL) {
        return false;
    }
    size_t head = (size_t)(end - c->in.bytes) + 4;
    struct http_seen seen = {.text = mem_strndup(c->in.bytes, head),
                             .connection = c->number,
                             .at_ms = loop_now_ms(f->loop)};
    char length[24];
    uint64_t body_len = 0;
    if (http_seen_header(&seen, "Content-Length", length, sizeof length)) {
        CHECK(num_u64(str_of(length), REQUEST_MAX, &body_len));
    }
    if (c->in.len < head + body_len) {
        mem_free(seen.text);
        return false;
    }
    seen.body = mem_strndup(c->in.bytes + head, (size_t)body_len);
    seen.body_len = (size_t)body_len;
    buf_consume(&c->in, head + (size_t)body_len);
    CHECK(f->count < HTTP_FIXTURE_REQUESTS_MAX);
    f->seen[f->count++] = seen;
    return true;
}

static void on_conn(struct io_watch *w, unsigned events, void *ctx)
{
    (void)w;
    struct conn *c = ctx;
    char chunk[16384];
    if ((events & IO_WRITABLE) != 0 && c->out.len > 0) {
        conn_flush(c);
    }
    ssize_t n = recv(c->fd, chunk, sizeof chunk, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && (events & IO_HANGUP) != 0)) {
        conn_close(c);
        return;
    }
    if (n > 0) {
        CHECK(buf_put(&c->in, chunk, (size_t)n));
    }
    if (!timer_is_set(&c->timer) && conn_take(c)) {
        c->answer = (struct http_answer){.status = 200};
        if (c->f->fn != NULL) {
            c->f->fn(&c->f->seen[c->f->count - 1], &c->answer, c->f->arg);
        }
        if (c->answer.delay_ms > 0) {
            timer_set(c->f->loop, &c->timer, c->answer.delay_ms, on_delay);
        } else {
            conn_answer(c);
        }
    }
}

static void on_accept(struct io_watch *w, unsigned events, void *ctx)
{
    (void)w;
    (void)events;
    struct http_fixture *f = ctx;
    int fd = accept4(f->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        return;
    }
    struct conn *c = MEM_NEW(struct conn);
    c->f = f;
    c->fd = fd;
    c->number = ++f->accepted;
    buf_init(&c->in, 2 * REQUEST_MAX);
    buf_init(&c->out, ANSWER_MAX);
    c->watch = io_watch_new(f->loop, fd, on_conn, c);
    io_watch_set(c->watch, IO_READABLE);
    list_append(&f->conns, &c->node);
}

struct http_fixture *http_fixture_new(struct loop *loop, http_fixture_fn *fn, void *arg)
{
    struct http_fixture *f = MEM_NEW(struct http_fixture);
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof addr;
    f->loop = loop;
    f->fn = fn;
    f->arg = arg;
    f->seen = mem_array(HTTP_FIXTURE_REQUESTS_MAX, sizeof *f->seen);
    list_init(&f->conns);
    f->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    CHECK(f->fd >= 0 && bind(f->fd, (struct sockaddr *)&addr, len) == 0 &&
          listen(f->fd, 128) == 0 &&
          getsockname(f->fd, (struct sockaddr *)&addr, &len) == 0);
    f->port = ntohs(addr.sin_port);
    f->watch = io_watch_new(loop, f->fd, on_accept, f);
    io_watch_set(f->watch, IO_READABLE);
    return f;
}

void http_fixture_free(struct http_fixture **fp)
{
    struct http_fixture *f = *fp;
    if (f == NULL) {
        return;
    }
    *fp = NULL;
    while (!list_is_empty(&f->conns)) {
        conn_close(container_of(f->conns.next, struct conn, node));
    }
    io_watch_free(&f->watch);
    (void)close(f->fd);
    for (unsigned i = 0; i < f->count; i++) {
        mem_free(f->seen[i].text);
        mem_free(f->seen[i].body);
    }
    mem_free(f->seen);
    mem_free(f);
}

uint16_t http_fixture_port(const struct http_fixture *f)
{
    return f->port;
}

const char *http_fixture_url(struct http_fixture *f, const char *path)
{
    (void)snprintf(f->url, sizeof f->url, "http://127.0.0.1:%u%s", (unsigned)f->port,
                   path);
    return f->url;
}

const unsigned *http_fixture_count(const struct http_fixture *f)
{
    return &f->count;
}

const struct http_seen *http_fixture_at(const struct http_fixture *f, unsigned index)
{
    CHECK(index < f->count);
    return &f->seen[index];
}
