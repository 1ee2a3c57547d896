/* One request.
 *     resolving ──addresses──► sending ──curl is done──► ended
 * The addresses that net found and let pass are given to curl with the request, and the
 * address of every socket is checked once more when it is made: curl never resolves a
 * name by itself unless its own copy has expired, and even then reaches nothing that the
 * policy refuses. */
#include "httpc_priv.h"

#include "postrider/base/check.h"
#include "postrider/base/mem.h"

#include <stdio.h>

enum {
    HEADER_LINE_MAX = 16 * 1024,
    CONNECT_MAX_MS = 15 * 1000,
    /* Longer than any request, so that an entry does not expire under one that waits. */
    ADDRESSES_KEPT_S = 2 * HTTPC_TIMEOUT_MAX_MS / 1000
};

struct httpc_req {
    struct op op;
    struct httpc *h;
    struct net_resolve *resolve;
    struct httpc_url target;
    CURL *easy;
    bool added; /* to the multi handle */
    struct curl_slist *headers;
    struct curl_slist *addresses;
    struct buf reply;
    struct httpc_reply result;
    bool refused; /* the egress policy said no to an address */
    httpc_req_cb *cb;
    void *ctx;
};

static struct httpc_req *req_of(struct op *op)
{
    return container_of(op, struct httpc_req, op);
}

static void req_abort(struct op *op)
{
    struct httpc_req *req = req_of(op);
    net_resolve_cancel(req->resolve);
    req->resolve = NULL;
    if (req->added) {
        req->added = false;
        (void)curl_multi_remove_handle(req->h->multi, req->easy);
    }
}

static void req_done(struct op *op)
{
    struct httpc_req *req = req_of(op);
    bool ok = op->err.code == ERR_OK;
    req->cb(req, &op->err, ok ? &req->result : NULL, req->ctx);
}

static void req_fini(struct op *op)
{
    struct httpc_req *req = req_of(op);
    if (req->easy != NULL) {
        httpc_handle_give(req->h, req->easy);
    }
    curl_slist_free_all(req->headers);
    curl_slist_free_all(req->addresses);
    buf_fini(&req->reply);
    req->h->active--;
}

static const struct op_type req_type = {"http request", sizeof(struct httpc_req),
                                        req_abort, req_done, req_fini};

/* --- outcome */

static const struct code_row {
    CURLcode curl;
    enum err_code code;
    const char *text;
} code_rows[] = {
    {CURLE_URL_MALFORMAT, ERR_INVALID, "the URL is malformed"},
    /* Our URLs are http or https: this is a reply without a status line. */
    {CURLE_UNSUPPORTED_PROTOCOL, ERR_PROTOCOL, "the server does not speak HTTP"},
    {CURLE_COULDNT_RESOLVE_HOST, ERR_DNS, "the host name cannot be resolved"},
    {CURLE_COULDNT_CONNECT, ERR_CONNECT, "cannot connect to the host"},
    {CURLE_OPERATION_TIMEDOUT, ERR_TIMEOUT, "no answer in time"},
    {CURLE_GOT_NOTHING, ERR_CLOSED, "the server closed the connection without a reply"},
    {CURLE_PARTIAL_FILE, ERR_CLOSED, "the server closed the connection within its reply"},
    {CURLE_SEND_ERROR, ERR_NET, "the connection broke while sending"},
    {CURLE_RECV_ERROR, ERR_NET, "the connection broke while receiving"},
    {CURLE_SSL_CONNECT_ERROR, ERR_TLS, "TLS handshake failed"},
    {CURLE_SSL_CIPHER, ERR_TLS, "no common TLS cipher"},
    {CURLE_PEER_FAILED_VERIFICATION, ERR_TLS_CERT,
     "the server's certificate is not trusted"},
    {CURLE_SSL_CACERT_BADFILE, ERR_CONFIG, "the file of trusted authorities is unusable"},
    {CURLE_WEIRD_SERVER_REPLY, ERR_PROTOCOL, "the server does not speak HTTP"},
    {CURLE_OUT_OF_MEMORY, ERR_LIMIT, "the reply's headers are too large"},
};

static void fail_with(struct httpc_req *req, CURLcode code)
{
    if (req->refused) {
        op_fail(&req->op, ERR_EGRESS, "the address is refused by the egress policy");
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(code_rows); i++) {
        if (code_rows[i].curl == code) {
            op_fail(&req->op, code_rows[i].code, "%s", code_rows[i].text);
            return;
        }
    }
    op_fail(&req->op, ERR_NET, "%s", curl_easy_strerror(code));
}

/* Nothing if the server closes it. */
static void keep_socket(const struct httpc_req *req)
{
    curl_socket_t fd = CURL_SOCKET_BAD;
    if (curl_easy_getinfo(req->easy, CURLINFO_ACTIVESOCKET, &fd) == CURLE_OK &&
        fd != CURL_SOCKET_BAD) {
        httpc_socket_keep(req->h, fd);
    }
}

void httpc_req_finished(CURL *easy, CURLcode code)
{
    char *mine = NULL;
    (void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, &mine);
    struct httpc_req *req = (struct httpc_req *)(void *)mine;
    CHECK(req != NULL && req->added);
    bool whole = code == CURLE_OK || (code == CURLE_WRITE_ERROR && req->result.cut);
    if (whole) {
        long status = 0;
        long connects = 0;
        curl_off_t retry_after_s = 0;
        (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
        (void)curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &connects);
        (void)curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &retry_after_s);
        req->result.status = (int)status;
        req->result.reused = connects == 0;
        if (connects > 0 && code == CURLE_OK) {
            keep_socket(req);
        }
        req->result.retry_after_s = retry_after_s > 0 ? retry_after_s : 0;
        req->result.body = buf_str(&req->reply);
        op_complete(&req->op);
    } else {
        fail_with(req, code);
    }
    req->added = false;
    (void)curl_multi_remove_handle(req->h->multi, easy);
}

/* --- what curl calls */

static size_t on_body(char *data, size_t size, size_t count, void *ctx)
{
    struct httpc_req *req = ctx;
    size_t len = size * count;
    size_t room = HTTPC_BODY_KEPT - req->reply.len;
    (void)buf_put(&req->reply, data, len < room ? len : room);
    req->result.cut = len > room;
    return len > room ? 0 : len; /* 0 ends the transfer */
}

static curl_socket_t on_open_socket(void *ctx, curlsocktype purpose ATTR_UNUSED,
                                    struct curl_sockaddr *addr)
{
    struct httpc_req *req = ctx;
    if (!egress_allows(req->h->egress, &addr->addr)) {
        req->refused = true;
        return CURL_SOCKET_BAD;
    }
    return httpc_socket_open(req->h, addr);
}

/* --- preparing */

static bool is_token(const char *name)
{
    static const char other[] = "!#$%&'*+-.^_`|~"; /* RFC 9110 §5.6.2 */
    for (const char *c = name; *c != '\0'; c++) {
        char l = ascii_lower(*c);
        if (!ascii_is_digit(l) && (l < 'a' || l > 'z') && strchr(other, l) == NULL) {
            return false;
        }
    }
    return name[0] != '\0';
}

static bool is_field_value(const char *value)
{
    for (const char *c = value; *c != '\0'; c++) {
        if (((unsigned char)*c < 0x20 && *c != '\t') || *c == 0x7f) {
            return false;
        }
    }
    return true;
}

static bool list_add(struct curl_slist **list, const char *text)
{
    struct curl_slist *more = curl_slist_append(*list, text);
    CHECK(more != NULL);
    *list = more;
    return true;
}

static bool put_headers(struct httpc_req *req, const struct httpc_params *p,
                        struct err *err)
{
    if (p->header_count > HTTPC_HEADERS_MAX) {
        return err_set(err, ERR_INVALID, "more than %d headers", HTTPC_HEADERS_MAX);
    }
    for (size_t i = 0; i < p->header_count; i++) {
        const char *name = p->headers[i].name;
        const char *value = p->headers[i].value;
        if (!is_token(name) || !is_field_value(value) ||
            strlen(name) + strlen(value) > HEADER_LINE_MAX) {
            return err_set(err, ERR_INVALID, "header %zu cannot be sent", i + 1);
        }
        /* curl's form of a header without a value is "Name;". */
        list_add(&req->headers,
                 value[0] == '\0' ? arena_printf(&req->op.arena, "%s;", name)
                                  : arena_printf(&req->op.arena, "%s: %s", name, value));
    }
    /* Waiting for "100 Continue" would cost a second with many servers. */
    return list_add(&req->headers, "Expect:");
}

static void put_method(struct httpc_req *req, const struct httpc_params *p)
{
    const char *method = p->method != NULL ? p->method : "GET";
    if (p->body.ptr != NULL) {
        struct str body = arena_str(&req->op.arena, p->body);
        (void)curl_easy_setopt(req->easy, CURLOPT_POST, 1L);
        (void)curl_easy_setopt(req->easy, CURLOPT_POSTFIELDSIZE_LARGE,
                               (curl_off_t)body.len);
        (void)curl_easy_setopt(req->easy, CURLOPT_POSTFIELDS, body.ptr);
    } else if (strcmp(method, "HEAD") == 0) {
        (void)curl_easy_setopt(req->easy, CURLOPT_NOBODY, 1L);
    }
    (void)curl_easy_setopt(req->easy, CURLOPT_CUSTOMREQUEST, method);
}

static void put_policy(struct httpc_req *req, int64_t timeout_ms)
{
    CURL *easy = req->easy;
    int64_t connect_ms = timeout_ms < CONNECT_MAX_MS ? timeout_ms : CONNECT_MAX_MS;
    (void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    (void)curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* not even from the environment */
    (void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)connect_ms);
    (void)curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    (void)curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, (long)ADDRESSES_KEPT_S);
    (void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    (void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, req);
    (void)curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, httpc_socket_close);
    (void)curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, req->h);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, req);
    (void)curl_easy_setopt(easy, CURLOPT_PRIVATE, req);
    if (req->h->ca_file != NULL) {
        (void)curl_easy_setopt(easy, CURLOPT_CAINFO, req->h->ca_file);
        (void)curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    }
}

static bool prepare(struct httpc_req *req, const struct httpc_params *p, struct err *err)
{
    if (p->method != NULL && !is_token(p->method)) {
        return err_set(err, ERR_INVALID, "the method is not a token");
    }
    if (!httpc_url_parse(p->url, &req->target, err) || !put_headers(req, p, err)) {
        return false;
    }
    req->easy = httpc_handle_take(req->h);
    put_method(req, p);
    put_policy(req, p->timeout_ms);
    (void)curl_easy_setopt(req->easy, CURLOPT_URL, p->url);
    (void)curl_easy_setopt(req->easy, CURLOPT_HTTPHEADER, req->headers);
    return true;
}

/* --- sending */

static void put_addresses(struct httpc_req *req, const struct net_addresses *found)
{
    struct buf line = BUF_INIT(4096);
    /* "+": the entry expires in curl's cache; it is set anew by every request. */
    (void)buf_printf(&line, "+%s:%u:", req->target.host, (unsigned)req->target.port);
    for (size_t i = 0; i < found->count; i++) {
        bool v6 = strchr(found->text[i], ':') != NULL;
        (void)buf_printf(&line, "%s%s%s%s", i > 0 ? "," : "", v6 ? "[" : "",
                         found->text[i], v6 ? "]" : "");
    }
    CHECK(!line.overflow);
    list_add(&req->addresses, buf_c(&line));
    buf_fini(&line);
    (void)curl_easy_setopt(req->easy, CURLOPT_RESOLVE, req->addresses);
}

static void on_resolved(struct net_resolve *op ATTR_UNUSED, const struct err *err,
                        const struct net_addresses *addresses, void *ctx)
{
    struct httpc_req *req = ctx;
    req->resolve = NULL;
    if (!op_is_running(&req->op)) {
        return;
    }
    if (err->code != ERR_OK) {
        op_fail_err(&req->op, err);
        return;
    }
    if (strchr(req->target.host, ':') == NULL) { /* curl looks no IPv6 literal up */
        put_addresses(req, addresses);
    }
    if (curl_multi_add_handle(req->h->multi, req->easy) != CURLM_OK) {
        op_fail(&req->op, ERR_INTERNAL, "the request cannot be started");
        return;
    }
    req->added = true;
    /* Begins in this turn instead of waiting for the timer that curl has just set. */
    httpc_act(req->h, CURL_SOCKET_TIMEOUT, 0);
}

struct httpc_req *httpc_req_start(struct httpc *h, const struct httpc_params *params,
                                  httpc_req_cb *cb, void *ctx)
{
    httpc_check(h);
    CHECK(params->timeout_ms > 0 && params->timeout_ms <= HTTPC_TIMEOUT_MAX_MS);
    struct httpc_req *req = op_new(h->loop, &req_type, params->timeout_ms);
    req->h = h;
    req->cb = cb;
    req->ctx = ctx;
    buf_init(&req->reply, HTTPC_BODY_KEPT);
    h->active++;
    struct err err;
    if (!prepare(req, params, &err)) {
        op_fail_err(&req->op, &err);
        return req;
    }
    req->resolve =
        net_resolve_start(h->net, req->target.host, params->timeout_ms, on_resolved, req);
    return req;
}

void httpc_req_cancel(struct httpc_req *req)
{
    if (req != NULL) {
        op_cancel(&req->op);
    }
}
