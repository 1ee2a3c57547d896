/* Property: names and addresses are valid UTF-8 on one line, never both empty. */
#include "postrider/base/check.h"
#include "postrider/base/utf8.h"
#include "postrider/mime/mime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    OUT_MAX = 1 << 24
};

static void check_text(struct str s)
{
    CHECK(s.ptr != NULL && utf8_is_valid(s));
    for (size_t i = 0; i < s.len; i++) {
        CHECK((unsigned char)s.ptr[i] >= 0x20 && s.ptr[i] != 0x7f);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool ready;
    if (!ready) {
        mime_init(); /* for as long as the process lives */
        ready = true;
    }
    struct arena arena = {0};
    struct mime_addresses list;
    mime_addresses_parse(&arena, str_from(data, size), &list);
    for (size_t i = 0; i < list.count; i++) {
        check_text(list.items[i].name);
        check_text(list.items[i].address);
        CHECK(list.items[i].name.len + list.items[i].address.len > 0);
    }
    struct str half = str_from(data, size / 2);
    struct buf scratch = BUF_INIT(OUT_MAX);
    check_text(mime_name_decode(&scratch, half));
    check_text(mime_address_join(&scratch, half, str_from(data + size / 2, size / 2)));
    buf_fini(&scratch);
    arena_fini(&arena);
    return 0;
}
