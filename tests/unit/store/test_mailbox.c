#include "store_index.h"

#include "postrider/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static struct mailbox *sample(void)
{
    struct mailbox *m = mailbox_new(7, STR("INBOX/&AOk-"), STR("INBOX/\xc3\xa9"), '/');
    m->number = 12;
    (void)snprintf(m->special_use, sizeof m->special_use, "%s", "\\Archive");
    m->special_use_source = SPECIAL_USE_EXTENSION;
    m->list_attrs = 5;
    m->mailbox_id = mem_strdup("F2212ea87-6097-4256-9d51-71338625");
    m->phase = MAILBOX_PHASE_INITIAL;
    m->epoch = 3;
    m->uid_validity = UINT32_MAX;
    m->last_uid = 900;
    m->srv_uid_next = 901;
    m->highest_modseq = UINT64_MAX;
    m->exists = 55;
    m->low_uid = 20;
    m->start_uid = 901;
    m->start_modseq = 1ull << 62;
    m->last_full_ms = 1700000000000;
    m->gone_since_ms = 1700000000001;
    assert_int_equal(mailbox_keyword_id(m, STR("$Forwarded"), true), 0);
    assert_int_equal(mailbox_keyword_id(m, STR("NonJunk"), true), 1);
    return m;
}

static void assert_same(const struct mailbox *a, const struct mailbox *b)
{
    struct buf x = BUF_INIT(MAILBOX_RECORD_MAX), y = BUF_INIT(MAILBOX_RECORD_MAX);
    assert_true(mailbox_pack_head(a, &x));
    assert_true(mailbox_pack_head(b, &y));
    assert_true(str_eq(buf_str(&x), buf_str(&y)));
    buf_fini(&x);
    buf_fini(&y);
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->segment_count, b->segment_count);
    for (size_t i = 0; i < a->segment_count; i++) {
        assert_memory_equal(&a->segments[i], &b->segments[i], sizeof a->segments[i]);
    }
    assert_true(str_eq(str_from(a->inline_segment, a->inline_len),
                       str_from(b->inline_segment, b->inline_len)));
}

static void give_segments(struct mailbox *m, const struct segment_entry *entries,
                          size_t count, const char *inlined)
{
    m->segments = mem_array(count, sizeof *m->segments);
    m->segment_count = count;
    for (size_t i = 0; i < count; i++) {
        m->segments[i] = entries[i];
        m->count += entries[i].count;
    }
    m->inline_segment = mem_strdup(inlined);
    m->inline_len = inlined != NULL ? strlen(inlined) : 0;
}

static void pack(const struct mailbox *m, struct buf *out)
{
    assert_true(mailbox_pack_head(m, out));
    assert_true(mailbox_pack_rows(m->segments, m->segment_count,
                                  str_from(m->inline_segment, m->inline_len), out));
}

static void assert_round_trip(const struct mailbox *m)
{
    struct buf packed = BUF_INIT(MAILBOX_RECORD_MAX);
    struct err err = {0};
    pack(m, &packed);
    struct mailbox *again = mailbox_unpack(buf_str(&packed), &err);
    if (again == NULL) {
        fail_msg("%s", err.msg);
    }
    assert_same(m, again);
    mailbox_free(&again);
    buf_fini(&packed);
}

static const struct segment_entry three[] = {
    {1, 256, 256}, {300, 1000, 17}, {UINT32_MAX - 255, UINT32_MAX, 256}};
static const struct segment_entry small = {40, 900, 55};

static void records_come_back(void **state)
{
    (void)state;
    struct mailbox *m = sample();
    assert_round_trip(m);
    give_segments(m, three, ARRAY_LEN(three), NULL);
    assert_round_trip(m);
    mailbox_clear_rows(m);
    assert_int_equal(m->count, 0);
    give_segments(m, &small, 1, "encoded rows");
    assert_round_trip(m);
    mailbox_free(&m);
    m = mailbox_new(1, STR(""), STR(""), 0);
    assert_round_trip(m);
    mailbox_free(&m);
}

static void names_are_replaced_alike_or_not(void **state)
{
    (void)state;
    struct mailbox *m = mailbox_new(1, STR("Sent"), STR("Sent"), '/');
    mailbox_set_names(m, STR("&AOk-"), STR("\xc3\xa9"));
    assert_string_equal(m->wire, "&AOk-");
    assert_int_equal(m->wire_len, 5);
    assert_string_equal(m->path, "\xc3\xa9");
    assert_round_trip(m);
    mailbox_set_names(m, str_from(m->wire, m->wire_len), STR("")); /* its own */
    assert_string_equal(m->wire, "&AOk-");
    assert_string_equal(m->path, "");
    mailbox_set_names(m, STR("B"), STR("B"));
    assert_string_equal(m->wire, "B");
    assert_string_equal(m->path, "B");
    assert_round_trip(m);
    mailbox_free(&m);
}

static void only_a_record_with_a_lower_end_is_longer(void **state)
{
    (void)state;
    struct mailbox *m = sample();
    struct buf whole = BUF_INIT(MAILBOX_RECORD_MAX), cut = BUF_INIT(MAILBOX_RECORD_MAX);
    struct err err = {0};
    pack(m, &whole);
    assert_int_equal(whole.bytes[0], 3);
    m->first_uid = 100;
    m->below = 99;
    m->since_day = 20000;
    pack(m, &cut);
    assert_int_equal(cut.bytes[0], 4);
    assert_int_equal(cut.len, whole.len + 1 + 1 + 3);
    assert_round_trip(m);
    mailbox_free(&m);
    m = mailbox_unpack(buf_str(&cut), &err);
    assert_int_equal(m->first_uid, 100);
    assert_int_equal(m->below, 99);
    assert_int_equal(m->since_day, 20000);
    mailbox_free(&m);
    buf_fini(&whole);
    buf_fini(&cut);
}

static void damaged_records_are_refused_or_consistent(void **state)
{
    (void)state;
    for (int variant = 0; variant < 2; variant++) {
        struct mailbox *m = sample();
        struct buf packed = BUF_INIT(MAILBOX_RECORD_MAX);
        give_segments(m, variant == 0 ? three : &small, variant == 0 ? 3 : 1,
                      variant == 0 ? NULL : "rows");
        pack(m, &packed);
        size_t rows_len = m->inline_len;
        mailbox_free(&m);
        for (size_t cut = 0; cut < packed.len - rows_len; cut++) {
            char *exact = mem_strndup(packed.bytes, cut);
            struct err err = {0};
            assert_null(mailbox_unpack(str_from(exact, cut), &err));
            assert_int_equal(err.code, ERR_CORRUPT);
            mem_free(exact);
        }
        for (size_t bit = 0; bit < packed.len * 8; bit++) {
            packed.bytes[bit / 8] = (char)(packed.bytes[bit / 8] ^ 1 << bit % 8);
            m = mailbox_unpack(buf_str(&packed), NULL);
            if (m != NULL) {
                assert_round_trip(m);
                mailbox_free(&m);
            }
            packed.bytes[bit / 8] = (char)(packed.bytes[bit / 8] ^ 1 << bit % 8);
        }
        buf_fini(&packed);
    }
}

static void names_that_are_too_long_are_not_packed(void **state)
{
    (void)state;
    static char name[MAILBOX_NAME_MAX + 1];
    memset(name, 'a', sizeof name);
    struct buf out = BUF_INIT(MAILBOX_RECORD_MAX);
    struct mailbox *m = mailbox_new(1, str_from(name, sizeof name), STR("a"), 0);
    assert_false(mailbox_pack_head(m, &out));
    mailbox_free(&m);
    buf_fini(&out);
}

static void keywords_are_found_without_case_and_bounded(void **state)
{
    (void)state;
    struct mailbox *m = mailbox_new(1, STR("a"), STR("a"), 0);
    char name[300];
    for (int i = 0; i < MAILBOX_KEYWORDS_MAX; i++) {
        (void)snprintf(name, sizeof name, "kw%d", i);
        assert_int_equal(mailbox_keyword_id(m, str_of(name), true), i);
    }
    assert_int_equal(mailbox_keyword_id(m, STR("KW17"), false), 17);
    assert_int_equal(mailbox_keyword_id(m, STR("one more"), true), -1);
    assert_int_equal(mailbox_keyword_id(m, STR("unknown"), false), -1);
    assert_round_trip(m);
    mailbox_free(&m);
    m = mailbox_new(1, STR("a"), STR("a"), 0);
    memset(name, 'k', sizeof name);
    assert_int_equal(mailbox_keyword_id(m, str_from(name, 256), true), -1);
    assert_int_equal(mailbox_keyword_id(m, str_from(name, 255), true), 0);
    assert_int_equal(mailbox_keyword_id(m, STR(""), true), -1);
    mailbox_free(&m);
}

static void message_ids_have_one_spelling(void **state)
{
    (void)state;
    static const struct {
        uint32_t number, uid;
        const char *text;
    } known[] = {{1, 1, "AAAAAQAAAAE"}, {UINT32_MAX, UINT32_MAX, "__________8"}};
    uint32_t number, uid;
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        char text[12];
        message_id_format(known[i].number, known[i].uid, text);
        assert_string_equal(text, known[i].text);
        assert_int_equal(strlen(text), 11);
        assert_true(message_id_parse(str_of(text), &number, &uid));
        assert_int_equal(number, known[i].number);
        assert_int_equal(uid, known[i].uid);
    }
    static const char *const bad[] = {"",
                                      "AAAAAQAAAA",
                                      "AAAAAQAAAAEA",
                                      "AAAAAQAAAAF",
                                      "AAAAAQAAAAA",
                                      "AAAA+QAAAAE",
                                      "AAAAAQAAAAE=",
                                      "AAAAAQAAA AE"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_false(message_id_parse(str_of(bad[i]), &number, &uid));
    }
}

static void uids_without_holes_are_known_from_the_directory(void **state)
{
    (void)state;
    static const struct segment_entry entries[] = {
        {.first_uid = 3, .last_uid = 5, .count = 3},
        {.first_uid = 9, .last_uid = 12, .count = 3},
        {.first_uid = 20, .last_uid = 21, .count = 2},
        {.first_uid = 30, .last_uid = 30, .count = 1}};
    static const struct {
        uint32_t first, count;
        bool known;
        uint32_t uids[3];
    } cases[] = {
        {0, 3, true, {3, 4, 5}}, {1, 1, true, {4}},  {0, 4, false, {0}},
        {3, 1, false, {0}},      {5, 2, false, {0}}, {6, 3, true, {20, 21, 30}},
        {7, 2, true, {21, 30}},  {8, 1, true, {30}}, {8, 2, false, {0}},
        {9, 1, false, {0}},      {2, 0, true, {0}},
    };
    struct mailbox *m = sample();
    give_segments(m, entries, ARRAY_LEN(entries), NULL);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint32_t uids[8] = {0};
        assert_int_equal(mailbox_uids_known(m, cases[i].first, cases[i].count, uids),
                         cases[i].known);
        for (size_t k = 0; cases[i].known && k < cases[i].count; k++) {
            assert_int_equal(uids[k], cases[i].uids[k]);
        }
    }
    mailbox_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_back),
        cmocka_unit_test(names_are_replaced_alike_or_not),
        cmocka_unit_test(only_a_record_with_a_lower_end_is_longer),
        cmocka_unit_test(damaged_records_are_refused_or_consistent),
        cmocka_unit_test(names_that_are_too_long_are_not_packed),
        cmocka_unit_test(keywords_are_found_without_case_and_bounded),
        cmocka_unit_test(message_ids_have_one_spelling),
        cmocka_unit_test(uids_without_holes_are_known_from_the_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
