/* Property: what parses as a cursor of the account is an entry id that, as a cursor again,
 * parses to itself; one of an earlier account stands for the start. */
#include "postrider/base/check.h"
#include "postrider/changelog/cursor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct store_acct acct = {.incarnation =
                                               "0123456789abcdef0123456789abcdef"};
    char id[STORE_ENTRY_ID_SIZE] = "untouched", again[STORE_ENTRY_ID_SIZE];
    char cursor[CHANGELOG_CURSOR_SIZE];
    bool foreign = false;
    uint64_t ms, seq, ms_again, seq_again;
    struct err err = {0};
    if (!changelog_cursor_parse(&acct, str_from(data, size), id, &foreign, &err)) {
        CHECK(err.code == ERR_INVALID && strcmp(id, "untouched") == 0);
        return 0;
    }
    CHECK(!foreign || id[0] == '\0');
    changelog_cursor_format(&acct, id, cursor);
    CHECK(changelog_cursor_parse(&acct, str_of(cursor), again, &foreign, &err) &&
          !foreign);
    if (id[0] == '\0') {
        CHECK(again[0] == '\0');
        return 0;
    }
    /* Written by hand, an id may have leading zeros, or be the start in numbers. */
    CHECK(store_entry_id_split(id, &ms, &seq));
    if (ms == 0 && seq == 0) {
        CHECK(again[0] == '\0');
    } else {
        CHECK(store_entry_id_split(again, &ms_again, &seq_again));
        CHECK(ms_again == ms && seq_again == seq);
    }
    return 0;
}
