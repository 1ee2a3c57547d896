/* Any bytes through the strict parser and a table that uses everything. What the
 * validator accepts is a normal form: validated again it is equal to itself, and it
 * prints and parses back to the same value. What it refuses has at least one message. */
#include "postrider/base/check.h"
#include "postrider/base/clock.h"
#include "rich_spec.h"

enum {
    INPUT_MAX = 64 * 1024
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(json_t *value)
{
    struct buf text = BUF_INIT(SIZE_MAX / 2);
    json_t *back = NULL;
    CHECK(json_emit(value, &text));
    CHECK(json_parse_strict(buf_str(&text), text.len, &back, NULL));
    CHECK(json_equal(value, back));
    json_decref(back);
    buf_fini(&text);
}

static void check_normal_form(json_t *value)
{
    struct spec_errors errs = {0};
    json_t *again = NULL;
    CHECK(spec_validate_value(&rich_spec, value, &again, &errs));
    CHECK(json_equal(value, again));
    json_decref(again);
    spec_errors_fini(&errs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int64_t now_ms = 1700000000000;
    struct spec_errors errs = {0};
    json_t *in = NULL;
    json_t *out = NULL;
    clock_set_fake(&now_ms);
    if (!json_parse_strict(str_from(data, size), INPUT_MAX, &in, NULL)) {
        return 0;
    }
    if (spec_validate_value(&rich_spec, in, &out, &errs)) {
        CHECK(errs.count == 0);
        check_normal_form(out);
        check_round_trip(out);
    } else {
        CHECK(errs.count > 0 && out == NULL);
        json_decref(spec_errors_json(&errs));
    }
    spec_errors_fini(&errs);
    json_decref(out);
    json_decref(in);
    return 0;
}
