#include "postrider/base/buf.h"
#include "spec_priv.h"

#include <stdarg.h>

enum {
    MESSAGE_MAX = 1024
};

void spec_errors_fini(struct spec_errors *errs)
{
    arena_fini(&errs->arena);
    *errs = (struct spec_errors){0};
}

static void add(struct spec_errors *errs, const char *key, const char *message)
{
    if (errs->count == SPEC_ERRORS_MAX) {
        errs->truncated = true;
        return;
    }
    errs->items[errs->count++] = (struct spec_error){
        .message = arena_strdup(&errs->arena, message),
        .key = arena_strdup(&errs->arena, key),
    };
}

void spec_errors_add(struct spec_errors *errs, const char *key, const char *fmt, ...)
{
    char message[MESSAGE_MAX];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    add(errs, key, message);
}

bool spec_fail(struct spec_walk *w, const char *fmt, ...)
{
    char text[MESSAGE_MAX];
    char message[MESSAGE_MAX + SPEC_PATH_MAX + sizeof "\"\" "];
    const char *key = w->path_len > 0 ? w->path : "value";
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    (void)snprintf(message, sizeof message, "\"%s\" %s", key, text);
    add(w->errs, key, message);
    return false;
}

json_t *spec_errors_json(const struct spec_errors *errs)
{
    json_t *list = json_array();
    for (size_t i = 0; i < errs->count; i++) {
        json_t *row = json_object();
        json_put_cstr(row, "message", errs->items[i].message);
        json_put_cstr(row, "key", errs->items[i].key);
        json_push(list, row);
    }
    return list;
}

const char *spec_list_text(struct spec_walk *w, const char *const *list)
{
    struct buf text = BUF_INIT(MESSAGE_MAX);
    (void)buf_put_byte(&text, '[');
    for (size_t i = 0; list[i] != NULL; i++) {
        (void)buf_printf(&text, "%s%s", i > 0 ? ", " : "", list[i]);
    }
    (void)buf_put_byte(&text, ']');
    const char *copy = arena_strndup(&w->errs->arena, buf_c(&text), text.len);
    buf_fini(&text);
    return copy;
}

bool spec_list_has(const char *const *list, struct str s)
{
    for (size_t i = 0; list[i] != NULL; i++) {
        if (str_eq_c(s, list[i])) {
            return true;
        }
    }
    return false;
}
