/* Property: a position that parses is formatted as a text that parses to the same places,
 * and formatting that gives the same text; what does not parse touches nothing. */
#include "postrider/base/check.h"
#include "postrider/changelog/position.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool equal(const struct feed_position *a, const struct feed_position *b)
{
    for (size_t i = 0; i < STORE_SHARDS; i++) {
        if (a->at[i].ms != b->at[i].ms || a->at[i].seq != b->at[i].seq) {
            return false;
        }
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct feed_position p = {0}, again = {0};
    const struct feed_position none = {0};
    struct buf first = BUF_INIT(CHANGELOG_POSITION_SIZE), second = first;
    if (!changelog_position_parse(str_from(data, size), &p)) {
        CHECK(equal(&p, &none));
        return 0;
    }
    CHECK(changelog_position_format(&p, &first));
    CHECK(changelog_position_parse(buf_str(&first), &again));
    CHECK(equal(&p, &again));
    CHECK(changelog_position_format(&again, &second));
    CHECK(str_eq(buf_str(&first), buf_str(&second)));
    buf_fini(&first);
    buf_fini(&second);
    return 0;
}
