#include "html_entity.h"

#include "postrider/base/utf8.h"

#include <stdlib.h>

enum {
    LATIN1_FIRST = 160,
    NAME_MAX_BYTES = 31
};

/* U+00A0 to U+00FF in order. */
static const char *const latin1[96] = {
    "nbsp",   "iexcl",  "cent",   "pound",  "curren", "yen",    "brvbar", "sect",
    "uml",    "copy",   "ordf",   "laquo",  "not",    "shy",    "reg",    "macr",
    "deg",    "plusmn", "sup2",   "sup3",   "acute",  "micro",  "para",   "middot",
    "cedil",  "sup1",   "ordm",   "raquo",  "frac14", "frac12", "frac34", "iquest",
    "Agrave", "Aacute", "Acirc",  "Atilde", "Auml",   "Aring",  "AElig",  "Ccedil",
    "Egrave", "Eacute", "Ecirc",  "Euml",   "Igrave", "Iacute", "Icirc",  "Iuml",
    "ETH",    "Ntilde", "Ograve", "Oacute", "Ocirc",  "Otilde", "Ouml",   "times",
    "Oslash", "Ugrave", "Uacute", "Ucirc",  "Uuml",   "Yacute", "THORN",  "szlig",
    "agrave", "aacute", "acirc",  "atilde", "auml",   "aring",  "aelig",  "ccedil",
    "egrave", "eacute", "ecirc",  "euml",   "igrave", "iacute", "icirc",  "iuml",
    "eth",    "ntilde", "ograve", "oacute", "ocirc",  "otilde", "ouml",   "divide",
    "oslash", "ugrave", "uacute", "ucirc",  "uuml",   "yacute", "thorn",  "yuml"};

struct entity {
    const char *name;
    uint32_t codepoint;
    bool bare; /* known without its semicolon */
};

/* What mail uses beyond Latin 1, and what hides schemes and tags. By strcmp order. */
static const struct entity entities[] = {
    {"AMP", '&', true},        {"Alpha", 0x391, false},    {"Beta", 0x392, false},
    {"COPY", 0xa9, true},      {"Chi", 0x3a7, false},      {"Dagger", 0x2021, false},
    {"Delta", 0x394, false},   {"Epsilon", 0x395, false},  {"Eta", 0x397, false},
    {"GT", '>', true},         {"Gamma", 0x393, false},    {"Iota", 0x399, false},
    {"Kappa", 0x39a, false},   {"LT", '<', true},          {"Lambda", 0x39b, false},
    {"Mu", 0x39c, false},      {"NewLine", '\n', false},   {"Nu", 0x39d, false},
    {"OElig", 0x152, false},   {"Omega", 0x3a9, false},    {"Omicron", 0x39f, false},
    {"Phi", 0x3a6, false},     {"Pi", 0x3a0, false},       {"Prime", 0x2033, false},
    {"Psi", 0x3a8, false},     {"QUOT", '"', true},        {"REG", 0xae, true},
    {"Rho", 0x3a1, false},     {"Scaron", 0x160, false},   {"Sigma", 0x3a3, false},
    {"Tab", '\t', false},      {"Tau", 0x3a4, false},      {"Theta", 0x398, false},
    {"Upsilon", 0x3a5, false}, {"Xi", 0x39e, false},       {"Yuml", 0x178, false},
    {"Zeta", 0x396, false},    {"alefsym", 0x2135, false}, {"alpha", 0x3b1, false},
    {"amp", '&', true},        {"and", 0x2227, false},     {"ang", 0x2220, false},
    {"apos", '\'', false},     {"asymp", 0x2248, false},   {"bdquo", 0x201e, false},
    {"beta", 0x3b2, false},    {"bull", 0x2022, false},    {"cap", 0x2229, false},
    {"chi", 0x3c7, false},     {"circ", 0x2c6, false},     {"clubs", 0x2663, false},
    {"colon", ':', false},     {"comma", ',', false},      {"cong", 0x2245, false},
    {"crarr", 0x21b5, false},  {"cup", 0x222a, false},     {"dArr", 0x21d3, false},
    {"dagger", 0x2020, false}, {"darr", 0x2193, false},    {"delta", 0x3b4, false},
    {"diams", 0x2666, false},  {"dollar", '$', false},     {"empty", 0x2205, false},
    {"emsp", 0x2003, false},   {"ensp", 0x2002, false},    {"epsilon", 0x3b5, false},
    {"equals", '=', false},    {"equiv", 0x2261, false},   {"eta", 0x3b7, false},
    {"euro", 0x20ac, false},   {"excl", '!', false},       {"exist", 0x2203, false},
    {"fnof", 0x192, false},    {"forall", 0x2200, false},  {"frasl", 0x2044, false},
    {"gamma", 0x3b3, false},   {"ge", 0x2265, false},      {"gt", '>', true},
    {"hArr", 0x21d4, false},   {"harr", 0x2194, false},    {"hearts", 0x2665, false},
    {"hellip", 0x2026, false}, {"image", 0x2111, false},   {"infin", 0x221e, false},
    {"int", 0x222b, false},    {"iota", 0x3b9, false},     {"isin", 0x2208, false},
    {"kappa", 0x3ba, false},   {"lArr", 0x21d0, false},    {"lambda", 0x3bb, false},
    {"lang", 0x27e8, false},   {"larr", 0x2190, false},    {"lceil", 0x2308, false},
    {"ldquo", 0x201c, false},  {"le", 0x2264, false},      {"lfloor", 0x230a, false},
    {"lowast", 0x2217, false}, {"lowbar", '_', false},     {"loz", 0x25ca, false},
    {"lpar", '(', false},      {"lrm", 0x200e, false},     {"lsaquo", 0x2039, false},
    {"lsquo", 0x2018, false},  {"lt", '<', true},          {"mdash", 0x2014, false},
    {"minus", 0x2212, false},  {"mu", 0x3bc, false},       {"nabla", 0x2207, false},
    {"ndash", 0x2013, false},  {"ne", 0x2260, false},      {"ni", 0x220b, false},
    {"notin", 0x2209, false},  {"nsub", 0x2284, false},    {"nu", 0x3bd, false},
    {"num", '#', false},       {"oelig", 0x153, false},    {"oline", 0x203e, false},
    {"omega", 0x3c9, false},   {"omicron", 0x3bf, false},  {"oplus", 0x2295, false},
    {"or", 0x2228, false},     {"otimes", 0x2297, false},  {"part", 0x2202, false},
    {"percnt", '%', false},    {"period", '.', false},     {"permil", 0x2030, false},
    {"perp", 0x22a5, false},   {"phi", 0x3c6, false},      {"pi", 0x3c0, false},
    {"piv", 0x3d6, false},     {"plus", '+', false},       {"prime", 0x2032, false},
    {"prod", 0x220f, false},   {"prop", 0x221d, false},    {"psi", 0x3c8, false},
    {"quest", '?', false},     {"quot", '"', true},        {"rArr", 0x21d2, false},
    {"radic", 0x221a, false},  {"rang", 0x27e9, false},    {"rarr", 0x2192, false},
    {"rceil", 0x2309, false},  {"rdquo", 0x201d, false},   {"real", 0x211c, false},
    {"rfloor", 0x230b, false}, {"rho", 0x3c1, false},      {"rlm", 0x200f, false},
    {"rpar", ')', false},      {"rsaquo", 0x203a, false},  {"rsquo", 0x2019, false},
    {"sbquo", 0x201a, false},  {"scaron", 0x161, false},   {"sdot", 0x22c5, false},
    {"semi", ';', false},      {"sigma", 0x3c3, false},    {"sigmaf", 0x3c2, false},
    {"sim", 0x223c, false},    {"sol", '/', false},        {"spades", 0x2660, false},
    {"sub", 0x2282, false},    {"sube", 0x2286, false},    {"sum", 0x2211, false},
    {"sup", 0x2283, false},    {"supe", 0x2287, false},    {"tau", 0x3c4, false},
    {"there4", 0x2234, false}, {"theta", 0x3b8, false},    {"thetasym", 0x3d1, false},
    {"thinsp", 0x2009, false}, {"tilde", 0x2dc, false},    {"trade", 0x2122, false},
    {"uArr", 0x21d1, false},   {"uarr", 0x2191, false},    {"upsih", 0x3d2, false},
    {"upsilon", 0x3c5, false}, {"weierp", 0x2118, false},  {"xi", 0x3be, false},
    {"zeta", 0x3b6, false},    {"zwj", 0x200d, false},     {"zwnj", 0x200c, false},
};

/* What numbers 0x80 to 0x9f are taken for. */
static const uint16_t windows1252[32] = {
    0x20ac, 0x81,   0x201a, 0x192,  0x201e, 0x2026, 0x2020, 0x2021,
    0x2c6,  0x2030, 0x160,  0x2039, 0x152,  0x8d,   0x17d,  0x8f,
    0x90,   0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014,
    0x2dc,  0x2122, 0x161,  0x203a, 0x153,  0x9d,   0x17e,  0x178};

static int entity_cmp(const void *key, const void *item)
{
    const struct str *name = key;
    const struct entity *e = item;
    int order = strncmp(name->ptr, e->name, name->len);
    return order != 0 ? order : -(e->name[name->len] != '\0');
}

static bool find_name(struct str name, struct entity *out)
{
    const struct entity *e =
        bsearch(&name, entities, ARRAY_LEN(entities), sizeof entities[0], entity_cmp);
    if (e != NULL) {
        *out = *e;
        return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(latin1); i++) {
        if (str_eq_c(name, latin1[i])) {
            *out = (struct entity){latin1[i], LATIN1_FIRST + (uint32_t)i, true};
            return true;
        }
    }
    return false;
}

static bool is_alnum(char c)
{
    char lower = ascii_lower(c);
    return (lower >= 'a' && lower <= 'z') || ascii_is_digit(c);
}

static int digit_value(char c, unsigned base)
{
    char lower = ascii_lower(c);
    if (ascii_is_digit(c)) {
        return c - '0';
    }
    return base == 16 && lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static uint32_t number_meaning(uint32_t n)
{
    if (n >= 0x80 && n <= 0x9f) {
        return windows1252[n - 0x80];
    }
    return n == 0 || n > 0x10ffff || (n >= 0xd800 && n <= 0xdfff) ? 0xfffd : n;
}

/* s begins with "&#". Bytes taken, 0 if it is no reference. */
static size_t decode_number(struct str s, uint32_t *out)
{
    size_t at = 2;
    unsigned base = 10;
    uint32_t n = 0;
    if (at < s.len && ascii_lower(s.ptr[at]) == 'x') {
        base = 16;
        at++;
    }
    size_t digits = at;
    for (int d; at < s.len && (d = digit_value(s.ptr[at], base)) >= 0; at++) {
        n = n > 0x10ffff ? n : n * base + (uint32_t)d;
    }
    if (at == digits) {
        return 0;
    }
    *out = number_meaning(n);
    return at < s.len && s.ptr[at] == ';' ? at + 1 : at;
}

/* The longest name without a semicolon that the letters begin with. */
static size_t bare_name(struct str letters, struct entity *out)
{
    for (size_t n = letters.len < 6 ? letters.len : 6; n >= 2; n--) {
        if (find_name(str_from(letters.ptr, n), out) && out->bare) {
            return n;
        }
    }
    return 0;
}

/* s begins with "&". Bytes taken, 0 if nothing is referred to. */
static size_t decode_one(struct str s, bool attribute, uint32_t *out)
{
    if (s.len > 1 && s.ptr[1] == '#') {
        return decode_number(s, out);
    }
    size_t n = 1;
    while (n < s.len && n <= NAME_MAX_BYTES && is_alnum(s.ptr[n])) {
        n++;
    }
    struct str name = str_from(s.ptr + 1, n - 1);
    struct entity e;
    if (n < s.len && s.ptr[n] == ';' && find_name(name, &e)) {
        *out = e.codepoint;
        return n + 1;
    }
    size_t bare = bare_name(name, &e);
    if (bare == 0) {
        return 0;
    }
    size_t end = bare + 1;
    if (attribute && end < s.len && (s.ptr[end] == '=' || is_alnum(s.ptr[end]))) {
        return 0;
    }
    *out = e.codepoint;
    return end;
}

static bool is_control(uint32_t cp)
{
    return (cp < 0x20 && cp != '\t' && cp != '\n' && cp != '\r') ||
           (cp >= 0x7f && cp < 0xa0) || (cp & 0xfffe) == 0xfffe;
}

static void put_codepoint(struct buf *out, uint32_t cp)
{
    utf8_put(out, is_control(cp) ? ' ' : cp);
}

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7f && c != '&';
}

/* Up to the next "&", valid and without controls. */
static struct str put_run(struct buf *out, struct str s)
{
    while (s.len > 0 && s.ptr[0] != '&') {
        size_t n = 0;
        while (n < s.len && is_plain((unsigned char)s.ptr[n])) {
            n++;
        }
        if (n > 0) {
            buf_put(out, s.ptr, n);
        } else {
            n = utf8_sequence_len(s);
            uint32_t cp = 0xfffd;
            if (n > 0) {
                cp = utf8_decode(s, &n);
            }
            n = n > 0 ? n : 1;
            put_codepoint(out, cp);
        }
        s = str_tail(s, n);
    }
    return s;
}

void html_decode(struct buf *out, struct str raw, bool attribute)
{
    for (struct str s = put_run(out, raw); s.len > 0; s = put_run(out, s)) {
        uint32_t cp = '&';
        size_t n = decode_one(s, attribute, &cp);
        put_codepoint(out, cp);
        s = str_tail(s, n > 0 ? n : 1);
    }
}

void html_put_escaped(struct buf *out, struct str text)
{
    size_t from = 0;
    for (size_t i = 0; i < text.len; i++) {
        const char *as = NULL;
        switch (text.ptr[i]) {
        case '&':
            as = "&amp;";
            break;
        case '<':
            as = "&lt;";
            break;
        case '>':
            as = "&gt;";
            break;
        case '"':
            as = "&quot;";
            break;
        case '\'':
            as = "&#39;";
            break;
        default:
            continue;
        }
        buf_put(out, text.ptr + from, i - from);
        buf_put_c(out, as);
        from = i + 1;
    }
    buf_put(out, text.ptr + from, text.len - from);
}

/* "&name;" with a name that is not known here: its length, or 0. */
static size_t foreign_name(struct str s)
{
    size_t n = 1;
    while (n < s.len && n <= NAME_MAX_BYTES && is_alnum(s.ptr[n])) {
        n++;
    }
    return n > 2 && n < s.len && s.ptr[n] == ';' && !ascii_is_digit(s.ptr[1]) ? n + 1 : 0;
}

void html_put_text(struct buf *out, struct str raw)
{
    struct buf plain = BUF_INIT(raw.len * 3 + 16);
    struct str s = raw;
    while (s.len > 0) {
        s = put_run(&plain, s);
        uint32_t cp = '&';
        size_t n = s.len > 0 ? decode_one(s, false, &cp) : 0;
        size_t kept = s.len > 0 && n == 0 ? foreign_name(s) : 0;
        if (kept > 0) {
            html_put_escaped(out, buf_str(&plain));
            buf_clear(&plain);
            buf_put(out, s.ptr, kept);
            n = kept;
        } else if (s.len > 0) {
            put_codepoint(&plain, cp);
        }
        s = str_tail(s, n > 0 ? n : s.len > 0 ? 1 : 0);
    }
    html_put_escaped(out, buf_str(&plain));
    buf_fini(&plain);
}
