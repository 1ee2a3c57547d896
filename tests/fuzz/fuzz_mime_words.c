/* Property: header words and parameters decode to one line of valid UTF-8, bodies the same
 * whether they come whole or in pieces, texts to valid UTF-8 within their limit. */
#include "postrider/base/check.h"
#include "postrider/base/utf8.h"
#include "postrider/mime/mime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    OUT_MAX = 1 << 20
};

static void check_line(const struct buf *out)
{
    CHECK(utf8_is_valid(buf_str(out)));
    CHECK(out->len == 0 || memchr(out->bytes, '\0', out->len) == NULL);
    CHECK(out->len == 0 || memchr(out->bytes, '\n', out->len) == NULL);
    CHECK(out->len == 0 || memchr(out->bytes, '\r', out->len) == NULL);
}

/* Names and values alternate, separated by line feeds. */
static void try_params(struct str input)
{
    struct mime_param params[32] = {0};
    size_t count = 0;
    while (count < ARRAY_LEN(params) && str_split(&input, '\n', &params[count].name) &&
           str_split(&input, '\n', &params[count].value)) {
        count++;
    }
    struct buf out = BUF_INIT(OUT_MAX);
    bool has = mime_decode_param(&out, params, count, "name");
    CHECK(has == mime_has_param(params, count, "name"));
    check_line(&out);
    CHECK(out.len <= MIME_FILENAME_MAX);
    buf_fini(&out);
}

static void try_encoding(const char *encoding, struct str input, size_t step,
                         struct buf *out)
{
    struct mime_decoder *d = mime_decoder_new(str_of(encoding));
    for (; input.len > 0; input = str_tail(input, step)) {
        mime_decoder_feed(d, input.ptr, input.len < step ? input.len : step, out);
    }
    mime_decoder_end(d, out);
    mime_decoder_free(&d);
}

/* The first line names the character set of the rest. */
static void try_text(struct str input, size_t max_bytes, bool cut)
{
    struct mime_text how = {.max_bytes = max_bytes, .input_cut = cut};
    struct buf out = BUF_INIT(OUT_MAX);
    bool more = false;
    str_split(&input, '\n', &how.charset);
    CHECK(mime_text_decode(&out, input, &how, &more));
    CHECK(utf8_is_valid(buf_str(&out)));
    CHECK(out.len <= max_bytes && (more || !cut));
    CHECK(out.len == 0 || memchr(out.bytes, '\0', out.len) == NULL);
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool ready;
    if (!ready) {
        mime_init(); /* for as long as the process lives */
        ready = true;
    }
    static const char *const encodings[] = {"base64", "quoted-printable", "uuencode"};
    struct str input = str_from(data, size);
    struct buf whole = BUF_INIT(OUT_MAX);
    struct buf cut = BUF_INIT(OUT_MAX);
    mime_decode_words(&whole, input);
    check_line(&whole);
    buf_clear(&whole);
    mime_disposition(&whole, "attachment", input);
    for (size_t i = 0; i < whole.len; i++) {
        CHECK(whole.bytes[i] >= 0x20 && whole.bytes[i] < 0x7f);
    }
    try_params(input);
    for (size_t i = 0; i < ARRAY_LEN(encodings); i++) {
        buf_clear(&whole);
        buf_clear(&cut);
        try_encoding(encodings[i], input, size + 1, &whole);
        try_encoding(encodings[i], input, 1, &cut);
        CHECK(str_eq(buf_str(&whole), buf_str(&cut)));
    }
    try_text(input, OUT_MAX, false);
    try_text(input, size / 2, true);
    buf_fini(&whole);
    buf_fini(&cut);
    return 0;
}
