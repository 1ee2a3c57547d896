/* config_priv: the table of settings, and what loading and printing share. */
#ifndef POSTRIDER_CONFIG_CONFIG_PRIV_H
#define POSTRIDER_CONFIG_CONFIG_PRIV_H

#include "postrider/base/arena.h"
#include "postrider/config/config.h"

#include <stddef.h>

enum config_kind {
    CONFIG_KIND_STR,
    CONFIG_KIND_INT,
    CONFIG_KIND_BOOL,
    CONFIG_KIND_CHOICE
};

enum config_secrecy {
    CONFIG_PUBLIC,
    CONFIG_SECRET, /* never shown */
    CONFIG_URL     /* shown without user and password */
};

struct config_choice {
    const char *name; /* NULL ends the list */
    unsigned value;
};

struct config_row {
    const char *section;
    const char *name;
    enum config_kind kind;
    enum config_secrecy secrecy;
    bool reloadable; /* takes effect on SIGHUP */
    size_t offset;   /* in struct config */
    int64_t min, max;
    const struct config_choice *choices;
    bool (*check)(struct str value, struct err *err); /* further rules, or NULL */
    const char *fallback;                             /* as text; NULL = unset */
    const char *shown; /* how the docs describe a computed default, or NULL */
    const char *doc;
};

enum {
    CONFIG_ROW_COUNT = 50,
    CONFIG_NAME_SIZE = 64
};
extern const struct config_row config_rows[CONFIG_ROW_COUNT];

/* NULL if there is no such setting. "section.name" in one. */
const struct config_row *config_row_find(struct str section, struct str name);
const struct config_row *config_row_find_key(struct str key);
bool config_section_exists(struct str section);
/* "POSTRIDER_SECTION_NAME". */
void config_row_variable(const struct config_row *row, char out[CONFIG_NAME_SIZE]);

/* Checks a text and stores what it means in *config, whose strings go to the arena; with
 * config NULL it only checks. Messages begin with `where`. */
bool config_row_set(const struct config_row *row, struct str text, const char *where,
                    struct config *config, struct arena *a, struct err *err);
/* The value as text; true if it is set. */
bool config_row_get(const struct config_row *row, const struct config *config,
                    struct buf *out);

/* --- the file */

/* Called for each setting; false stops with its err. */
typedef bool config_setting_fn(const struct config_row *row, struct str value,
                               const char *where, void *ctx, struct err *err);
bool config_parse_text(const char *name, struct str text, config_setting_fn *fn,
                       void *ctx, struct err *err);

#endif
