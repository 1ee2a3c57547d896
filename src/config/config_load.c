#include "config_priv.h"

#include "postrider/base/check.h"
#include "postrider/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    WHERE_SIZE = 128
};

struct loaded {
    struct config config; /* first: what callers hold */
    struct arena arena;
};

/* --- files */

/* At most max bytes; more is an error. The caller wipes and frees the buffer. */
static bool read_file(const char *path, struct buf *out, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : 1;
    while (got > 0 && !out->overflow) {
        char part[4096];
        got = read(fd, part, sizeof part);
        if (got < 0 && errno == EINTR) {
            got = 1;
            continue;
        }
        (void)buf_put(out, part, got > 0 ? (size_t)got : 0);
        mem_wipe(part, sizeof part);
    }
    int sys = errno;
    if (fd >= 0) {
        (void)close(fd);
    }
    if (got < 0) {
        return err_set_sys(err, ERR_IO, sys, "%.100s: %s", path, strerror(sys));
    }
    return !out->overflow || err_set(err, ERR_CONFIG, "%.100s: larger than %zu bytes",
                                     path, out->max_bytes);
}

static void wipe_buf(struct buf *b)
{
    if (b->cap > 0) {
        mem_wipe(b->bytes, b->cap);
    }
    buf_fini(b);
}

static bool set_from_file(const struct config_row *row, struct str value,
                          const char *where, void *ctx, struct err *err)
{
    struct loaded *l = ctx;
    return config_row_set(row, value, where, &l->config, &l->arena, err);
}

static bool load_file(struct loaded *l, const char *path, struct err *err)
{
    struct buf text = BUF_INIT(CONFIG_FILE_MAX);
    bool ok = read_file(path, &text, err) &&
              config_parse_text(path, buf_str(&text), set_from_file, l, err);
    wipe_buf(&text);
    return ok;
}

/* --- environment */

static bool load_variable_file(struct loaded *l, const struct config_row *row,
                               const char *variable, const char *path, struct err *err)
{
    struct buf text = BUF_INIT(CONFIG_VALUE_MAX);
    bool ok = read_file(path, &text, err);
    if (ok) {
        struct str rest = buf_str(&text);
        struct str line = STR("");
        (void)str_split(&rest, '\n', &line);
        ok = config_row_set(row, str_trim(line), variable, &l->config, &l->arena, err);
    } else {
        (void)err_wrap(err, "%s", variable);
    }
    wipe_buf(&text);
    return ok;
}

/* An empty variable counts as not set: compose files pass such ones on. */
static const char *variable_get(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

static bool load_variable(struct loaded *l, const struct config_row *row, struct err *err)
{
    char name[CONFIG_NAME_SIZE];
    char file_name[CONFIG_NAME_SIZE + 8];
    config_row_variable(row, name);
    (void)snprintf(file_name, sizeof file_name, "%s_FILE", name);
    const char *value = variable_get(name);
    const char *path = row->secrecy != CONFIG_PUBLIC ? variable_get(file_name) : NULL;
    if (value != NULL && path != NULL) {
        return err_set(err, ERR_CONFIG, "%s and %s are both set; keep one", name,
                       file_name);
    }
    if (path != NULL) {
        return load_variable_file(l, row, file_name, path, err);
    }
    return value == NULL ||
           config_row_set(row, str_of(value), name, &l->config, &l->arena, err);
}

/* --- flags */

/* The value of argv[*i]: behind "=", or the next argument, or "true" for a lone switch.
 */
static struct str flag_value(const struct config_row *row, int argc, char *const *argv,
                             int *i)
{
    const char *equals = strchr(argv[*i], '=');
    if (equals != NULL) {
        return str_of(equals + 1);
    }
    struct str next = *i + 1 < argc ? str_of(argv[*i + 1]) : STR_NULL;
    if (row->kind == CONFIG_KIND_BOOL &&
        (next.ptr == NULL || !config_row_set(row, next, "", NULL, NULL, NULL))) {
        return STR("true");
    }
    *i += next.ptr != NULL ? 1 : 0;
    return next;
}

static bool load_flags(struct loaded *l, int argc, char *const *argv, struct err *err)
{
    for (int i = 0; i < argc; i++) {
        struct str arg = str_of(argv[i]);
        struct str key = str_has_prefix(arg, "--") ? str_tail(arg, 2) : STR_NULL;
        size_t equals = str_find_byte(key, '=');
        key.len = equals != SIZE_MAX ? equals : key.len;
        const struct config_row *row = config_row_find_key(key);
        if (row == NULL) {
            size_t shown = key.ptr != NULL ? key.len + 2 : arg.len;
            return err_set(err, ERR_USAGE, "unknown argument %.*s",
                           (int)(shown < 80 ? shown : 80), arg.ptr);
        }
        char where[WHERE_SIZE];
        (void)snprintf(where, sizeof where, "--%s.%s", row->section, row->name);
        struct str value = flag_value(row, argc, argv, &i);
        if (value.ptr == NULL) {
            return err_set(err, ERR_USAGE, "%s needs a value", where);
        }
        if (!config_row_set(row, value, where, &l->config, &l->arena, err)) {
            return false;
        }
    }
    return true;
}

/* --- defaults */

static void load_defaults(struct loaded *l)
{
    for (size_t i = 0; i < CONFIG_ROW_COUNT; i++) {
        const struct config_row *row = &config_rows[i];
        if (row->fallback != NULL) {
            struct err err;
            bool ok = config_row_set(row, str_of(row->fallback), "default", &l->config,
                                     &l->arena, &err);
            CHECK(ok);
        }
    }
}

static bool default_data_dir(struct loaded *l, struct err *err)
{
    if (l->config.data.dir != NULL) {
        return true;
    }
    struct str state = str_of(variable_get("STATE_DIRECTORY"));
    const char *home = variable_get("HOME");
    if (state.ptr != NULL) {
        /* systemd separates several directories by colons. */
        size_t colon = str_find_byte(state, ':');
        state.len = colon != SIZE_MAX ? colon : state.len;
        l->config.data.dir = arena_strndup(&l->arena, state.ptr, state.len);
    } else if (geteuid() == 0) {
        l->config.data.dir = "/var/lib/postrider";
    } else if (home != NULL) {
        l->config.data.dir = arena_printf(&l->arena, "%s/.local/share/postrider", home);
    } else {
        return err_set(err, ERR_CONFIG, "data.dir is not set, and neither is HOME");
    }
    return true;
}

static bool check_together(const struct config *c, struct err *err)
{
    return c->webhook.retry_first_ms <= c->webhook.retry_max_ms ||
           err_set(err, ERR_CONFIG,
                   "webhook.retry_first_ms (%lld) is larger than webhook.retry_max_ms "
                   "(%lld)",
                   (long long)c->webhook.retry_first_ms,
                   (long long)c->webhook.retry_max_ms);
}

/* --- entry points */

const struct config *config_load(int argc, char *const *argv, const char *path,
                                 struct err *err)
{
    struct loaded *l = MEM_NEW(struct loaded);
    load_defaults(l);
    bool ok = path == NULL || load_file(l, path, err);
    for (size_t i = 0; ok && i < CONFIG_ROW_COUNT; i++) {
        ok = load_variable(l, &config_rows[i], err);
    }
    ok = ok && load_flags(l, argc, argv, err) && default_data_dir(l, err) &&
         check_together(&l->config, err);
    const struct config *config = &l->config;
    if (!ok) {
        config_free(&config);
    }
    return config;
}

static void wipe_string(const char *s)
{
    if (s != NULL) {
        /* Ours, in the arena; const for everybody else. */
        mem_wipe((char *)(uintptr_t)s, strlen(s));
    }
}

void config_free(const struct config **config)
{
    if (config == NULL || *config == NULL) {
        return;
    }
    struct loaded *l = container_of((uintptr_t)*config, struct loaded, config);
    wipe_string(l->config.secret.key);
    wipe_string(l->config.prepared.token);
    wipe_string(l->config.redis.url);
    arena_fini(&l->arena);
    mem_free(l);
    *config = NULL;
}
