#include "account_search_keys.h"

#include "postrider/base/clock.h"
#include "postrider/base/num.h"
#include "postrider/json/json.h"

enum {
    HEADERS_MAX = 100,
    LIST_MAX = 250,
    SECOND_MS = 1000,
    DAY_MS = 24 * 3600 * 1000
};

struct search_key;
struct compiling {
    const struct search_keys_params *params;
    struct imap_criteria *out;
    struct err *err;
};
typedef bool put_key(struct compiling *c, const struct search_key *key,
                     const json_t *value);

struct search_key {
    const char *name;
    put_key *put;
    const char *word;
    const char *other; /* flags: when false; dates: the key in seconds, from WITHIN */
    uint32_t needs;    /* enum imap_cap bit, or 0 */
};

static bool invalid(struct compiling *c, const struct search_key *key, const char *why)
{
    return err_set(c->err, ERR_INVALID, "\"search.%s\": %s", key->name, why);
}

static bool unsupported(struct compiling *c, const struct search_key *key)
{
    return err_set(c->err, ERR_UNSUPPORTED,
                   "\"search.%s\" needs an extension that the mail server does not have",
                   key->name);
}

static struct str text_of(const json_t *value)
{
    return str_from(json_string_value(value), json_string_length(value));
}

/* --- kinds of keys --- */

static bool put_flag(struct compiling *c, const struct search_key *key,
                     const json_t *value)
{
    imap_criteria_word(c->out, json_is_true(value) ? key->word : key->other);
    return true;
}

static bool put_text(struct compiling *c, const struct search_key *key,
                     const json_t *value)
{
    imap_criteria_word(c->out, key->word);
    imap_criteria_string(c->out, text_of(value));
    return true;
}

static bool put_number(struct compiling *c, const struct search_key *key,
                       const json_t *value)
{
    json_int_t n = json_integer_value(value);
    if (n < 0) {
        return invalid(c, key, "must not be negative");
    }
    imap_criteria_word(c->out, key->word);
    imap_criteria_number(c->out, (uint64_t)n);
    return true;
}

static bool put_set(struct compiling *c, const struct search_key *key,
                    const json_t *value)
{
    if (key->word != NULL) {
        imap_criteria_word(c->out, key->word);
    }
    imap_criteria_set(c->out, text_of(value));
    return true;
}

/* IMAP counts in days of the server's; WITHIN (RFC 5032) in seconds before now. A date
 * without a time of day means the day. */
static bool put_date(struct compiling *c, const struct search_key *key,
                     const json_t *value)
{
    int64_t at_ms;
    if (!clock_parse_iso(text_of(value), &at_ms)) {
        return invalid(c, key, "must be a date");
    }
    int64_t ago_s = (c->params->now_ms - at_ms) / SECOND_MS;
    bool exact = key->other != NULL && (c->params->caps & IMAP_CAP_WITHIN) != 0 &&
                 at_ms % DAY_MS != 0 && ago_s > 0 && ago_s < UINT32_MAX;
    imap_criteria_word(c->out, exact ? key->other : key->word);
    if (exact) {
        imap_criteria_number(c->out, (uint64_t)ago_s);
    } else {
        imap_criteria_date(c->out, at_ms);
    }
    return true;
}

/* --- keys with a shape of their own --- */

/* name: text, true or "" (it is there), false (it is not), or several texts. */
static bool put_header_field(struct compiling *c, const struct search_key *key,
                             const char *name, const json_t *value)
{
    size_t index, count = json_is_array(value) ? json_array_size(value) : 1;
    if (count > LIST_MAX) {
        return invalid(c, key, "too many values");
    }
    for (index = 0; index < count; index++) {
        const json_t *one = json_is_array(value) ? json_array_get(value, index) : value;
        struct buf number = BUF_INIT(64);
        struct str text = json_is_string(one) ? text_of(one) : STR("");
        if (json_is_integer(one)) {
            (void)buf_printf(&number, "%lld", (long long)json_integer_value(one));
            text = buf_str(&number);
        } else if (json_is_object(one) || json_is_array(one) || json_is_real(one)) {
            return invalid(c, key, "values must be texts");
        }
        if (json_is_false(one)) {
            imap_criteria_word(c->out, "NOT");
        }
        imap_criteria_word(c->out, key->word);
        imap_criteria_string(c->out, str_of(name));
        imap_criteria_string(c->out, text);
        buf_fini(&number);
    }
    return true;
}

static bool is_field_name(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] <= 0x20 || name.ptr[i] >= 0x7f || name.ptr[i] == ':') {
            return false; /* RFC 5322 §2.2 */
        }
    }
    return name.len > 0;
}

static bool put_header(struct compiling *c, const struct search_key *key,
                       const json_t *value)
{
    const char *name;
    json_t *field;
    if (json_object_size(value) > HEADERS_MAX) {
        return invalid(c, key, "too many header fields");
    }
    json_object_foreach((json_t *)(uintptr_t)value, name, field)
    {
        if (!is_field_name(str_of(name))) {
            return invalid(c, key, "not the name of a header field");
        }
        if (!put_header_field(c, key, name, field)) {
            return false;
        }
    }
    return true;
}

/* An id of a message or a thread, as this server gives them. */
static bool put_id(struct compiling *c, const struct search_key *key, const char *gmail,
                   struct str id)
{
    uint64_t n;
    if ((c->params->caps & IMAP_CAP_GMAIL) != 0) {
        if (!num_u64(id, UINT64_MAX, &n)) {
            return invalid(c, key, "must be a number, as Gmail gives them");
        }
        imap_criteria_word(c->out, gmail);
        imap_criteria_number(c->out, n);
        return true;
    }
    if ((c->params->caps & IMAP_CAP_OBJECTID) == 0) {
        return unsupported(c, key);
    }
    imap_criteria_word(c->out, key->word);
    imap_criteria_id(c->out, id);
    return true;
}

static bool put_email_id(struct compiling *c, const struct search_key *key,
                         const json_t *value)
{
    return put_id(c, key, "X-GM-MSGID", text_of(value));
}

static bool put_email_ids(struct compiling *c, const struct search_key *key,
                          const json_t *value)
{
    size_t count = json_array_size(value);
    if (count > LIST_MAX) {
        return invalid(c, key, "too many ids");
    }
    for (size_t i = 0; i < count; i++) {
        if (i + 1 < count) {
            imap_criteria_word(c->out, "OR");
        }
        if (!put_id(c, key, "X-GM-MSGID", text_of(json_array_get(value, i)))) {
            return false;
        }
    }
    return true;
}

static bool put_thread(struct compiling *c, const struct search_key *key,
                       const json_t *value)
{
    if (c->params->thread == NULL) {
        return put_id(c, key, "X-GM-THRID", text_of(value));
    }
    imap_criteria_word(c->out, "UID");
    imap_criteria_ranges(c->out, c->params->thread);
    return true;
}

static bool put_labels(struct compiling *c, const struct search_key *key,
                       const json_t *value)
{
    static const struct {
        const char *member;
        bool negated;
    } parts[] = {{"has", false}, {"not", true}};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        const json_t *list = json_object_get(value, parts[i].member);
        if (json_array_size(list) > LIST_MAX) {
            return invalid(c, key, "too many labels");
        }
        for (size_t k = 0; k < json_array_size(list); k++) {
            if (parts[i].negated) {
                imap_criteria_word(c->out, "NOT");
            }
            imap_criteria_word(c->out, key->word);
            imap_criteria_label(c->out, text_of(json_array_get(list, k)));
        }
    }
    return true;
}

static const struct search_key keys[] = {
    {"seq", put_set, NULL, NULL, 0},
    {"uid", put_set, "UID", NULL, 0},
    {"answered", put_flag, "ANSWERED", "UNANSWERED", 0},
    {"deleted", put_flag, "DELETED", "UNDELETED", 0},
    {"draft", put_flag, "DRAFT", "UNDRAFT", 0},
    {"unseen", put_flag, "UNSEEN", "SEEN", 0},
    {"seen", put_flag, "SEEN", "UNSEEN", 0},
    {"flagged", put_flag, "FLAGGED", "UNFLAGGED", 0},
    {"from", put_text, "FROM", NULL, 0},
    {"to", put_text, "TO", NULL, 0},
    {"cc", put_text, "CC", NULL, 0},
    {"bcc", put_text, "BCC", NULL, 0},
    {"body", put_text, "BODY", NULL, 0},
    {"text", put_text, "TEXT", NULL, 0},
    {"subject", put_text, "SUBJECT", NULL, 0},
    {"larger", put_number, "LARGER", NULL, 0},
    {"smaller", put_number, "SMALLER", NULL, 0},
    {"modseq", put_number, "MODSEQ", NULL, IMAP_CAP_CONDSTORE},
    {"before", put_date, "BEFORE", "OLDER", 0},
    {"since", put_date, "SINCE", "YOUNGER", 0},
    {"sentBefore", put_date, "SENTBEFORE", NULL, 0},
    {"sentSince", put_date, "SENTSINCE", NULL, 0},
    {"header", put_header, "HEADER", NULL, 0},
    {"emailId", put_email_id, "EMAILID", NULL, 0},
    {"emailIds", put_email_ids, "EMAILID", NULL, 0},
    {"threadId", put_thread, "THREADID", NULL, 0},
    {"gmailRaw", put_text, "X-GM-RAW", NULL, IMAP_CAP_GMAIL},
    {"labels", put_labels, "X-GM-LABELS", NULL, IMAP_CAP_GMAIL},
};

static bool compile(struct compiling *c)
{
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        const struct search_key *key = &keys[i];
        const json_t *value = json_object_get(c->params->search, key->name);
        if (value == NULL) {
            continue;
        }
        if (key->needs != 0 && (c->params->caps & key->needs) == 0) {
            return unsupported(c, key);
        }
        if (!key->put(c, key, value)) {
            return false;
        }
        if (c->out->refused != NULL) {
            return invalid(c, key, c->out->refused);
        }
    }
    if (c->out->text.len == 0) {
        imap_criteria_word(c->out, "ALL");
    }
    return true;
}

bool search_keys_compile(const struct search_keys_params *params,
                         struct imap_criteria *out, struct err *err)
{
    struct compiling c = {.params = params, .out = out, .err = err};
    return compile(&c);
}

struct str search_keys_thread(const json_t *search)
{
    return json_get_str(search, "threadId");
}
