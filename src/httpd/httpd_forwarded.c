/* Whose request it is when a proxy passes it on. Each proxy adds the address it was called
 * from at the end of X-Forwarded-For, so the chain is read from its end: what a trusted
 * proxy says is believed, what anybody before it says is not. */
#include "httpd_priv.h"

#include "postrider/base/ip.h"

bool httpd_is_proxy(const struct httpd *h, const char *address)
{
    return h->config.trusted_proxies != NULL &&
           ip_list_has(str_of(h->config.trusted_proxies), str_of(address));
}

/* Fields of one name make one list (RFC 9110 section 5.3). */
static enum MHD_Result on_header(void *ctx, enum MHD_ValueKind kind ATTR_UNUSED,
                                 const char *name, const char *value)
{
    if (value != NULL && str_ieq_c(str_of(name), "X-Forwarded-For")) {
        (void)buf_printf(ctx, "%s,", value);
    }
    return MHD_YES;
}

/* Cuts the last element off; absent where there is none. */
static struct str take_last(struct str *chain)
{
    struct str last = STR_NULL;
    while (chain->len > 0 && last.len == 0) {
        size_t from = chain->len;
        while (from > 0 && chain->ptr[from - 1] != ',') {
            from--;
        }
        last = str_trim(str_tail(*chain, from));
        chain->len = from > 0 ? from - 1 : 0;
    }
    return last;
}

const char *httpd_forwarded_remote(struct httpd_req *req)
{
    const char *remote = req->conn->remote;
    if (!httpd_is_proxy(req->h, remote)) {
        return remote;
    }
    struct buf text = BUF_INIT(2 * HTTPD_HEADER_POOL);
    (void)MHD_get_connection_values(req->conn->mhd, MHD_HEADER_KIND, on_header, &text);
    struct str chain = buf_str(&text);
    while (httpd_is_proxy(req->h, remote)) {
        struct str before = take_last(&chain);
        if (!ip_is_address(before)) {
            break;
        }
        remote = arena_strndup(&req->arena, before.ptr, before.len);
    }
    buf_fini(&text);
    return remote;
}
