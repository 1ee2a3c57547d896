#include "postrider/base/log.h"

#include "postrider/base/buf.h"
#include "postrider/base/clock.h"
#include "postrider/base/utf8.h"

#include <stdio.h>
#include <unistd.h>

enum {
    LOG_LINE_MAX = 4096,
    LOG_VALUE_MAX = 1024
};

static enum log_level min_level = LOG_INFO;
static enum log_format line_format = LOG_FORMAT_JSON;

static const char *const level_names[] = {"trace", "debug", "info",
                                          "warn",  "error", "off"};

void log_configure(enum log_level level, enum log_format format)
{
    min_level = level;
    line_format = format;
}

bool log_level_parse(const char *name, enum log_level *out)
{
    for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
        if (str_ieq_c(str_of(level_names[i]), name)) {
            *out = (enum log_level)i;
            return true;
        }
    }
    return false;
}

const char *log_level_name(enum log_level level)
{
    return level_names[level];
}

bool log_enabled(enum log_level level)
{
    return level >= min_level;
}

/* A JSON string body; also what the text form uses, so that control bytes never reach a
 * terminal. */
static void put_escaped(struct buf *line, struct str s)
{
    bool cut = s.len > LOG_VALUE_MAX;
    s.len = cut ? LOG_VALUE_MAX : s.len;
    while (s.len > 0) {
        size_t n = utf8_sequence_len(s);
        uint8_t c = (uint8_t)s.ptr[0];
        if (n == 0 || c < 0x20 || c == 0x7f) {
            (void)buf_printf(line, "\\u%04x", n == 0 ? 0xfffdu : c);
            n = 1;
        } else {
            if (c == '"' || c == '\\') {
                (void)buf_put_byte(line, '\\');
            }
            (void)buf_put(line, s.ptr, n);
        }
        s = str_tail(s, n);
    }
    if (cut) {
        (void)buf_put_c(line, "…");
    }
}

static void put_value(struct buf *line, const struct log_field *f)
{
    switch (f->kind) {
    case LOG_FIELD_STR:
        (void)buf_put_byte(line, '"');
        put_escaped(line, f->str);
        (void)buf_put_byte(line, '"');
        break;
    case LOG_FIELD_INT:
        (void)buf_printf(line, "%lld", (long long)f->num);
        break;
    case LOG_FIELD_BOOL:
        (void)buf_put_c(line, f->num != 0 ? "true" : "false");
        break;
    case LOG_FIELD_END:
        break;
    }
}

void log_write(enum log_level level, const char *module, const char *msg,
               const struct log_field *fields)
{
    struct buf line = BUF_INIT(LOG_LINE_MAX * 2);
    char now[CLOCK_ISO_SIZE];
    clock_format_iso(clock_wall_ms(), now);
    const bool json = line_format == LOG_FORMAT_JSON;
    (void)buf_printf(
        &line,
        json ? "{\"time\":\"%s\",\"level\":\"%s\",\"module\":\"%s\",\"msg\":\""
             : "%s %-5s %s: ",
        now, level_names[level], module);
    put_escaped(&line, str_of(msg));
    if (json) {
        (void)buf_put_byte(&line, '"');
    }
    for (const struct log_field *f = fields; f->kind != LOG_FIELD_END; f++) {
        (void)buf_printf(&line, json ? ",\"%s\":" : " %s=", f->key);
        size_t start = line.len;
        put_value(&line, f);
        if (line.len > LOG_LINE_MAX) {
            buf_truncate(&line, start);
            (void)buf_put_c(&line, "\"…\"");
            break;
        }
    }
    (void)buf_put_c(&line, json ? "}\n" : "\n");
    /* A log line that cannot be written has no better place to be reported. */
    ssize_t ignored ATTR_UNUSED = write(STDERR_FILENO, line.bytes, line.len);
    buf_fini(&line);
}
