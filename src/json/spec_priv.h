/* spec_priv: what the parts of the validator share. */
#ifndef POSTRIDER_JSON_SPEC_PRIV_H
#define POSTRIDER_JSON_SPEC_PRIV_H

#include "postrider/json/spec.h"

enum {
    SPEC_PATH_MAX = 512,
    SPEC_TEXT_MAX = 8192 /* longest string given to a format or pattern */
};

/* Where the validator is: errors and the dotted path of the current value. */
struct spec_walk {
    struct spec_errors *errs;
    char path[SPEC_PATH_MAX];
    size_t path_len;
    unsigned depth;
};

/* Records `"path" message`. Returns false. */
bool spec_fail(struct spec_walk *w, const char *fmt, ...) ATTR_PRINTF(2, 3);
/* "[a, b]" in the error arena. */
const char *spec_list_text(struct spec_walk *w, const char *const *list);
bool spec_list_has(const char *const *list, struct str s);

/* Checks length, enumeration, format and pattern of a string already trimmed; replaces
 * *value by the normal form where the format has one. */
bool spec_check_string(struct spec_walk *w, const struct field_spec *spec,
                       json_t **value);
/* Whether s is of the format; NULL or what the message says ("must be …"). */
const char *spec_format_fault(const struct field_spec *spec, struct str s);

/* Applies the conditions of `spec`, seen from its siblings, to a copy. */
void spec_resolve_when(const struct field_spec *spec, const json_t *done,
                       const json_t *raw, struct field_spec *out);
bool spec_check_deps(struct spec_walk *w, const struct field_spec *spec,
                     const json_t *object);

#endif
