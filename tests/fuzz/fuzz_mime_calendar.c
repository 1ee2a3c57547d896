/* Any bytes as a calendar file. What is read is valid UTF-8 without NUL within its limit,
 * and a line end written the other way changes nothing. */
#include "postrider/base/buf.h"
#include "postrider/base/check.h"
#include "postrider/base/utf8.h"
#include "postrider/mime/mime_calendar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(struct str s)
{
    CHECK(s.len <= MIME_CALENDAR_VALUE_MAX && utf8_is_valid(s));
    CHECK(s.len == 0 || memchr(s.ptr, '\0', s.len) == NULL);
}

static struct buf with_crlf(struct str text)
{
    struct buf out = BUF_INIT(text.len * 2 + 1);
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\n') {
            (void)buf_put_byte(&out, '\r');
        }
        (void)buf_put_byte(&out, text.ptr[i]);
    }
    return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a = {0};
    struct mime_calendar c = {0}, same = {0};
    struct str text = str_from(size > 0 ? (const char *)data : "", size);
    struct buf crlf = with_crlf(text);
    bool found = mime_calendar_read(&a, text, &c);
    CHECK(found == mime_calendar_read(&a, buf_str(&crlf), &same));
    check_text(c.method);
    check_text(c.uid);
    check_text(c.summary);
    check_text(c.description);
    check_text(c.organizer);
    check_text(c.timezone);
    CHECK(str_eq(c.summary, same.summary) && str_eq(c.uid, same.uid));
    CHECK(c.has_start == same.has_start && c.start_ms == same.start_ms);
    buf_fini(&crlf);
    arena_fini(&a);
    return 0;
}
