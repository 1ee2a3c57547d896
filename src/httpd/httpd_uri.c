/* httpd_uri: what a request asks for, from the bytes of its head.
 *     target   = path [ "?" query ]            path begins with "/"
 *     path     = *( "/" segment )              no empty segment except at the end, no
 *                                              "." and "..", before and after decoding
 *     query    = arg *( "&" arg )              arg = name [ "=" value ]
 * Everything is percent-decoded once and must then be UTF-8 without NUL. */
#include "httpd_priv.h"
#include "postrider/base/num.h"
#include "postrider/base/utf8.h"

static int hex_digit(char c)
{
    if (ascii_is_digit(c)) {
        return c - '0';
    }
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool decode(struct arena *arena, struct str in, bool plus_is_space,
                   struct str *out)
{
    char *bytes = arena_alloc(arena, in.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < in.len; i++) {
        char c = in.ptr[i];
        if (c == '%') {
            bool whole = in.len - i > 2;
            int high = whole ? hex_digit(in.ptr[i + 1]) : -1;
            int low = whole ? hex_digit(in.ptr[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return false;
            }
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        if (c == '\0') {
            return false;
        }
        bytes[n++] = c;
    }
    *out = str_from(bytes, n);
    return utf8_is_valid(*out);
}

static bool is_dots(struct str s)
{
    return str_eq_c(s, ".") || str_eq_c(s, "..");
}

/* How many pieces a split would give, at most `max`. */
static size_t count_pieces(struct str s, char sep, size_t max)
{
    size_t n = 1;
    for (size_t i = 0; i < s.len && n < max; i++) {
        n += s.ptr[i] == sep ? 1 : 0;
    }
    return n;
}

static const char *parse_path(struct httpd_req *req)
{
    struct str rest = str_tail(req->raw_path, 1);
    struct str piece;
    req->segments =
        ARENA_ARRAY(&req->arena, struct str, count_pieces(rest, '/', HTTPD_SEGMENTS_MAX));
    while (str_split(&rest, '/', &piece)) {
        if (piece.len == 0 && rest.ptr == NULL) {
            break; /* a slash at the end */
        }
        if (piece.len == 0) {
            return "The path has an empty segment";
        }
        if (req->segment_count == HTTPD_SEGMENTS_MAX) {
            return "The path has too many segments";
        }
        struct str *segment = &req->segments[req->segment_count++];
        if (!decode(&req->arena, piece, false, segment)) {
            return "The path is not valid percent-encoded UTF-8";
        }
        if (is_dots(*segment)) {
            return "The path has a relative segment";
        }
    }
    return NULL;
}

static const char *parse_query(struct httpd_req *req, struct str query)
{
    struct str piece;
    req->args = ARENA_ARRAY(&req->arena, struct httpd_arg,
                            count_pieces(query, '&', HTTPD_ARGS_MAX));
    while (str_split(&query, '&', &piece)) {
        if (piece.len == 0) {
            continue;
        }
        if (req->arg_count == HTTPD_ARGS_MAX) {
            return "The query has too many arguments";
        }
        struct httpd_arg *arg = &req->args[req->arg_count++];
        struct str value = piece;
        struct str name;
        (void)str_split(&value, '=', &name);
        value = value.ptr != NULL ? value : STR("");
        if (!decode(&req->arena, name, true, &arg->name) ||
            !decode(&req->arena, value, true, &arg->value)) {
            return "The query is not valid percent-encoded UTF-8";
        }
    }
    return NULL;
}

void req_parse_uri(struct httpd_req *req)
{
    struct str uri = str_of(req->uri);
    size_t mark = str_find_byte(uri, '?');
    req->raw_path = mark == SIZE_MAX ? uri : str_from(uri.ptr, mark);
    if (!str_has_prefix(uri, "/")) {
        /* RFC 9112 §3.2.2 wants the absolute form understood; we are no proxy and a form
         * that two programs may read differently is refused. */
        req->defect = "The request target must be an absolute path";
        return;
    }
    req->defect = parse_path(req);
    if (req->defect == NULL && mark != SIZE_MAX) {
        req->defect = parse_query(req, str_tail(uri, mark + 1));
    }
}

/* --- framing (RFC 9112 §6.3): nothing that a proxy in front could count otherwise --- */

struct framing {
    unsigned lengths, encodings, hosts;
    const char *length, *encoding;
};

static enum MHD_Result on_header(void *ctx, enum MHD_ValueKind kind ATTR_UNUSED,
                                 const char *name, const char *value)
{
    struct framing *f = ctx;
    struct str s = str_of(name);
    if (str_ieq_c(s, MHD_HTTP_HEADER_CONTENT_LENGTH)) {
        f->lengths++;
        f->length = value;
    } else if (str_ieq_c(s, MHD_HTTP_HEADER_TRANSFER_ENCODING)) {
        f->encodings++;
        f->encoding = value;
    } else if (str_ieq_c(s, MHD_HTTP_HEADER_HOST)) {
        f->hosts++;
    }
    return MHD_YES;
}

static const char *framing_fault(const struct framing *f, bool is_1_1, uint64_t *length)
{
    if (f->lengths > 1 || f->encodings > 1 || f->hosts > 1) {
        return "A header that frames the request is repeated";
    }
    if (f->lengths > 0 && f->encodings > 0) {
        return "Content-Length and Transfer-Encoding exclude each other";
    }
    if (f->lengths > 0 && !num_u64(str_of(f->length), INT64_MAX, length)) {
        return "Content-Length is not a number";
    }
    if (f->encodings > 0 && (!is_1_1 || !str_ieq_c(str_of(f->encoding), "chunked"))) {
        return "The transfer encoding is not supported";
    }
    return NULL;
}

void req_parse_head(struct httpd_req *req, const char *method, const char *version)
{
    struct framing f = {0};
    uint64_t length = 0;
    bool is_1_1 = strcmp(version, MHD_HTTP_VERSION_1_1) == 0;
    req->method = arena_strdup(&req->arena, method);
    (void)MHD_get_connection_values(req->conn->mhd, MHD_HEADER_KIND, on_header, &f);
    const char *fault = framing_fault(&f, is_1_1, &length);
    if (!is_1_1 && strcmp(version, MHD_HTTP_VERSION_1_0) != 0) {
        fault = "The protocol version is not supported";
    }
    if (fault != NULL) {
        req->close_after = true;
        req->defect = fault;
    }
    req->has_body = f.encodings > 0 || length > 0;
    req->content_length = f.encodings > 0 ? -1 : (int64_t)length;
    req->expects_continue = httpd_req_header_count(req, MHD_HTTP_HEADER_EXPECT) > 0;
}
