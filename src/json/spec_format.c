/* spec_format: the formats of strings. Each test is one pass over bounded text. */
#include "postrider/base/clock.h"
#include "postrider/base/num.h"
#include "postrider/base/utf8.h"
#include "spec_priv.h"

#include <arpa/inet.h>
#include <stdio.h>

typedef bool format_test(struct str s);

static bool is_alpha(char c)
{
    return ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z';
}

static bool is_alnum(char c)
{
    return is_alpha(c) || ascii_is_digit(c);
}

static bool is_hex(char c)
{
    return ascii_is_digit(c) || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'f');
}

static bool all_of(struct str s, bool (*test)(char c))
{
    for (size_t i = 0; i < s.len; i++) {
        if (!test(s.ptr[i])) {
            return false;
        }
    }
    return s.len > 0;
}

static bool test_ip(struct str s)
{
    char text[INET6_ADDRSTRLEN + 1];
    unsigned char address[sizeof(struct in6_addr)];
    if (s.len == 0 || s.len >= sizeof text || memchr(s.ptr, '\0', s.len) != NULL) {
        return false;
    }
    memcpy(text, s.ptr, s.len);
    text[s.len] = '\0';
    return inet_pton(AF_INET, text, address) == 1 ||
           inet_pton(AF_INET6, text, address) == 1;
}

/* A label of RFC 1123 §2.1; an underscore is let through because names in use have them,
 * and bytes above ASCII because users write international names as they are. */
static bool test_label(struct str s)
{
    if (s.len == 0 || s.len > 63 || s.ptr[0] == '-' || s.ptr[s.len - 1] == '-') {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (!is_alnum(c) && c != '-' && c != '_' && (unsigned char)c < 0x80) {
            return false;
        }
    }
    return true;
}

static bool test_domain(struct str s)
{
    if (s.len == 0 || s.len > 253) {
        return false;
    }
    if (s.len > 1 && s.ptr[s.len - 1] == '.') {
        s.len--;
    }
    struct str label;
    struct str rest = s;
    while (str_split(&rest, '.', &label)) {
        if (!test_label(label)) {
            return false;
        }
    }
    return s.ptr[s.len - 1] != '.';
}

static bool test_hostname(struct str s)
{
    return test_ip(s) || test_domain(s);
}

/* RFC 5321 §4.1.2 Dot-string, widened by RFC 6531 to UTF-8; no quoted local parts. */
static bool test_local_part(struct str s)
{
    static const char specials[] = "!#$%&'*+-/=?^_`{|}~.";
    if (s.len == 0 || s.len > 64 || s.ptr[0] == '.' || s.ptr[s.len - 1] == '.') {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c == '\0' ||
            (!is_alnum(c) && (unsigned char)c < 0x80 && strchr(specials, c) == NULL)) {
            return false;
        }
        if (c == '.' && s.ptr[i - 1] == '.') {
            return false;
        }
    }
    return true;
}

static bool test_email(struct str s)
{
    size_t at = str_find_byte(s, '@');
    if (s.len > 254 || at == SIZE_MAX || !utf8_is_valid(s)) {
        return false;
    }
    return test_local_part(str_from(s.ptr, at)) && test_domain(str_tail(s, at + 1));
}

static bool is_base64(char c)
{
    return is_alnum(c) || c == '+' || c == '/';
}

static bool is_base64url(char c)
{
    return is_alnum(c) || c == '-' || c == '_';
}

static struct str without_padding(struct str s)
{
    for (size_t i = 0; i < 2 && s.len > 0 && s.ptr[s.len - 1] == '='; i++) {
        s.len--;
    }
    return s;
}

static bool test_base64(struct str s)
{
    return s.len % 4 == 0 && all_of(without_padding(s), is_base64);
}

static bool test_base64url(struct str s)
{
    struct str bare = without_padding(s);
    return bare.len % 4 != 1 && all_of(bare, is_base64url);
}

static bool test_hex(struct str s)
{
    return all_of(s, is_hex);
}

static bool test_guid(struct str s)
{
    static const char shape[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    if (s.len != sizeof shape - 1) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (shape[i] == 'x' ? !is_hex(s.ptr[i]) : s.ptr[i] != '-') {
            return false;
        }
    }
    return true;
}

static bool test_date_time(struct str s)
{
    int64_t ms;
    return clock_parse_iso(s, &ms);
}

static bool is_scheme_char(char c)
{
    return is_alnum(c) || c == '+' || c == '-' || c == '.';
}

/* RFC 3986 §3 as far as it protects us: a scheme, something behind it, and no white
 * space, control byte or delimiter of text around URIs. */
static bool test_uri(struct str s)
{
    size_t colon = str_find_byte(s, ':');
    if (colon == SIZE_MAX || colon == 0 || colon + 1 >= s.len || !is_alpha(s.ptr[0]) ||
        !all_of(str_from(s.ptr, colon), is_scheme_char) || !utf8_is_valid(s)) {
        return false;
    }
    for (size_t i = colon; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c <= ' ' || c == 0x7f || strchr("<>\"\\^`{|}", (int)c) != NULL) {
            return false;
        }
    }
    struct str rest = str_tail(s, colon + 1);
    bool has_authority = str_has_prefix(rest, "//");
    return !has_authority || (rest.len > 2 && rest.ptr[2] != '/' && rest.ptr[2] != '?' &&
                              rest.ptr[2] != '#');
}

struct format_row {
    enum field_format format;
    const char *name;
    const char *fault;
    format_test *test;
};

static const struct format_row formats[] = {
    {FORMAT_NONE, NULL, NULL, NULL},
    {FORMAT_DATE_TIME, "date-time", "must be in ISO 8601 date format", test_date_time},
    {FORMAT_URI, "uri", "must be a valid uri", test_uri},
    {FORMAT_HOSTNAME, "hostname", "must be a valid hostname", test_hostname},
    {FORMAT_EMAIL, "email", "must be a valid email", test_email},
    {FORMAT_IP, "ip", "must be a valid ip address", test_ip},
    {FORMAT_BASE64, "base64", "must be a valid base64 string", test_base64},
    {FORMAT_BASE64URL, "base64url", "must be a valid base64 string", test_base64url},
    {FORMAT_GUID, "uuid", "must be a valid GUID", test_guid},
    {FORMAT_HEX, "hex", "must only contain hexadecimal characters", test_hex},
};

const char *field_format_name(enum field_format format)
{
    return formats[format].name;
}

static bool scheme_is_listed(const char *const *schemes, struct str s)
{
    struct str scheme = str_from(s.ptr, str_find_byte(s, ':'));
    for (size_t i = 0; schemes[i] != NULL; i++) {
        if (str_ieq_c(scheme, schemes[i])) {
            return true;
        }
    }
    return false;
}

const char *spec_format_fault(const struct field_spec *spec, struct str s)
{
    const struct format_row *row = &formats[spec->format];
    bool bounded = spec->format != FORMAT_BASE64 && spec->format != FORMAT_BASE64URL;
    if (row->test == NULL) {
        return NULL;
    }
    if ((bounded && s.len > SPEC_TEXT_MAX) || !row->test(s)) {
        return row->fault;
    }
    if (spec->schemes != NULL && !scheme_is_listed(spec->schemes, s)) {
        return "must be a valid uri with an allowed scheme";
    }
    return NULL;
}
