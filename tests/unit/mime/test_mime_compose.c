/* What is composed reads back as what went in, and is valid on every wire. */
#include "postrider/mime/mime_compose.h"

#include <gmime/gmime.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum {
    OUT_MAX = 4 * 1024 * 1024
};

static struct mime_draft draft(void)
{
    static struct mime_address to[2];
    to[0] = (struct mime_address){STR("Ann, the \"first\""), STR("ann@example.com")};
    to[1] = (struct mime_address){STR(""), STR("bob@example.com")};
    return (struct mime_draft){
        .from = {STR("Jürgen Größe"), STR("juergen@example.com")},
        .to = {to, 2},
        .subject = STR("Hello"),
        .message_id = STR("one@example.com"),
        .date_ms = 1600000000000,
        .text = STR("line 1\nline 2\r\n"),
    };
}

static struct buf composed(const struct mime_draft *d)
{
    struct buf out = BUF_INIT(OUT_MAX);
    struct err err = {0};
    if (!mime_compose(&out, d, &err)) {
        fail_msg("%s", err.msg);
    }
    return out;
}

/* 7-bit, CRLF, no line beyond 998 bytes. */
static void assert_valid(struct str s)
{
    size_t line = 0;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        assert_true(c < 0x80 && c != 0);
        assert_true(c != '\n' || (i > 0 && s.ptr[i - 1] == '\r'));
        assert_true(c != '\r' || (i + 1 < s.len && s.ptr[i + 1] == '\n'));
        line = c == '\n' ? 0 : line + 1;
        assert_true(line <= 999);
    }
}

static GMimeMessage *parsed(struct str s)
{
    GMimeStream *stream = g_mime_stream_mem_new_with_buffer(s.ptr, s.len);
    GMimeParser *parser = g_mime_parser_new_with_stream(stream);
    GMimeMessage *message = g_mime_parser_construct_message(parser, NULL);
    g_object_unref(parser);
    g_object_unref(stream);
    assert_non_null(message);
    return message;
}

/* The decoded bytes of a part. */
static struct buf part_bytes(GMimeObject *object)
{
    struct buf out = BUF_INIT(OUT_MAX);
    if (GMIME_IS_MESSAGE_PART(object)) {
        char *text = g_mime_object_to_string(
            GMIME_OBJECT(g_mime_message_part_get_message((GMimeMessagePart *)object)),
            NULL);
        buf_put_c(&out, text);
        g_free(text);
        return out;
    }
    GMimeStream *mem = g_mime_stream_mem_new();
    g_mime_data_wrapper_write_to_stream(g_mime_part_get_content(GMIME_PART(object)), mem);
    GByteArray *bytes = g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(mem));
    buf_put(&out, bytes->data, bytes->len);
    g_object_unref(mem);
    return out;
}

static void assert_part(GMimeObject *object, const char *type, struct str content)
{
    char *mime =
        g_mime_content_type_get_mime_type(g_mime_object_get_content_type(object));
    struct buf bytes = part_bytes(object);
    assert_string_equal(mime, type);
    assert_int_equal(bytes.len, content.len);
    assert_memory_equal(buf_c(&bytes), content.ptr, content.len);
    buf_fini(&bytes);
    g_free(mime);
}

static void header_is(struct str message, const char *name, const char *value)
{
    struct arena arena = {0};
    struct mime_headers headers;
    struct buf text = BUF_INIT(OUT_MAX);
    mime_headers_parse(&arena, message, &headers);
    struct str raw = mime_headers_get(&headers, name);
    if (value == NULL) {
        assert_null(raw.ptr);
    } else {
        assert_non_null(raw.ptr);
        mime_decode_words(&text, raw);
        assert_string_equal(buf_c(&text), value);
    }
    buf_fini(&text);
    arena_fini(&arena);
}

static void plain_text_is_one_part(void **state ATTR_UNUSED)
{
    const struct mime_draft d = draft();
    struct buf out = composed(&d);
    assert_valid(buf_str(&out));
    GMimeMessage *m = parsed(buf_str(&out));
    assert_part(g_mime_message_get_mime_part(m), "text/plain",
                STR("line 1\r\nline 2\r\n"));
    header_is(buf_str(&out), "From", "Jürgen Größe <juergen@example.com>");
    header_is(buf_str(&out), "Message-ID", "<one@example.com>");
    header_is(buf_str(&out), "Date", "Sun, 13 Sep 2020 12:26:40 +0000");
    header_is(buf_str(&out), "Cc", NULL);
    struct arena arena = {0};
    struct mime_headers headers;
    struct mime_addresses to;
    mime_headers_parse(&arena, buf_str(&out), &headers);
    mime_addresses_parse(&arena, mime_headers_get(&headers, "To"), &to);
    assert_int_equal(to.count, 2);
    assert_true(str_eq_c(to.items[0].name, "Ann, the \"first\""));
    arena_fini(&arena);
    g_object_unref(m);
    buf_fini(&out);
}

static void parts_stand_where_they_belong(void **state ATTR_UNUSED)
{
    static const char binary[] = "\0\1\2\xff\r\n.\r\n";
    const struct mime_attachment attachments[] = {
        {.filename = STR("Übersicht 2023.csv"),
         .content_type = STR("text/csv; charset=utf-8"),
         .content = STR("a;b\r\n")},
        {.filename = STR("pic.png"),
         .content_type = STR("image/png"),
         .cid = STR("<pic@x>"),
         .content = {binary, sizeof binary},
         .is_inline = true},
        {.content = STR("")},
        {.content_type = STR("message/rfc822"), .content = STR("Subject: in\n\nx\n")},
        {.content_type = STR("message/rfc822"), .content = STR("Subject: \xc3\xa4\r\n")},
        {.content_type = STR("multipart/mixed"), .content = STR("--x")}};
    struct mime_draft d = draft();
    d.html = STR("<p>Grüße</p><img src=cid:pic@x>");
    d.attachments = attachments;
    d.attachment_count = ARRAY_LEN(attachments);
    struct buf out = composed(&d);
    assert_valid(buf_str(&out));
    GMimeMessage *m = parsed(buf_str(&out));
    GMimeMultipart *mixed = GMIME_MULTIPART(g_mime_message_get_mime_part(m));
    assert_int_equal(g_mime_multipart_get_count(mixed), 6);
    GMimeMultipart *both = GMIME_MULTIPART(g_mime_multipart_get_part(mixed, 0));
    assert_part(g_mime_multipart_get_part(both, 0), "text/plain",
                STR("line 1\r\nline 2\r\n"));
    GMimeMultipart *related = GMIME_MULTIPART(g_mime_multipart_get_part(both, 1));
    assert_part(g_mime_multipart_get_part(related, 0), "text/html", d.html);
    GMimeObject *picture = g_mime_multipart_get_part(related, 1);
    assert_part(picture, "image/png", attachments[1].content);
    assert_string_equal(g_mime_object_get_content_id(picture), "pic@x");
    GMimeObject *csv = g_mime_multipart_get_part(mixed, 1);
    assert_part(csv, "text/csv", STR("a;b\r\n"));
    assert_string_equal(g_mime_part_get_filename(GMIME_PART(csv)), "Übersicht 2023.csv");
    assert_part(g_mime_multipart_get_part(mixed, 2), "application/octet-stream", STR(""));
    assert_true(GMIME_IS_MESSAGE_PART(g_mime_multipart_get_part(mixed, 3)));
    assert_part(g_mime_multipart_get_part(mixed, 4), "application/octet-stream",
                attachments[4].content);
    assert_part(g_mime_multipart_get_part(mixed, 5), "application/octet-stream",
                STR("--x"));
    g_object_unref(m);
    buf_fini(&out);
}

static void texts_of_every_kind_come_back(void **state ATTR_UNUSED)
{
    static const char *const texts[] = {"",
                                        "\r\n",
                                        "x",
                                        "x\r\n\r\n",
                                        "From here\r\nFrom there\r\n",
                                        "ends in blanks  \r\n \r\n",
                                        "grün\r\n",
                                        "検証検証検証検証検証検証",
                                        ".\r\n..\r\n",
                                        "=3D\r\n",
                                        "a\tb\r\n"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct mime_draft d = draft();
        d.text = str_of(texts[i]);
        struct buf out = composed(&d);
        assert_valid(buf_str(&out));
        GMimeMessage *m = parsed(buf_str(&out));
        assert_part(g_mime_message_get_mime_part(m), "text/plain", d.text);
        g_object_unref(m);
        d.html = STR("<p>");
        buf_fini(&out);
        out = composed(&d);
        m = parsed(buf_str(&out));
        GMimeMultipart *both = GMIME_MULTIPART(g_mime_message_get_mime_part(m));
        assert_part(g_mime_multipart_get_part(both, 0), "text/plain", d.text);
        assert_part(g_mime_multipart_get_part(both, 1), "text/html", d.html);
        g_object_unref(m);
        buf_fini(&out);
    }
}

static void a_long_line_is_encoded(void **state ATTR_UNUSED)
{
    struct buf text = BUF_INIT(OUT_MAX);
    struct mime_draft d = draft();
    for (size_t i = 0; i < 5000; i++) {
        buf_put_byte(&text, (char)('a' + i % 26));
    }
    d.text = d.subject = buf_str(&text);
    struct buf out = composed(&d);
    assert_valid(buf_str(&out));
    GMimeMessage *m = parsed(buf_str(&out));
    assert_part(g_mime_message_get_mime_part(m), "text/plain", d.text);
    header_is(buf_str(&out), "Subject", buf_c(&text));
    g_object_unref(m);
    buf_fini(&out);
    buf_fini(&text);
}

static void no_field_begins_another_one(void **state ATTR_UNUSED)
{
    const struct mime_header headers[] = {
        {STR("X-Note"), STR("one\r\nBcc: evil@example.com\r\n\r\nbody")},
        {STR("List-Unsubscribe"),
         STR("<https://example.com/u?a=1>, <mailto:u@example.com>")},
        {STR("Content-Type"), STR("text/evil")},
        {STR("subject"), STR("The caller's")}};
    const struct mime_attachment attachment = {
        .filename = STR("a\r\nX-Evil: 1\r\n\r\n.txt"),
        .content_type = STR("text/plain\r\nX-Evil: 1"),
        .content = STR("x")};
    struct mime_draft d = draft();
    d.subject = STR("Hello\r\nX-Evil: 1");
    d.from.name = STR("Me\nX-Evil: 1");
    d.headers = headers;
    d.header_count = ARRAY_LEN(headers);
    d.attachments = &attachment;
    d.attachment_count = 1;
    struct buf out = composed(&d);
    assert_valid(buf_str(&out));
    assert_null(memmem(out.bytes, out.len, "\nX-Evil", 7));
    header_is(buf_str(&out), "Bcc", NULL);
    header_is(buf_str(&out), "X-Note", "one  Bcc: evil@example.com    body");
    header_is(buf_str(&out), "List-Unsubscribe",
              "<https://example.com/u?a=1>, <mailto:u@example.com>");
    header_is(buf_str(&out), "Subject", "The caller's");
    GMimeMessage *m = parsed(buf_str(&out));
    assert_true(GMIME_IS_MULTIPART(g_mime_message_get_mime_part(m)));
    g_object_unref(m);
    buf_fini(&out);
}

static void what_cannot_be_written_is_refused(void **state ATTR_UNUSED)
{
    static const char *const addresses[] = {"",
                                            "x",
                                            "@example.com",
                                            "a@",
                                            "a b@example.com",
                                            "a@b\r\nRCPT TO:<x@y>",
                                            "<a@example.com>",
                                            "jürgen@example.com"};
    for (size_t i = 0; i < ARRAY_LEN(addresses); i++) {
        struct mime_address to = {STR(""), str_of(addresses[i])};
        struct mime_draft d = draft();
        struct buf out = BUF_INIT(OUT_MAX);
        struct err err = {0};
        d.to = (struct mime_address_list){&to, 1};
        if (mime_compose(&out, &d, &err)) {
            fail_msg("taken for an address: %s", addresses[i]);
        }
        assert_int_equal(err.code, ERR_INVALID);
        assert_int_equal(out.len, 0);
        buf_fini(&out);
    }
    const struct mime_header headers[] = {{STR("A B"), STR("x")},
                                          {STR(""), STR("x")},
                                          {STR("A:"), STR("x")},
                                          {STR("A\r\nB"), STR("x")},
                                          {STR("Message-ID"), STR("<a>b>c")}};
    for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
        struct mime_draft d = draft();
        struct buf out = BUF_INIT(OUT_MAX);
        d.headers = &headers[i];
        d.header_count = 1;
        assert_false(mime_compose(&out, &d, NULL));
        buf_fini(&out);
    }
    struct mime_draft d = draft();
    struct buf small = BUF_INIT(100);
    struct err err = {0};
    assert_false(mime_compose(&small, &d, &err));
    assert_int_equal(err.code, ERR_TOO_LARGE);
    buf_fini(&small);
}

static void a_domain_of_another_script_becomes_ascii(void **state ATTR_UNUSED)
{
    struct mime_draft d = draft();
    d.from = (struct mime_address){STR(""), STR("post@größe.example")};
    struct buf out = composed(&d);
    assert_valid(buf_str(&out));
    header_is(buf_str(&out), "From", "post@xn--gre-6ka8i.example");
    buf_fini(&out);
}

static void raw_messages_stay_as_they_are(void **state ATTR_UNUSED)
{
    static const struct {
        const char *raw, *subject, *wanted;
    } rows[] = {
        {"Subject: a\r\nX: \xff\r\n\r\nbody\r\n.\r\n", NULL,
         "Subject: a\r\nX: \xff\r\n\r\nbody\r\n.\r\n"},
        {"Subject: a\n\nbody\n", NULL, "Subject: a\r\n\r\nbody\r\n"},
        {"Subject: a\r\n b\r\nX: 1\r\n\r\nSubject: c\r\n", "new",
         "Subject: new\r\nX: 1\r\n\r\nSubject: c\r\n"},
        {"", NULL, ""},
        {"no header", "s", "Subject: s\r\nno header"},
        {"\r\nbody", "s", "Subject: s\r\n\r\nbody"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf out = BUF_INIT(OUT_MAX);
        struct mime_draft d = {.subject = str_of(rows[i].subject)};
        assert_true(mime_compose_raw(&out, str_of(rows[i].raw), &d, NULL));
        assert_string_equal(buf_c(&out), rows[i].wanted);
        buf_fini(&out);
    }
    struct buf out = BUF_INIT(OUT_MAX);
    const struct mime_draft none = {0};
    assert_false(mime_compose_raw(&out, STR("a: b\r\n\r\n\0"), &none, NULL));
    assert_int_equal(out.len, 0);
    buf_fini(&out);
}

static void ids_are_unique_and_of_the_domain(void **state ATTR_UNUSED)
{
    struct buf a = BUF_INIT(1000), b = BUF_INIT(1000), c = BUF_INIT(1000);
    mime_message_id_make(&a, STR("me@example.com"));
    mime_message_id_make(&b, STR("me@example.com"));
    mime_message_id_make(&c, STR("me@evil\r\n.com"));
    assert_true(str_has_suffix(buf_str(&a), "@example.com>"));
    assert_string_not_equal(buf_c(&a), buf_c(&b));
    assert_true(str_has_suffix(buf_str(&c), "@localhost>"));
    buf_fini(&a);
    buf_fini(&b);
    buf_fini(&c);
}

static int setup(void **state ATTR_UNUSED)
{
    mime_init();
    return 0;
}

static int teardown(void **state ATTR_UNUSED)
{
    mime_fini();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_text_is_one_part),
        cmocka_unit_test(parts_stand_where_they_belong),
        cmocka_unit_test(texts_of_every_kind_come_back),
        cmocka_unit_test(a_long_line_is_encoded),
        cmocka_unit_test(no_field_begins_another_one),
        cmocka_unit_test(what_cannot_be_written_is_refused),
        cmocka_unit_test(a_domain_of_another_script_becomes_ascii),
        cmocka_unit_test(raw_messages_stay_as_they_are),
        cmocka_unit_test(ids_are_unique_and_of_the_domain),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
