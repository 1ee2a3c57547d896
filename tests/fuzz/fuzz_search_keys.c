/* fuzz_search_keys: any JSON as the search object of the API.
 * Property what is compiled reads back as the keys of one command: words, numbers, sets,
 *          dates, quoted strings and literals with one space between, no line end outside
 *          the head of a literal, and every key with exactly its arguments */
#include "account/account_search_keys.h"

#include "postrider/base/check.h"
#include "postrider/base/num.h"
#include "postrider/json/json.h"

enum {
    INPUT_MAX = 64 * 1024
};

/* Arguments: s string, w word. */
static const struct {
    const char *word, *arguments;
} grammar[] = {
    {"ALL", ""},          {"ANSWERED", ""},   {"UNANSWERED", ""},  {"DELETED", ""},
    {"UNDELETED", ""},    {"DRAFT", ""},      {"UNDRAFT", ""},     {"SEEN", ""},
    {"UNSEEN", ""},       {"FLAGGED", ""},    {"UNFLAGGED", ""},   {"NOT", ""},
    {"OR", ""},           {"FROM", "s"},      {"TO", "s"},         {"CC", "s"},
    {"BCC", "s"},         {"BODY", "s"},      {"TEXT", "s"},       {"SUBJECT", "s"},
    {"X-GM-RAW", "s"},    {"HEADER", "ss"},   {"UID", "w"},        {"LARGER", "w"},
    {"SMALLER", "w"},     {"MODSEQ", "w"},    {"BEFORE", "w"},     {"SINCE", "w"},
    {"SENTBEFORE", "w"},  {"SENTSINCE", "w"}, {"OLDER", "w"},      {"YOUNGER", "w"},
    {"EMAILID", "w"},     {"THREADID", "w"},  {"X-GM-MSGID", "w"}, {"X-GM-THRID", "w"},
    {"X-GM-LABELS", "a"},
};

static size_t string_len(struct str s)
{
    size_t len = 1;
    if (s.ptr[0] == '"') {
        while (len < s.len && s.ptr[len] != '"') {
            CHECK(s.ptr[len] != '\r' && s.ptr[len] != '\n' && s.ptr[len] != '\0' &&
                  (unsigned char)s.ptr[len] < 0x80);
            len += s.ptr[len] == '\\' ? 2 : 1;
        }
        CHECK(len < s.len);
        return len + 1;
    }
    uint64_t size = 0;
    size_t close = str_find_byte(s, '}');
    CHECK(close != SIZE_MAX && close > 1 && close + 3 <= s.len);
    CHECK(num_u64(str_from(s.ptr + 1, close - 1), s.len - close - 3, &size));
    CHECK(memcmp(s.ptr + close, "}\r\n", 3) == 0);
    struct str bytes = str_from(s.ptr + close + 3, (size_t)size);
    CHECK(str_find_byte(bytes, '\r') == SIZE_MAX &&
          str_find_byte(bytes, '\n') == SIZE_MAX &&
          str_find_byte(bytes, '\0') == SIZE_MAX);
    return close + 3 + (size_t)size;
}

static size_t word_len(struct str s)
{
    size_t len = 0;
    while (len < s.len && s.ptr[len] != ' ') {
        CHECK(s.ptr[len] > 0x20 && s.ptr[len] < 0x7f && s.ptr[len] != '"' &&
              s.ptr[len] != '{' && s.ptr[len] != '(' && s.ptr[len] != ')');
        len++;
    }
    CHECK(len > 0);
    return len;
}

/* Takes one token and the space behind it. */
static struct str next_token(struct str *rest)
{
    CHECK(rest->len > 0);
    bool is_string = rest->ptr[0] == '"' || rest->ptr[0] == '{';
    size_t len = is_string ? string_len(*rest) : word_len(*rest);
    struct str token = str_from(rest->ptr, len);
    CHECK(len == rest->len || rest->ptr[len] == ' ');
    *rest = str_tail(*rest, len + 1);
    return token;
}

static const char *arguments_of(struct str word)
{
    for (size_t i = 0; i < sizeof grammar / sizeof grammar[0]; i++) {
        if (str_eq_c(word, grammar[i].word)) {
            return grammar[i].arguments;
        }
    }
    CHECK(ascii_is_digit(word.ptr[0]) || word.ptr[0] == '*'); /* sequence numbers */
    return "";
}

/* Reads keys until none is left; NOT wants one more, OR two. */
static void check_keys(struct str rest)
{
    size_t wanted = 0;
    while (rest.len > 0) {
        struct str word = next_token(&rest);
        for (const char *a = arguments_of(word); *a != '\0'; a++) {
            struct str argument = next_token(&rest);
            bool is_string = argument.ptr[0] == '"' || argument.ptr[0] == '{';
            CHECK(*a == 'a' || is_string == (*a == 's'));
        }
        size_t more = str_eq_c(word, "OR") ? 2 : str_eq_c(word, "NOT") ? 1 : 0;
        wanted = wanted > 0 ? wanted - 1 + more : more;
    }
    CHECK(wanted == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint32_t caps[] = {0, IMAP_CAP_GMAIL | IMAP_CAP_CONDSTORE,
                                    IMAP_CAP_OBJECTID | IMAP_CAP_WITHIN |
                                        IMAP_CAP_CONDSTORE};
    json_t *search = NULL;
    if (!json_parse_strict(str_from(data, size), INPUT_MAX, &search, NULL)) {
        return 0;
    }
    for (size_t i = 0; i < sizeof caps / sizeof caps[0]; i++) {
        const struct search_keys_params params = {
            .search = search, .caps = caps[i], .now_ms = 1700000000000};
        struct imap_criteria keys;
        struct err err = {0};
        imap_criteria_init(&keys);
        if (search_keys_compile(&params, &keys, &err)) {
            CHECK(keys.refused == NULL && !keys.text.overflow && keys.text.len > 0);
            check_keys(buf_str(&keys.text));
        } else {
            CHECK(err.code == ERR_INVALID || err.code == ERR_UNSUPPORTED);
        }
        imap_criteria_fini(&keys);
    }
    json_decref(search);
    return 0;
}
