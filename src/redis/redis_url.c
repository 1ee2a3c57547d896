#include "redis_url.h"

#include "postrider/base/codec.h"
#include "postrider/base/num.h"
#include "postrider/redis/redis.h"

#include <string.h>

enum {
    UNIX_PATH_MAX_LEN = 107
};

static bool bad(struct err *err, const char *why)
{
    return err_set(err, ERR_CONFIG,
                   "redis.url: %s; expected redis://[user:password@]host[:port][/db], "
                   "rediss://… or unix:///path[?db=n]",
                   why);
}

/* RFC 3986 §2.1; a NUL cannot be part of what we need. */
static bool decoded_part(struct arena *a, struct str s, const char **out)
{
    char *text = arena_alloc(a, s.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c == '%') {
            if (s.len - i < 3 || !hex_decode(str_from(s.ptr + i + 1, 2), &c, 1) ||
                c == '\0') {
                return false;
            }
            i += 2;
        }
        text[n++] = c;
    }
    text[n] = '\0';
    *out = text;
    return true;
}

/* Cuts "user:password@" from the front of *rest. The last "@" counts, so that a password
 * with a bare "@" still works. */
static bool parse_userinfo(struct str *rest, struct arena *a, struct redis_address *out)
{
    size_t at = rest->len;
    while (at > 0 && rest->ptr[at - 1] != '@') {
        at--;
    }
    if (at == 0) {
        return true;
    }
    struct str info = str_from(rest->ptr, at - 1);
    *rest = str_tail(*rest, at);
    size_t colon = str_find_byte(info, ':');
    struct str user = colon != SIZE_MAX ? str_from(info.ptr, colon) : info;
    if (user.len > 0 && !decoded_part(a, user, &out->user)) {
        return false;
    }
    return colon == SIZE_MAX ||
           decoded_part(a, str_tail(info, colon + 1), &out->password);
}

static bool parse_db(struct str text, struct redis_address *out)
{
    uint64_t db = 0;
    if (text.len > 0 && !num_u64(text, REDIS_DB_MAX, &db)) {
        return false;
    }
    out->db = (uint32_t)db;
    return true;
}

static bool parse_host_port(struct str s, struct arena *a, struct redis_address *out,
                            struct err *err)
{
    struct str host = s;
    struct str port = STR_NULL;
    if (s.len > 0 && s.ptr[0] == '[') {
        size_t end = str_find_byte(s, ']');
        if (end == SIZE_MAX) {
            return bad(err, "\"[\" without \"]\"");
        }
        host = str_from(s.ptr + 1, end - 1);
        struct str after = str_tail(s, end + 1);
        if (after.len > 0 && after.ptr[0] != ':') {
            return bad(err, "something other than a port behind \"]\"");
        }
        port = after.len > 0 ? str_tail(after, 1) : STR_NULL;
    } else if (str_find_byte(s, ':') != SIZE_MAX) {
        size_t colon = str_find_byte(s, ':');
        host = str_from(s.ptr, colon);
        port = str_tail(s, colon + 1);
    }
    if (host.len == 0) {
        return bad(err, "the host is missing");
    }
    uint64_t number = REDIS_PORT;
    if (port.ptr != NULL && (!num_u64(port, UINT16_MAX, &number) || number == 0)) {
        return bad(err, "the port is not a number from 1 to 65535");
    }
    out->host = arena_strndup(a, host.ptr, host.len);
    out->port = (uint16_t)number;
    return true;
}

static bool parse_network(struct str rest, struct arena *a, struct redis_address *out,
                          struct err *err)
{
    size_t query = str_find_byte(rest, '?');
    if (query != SIZE_MAX) {
        return bad(err, "a query (\"?\") is only known for unix://");
    }
    if (!parse_userinfo(&rest, a, out)) {
        return bad(err, "bad percent-encoding before \"@\"");
    }
    size_t slash = str_find_byte(rest, '/');
    struct str where = slash != SIZE_MAX ? str_from(rest.ptr, slash) : rest;
    struct str db = slash != SIZE_MAX ? str_tail(rest, slash + 1) : STR_NULL;
    if (!parse_db(db, out)) {
        return bad(err, "the database behind \"/\" is not a number");
    }
    return parse_host_port(where, a, out, err);
}

static bool parse_unix(struct str rest, struct arena *a, struct redis_address *out,
                       struct err *err)
{
    size_t query = str_find_byte(rest, '?');
    struct str db = STR_NULL;
    if (query != SIZE_MAX) {
        struct str text = str_tail(rest, query + 1);
        if (!str_has_prefix(text, "db=") || text.len == 3) {
            return bad(err, "only ?db=n may follow the path");
        }
        db = str_tail(text, 3);
        rest = str_from(rest.ptr, query);
    }
    if (!parse_db(db, out)) {
        return bad(err, "the database in ?db= is not a number");
    }
    size_t slash = str_find_byte(rest, '/');
    struct str info = slash != SIZE_MAX ? str_from(rest.ptr, slash) : STR("");
    if (!parse_userinfo(&info, a, out) || info.len > 0) {
        return bad(err, "the path is not absolute, or bad percent-encoding before \"@\"");
    }
    struct str path = slash != SIZE_MAX ? str_tail(rest, slash) : STR("");
    if (path.len == 0) {
        return bad(err, "the path of the socket is missing");
    }
    if (path.len > UNIX_PATH_MAX_LEN) {
        return bad(err, "the path of the socket is longer than 107 bytes");
    }
    out->path = arena_strndup(a, path.ptr, path.len);
    return true;
}

bool redis_url_parse(const char *url, struct arena *a, struct redis_address *out,
                     struct err *err)
{
    struct str s = str_of(url);
    struct redis_address address = {.port = REDIS_PORT};
    bool ok = false;
    if (s.len == 0 || s.len > REDIS_URL_MAX) {
        ok = bad(err, s.len == 0 ? "empty" : "too long");
    } else if (str_has_iprefix(s, "redis://")) {
        ok = parse_network(str_tail(s, 8), a, &address, err);
    } else if (str_has_iprefix(s, "rediss://")) {
        address.tls = true;
        ok = parse_network(str_tail(s, 9), a, &address, err);
    } else if (str_has_iprefix(s, "unix://")) {
        ok = parse_unix(str_tail(s, 7), a, &address, err);
    } else {
        ok = bad(err, "unknown scheme");
    }
    if (ok) {
        *out = address;
    }
    return ok;
}

bool redis_url_check(const char *url, struct err *err)
{
    struct arena a = {0};
    struct redis_address address;
    bool ok = redis_url_parse(url, &a, &address, err);
    arena_fini(&a);
    return ok;
}
