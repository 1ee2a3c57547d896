/* Messages as the API shows them, rendered from what a server sends. */
#include "account_render.h"

#include "postrider/imap/imap_parser.h"
#include "postrider/json/json.h"
#include "postrider/mime/mime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int group_setup(void **state)
{
    (void)state;
    mime_init();
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    mime_fini();
    return 0;
}

struct rendering {
    struct mailbox *m;
    json_t *message;
};

/* A row of a listing is the message without what listings leave out, to the byte. */
static void assert_listed_alike(const struct rendering *r, const struct imap_row *row)
{
    struct buf listed = BUF_INIT(1024 * 1024), shown = BUF_INIT(1024 * 1024);
    json_t *message = json_copy(r->message);
    (void)buf_put_byte(&listed, '{');
    render_listed_live(&listed, r->m, row);
    render_listed_fixed(&listed, r->m, row);
    (void)buf_put_byte(&listed, '}');
    (void)json_object_del(message, "sender");
    (void)json_object_del(message, "bcc");
    assert_true(json_emit(message, &shown));
    assert_string_equal(buf_c(&listed), buf_c(&shown));
    json_decref(message);
    buf_fini(&listed);
    buf_fini(&shown);
}

static void on_response(void *ctx, const struct imap_resp *resp)
{
    struct rendering *r = ctx;
    assert_int_equal(resp->kind, IMAP_RESP_FETCH);
    assert_null(r->message);
    r->message = render_message(r->m, &resp->row);
    assert_listed_alike(r, &resp->row);
}

static json_t *render(const char *path, const char *use, const char *row)
{
    static const struct imap_parser_events events = {.on_response = on_response};
    struct rendering r = {.m = mailbox_new(1, str_of(path), str_of(path), '/')};
    struct imap_parser *parser = imap_parser_new(&events, &r);
    struct err err = {0};
    size_t used;
    (void)snprintf(r.m->special_use, sizeof r.m->special_use, "%s", use);
    r.m->number = 3;
    assert_true(imap_parser_feed(parser, row, strlen(row), &used, &err));
    assert_non_null(r.message);
    imap_parser_free(&parser);
    mailbox_free(&r.m);
    return r.message;
}

static void assert_json(const json_t *value, const char *expected)
{
    char *got = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
    assert_string_equal(got != NULL ? got : "(none)", expected);
    free(got);
}

/* The id of an attachment or a text, taken apart. */
static void assert_part_id(const json_t *id, const char *message_id, const char *rest)
{
    struct arena arena = {0};
    struct str got_message, got_rest;
    assert_true(render_part_id_parse(&arena, str_of(json_string_value(id)), &got_message,
                                     &got_rest));
    assert_true(str_eq_c(got_message, message_id));
    assert_true(str_eq_c(got_rest, rest));
    arena_fini(&arena);
}

#define PLAIN(size)                                                                      \
    "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"utf-8\") NIL NIL \"7BIT\" " size                 \
    " 3 NIL NIL NIL NIL)"
#define HTML(size)                                                                       \
    "(\"TEXT\" \"HTML\" (\"CHARSET\" \"utf-8\") NIL NIL \"7BIT\" " size                  \
    " 3 NIL NIL NIL NIL)"
#define MESSAGE_ID "AAAAAwAAAAw"

static json_t *render_body(const char *structure)
{
    struct arena arena = {0};
    json_t *message =
        render("INBOX", "",
               arena_printf(&arena, "* 1 FETCH (UID 12 FLAGS () BODYSTRUCTURE %s)\r\n",
                            structure));
    arena_fini(&arena);
    return message;
}

static void flags_envelope_and_place_are_shown(void **state)
{
    (void)state;
    json_t *message = render(
        "Junk", "\\Junk",
        "* 1 FETCH (UID 12 FLAGS (\\Flagged \\Draft $x) RFC822.SIZE 99 "
        "INTERNALDATE \"14-Nov-2023 22:13:20 +0000\" ENVELOPE (NIL "
        "\"=?utf-8?q?Gr=C3=BC=C3=9Fe?=\" ((\"Ann\" NIL \"ann\" \"example.com\")) NIL NIL "
        "((NIL NIL \"team\" NIL)(NIL NIL \"bob\" \"example.com\")(NIL NIL NIL NIL)) "
        "NIL NIL \" <parent@example.com> \" \"<own@example.com>\"))\r\n");
    assert_json(message,
                "{\"date\":\"2023-11-14T22:13:20.000Z\",\"draft\":true,"
                "\"flagged\":true,\"flags\":[\"\\\\Flagged\",\"\\\\Draft\",\"$x\"],"
                "\"from\":{\"address\":\"ann@example.com\",\"name\":\"Ann\"},"
                "\"id\":\"" MESSAGE_ID "\",\"inReplyTo\":\"<parent@example.com>\","
                "\"messageId\":\"<own@example.com>\",\"messageSpecialUse\":\"\\\\Junk\","
                "\"path\":\"Junk\",\"size\":99,\"subject\":\"Gr\xc3\xbc\xc3\x9f"
                "e\",\"to\":[{\"address\":\"bob@example.com\",\"name\":\"\"}],"
                "\"uid\":12,\"unseen\":true}");
    json_decref(message);
}

static void a_single_text_has_an_id_and_no_attachments(void **state)
{
    (void)state;
    json_t *message = render_body(PLAIN("40"));
    json_t *text = json_object_get(message, "text");
    assert_null(json_object_get(message, "attachments"));
    assert_json(json_object_get(text, "encodedSize"), "{\"plain\":40}");
    assert_part_id(json_object_get(text, "id"), MESSAGE_ID, "[[\"1\"],[]]");
    json_decref(message);
}

static void attachments_are_told_from_texts(void **state)
{
    (void)state;
    json_t *message = render_body(
        "((" PLAIN("40") HTML("90") " \"ALTERNATIVE\" NIL NIL NIL NIL)"
                                    "(\"APPLICATION\" \"PDF\" (\"NAME\" \"old.pdf\") NIL "
                                    "NIL \"BASE64\" 1000 NIL "
                                    "(\"ATTACHMENT\" (\"FILENAME\" \"new.pdf\")) NIL NIL)"
                                    "(\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 7 1 NIL "
                                    "(\"ATTACHMENT\" NIL) NIL NIL)"
                                    " \"MIXED\" NIL NIL NIL NIL)");
    json_t *list = json_object_get(message, "attachments");
    json_t *text = json_object_get(message, "text");
    assert_int_equal(json_array_size(list), 2);
    json_t *pdf = json_array_get(list, 0);
    assert_part_id(json_object_get(pdf, "id"), MESSAGE_ID, "2");
    assert_json(json_object_get(pdf, "filename"), "\"new.pdf\"");
    assert_json(json_object_get(pdf, "contentType"), "\"application/pdf\"");
    assert_json(json_object_get(pdf, "encodedSize"), "1000");
    assert_json(json_object_get(pdf, "inline"), "false");
    assert_json(json_object_get(pdf, "embedded"), "false");
    assert_part_id(json_object_get(json_array_get(list, 1), "id"), MESSAGE_ID, "3");
    assert_part_id(json_object_get(text, "id"), MESSAGE_ID, "[[\"1.1\"],[\"1.2\"]]");
    assert_json(json_object_get(text, "encodedSize"), "{\"html\":90,\"plain\":40}");
    json_decref(message);
}

static void embedded_and_inline_pictures_are_marked(void **state)
{
    (void)state;
    json_t *message = render_body(
        "((" HTML("90") "(\"IMAGE\" \"PNG\" NIL \"<pic@x>\" NIL \"BASE64\" 50 NIL "
                        "(\"INLINE\" NIL) NIL NIL) \"RELATED\" NIL NIL NIL NIL)"
                        "(\"IMAGE\" \"GIF\" NIL \"<other@x>\" NIL \"BASE64\" 60 NIL NIL "
                        "NIL NIL) \"MIXED\" NIL NIL NIL NIL)");
    json_t *list = json_object_get(message, "attachments");
    assert_int_equal(json_array_size(list), 2);
    json_t *png = json_array_get(list, 0), *gif = json_array_get(list, 1);
    assert_json(json_object_get(png, "embedded"), "true");
    assert_json(json_object_get(png, "inline"), "true");
    assert_json(json_object_get(png, "contentId"), "\"<pic@x>\"");
    assert_null(json_object_get(png, "filename"));
    assert_json(json_object_get(gif, "embedded"), "false");
    assert_json(json_object_get(gif, "inline"), "false");
    json_decref(message);
}

static void parts_of_an_attached_message_are_told_apart(void **state)
{
    (void)state;
    json_t *message = render_body(
        "(" PLAIN("40") "(\"MESSAGE\" \"RFC822\" NIL NIL NIL \"7BIT\" 800 "
                        "(NIL \"inner\" NIL NIL NIL NIL NIL NIL NIL NIL) (" PLAIN(
                            "11") "(\"IMAGE\" \"GIF\" NIL NIL NIL \"BASE64\" 60 NIL NIL "
                                  "NIL NIL) \"MIXED\" NIL NIL NIL NIL) 20 NIL "
                                  "NIL NIL NIL) \"MIXED\" NIL NIL NIL NIL)");
    json_t *list = json_object_get(message, "attachments");
    assert_int_equal(json_array_size(list), 2);
    json_t *inner = json_array_get(list, 0), *gif = json_array_get(list, 1);
    assert_json(json_object_get(inner, "contentType"), "\"message/rfc822\"");
    assert_json(json_object_get(inner, "encodedInMessage"), "false");
    assert_json(json_object_get(gif, "contentType"), "\"image/gif\"");
    assert_json(json_object_get(gif, "encodedInMessage"), "true");
    assert_part_id(json_object_get(gif, "id"), MESSAGE_ID, "2.2");
    assert_json(json_object_get(inner, "encodedSize"), "800");
    assert_part_id(json_object_get(inner, "id"), MESSAGE_ID, "2");
    assert_part_id(json_object_get(json_object_get(message, "text"), "id"), MESSAGE_ID,
                   "[[\"1\"],[]]");
    json_decref(message);
}

static void encoded_names_are_decoded(void **state)
{
    static const struct {
        const char *params, *name;
    } rows[] = {
        {"\"FILENAME*\" \"utf-8''na%C3%AFve.txt\"", "\"na\xc3\xafve.txt\""},
        {"\"FILENAME*0*\" \"utf-8''na%C3\" \"FILENAME*1*\" \"%AFve\" \"FILENAME*2\" "
         "\".txt\"",
         "\"na\xc3\xafve.txt\""},
        {"\"FILENAME*1\" \"b.txt\" \"FILENAME*0\" \"a\"", "\"ab.txt\""},
        {"\"FILENAME\" \"=?iso-8859-1?Q?na=EFve.txt?=\"", "\"na\xc3\xafve.txt\""},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena arena = {0};
        json_t *message = render_body(
            arena_printf(&arena,
                         "(\"APPLICATION\" \"OCTET-STREAM\" NIL NIL NIL \"BASE64\" 9 NIL "
                         "(\"ATTACHMENT\" (%s)) NIL NIL)",
                         rows[i].params));
        json_t *list = json_object_get(message, "attachments");
        assert_json(json_object_get(json_array_get(list, 0), "filename"), rows[i].name);
        json_decref(message);
        arena_fini(&arena);
    }
}

static void calendar_parts_tell_their_method(void **state)
{
    (void)state;
    json_t *message = render_body("(\"TEXT\" \"CALENDAR\" (\"METHOD\" \"REQUEST\") NIL "
                                  "NIL \"7BIT\" 9 1 NIL NIL NIL NIL)");
    json_t *list = json_object_get(message, "attachments");
    assert_json(json_object_get(json_array_get(list, 0), "method"), "\"REQUEST\"");
    assert_null(json_object_get(message, "text"));
    json_decref(message);
}

static void what_is_no_part_id_is_refused(void **state)
{
    static const char *const ids[] = {"", "!", MESSAGE_ID, "AAAA", "AAAAAwAAAAwx=y"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        struct arena arena = {0};
        struct str message_id, rest;
        assert_false(render_part_id_parse(&arena, str_of(ids[i]), &message_id, &rest));
        arena_fini(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flags_envelope_and_place_are_shown),
        cmocka_unit_test(a_single_text_has_an_id_and_no_attachments),
        cmocka_unit_test(attachments_are_told_from_texts),
        cmocka_unit_test(embedded_and_inline_pictures_are_marked),
        cmocka_unit_test(parts_of_an_attached_message_are_told_apart),
        cmocka_unit_test(encoded_names_are_decoded),
        cmocka_unit_test(calendar_parts_tell_their_method),
        cmocka_unit_test(what_is_no_part_id_is_refused),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
