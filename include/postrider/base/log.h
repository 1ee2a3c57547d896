/* log: one line per event on stderr, JSON or text, with typed fields.
 * Owner    the sink is process-wide (the one mutable global besides the program object)
 * Calls    loop thread and worker threads; a line is one write(2)
 * Limits   a line is at most 4 KiB, a field value at most 1 KiB; longer ones are cut with
 * "…" Safety   values are escaped and bounded; secrets, addresses, subjects and content
 * are never passed to a level above LOG_DEBUG */
#ifndef POSTRIDER_BASE_LOG_H
#define POSTRIDER_BASE_LOG_H

#include "postrider/base/attr.h"
#include "postrider/base/err.h"
#include "postrider/base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum log_level {
    LOG_TRACE,
    LOG_DEBUG,
    LOG_INFO,
    LOG_WARN,
    LOG_ERROR,
    LOG_OFF
};
enum log_format {
    LOG_FORMAT_JSON,
    LOG_FORMAT_TEXT
};

enum log_field_kind {
    LOG_FIELD_END,
    LOG_FIELD_STR,
    LOG_FIELD_INT,
    LOG_FIELD_BOOL
};

struct log_field {
    enum log_field_kind kind;
    const char *key;
    struct str str;
    int64_t num;
};

#define LOG_S(k, v)                                                                      \
    ((struct log_field){.kind = LOG_FIELD_STR, .key = (k), .str = str_of(v)})
#define LOG_STR(k, v) ((struct log_field){.kind = LOG_FIELD_STR, .key = (k), .str = (v)})
#define LOG_I(k, v)                                                                      \
    ((struct log_field){.kind = LOG_FIELD_INT, .key = (k), .num = (int64_t)(v)})
#define LOG_B(k, v) ((struct log_field){.kind = LOG_FIELD_BOOL, .key = (k), .num = (v)})

void log_configure(enum log_level level, enum log_format format);
bool log_level_parse(const char *name, enum log_level *out);
const char *log_level_name(enum log_level level);
bool log_enabled(enum log_level level);

/* module: "imap"; msg: a fixed English sentence; fields: ended by LOG_FIELD_END. */
void log_write(enum log_level level, const char *module, const char *msg,
               const struct log_field *fields);

/* log_at(LOG_INFO, "net", "connected", LOG_S("host", host), LOG_I("port", 993)); */
#define log_at(level, module, ...) LOG_PICK(level, module, __VA_ARGS__, LOG_LAST)
#define LOG_LAST                   ((struct log_field){.kind = LOG_FIELD_END})
#define LOG_PICK(level, module, msg, ...)                                                \
    do {                                                                                 \
        if (log_enabled(level)) {                                                        \
            log_write((level), (module), (msg),                                          \
                      (const struct log_field[]){__VA_ARGS__});                          \
        }                                                                                \
    } while (0)

/* The fields of a failure: LOG_ERR_FIELDS(err) expands to name and message. */
#define LOG_ERR_FIELDS(e)                                                                \
    LOG_S("error", err_code_name((e)->code)), LOG_S("reason", (e)->msg)

#endif
