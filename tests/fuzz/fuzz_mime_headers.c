/* Property: the headers found, printed and parsed again, are the same headers. */
#include "postrider/base/check.h"
#include "postrider/mime/mime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool ready;
    if (!ready) {
        mime_init(); /* for as long as the process lives */
        ready = true;
    }
    struct arena arena = {0};
    struct mime_headers first;
    struct mime_headers second;
    struct mime_ids ids;
    mime_headers_parse(&arena, str_from(data, size), &first);
    CHECK(first.consumed <= size);
    struct buf printed = BUF_INIT(2 * size + 1024);
    for (size_t i = 0; i < first.count; i++) {
        CHECK(memchr(first.items[i].value.ptr, '\n', first.items[i].value.len) == NULL);
        buf_put_str(&printed, first.items[i].name);
        buf_put_c(&printed, ": ");
        buf_put_str(&printed, first.items[i].value);
        buf_put_c(&printed, "\r\n");
        int64_t ms = -1;
        CHECK(!mime_date_parse(first.items[i].value, &ms) || ms >= 0);
        mime_ids_parse(&arena, first.items[i].value, &ids);
        struct str lead = mime_ids_first(&arena, first.items[i].value);
        CHECK(ids.count > 0 ? str_eq(lead, ids.items[0]) : lead.ptr == NULL);
        for (size_t k = 0; k < ids.count; k++) {
            struct str id = ids.items[k];
            CHECK(id.len > 2 && id.ptr[0] == '<' && id.ptr[id.len - 1] == '>');
        }
    }
    (void)mime_headers_is_auto_reply(&first);
    CHECK(!printed.overflow || size < 4 * first.count);
    mime_headers_parse(&arena, buf_str(&printed), &second);
    for (size_t i = 0; i < second.count; i++) {
        CHECK(str_eq(first.items[i].name, second.items[i].name));
        CHECK(str_eq(first.items[i].value, second.items[i].value));
    }
    CHECK(printed.overflow || first.count == second.count);
    buf_fini(&printed);
    arena_fini(&arena);
    return 0;
}
