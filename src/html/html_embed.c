/* Images of the message itself put into a document that otherwise stays as it is. */
#include "postrider/html/html.h"

#include "html_entity.h"

enum {
    CID_MAX = 1024
};

static bool begins_value(char c)
{
    return c == '"' || c == '\'' || c == '=' || c == '(' || ascii_is_space(c);
}

static bool ends_value(char c)
{
    return c == '"' || c == '\'' || c == '>' || c == '<' || c == ')' || ascii_is_space(c);
}

/* Where the next "cid:" that begins a value stands, or the end. */
static size_t find_cid(struct str in, size_t at)
{
    for (; in.len >= 4 && at <= in.len - 4; at++) {
        if (in.ptr[at + 3] == ':' && at > 0 && begins_value(in.ptr[at - 1]) &&
            str_ieq_c(str_from(in.ptr + at, 3), "cid")) {
            return at;
        }
    }
    return in.len;
}

static bool put_image(struct buf *out, struct str raw, html_cid_fn *on_cid, void *ctx)
{
    struct buf cid = BUF_INIT(2 * CID_MAX);
    html_decode(&cid, raw.len <= CID_MAX ? raw : STR(""), true);
    bool put = cid.len > 0 && !cid.overflow && on_cid(ctx, buf_str(&cid), out);
    buf_fini(&cid);
    return put;
}

bool html_embed(struct buf *out, struct str input, html_cid_fn *on_cid, void *ctx)
{
    for (size_t at = 0, next; at < input.len && !out->overflow; at = next) {
        size_t found = find_cid(input, at);
        buf_put(out, input.ptr + at, found - at);
        next = found < input.len ? found + 4 : found;
        while (next < input.len && !ends_value(input.ptr[next])) {
            next++;
        }
        if (found < input.len &&
            !put_image(out, str_from(input.ptr + found + 4, next - found - 4), on_cid,
                       ctx)) {
            buf_put(out, input.ptr + found, next - found);
        }
    }
    return !out->overflow;
}
