/* Property: safe HTML is valid UTF-8, stays as it is when made safe again, and holds no
 * markup that could be active; text and HTML made from text are valid, too. */
#include "postrider/base/check.h"
#include "postrider/base/utf8.h"
#include "postrider/html/html.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    OUT_MAX = 1 << 24
};

static void check_safe(const struct buf *safe, const struct html_sanitize_params *params)
{
    static const char *const never[] = {"<script", "<style",  "<svg",  "<math",
                                        "<iframe", "<object", "<form", "<!",
                                        "<meta",   "<base",   "<link", "<template"};
    struct str s = buf_str(safe);
    CHECK(utf8_is_valid(s));
    for (size_t i = 0; s.len > 0 && i < ARRAY_LEN(never); i++) {
        CHECK(str_ifind(s, never[i]) == SIZE_MAX);
    }
    struct buf again = BUF_INIT(OUT_MAX);
    CHECK(html_sanitize(&again, s, params));
    CHECK(again.len == safe->len &&
          (s.len == 0 || memcmp(again.bytes, s.ptr, s.len) == 0));
    buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str input = str_from(size > 0 ? (const char *)data : "", size);
    for (int i = 0; i < 4; i++) {
        const struct html_sanitize_params params = {.remote_images = (i & 1) != 0,
                                                    .fold_quotes = (i & 2) != 0};
        struct buf safe = BUF_INIT(OUT_MAX);
        if (html_sanitize(&safe, input, &params)) {
            check_safe(&safe, &params);
        }
        buf_fini(&safe);
    }
    struct buf text = BUF_INIT(OUT_MAX), made = BUF_INIT(OUT_MAX);
    CHECK(html_to_text(&text, input, 1000) && text.len <= 1000);
    CHECK(utf8_is_valid(buf_str(&text)));
    if (html_from_text(&made, input, false)) {
        check_safe(&made, &(struct html_sanitize_params){0});
    }
    buf_fini(&text);
    buf_fini(&made);
    return 0;
}
