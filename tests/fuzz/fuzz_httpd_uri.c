/* Any request target. What is accepted consists of valid UTF-8 without NUL, has no empty
 * or relative segment, and encoding its parts again yields a target with the same parts.
 */
#include "httpd/httpd_priv.h"
#include "postrider/base/check.h"
#include "postrider/base/utf8.h"

enum {
    INPUT_MAX = 8 * 1024
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void encode(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        (void)buf_printf(out, "%%%02X", (unsigned)(unsigned char)s.ptr[i]);
    }
}

static void check_part(struct str s)
{
    CHECK(utf8_is_valid(s));
    CHECK(s.len == 0 || memchr(s.ptr, '\0', s.len) == NULL);
}

static void check_accepted(const struct httpd_req *req)
{
    struct buf target = BUF_INIT(8 * INPUT_MAX);
    for (size_t i = 0; i < req->segment_count; i++) {
        struct str s = req->segments[i];
        check_part(s);
        CHECK(s.len > 0 && !str_eq_c(s, ".") && !str_eq_c(s, ".."));
        (void)buf_put_byte(&target, '/');
        encode(&target, s);
    }
    (void)buf_put_c(&target, req->segment_count > 0 ? "?" : "/?");
    for (size_t i = 0; i < req->arg_count; i++) {
        check_part(req->args[i].name);
        check_part(req->args[i].value);
        encode(&target, req->args[i].name);
        (void)buf_put_byte(&target, '=');
        encode(&target, req->args[i].value);
        (void)buf_put_byte(&target, '&');
    }
    struct httpd_req again = {.uri = buf_c(&target)};
    req_parse_uri(&again);
    CHECK(again.defect == NULL);
    CHECK(again.segment_count == req->segment_count);
    CHECK(again.arg_count == req->arg_count);
    for (size_t i = 0; i < req->segment_count; i++) {
        CHECK(str_eq(again.segments[i], req->segments[i]));
    }
    for (size_t i = 0; i < req->arg_count; i++) {
        CHECK(str_eq(again.args[i].name, req->args[i].name));
        CHECK(str_eq(again.args[i].value, req->args[i].value));
    }
    arena_fini(&again.arena);
    buf_fini(&target);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > INPUT_MAX) {
        return 0;
    }
    struct httpd_req req = {0};
    req.uri = arena_strndup(&req.arena, (const char *)data, size);
    req_parse_uri(&req);
    if (req.defect == NULL) {
        check_accepted(&req);
    }
    arena_fini(&req.arena);
    return 0;
}
