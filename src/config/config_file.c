/* The file:
 *   file    = *( line LF )
 *   line    = ws [ comment / "[" section "]" / name ws "=" ws value ] ws
 *   comment = ( "#" / ";" ) *any
 * No continuation lines, no quotes, no comments behind values: what stands behind "=" is
 * the value, so that a password may hold any printable character. */
#include "config_priv.h"

#include "postrider/base/buf.h"

#include <stdio.h>

enum {
    WHERE_SIZE = 128
};

struct file_state {
    const char *name;
    unsigned line_no;
    struct str section; /* borrowed from the text */
    unsigned first_line[CONFIG_ROW_COUNT];
    config_setting_fn *fn;
    void *ctx;
};

static void where_text(const struct file_state *f, char out[WHERE_SIZE])
{
    (void)snprintf(out, WHERE_SIZE, "%.100s:%u", f->name, f->line_no);
}

static bool refuse(const struct file_state *f, struct err *err, const char *what)
{
    char where[WHERE_SIZE];
    where_text(f, where);
    return err_set(err, ERR_CONFIG, "%s: %s", where, what);
}

/* Names are repeated in messages, cut and without odd bytes. */
static void printable(struct str s, char out[CONFIG_NAME_SIZE])
{
    size_t n = 0;
    for (; n < s.len && n + 1 < CONFIG_NAME_SIZE; n++) {
        out[n] = s.ptr[n] >= 0x20 && s.ptr[n] < 0x7f ? s.ptr[n] : '?';
    }
    out[n] = '\0';
}

static bool on_section(struct file_state *f, struct str line, struct err *err)
{
    if (line.ptr[line.len - 1] != ']') {
        return refuse(f, err, "\"[\" without \"]\"");
    }
    struct str name = str_trim(str_from(line.ptr + 1, line.len - 2));
    if (!config_section_exists(name)) {
        char text[CONFIG_NAME_SIZE];
        char what[CONFIG_NAME_SIZE + 32];
        printable(name, text);
        (void)snprintf(what, sizeof what, "unknown section [%s]", text);
        return refuse(f, err, what);
    }
    f->section = name;
    return true;
}

static bool on_setting(struct file_state *f, struct str name, struct str value,
                       struct err *err)
{
    char text[CONFIG_NAME_SIZE];
    char what[2 * CONFIG_NAME_SIZE + 64];
    printable(name, text);
    if (f->section.ptr == NULL) {
        (void)snprintf(what, sizeof what, "%s stands before the first [section]", text);
        return refuse(f, err, what);
    }
    const struct config_row *row = config_row_find(f->section, name);
    if (row == NULL) {
        (void)snprintf(what, sizeof what, "unknown setting %s in section [%.*s]", text,
                       STR_ARG(f->section));
        return refuse(f, err, what);
    }
    unsigned *first = &f->first_line[row - config_rows];
    if (*first != 0) {
        (void)snprintf(what, sizeof what, "%s.%s is set in line %u already", row->section,
                       row->name, *first);
        return refuse(f, err, what);
    }
    *first = f->line_no;
    char where[WHERE_SIZE];
    where_text(f, where);
    return f->fn(row, value, where, f->ctx, err);
}

static bool on_line(struct file_state *f, struct str line, struct err *err)
{
    if (line.len > CONFIG_LINE_MAX) {
        return refuse(f, err, "line too long");
    }
    line = str_trim(line);
    if (line.len == 0 || line.ptr[0] == '#' || line.ptr[0] == ';') {
        return true;
    }
    if (line.ptr[0] == '[') {
        return on_section(f, line, err);
    }
    size_t equals = str_find_byte(line, '=');
    if (equals == SIZE_MAX || equals == 0) {
        return refuse(f, err, "expected \"name = value\", \"[section]\" or a comment");
    }
    return on_setting(f, str_trim(str_from(line.ptr, equals)),
                      str_trim(str_tail(line, equals + 1)), err);
}

bool config_parse_text(const char *name, struct str text, config_setting_fn *fn,
                       void *ctx, struct err *err)
{
    struct file_state f = {.name = name, .fn = fn, .ctx = ctx};
    if (text.len > CONFIG_FILE_MAX) {
        return err_set(err, ERR_CONFIG, "%.100s: larger than %d bytes", name,
                       CONFIG_FILE_MAX);
    }
    static const char bom[] = "\xef\xbb\xbf"; /* some editors put it in front */
    if (str_has_prefix(text, bom)) {
        text = str_tail(text, sizeof bom - 1);
    }
    struct str line;
    while (str_split(&text, '\n', &line)) {
        f.line_no++;
        if (!on_line(&f, line, err)) {
            return false;
        }
    }
    return true;
}

static bool check_only(const struct config_row *row, struct str value, const char *where,
                       void *ctx, struct err *err)
{
    (void)ctx;
    return config_row_set(row, value, where, NULL, NULL, err);
}

bool config_check_text(const char *name, struct str text, struct err *err)
{
    return config_parse_text(name, text, check_only, NULL, err);
}
