#include "account_sections.h"

#include "postrider/json/json.h"

enum {
    PATH_MAX_LEN = 64
};

static bool is_path(struct str s)
{
    bool ok = s.len > 0 && s.len <= PATH_MAX_LEN;
    for (size_t i = 0; ok && i < s.len; i++) {
        ok = ascii_is_digit(s.ptr[i]) || s.ptr[i] == '.';
    }
    return ok;
}

size_t account_sections_named(struct arena *arena, struct str id_rest,
                              enum account_text_type type, struct str *out)
{
    json_t *lists ATTR_CLEANUP(json_cleanup) = NULL;
    size_t count = 0;
    if (!json_parse_strict(id_rest, id_rest.len, &lists, NULL)) {
        return 0;
    }
    for (size_t kind = 0; kind < 2; kind++) {
        enum account_text_type other = kind == 0 ? ACCOUNT_TEXT_HTML : ACCOUNT_TEXT_PLAIN;
        const json_t *list = json_array_get(lists, kind);
        for (size_t i = 0;
             i < json_array_size(list) && type != other && count < ACCOUNT_SECTIONS_MAX;
             i++) {
            struct str path = str_of(json_string_value(json_array_get(list, i)));
            if (is_path(path)) {
                out[count++] = arena_str(arena, path);
            }
        }
    }
    return count;
}

size_t account_sections_usual(enum account_text_type type, struct str *out)
{
    static const struct {
        const char *path;
        bool plain; /* may be there; HTML may be in all of them */
    } usual[] = {
        {"1", true}, {"2", false}, {"1.1", true}, {"1.2", false}, {"2.1", false}};
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_LEN(usual); i++) {
        if (type != ACCOUNT_TEXT_PLAIN || usual[i].plain) {
            out[count++] = str_of(usual[i].path);
        }
    }
    return count;
}

const struct imap_section *account_section_find(const struct imap_row *row,
                                                struct str name)
{
    for (size_t i = 0; i < row->section_count; i++) {
        if (str_eq(row->sections[i].name, name)) {
            return &row->sections[i];
        }
    }
    return NULL;
}
