/* fuzz_imap_utf7: mailbox names.
 * Property decoding always gives valid UTF-8; encoding accepts exactly valid UTF-8, gives
 *          printable ASCII, and decoding that gives the same name back (names with U+0000
 *          excepted, which decoding leaves encoded) */
#include "postrider/base/check.h"
#include "postrider/base/utf8.h"
#include "postrider/imap/imap_value.h"

enum {
    OUTPUT_MAX = 64 * 1024 * 1024
};

static void check_round_trip(struct str name)
{
    struct buf wire = BUF_INIT(OUTPUT_MAX), back = BUF_INIT(OUTPUT_MAX);
    bool encoded = imap_utf7_encode(&wire, name);
    CHECK(encoded == utf8_is_valid(name));
    for (size_t i = 0; i < wire.len; i++) {
        CHECK(wire.bytes[i] >= 0x20 && wire.bytes[i] <= 0x7e);
    }
    if (encoded && str_find_byte(name, '\0') == SIZE_MAX) {
        CHECK(imap_utf7_decode(&back, buf_str(&wire)));
        CHECK(str_eq(buf_str(&back), name));
    }
    buf_fini(&wire);
    buf_fini(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str input = str_from(size > 0 ? (const char *)data : "", size);
    struct buf decoded = BUF_INIT(OUTPUT_MAX);
    CHECK(imap_utf7_decode(&decoded, input));
    CHECK(utf8_is_valid(buf_str(&decoded)));
    check_round_trip(buf_str(&decoded));
    check_round_trip(input);
    buf_fini(&decoded);
    return 0;
}
