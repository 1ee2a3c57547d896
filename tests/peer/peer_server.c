/* The scripted server: blocking calls on the fixture's thread. */
#include "peer.h"

#include "server_fixture.h"
#include "tls_fixture.h"

#include "postrider/base/mem.h"
#include "postrider/base/num.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BINDINGS_MAX = 16,
    CHOP_BYTES_MAX = 8192 /* a send above this is not worth chopping */
};

struct binding {
    struct str name; /* of the script */
    char value[32];
};

struct peer_server {
    const struct peer_script *script;
    size_t chop;
    struct server_fixture *fixture;
    struct tls_fixture *tls;
    SSL_CTX *ctx;
    SSL *ssl;
    int fd;
    struct buf in;
    struct binding bindings[BINDINGS_MAX];
    size_t binding_count;
    bool closed, done, failed;
};

static bool fail_line(struct peer_server *ps, const struct peer_line *l, const char *why,
                      struct str what)
{
    (void)fprintf(stderr, "server, line %d: %s: %.*s\n", l->number, why, STR_ARG(what));
    ps->failed = true;
    return false;
}

/* --- bytes --- */

static bool put_bytes(struct peer_server *ps, const char *data, size_t len)
{
    return ps->ssl != NULL ? SSL_write(ps->ssl, data, (int)len) == (int)len
                           : server_fixture_send(ps->fd, data, len);
}

static void put_chopped(struct peer_server *ps, struct str s)
{
    size_t step = ps->chop > 0 && s.len <= CHOP_BYTES_MAX ? ps->chop : s.len;
    for (size_t at = 0; at < s.len; at += step) {
        size_t n = s.len - at < step ? s.len - at : step;
        /* A client that has closed is noticed by the lines that read. */
        if (!put_bytes(ps, s.ptr + at, n)) {
            return;
        }
        if (step < s.len) {
            (void)usleep(20);
        }
    }
}

static bool get_more(struct peer_server *ps)
{
    char chunk[4096];
    ssize_t n = ps->ssl != NULL ? SSL_read(ps->ssl, chunk, sizeof chunk)
                                : recv(ps->fd, chunk, sizeof chunk, 0);
    if (n <= 0) {
        return false;
    }
    return buf_put(&ps->in, chunk, (size_t)n);
}

/* The line without its end; false: the client is gone. */
static bool get_line(struct peer_server *ps, struct buf *line)
{
    size_t end;
    buf_clear(line);
    while ((end = str_find_byte(buf_str(&ps->in), '\n')) == SIZE_MAX) {
        if (!get_more(ps)) {
            return false;
        }
    }
    buf_put(line, ps->in.bytes, end > 0 && ps->in.bytes[end - 1] == '\r' ? end - 1 : end);
    buf_consume(&ps->in, end + 1);
    return true;
}

/* --- words bound to names --- */

static struct binding *find_binding(struct peer_server *ps, struct str name)
{
    for (size_t i = 0; i < ps->binding_count; i++) {
        if (str_eq(ps->bindings[i].name, name)) {
            return &ps->bindings[i];
        }
    }
    return NULL;
}

static void bind_word(struct peer_server *ps, struct str name, struct str value)
{
    struct binding *b = find_binding(ps, name);
    if (b == NULL && ps->binding_count < BINDINGS_MAX) {
        b = &ps->bindings[ps->binding_count++];
    }
    if (b != NULL) {
        b->name = name;
        (void)snprintf(b->value, sizeof b->value, "%.*s", STR_ARG(value));
    }
}

/* Copies text with {name} replaced. {12} is a literal's head and stays. */
static void expand(struct peer_server *ps, struct str text, struct buf *out)
{
    while (text.len > 0) {
        size_t end = text.ptr[0] == '{' ? str_find_byte(text, '}') : SIZE_MAX;
        struct binding *b =
            end != SIZE_MAX ? find_binding(ps, str_from(text.ptr + 1, end - 1)) : NULL;
        if (b != NULL) {
            buf_put_c(out, b->value);
            text = str_tail(text, end + 1);
        } else {
            buf_put_byte(out, text.ptr[0]);
            text = str_tail(text, 1);
        }
    }
}

/* --- the lines of a script --- */

typedef bool line_fn(struct peer_server *ps, const struct peer_line *l);

static void send_line(struct peer_server *ps, struct str text, uint64_t times)
{
    struct buf line = BUF_INIT(PEER_TEXT_MAX);
    struct buf all = BUF_INIT((size_t)64 * 1024 * 1024);
    expand(ps, text, &line);
    buf_put_c(&line, "\r\n");
    for (uint64_t i = 0; i < times; i++) {
        buf_put_str(&all, buf_str(&line));
    }
    put_chopped(ps, buf_str(&all));
    buf_fini(&line);
    buf_fini(&all);
}

static bool do_send(struct peer_server *ps, const struct peer_line *l)
{
    send_line(ps, l->rest, 1);
    return true;
}

static bool do_send_bytes(struct peer_server *ps, const struct peer_line *l)
{
    struct buf text = BUF_INIT(PEER_TEXT_MAX);
    struct buf bytes = BUF_INIT(PEER_TEXT_MAX);
    expand(ps, l->rest, &text);
    bool ok = peer_unescape(&bytes, buf_str(&text));
    if (ok) {
        put_chopped(ps, buf_str(&bytes));
    }
    buf_fini(&text);
    buf_fini(&bytes);
    return ok || fail_line(ps, l, "unknown escape", l->rest);
}

static bool do_send_many(struct peer_server *ps, const struct peer_line *l)
{
    struct str rest = l->rest;
    struct str number;
    uint64_t times = 0;
    if (!str_split(&rest, ' ', &number) || !num_u64(number, 10000000, &times)) {
        return fail_line(ps, l, "not a number", number);
    }
    send_line(ps, rest, times);
    return true;
}

static bool do_read(struct peer_server *ps, const struct peer_line *l)
{
    struct buf line = BUF_INIT(PEER_TEXT_MAX);
    struct str pattern = l->rest;
    struct str text, name = STR_NULL, word;
    bool ok = get_line(ps, &line);
    if (!ok) {
        buf_fini(&line);
        return fail_line(ps, l, "the client is gone", l->rest);
    }
    text = buf_str(&line);
    size_t end = str_has_prefix(pattern, "{") ? str_find_byte(pattern, '}') : SIZE_MAX;
    if (end != SIZE_MAX) {
        name = str_from(pattern.ptr + 1, end - 1);
        pattern = str_tail(pattern, end + 2);
        (void)str_split(&text, ' ', &word);
        bind_word(ps, name, word);
    }
    ok = peer_match(pattern, text.ptr != NULL ? text : STR("")) ||
         fail_line(ps, l, "the client sent", buf_str(&line));
    buf_fini(&line);
    return ok;
}

static bool do_tls(struct peer_server *ps, const struct peer_line *l)
{
    if (ps->in.len > 0) {
        return fail_line(ps, l, "data in clear before TLS", buf_str(&ps->in));
    }
    ps->ssl = server_fixture_tls(ps->fd, ps->ctx);
    return ps->ssl != NULL || fail_line(ps, l, "the handshake failed", STR(""));
}

static bool do_eof(struct peer_server *ps, const struct peer_line *l)
{
    struct buf line = BUF_INIT(PEER_TEXT_MAX);
    bool ok = true;
    while (ok && get_line(ps, &line)) {
        ok = str_has_suffix(buf_str(&line), " LOGOUT") ||
             fail_line(ps, l, "the client sent", buf_str(&line));
    }
    buf_fini(&line);
    return ok;
}

static bool do_stall(struct peer_server *ps, const struct peer_line *l)
{
    (void)l;
    while (get_more(ps)) {
        buf_clear(&ps->in);
    }
    return true;
}

static bool do_close(struct peer_server *ps, const struct peer_line *l)
{
    (void)l;
    ps->closed = true;
    return true;
}

static bool do_sleep(struct peer_server *ps, const struct peer_line *l)
{
    uint32_t ms = 0;
    if (!num_u32(l->rest, &ms) || ms > PEER_WAIT_MS) {
        return fail_line(ps, l, "not a time", l->rest);
    }
    (void)usleep(ms * 1000);
    return true;
}

struct line_row {
    const char *word;
    line_fn *fn;
};

static const struct line_row rows[] = {
    {"<", do_read},       {">", do_send},      {">=", do_send_bytes},
    {">x", do_send_many}, {"close", do_close}, {"eof", do_eof},
    {"sleep", do_sleep},  {"stall", do_stall}, {"tls", do_tls},
};

static bool run_line(struct peer_server *ps, const struct peer_line *l)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (str_eq_c(l->word, rows[i].word)) {
            return rows[i].fn(ps, l);
        }
    }
    return fail_line(ps, l, "unknown line", l->word);
}

static void serve(int fd, void *arg)
{
    struct peer_server *ps = arg;
    int on = 1;
    if (ps->done) {
        return;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ps->fd = fd;
    ps->in = BUF_INIT(PEER_TEXT_MAX);
    bool ok = true;
    for (size_t i = 0; ok && i < ps->script->server_count && !ps->closed; i++) {
        ok = run_line(ps, &ps->script->server[i]);
    }
    if (ps->ssl != NULL) {
        (void)SSL_shutdown(ps->ssl);
        SSL_free(ps->ssl);
        ps->ssl = NULL;
    }
    buf_fini(&ps->in);
    ps->done = true;
}

struct peer_server *peer_server_start(const struct peer_script *s, size_t chop)
{
    struct peer_server *ps = MEM_NEW(struct peer_server);
    ps->script = s;
    ps->chop = chop;
    ps->tls = tls_fixture_new();
    ps->ctx = tls_fixture_server_ctx(ps->tls, TLS_FIXTURE_GOOD);
    ps->fixture = server_fixture_start(serve, ps);
    return ps;
}

uint16_t peer_server_port(const struct peer_server *ps)
{
    return server_fixture_port(ps->fixture);
}

const char *peer_server_ca_file(const struct peer_server *ps)
{
    return tls_fixture_ca_file(ps->tls);
}

bool peer_server_stop(struct peer_server **ptr)
{
    struct peer_server *ps = *ptr;
    server_fixture_stop(&ps->fixture);
    bool ok = ps->done && !ps->failed;
    if (!ps->done) {
        (void)fprintf(stderr, "server: nobody came\n");
    }
    SSL_CTX_free(ps->ctx);
    tls_fixture_free(&ps->tls);
    mem_free(ps);
    *ptr = NULL;
    return ok;
}
