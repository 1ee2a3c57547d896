/* Fields and bodies made of the input: what is composed is 7-bit with CRLF and lines of at most
 * 998 bytes, and GMime reads from it the subject, the texts and the attachments that went in. */
#include "postrider/base/check.h"
#include "postrider/mime/mime_compose.h"

#include <gmime/gmime.h>

enum {
    OUT_MAX = 16 * 1024 * 1024,
    PIECES = 7
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_wire(struct str s)
{
    size_t line = 0;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        CHECK(c != 0 && c < 0x80);
        CHECK(c != '\n' || (i > 0 && s.ptr[i - 1] == '\r'));
        CHECK(c != '\r' || (i + 1 < s.len && s.ptr[i + 1] == '\n'));
        line = c == '\n' ? 0 : line + 1;
        CHECK(line <= 999);
    }
}

/* Line ends as CRLF, without NUL, as the contract says of texts. */
static void put_canonical(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\r' || text.ptr[i] == '\n') {
            i += text.ptr[i] == '\r' && i + 1 < text.len && text.ptr[i + 1] == '\n';
            buf_put_c(out, "\r\n");
        } else if (text.ptr[i] != '\0') {
            buf_put_byte(out, text.ptr[i]);
        }
    }
}

static void check_part(GMimeObject *object, struct str wanted)
{
    CHECK(GMIME_IS_PART(object));
    GMimeStream *mem = g_mime_stream_mem_new();
    g_mime_data_wrapper_write_to_stream(g_mime_part_get_content(GMIME_PART(object)), mem);
    GByteArray *bytes = g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(mem));
    CHECK(str_eq(str_from(bytes->data, bytes->len), wanted));
    g_object_unref(mem);
}

static void check_text(GMimeObject *object, struct str text)
{
    struct buf wanted = BUF_INIT(OUT_MAX);
    put_canonical(&wanted, text);
    check_part(object, buf_str(&wanted));
    buf_fini(&wanted);
}

static void check_message(struct str s, const struct mime_draft *d)
{
    GMimeStream *stream = g_mime_stream_mem_new_with_buffer(s.ptr, s.len);
    GMimeParser *parser = g_mime_parser_new_with_stream(stream);
    GMimeMessage *message = g_mime_parser_construct_message(parser, NULL);
    CHECK(message != NULL);
    GMimeMultipart *mixed = GMIME_MULTIPART(g_mime_message_get_mime_part(message));
    CHECK(g_mime_multipart_get_count(mixed) == 2);
    GMimeMultipart *both = GMIME_MULTIPART(g_mime_multipart_get_part(mixed, 0));
    CHECK(g_mime_multipart_get_count(both) == 2);
    check_text(g_mime_multipart_get_part(both, 0), d->text);
    check_text(g_mime_multipart_get_part(both, 1), d->html);
    check_part(g_mime_multipart_get_part(mixed, 1), d->attachments[0].content);
    g_object_unref(message);
    g_object_unref(parser);
    g_object_unref(stream);
}

/* How many fields the header has: none may come from inside another one. */
static size_t count_fields(struct str message)
{
    struct arena arena = {0};
    struct mime_headers headers;
    mime_headers_parse(&arena, message, &headers);
    CHECK(!headers.malformed);
    size_t count = headers.count;
    arena_fini(&arena);
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool ready;
    struct str rest = str_from(data, size), piece[PIECES];
    if (!ready) {
        mime_init();
        ready = true;
    }
    for (size_t i = 0; i < PIECES; i++) {
        piece[i] = STR("");
        (void)str_split(&rest, '\x1f', &piece[i]);
    }
    const struct mime_header custom = {STR("X-Custom"), piece[0]};
    const struct mime_address to = {piece[1], STR("to@example.com")};
    const struct mime_attachment attachment = {
        .filename = piece[2], .content_type = STR("image/png"), .content = piece[3]};
    const struct mime_draft d = {.from = {piece[1], STR("from@example.com")},
                                 .to = {&to, 1},
                                 .subject = piece[4],
                                 .text = piece[5],
                                 .html = piece[6],
                                 .headers = &custom,
                                 .header_count = 1,
                                 .attachments = &attachment,
                                 .attachment_count = 1};
    struct buf out = BUF_INIT(OUT_MAX), again = BUF_INIT(OUT_MAX);
    CHECK(mime_compose(&out, &d, NULL));
    check_wire(buf_str(&out));
    CHECK(count_fields(buf_str(&out)) == 7);
    check_message(buf_str(&out), &d);
    /* Nothing is to be replaced: only bare LF would change, and there are none. */
    const struct mime_draft none = {0};
    CHECK(mime_compose_raw(&again, buf_str(&out), &none, NULL));
    CHECK(str_eq(buf_str(&again), buf_str(&out)));
    buf_fini(&out);
    buf_fini(&again);
    /* Any message at all. */
    (void)mime_compose_raw(&again, str_from(data, size), &d, NULL);
    buf_fini(&again);
    return 0;
}
