#include "config_priv.h"

#include "postrider/base/check.h"

/* Hides what stands between "://" and the last "@". */
static bool put_url(struct buf *out, struct str url)
{
    size_t scheme = str_ifind(url, "://");
    size_t at = url.len;
    while (at > 0 && url.ptr[at - 1] != '@') {
        at--;
    }
    if (scheme == SIZE_MAX || at <= scheme + 3) {
        return buf_put_str(out, url);
    }
    return buf_put(out, url.ptr, scheme + 3) && buf_put_c(out, "********@") &&
           buf_put_str(out, str_tail(url, at));
}

static bool put_value(const struct config_row *row, const struct config *config,
                      struct buf *out)
{
    struct buf value = BUF_INIT(CONFIG_VALUE_MAX);
    bool ok = true;
    if (config_row_get(row, config, &value)) {
        switch (row->secrecy) {
        case CONFIG_PUBLIC:
            ok = buf_put_str(out, buf_str(&value));
            break;
        case CONFIG_SECRET:
            ok = buf_put_c(out, "********");
            break;
        case CONFIG_URL:
            ok = put_url(out, buf_str(&value));
            break;
        }
    }
    buf_fini(&value);
    return ok;
}

static bool begins_section(size_t i)
{
    return i == 0 ||
           !str_eq_c(str_of(config_rows[i].section), config_rows[i - 1].section);
}

bool config_dump(const struct config *config, struct buf *out)
{
    for (size_t i = 0; i < CONFIG_ROW_COUNT; i++) {
        const struct config_row *row = &config_rows[i];
        if (begins_section(i)) {
            (void)buf_printf(out, "%s[%s]\n", i > 0 ? "\n" : "", row->section);
        }
        struct buf line = BUF_INIT(2 * CONFIG_VALUE_MAX);
        (void)put_value(row, config, &line);
        /* An unset value is a comment, so that the output loads again. */
        (void)buf_printf(out, "%s%s = %s\n", line.len > 0 ? "" : "# ", row->name,
                         buf_c(&line));
        buf_fini(&line);
    }
    return !out->overflow;
}

static const char *default_text(const struct config_row *row)
{
    if (row->fallback != NULL) {
        return row->fallback;
    }
    return row->shown != NULL ? row->shown : "unset";
}

static void put_type(const struct config_row *row, struct buf *out)
{
    switch (row->kind) {
    case CONFIG_KIND_STR:
        (void)buf_put_c(out, row->secrecy == CONFIG_SECRET ? "secret" : "text");
        return;
    case CONFIG_KIND_INT:
        (void)buf_printf(out, "%lld to %lld", (long long)row->min, (long long)row->max);
        return;
    case CONFIG_KIND_BOOL:
        (void)buf_put_c(out, "true or false");
        return;
    case CONFIG_KIND_CHOICE:
        for (const struct config_choice *c = row->choices; c->name != NULL; c++) {
            (void)buf_printf(out, "%s%s", c == row->choices ? "" : ", ", c->name);
        }
        return;
    }
}

bool config_help(struct buf *out)
{
    for (size_t i = 0; i < CONFIG_ROW_COUNT; i++) {
        const struct config_row *row = &config_rows[i];
        (void)buf_printf(out, "  --%s.%s (", row->section, row->name);
        put_type(row, out);
        (void)buf_printf(out, "; default: %s)\n      %s\n", default_text(row), row->doc);
    }
    return !out->overflow;
}

bool config_print_markdown(struct buf *out)
{
    (void)buf_put_c(
        out,
        "# Configuration\n\n"
        "Printed from the table in `src/config/config_table.c`; do not edit.\n\n"
        "Every setting can be given in four places; the first one that has it counts:\n\n"
        "1. a flag: `--section.name value` or `--section.name=value`\n"
        "2. a variable: `POSTRIDER_SECTION_NAME`; for settings marked with `_FILE` also\n"
        "   `POSTRIDER_SECTION_NAME_FILE`, the path of a file whose first line is the "
        "value.\n"
        "   An empty variable counts as not set.\n"
        "3. the file given by `--config`: `[section]` lines and `name = value` lines.\n"
        "   Lines that begin with `#` or `;` are comments; a value is the rest of its "
        "line.\n"
        "4. the default\n\n"
        "Unknown sections, names and flags are refused. Settings marked *reload* change\n"
        "on SIGHUP, the others at a restart.\n");
    for (size_t i = 0; i < CONFIG_ROW_COUNT; i++) {
        const struct config_row *row = &config_rows[i];
        char variable[CONFIG_NAME_SIZE];
        config_row_variable(row, variable);
        if (begins_section(i)) {
            (void)buf_printf(out,
                             "\n## %s\n\n| setting | variable | values | default | |\n"
                             "| --- | --- | --- | --- | --- |\n",
                             row->section);
        }
        (void)buf_printf(out, "| `%s.%s` | `%s`%s | ", row->section, row->name, variable,
                         row->secrecy != CONFIG_PUBLIC ? ", `_FILE`" : "");
        put_type(row, out);
        (void)buf_printf(out, " | %s | %s%s |\n", default_text(row), row->doc,
                         row->reloadable ? " *reload*" : "");
    }
    return !out->overflow;
}

bool config_print_example(struct buf *out)
{
    (void)buf_put_c(out, "# Postrider configuration. Every line shows a default; remove "
                         "the \"#\" to change it.\n# docs/CONFIG.md explains the places "
                         "a setting can come from.\n");
    for (size_t i = 0; i < CONFIG_ROW_COUNT; i++) {
        const struct config_row *row = &config_rows[i];
        if (begins_section(i)) {
            (void)buf_printf(out, "\n[%s]\n", row->section);
        }
        (void)buf_printf(out, "\n# %s\n", row->doc);
        if (row->fallback == NULL) {
            (void)buf_printf(out, "# Default: %s.\n", default_text(row));
        }
        (void)buf_printf(out, "#%s = %s\n", row->name,
                         row->fallback != NULL ? row->fallback : "");
    }
    return !out->overflow;
}

bool config_needs_restart(const struct config *now, const struct config *next,
                          struct buf *names_out)
{
    bool any = false;
    for (size_t i = 0; i < CONFIG_ROW_COUNT; i++) {
        const struct config_row *row = &config_rows[i];
        struct buf a = BUF_INIT(CONFIG_VALUE_MAX);
        struct buf b = BUF_INIT(CONFIG_VALUE_MAX);
        bool a_set = config_row_get(row, now, &a);
        bool b_set = config_row_get(row, next, &b);
        if (!row->reloadable && (a_set != b_set || !str_eq(buf_str(&a), buf_str(&b)))) {
            (void)buf_printf(names_out, "%s%s.%s", any ? ", " : "", row->section,
                             row->name);
            any = true;
        }
        buf_fini(&a);
        buf_fini(&b);
    }
    return any;
}
