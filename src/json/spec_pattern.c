/* spec_pattern: matching against the small pattern language of the tables.
 * A pattern is a sequence of sets with repeat counts. After each part, `reach` marks the
 * positions of the text that the parts so far can end at; a part maps one set of
 * positions to the next in one pass over the text. So the cost is parts × length whatever
 * the text is, where a backtracking matcher would grow without bound. */
#include "postrider/base/check.h"
#include "postrider/base/mem.h"
#include "postrider/base/num.h"
#include "spec_priv.h"

struct part {
    bool set[256];
    size_t min, max;
};

static bool parse_class(const char **p, struct part *part)
{
    bool negated = **p == '^';
    *p += negated ? 1 : 0;
    while (**p != ']') {
        if (**p == '\\') {
            (*p)++;
        }
        if (**p == '\0') {
            return false;
        }
        unsigned char low = (unsigned char)*(*p)++;
        unsigned char high = low;
        if ((*p)[0] == '-' && (*p)[1] != ']' && (*p)[1] != '\0') {
            high = (unsigned char)(*p)[1];
            *p += 2;
        }
        for (unsigned c = low; c <= high; c++) {
            part->set[c] = true;
        }
    }
    (*p)++;
    for (size_t c = 0; negated && c < ARRAY_LEN(part->set); c++) {
        part->set[c] = !part->set[c];
    }
    return true;
}

static bool parse_braces(const char **p, struct part *part)
{
    const char *close = strchr(*p, '}');
    if (close == NULL) {
        return false;
    }
    struct str body = str_from(*p, (size_t)(close - *p));
    struct str low, rest = body;
    uint64_t min = 0;
    uint64_t max = SIZE_MAX;
    if (!str_split(&rest, ',', &low) || !num_u64(low, SPEC_TEXT_MAX, &min)) {
        return false;
    }
    if (low.len == body.len) {
        max = min;
    } else if (rest.len > 0 && !num_u64(rest, SPEC_TEXT_MAX, &max)) {
        return false;
    }
    part->min = (size_t)min;
    part->max = (size_t)max;
    *p = close + 1;
    return true;
}

static bool parse_repeat(const char **p, struct part *part)
{
    char c = **p;
    part->min = c == '?' || c == '*' ? 0 : 1;
    part->max = c == '*' || c == '+' ? SIZE_MAX : 1;
    if (c == '{') {
        (*p)++;
        return parse_braces(p, part);
    }
    *p += c == '?' || c == '*' || c == '+' ? 1 : 0;
    return true;
}

static bool parse_part(const char **p, struct part *part)
{
    *part = (struct part){.min = 1, .max = 1};
    char c = *(*p)++;
    if (c == '[') {
        if (!parse_class(p, part)) {
            return false;
        }
    } else if (c == '.') {
        memset(part->set, true, sizeof part->set);
    } else {
        bool quoted = c == '\\';
        if (quoted) {
            c = *(*p)++;
        }
        if (c == '\0' || (!quoted && strchr("()|*+?{", c) != NULL)) {
            return false;
        }
        part->set[(unsigned char)c] = true;
    }
    return parse_repeat(p, part);
}

/* From the ends in `from` to the ends in `to`. An end j is reached when some marked i
 * with min ≤ j - i ≤ max has only characters of the set between: the run that ends at j
 * bounds i from below, and `marks` counts marked positions so far, so that the range
 * needs one subtraction. */
static void step(const struct part *part, struct str s, const size_t *marks, bool *to)
{
    size_t run_start = 0;
    for (size_t j = 0; j <= s.len; j++) {
        if (j > 0 && !part->set[(unsigned char)s.ptr[j - 1]]) {
            run_start = j;
        }
        size_t low = part->max < j ? j - part->max : 0;
        low = low > run_start ? low : run_start;
        to[j] = part->min <= j && low <= j - part->min &&
                marks[j - part->min + 1] - marks[low] > 0;
    }
}

static const char *skip_exclusion(const char *p, struct str s, bool *excluded)
{
    static const char open[] = "(?!";
    *excluded = false;
    if (strncmp(p, open, sizeof open - 1) != 0) {
        return p;
    }
    p += sizeof open - 1;
    const char *close = strchr(p, ')');
    CHECK(close != NULL);
    size_t len = (size_t)(close - p);
    *excluded = s.len >= len && memcmp(s.ptr, p, len) == 0;
    return close + 1;
}

bool spec_pattern_match(const char *pattern, struct str s)
{
    if (s.ptr == NULL || s.len > SPEC_TEXT_MAX) {
        return false;
    }
    const char *p = pattern + (pattern[0] == '^' ? 1 : 0);
    bool excluded;
    p = skip_exclusion(p, s, &excluded);
    bool *reach = mem_array(s.len + 1, sizeof *reach);
    size_t *marks = mem_array(s.len + 2, sizeof *marks);
    reach[0] = true;
    while (*p != '\0' && !(p[0] == '$' && p[1] == '\0')) {
        struct part part;
        CHECK(parse_part(&p, &part));
        for (size_t i = 0; i <= s.len; i++) {
            marks[i + 1] = marks[i] + (reach[i] ? 1 : 0);
        }
        step(&part, s, marks, reach);
    }
    bool matched = reach[s.len] && !excluded;
    mem_free(reach);
    mem_free(marks);
    return matched;
}
