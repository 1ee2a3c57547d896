/* spec: tables that say what a JSON value must look like, and the validator driven by
 * them.
 * Shape    a field_spec row per value; rows refer to the rows of their members and items.
 *          A part is a row that stands for the rows of another table, as they are or
 *          seen through a view, so that what several tables share is written once.
 *          One table yields the validation, the normal form and the OpenAPI schema.
 * Owner    tables are `static const`; results are new values of the caller
 * Calls    pure; any thread
 * Order    of the checks of one value: trim and case; values that count as absent;
 *          presence and default; null and `false` where allowed; the conversion to the
 *          type; the enumeration; bounds, format, pattern; members; relations between
 *          members; the row's own check. Conditions (`when`) see the normal form of rows
 *          without conditions and of rows further up in the table.
 * Limits   SPEC_ERRORS_MAX messages; tables nest at most SPEC_DEPTH_MAX levels (the
 *          validator's recursion follows the table, never the input); parts nest at
 *          most FIELD_PART_DEPTH levels
 * Errors   messages name the value by its path, as in: "imap.port" must be a number
 *
 * Writing a table:
 *     static const struct field_spec address_fields[] = {
 *         F_STR("name", FIELD_TRIM | FIELD_EMPTY_ABSENT, F_MAX_LEN(256),
 *               F_DOC("Shown name")),
 *         F_STR("address", FIELD_REQUIRED, F_FORMAT(EMAIL)),
 *     };
 *     static const struct field_spec body = F_OBJ(
 *         NULL, 0, F_LABEL("Draft"), F_FIELDS(draft_fields), F_DEPS(draft_deps));
 *     F_INT("pageSize", 0, F_RANGE(1, 1000), F_DEFAULT("20"))
 *     F_ARR("to", FIELD_SINGLE, F_ITEM(F_OBJ(NULL, 0, F_FIELDS(address_fields))))
 *     F_STR("pass", 0, F_WHEN({.field = "accessToken",
 *                              .then = {WHEN_OFF}, .otherwise = {WHEN_REQUIRED}}))
 *     F_PART(address_fields)                 the rows of that table, in this place
 *     F_PART_AS(address_fields, as_change)   each of them as as_change makes it
 */
#ifndef POSTRIDER_JSON_SPEC_H
#define POSTRIDER_JSON_SPEC_H

#include "postrider/base/arena.h"
#include "postrider/json/json.h"

enum {
    SPEC_ERRORS_MAX = 100,
    SPEC_DEPTH_MAX = 16,
    FIELD_PART_DEPTH = 4,
    FIELD_LABEL_SIZE = 64
};

enum field_type {
    FIELD_ANY,
    FIELD_STRING,
    FIELD_INTEGER,
    FIELD_NUMBER,
    FIELD_BOOLEAN,
    FIELD_OBJECT,
    FIELD_ARRAY
};

enum field_flag {
    FIELD_REQUIRED = 1u << 0,
    FIELD_NULLABLE = 1u << 1,     /* null is a value */
    FIELD_EMPTY_OK = 1u << 2,     /* "" is a value */
    FIELD_EMPTY_ABSENT = 1u << 3, /* "" counts as absent */
    FIELD_FALSE_ABSENT = 1u << 4, /* false counts as absent */
    FIELD_FALSE_OK = 1u << 5,     /* false is a value, whatever the type */
    FIELD_FALSE_ONLY = 1u << 6,   /* nothing but false (and null if nullable) */
    FIELD_TRIM = 1u << 7,
    FIELD_LOWER = 1u << 8,
    FIELD_UPPER = 1u << 9,
    FIELD_SINGLE = 1u << 10,     /* an item alone stands for a list of one */
    FIELD_UNKNOWN_OK = 1u << 11, /* members outside the table are kept */
    FIELD_FORBIDDEN = 1u << 12,
    FIELD_UNDOCUMENTED = 1u << 13, /* in OpenAPI with x-undocumented */
    FIELD_DEPRECATED = 1u << 14,
    FIELD_LOOSE = 1u << 15,      /* boolean: also Y 1 / N 0 */
    FIELD_LOOSE_ON = 1u << 16,   /* boolean: also Y 1 on / N 0 and "" */
    FIELD_UNIQUE = 1u << 17,     /* no two equal items */
    FIELD_STRIP = 1u << 18,      /* checked, then left out of the normal form */
    FIELD_POSITIVE = 1u << 19,   /* number > 0 */
    FIELD_FUTURE = 1u << 20,     /* date-time later than now */
    FIELD_WRITE_ONLY = 1u << 21, /* a secret: never in a reply */
    FIELD_MANY = 1u << 22,    /* in a query: may come several times, then it is a list */
    FIELD_ADDITION = 1u << 23 /* not in the compatible interface (x-addition) */
};

enum field_format {
    FORMAT_NONE,
    FORMAT_DATE_TIME, /* normal form: UTC with milliseconds; the default may be "now" */
    FORMAT_URI,       /* absolute; `schemes` restricts it */
    FORMAT_HOSTNAME,  /* or an IP address */
    FORMAT_EMAIL,
    FORMAT_IP,
    FORMAT_BASE64,
    FORMAT_BASE64URL, /* no padding required */
    FORMAT_GUID,
    FORMAT_HEX
};

struct field_spec;
struct field_when;

/* What a condition changes in the row it belongs to. */
struct field_branch {
    unsigned set;                  /* flags added */
    const char *const *values;     /* replaces the enumeration */
    const char *default_json;      /* replaces the default */
    const struct field_spec *spec; /* replaces the whole row, except its name */
    const struct field_when *when; /* one further condition */
};

struct field_when {
    const char *field; /* a sibling */
    const char *const
        *is; /* NULL: it is present; else one of these texts (true, 5, name) */
    struct field_branch then, otherwise;
};

enum field_relation {
    RELATION_OR,   /* at least one */
    RELATION_XOR,  /* exactly one */
    RELATION_OXOR, /* at most one */
    RELATION_AND,  /* all or none */
    RELATION_NAND  /* not all */
};

struct field_dep {
    enum field_relation relation;
    const char *const *peers; /* ended by NULL */
};

/* A check the table cannot say; `value` is the normal form. The message (err) completes
 * the sentence `"path" …`. */
typedef bool field_check(const json_t *value, struct err *err);

/* Makes a row of a part what it is in the table that names the part. A label made for it
 * goes into `label`, which lives as long as the row. */
typedef void field_view(struct field_spec *row, char label[FIELD_LABEL_SIZE]);

struct field_spec {
    enum field_type type;
    const char *name; /* NULL for items and whole bodies */
    unsigned flags;
    bool has_min, has_max;
    int64_t min, max;          /* of numbers, inclusive */
    size_t min_len, max_len;   /* characters, items or members; 0 = unbounded */
    const char *const *values; /* enumeration, ended by NULL */
    const char *const *denied; /* strings refused, ended by NULL */
    const char *default_json;  /* JSON text */
    enum field_format format;
    const char *const *schemes; /* ended by NULL */
    const char *pattern;        /* see spec_pattern_match */
    const struct field_spec *fields;
    size_t field_count;
    const struct field_spec
        *item;               /* array: each item; object: members outside `fields` */
    const char *key_pattern; /* object: names of those members */
    const struct field_when *when;
    size_t when_count;
    const struct field_dep *deps;
    size_t dep_count;
    field_check *check;
    const struct field_spec *part; /* a part: these rows, and nothing of this one */
    size_t part_count;
    field_view *view;  /* NULL: the rows of the part as they are */
    const char *label; /* name of the schema in OpenAPI */
    const char *doc;   /* one line */
};

/* clang-format off */
#define F_ANY(...)  {.type = FIELD_ANY, .name = __VA_ARGS__}
#define F_STR(...)  {.type = FIELD_STRING, .name = __VA_ARGS__}
#define F_INT(...)  {.type = FIELD_INTEGER, .name = __VA_ARGS__}
#define F_NUM(...)  {.type = FIELD_NUMBER, .name = __VA_ARGS__}
#define F_BOOL(...) {.type = FIELD_BOOLEAN, .name = __VA_ARGS__}
#define F_OBJ(...)  {.type = FIELD_OBJECT, .name = __VA_ARGS__}
#define F_ARR(...)  {.type = FIELD_ARRAY, .name = __VA_ARGS__}

#define F_MIN(lo)        .has_min = true, .min = (lo)
#define F_MAX(hi)        .has_max = true, .max = (hi)
#define F_RANGE(lo, hi)  F_MIN(lo), F_MAX(hi)
#define F_MIN_LEN(n)     .min_len = (n)
#define F_MAX_LEN(n)     .max_len = (n)
#define F_LEN(n)         .min_len = (n), .max_len = (n)
#define F_LIST(...)      ((const char *const[]){__VA_ARGS__, NULL})
#define F_ENUM(...)      .values = F_LIST(__VA_ARGS__)
#define F_DENY(...)      .denied = F_LIST(__VA_ARGS__)
#define F_DEFAULT(text)  .default_json = (text)
#define F_FORMAT(which)  .format = FORMAT_##which
#define F_URI(...)       .format = FORMAT_URI, .schemes = F_LIST(__VA_ARGS__)
#define F_PATTERN(text)  .pattern = (text)
#define F_FIELDS(table)  .fields = (table), .field_count = ARRAY_LEN(table)
#define F_PART(table)    {.part = (table), .part_count = ARRAY_LEN(table)}
#define F_PART_AS(table, as) {.part = (table), .part_count = ARRAY_LEN(table), .view = (as)}
#define F_ITEM(...)      .item = &(const struct field_spec)__VA_ARGS__
#define F_WHEN(...)                                                                      \
    .when = (const struct field_when[]){__VA_ARGS__},                                    \
    .when_count = ARRAY_LEN(((const struct field_when[]){__VA_ARGS__}))
#define F_DEPS(table)    .deps = (table), .dep_count = ARRAY_LEN(table)
#define F_CHECK(fn)      .check = (fn)
#define F_LABEL(text)    .label = (text)
#define F_DOC(text)      .doc = (text)
/* clang-format on */

#define WHEN_REQUIRED  .set = FIELD_REQUIRED
#define WHEN_FORBIDDEN .set = FIELD_FORBIDDEN
/* The part is switched off: only null and false remain. */
#define WHEN_OFF .set = FIELD_NULLABLE | FIELD_FALSE_ONLY

/* Walks the rows of a table; those of its parts come in their place. */
struct field_walk {
    struct {
        const struct field_spec *next, *end;
        field_view *view;
    } level[FIELD_PART_DEPTH + 1];
    size_t depth;
    struct field_spec row; /* the current row, if a view changed it */
    char label[FIELD_LABEL_SIZE];
};

void field_walk_init(struct field_walk *w, const struct field_spec *fields, size_t count);
/* The next row, valid until the next call; NULL at the end. */
const struct field_spec *field_walk_next(struct field_walk *w);
/* The row of that name among those a walk still has before it; NULL if there is none. */
const struct field_spec *field_walk_find(struct field_walk *w, struct str name);
/* How many rows a walk would give. */
size_t field_rows_count(const struct field_spec *fields, size_t count);

struct spec_error {
    const char *message;
    const char *key; /* dotted path; list positions as numbers */
};

/* A zeroed spec_errors is ready for use; fini it always. */
struct spec_errors {
    struct arena arena;
    struct spec_error items[SPEC_ERRORS_MAX];
    size_t count;
    bool truncated; /* there were more */
};

void spec_errors_fini(struct spec_errors *errs);
/* [{"message", "key"}, …] */
json_t *spec_errors_json(const struct spec_errors *errs) ATTR_RETURNS_NONNULL;
void spec_errors_add(struct spec_errors *errs, const char *key, const char *fmt, ...)
    ATTR_PRINTF(3, 4);

/* Validates an object against a list of members; `in` is left alone (NULL counts as an
 * empty object). On success *out is a new object of the caller; on failure it is
 * untouched and errs holds every error found. */
bool spec_validate(const struct field_spec *fields, size_t count, json_t *in,
                   json_t **out, struct spec_errors *errs);
/* Same for one value of any type, e.g. a whole body. *out may become NULL if the row
 * permits absence. */
bool spec_validate_value(const struct field_spec *spec, json_t *in, json_t **out,
                         struct spec_errors *errs);
/* Same for one member of an object, NULL if it is absent; its normal form is put into `done`,
 * where the conditions of its row find its siblings. */
bool spec_validate_member(const struct field_spec *spec, json_t *in, json_t *done,
                          struct spec_errors *errs);

/* Whether s has the form: a sequence of characters, `.` and `[classes]`, each with an
 * optional `?`, `*`, `+`, `{n}` or `{m,n}`; `\` quotes; an outer ^…$ is implied; a
 * leading
 * `(?!text)` excludes a prefix. Linear in the text. A malformed pattern asserts. */
bool spec_pattern_match(const char *pattern, struct str s);

const char *field_type_name(enum field_type type) ATTR_RETURNS_NONNULL;
const char *field_format_name(enum field_format format); /* NULL for none */

/* The OpenAPI 3.1 schema. Rows with a label are put into `components` once and referred
 * to; without components (NULL) everything is inline. */
json_t *spec_schema(const struct field_spec *spec,
                    json_t *components) ATTR_RETURNS_NONNULL;

#endif
