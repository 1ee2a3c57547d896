/* config: the settings of a node, read once from flags, environment, file and defaults.
 * Shape    one table row per setting (section, name, type, bounds, default, doc); struct
 *          config holds the values, and is const after loading
 * Owner    config_load's caller; strings live as long as the config, secrets are wiped
 * Calls    any thread may read; loading only before the loop or on reload
 * Units    as the names say; sizes and times as plain numbers
 * Limits   a file of CONFIG_FILE_MAX bytes, a line of CONFIG_LINE_MAX, a value of
 *          CONFIG_VALUE_MAX
 * Errors   ERR_CONFIG naming the file and line, the variable or the flag; ERR_USAGE for
 *          an unknown flag; ERR_IO when a file cannot be read
 * Order    flag --section.name > variable POSTRIDER_SECTION_NAME (for secrets also
 *          …_FILE: the first line of that file) > file key > default
 * File     "[section]" and "name = value" lines; lines that begin with # or ; are
 *          comments; a value is the rest of its line without the white space around it */
#ifndef POSTRIDER_CONFIG_CONFIG_H
#define POSTRIDER_CONFIG_CONFIG_H

#include "postrider/base/attr.h"
#include "postrider/base/buf.h"
#include "postrider/base/err.h"
#include "postrider/base/log.h"
#include "postrider/base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    CONFIG_FILE_MAX = 256 * 1024,
    CONFIG_LINE_MAX = 8 * 1024,
    CONFIG_VALUE_MAX = 4 * 1024
};

/* Same meaning and order as net's enum egress_policy, which config may not include. */
enum config_egress {
    CONFIG_EGRESS_OFF,
    CONFIG_EGRESS_LINK_LOCAL,
    CONFIG_EGRESS_PRIVATE
};

struct config_http {
    const char *host;
    int64_t port; /* 0 = any free one */
    int64_t max_body;
    int64_t large_bodies;
    const char *trusted_proxies; /* networks; NULL = none */
    int64_t token_streams;
};

struct config_redis {
    const char *url; /* "embedded" or a Redis URL; holds a password perhaps */
    const char *prefix;
    const char *ca_file; /* NULL when unset, as every optional string */
    bool tls_insecure;
    bool allow_eviction;
    int64_t lease_s;
};

struct config_sync {
    int64_t poll_interval_s;
    int64_t poll_hot_s, poll_cold_s, poll_frozen_s;
    int64_t hot_for_s, cold_after_s, frozen_after_s;
    int64_t inbox_poll_s;
    int64_t idle_max_s, idle_check_s;
    int64_t audit_interval_s;
    int64_t delete_confirm_s;
    int64_t move_window_s;
    int64_t flags_refresh_s;
    int64_t resets_per_day;
    bool threads;
    int64_t batch_messages;
    int64_t connect_concurrency;
    int64_t connect_total;
    int64_t index_concurrency;
    int64_t memory_max_mib;
    int64_t rows_cache_mib;
};

struct config_webhook {
    int64_t timeout_ms;
    int64_t retry_first_ms;
    int64_t retry_max_ms;
    int64_t give_up_ms;
    int64_t concurrency;
    int64_t rate;
};

struct config {
    struct config_http http;
    struct config_redis redis;
    struct {
        const char *dir;
    } data;
    struct {
        const char *key; /* secret; NULL = <data.dir>/secret.key */
    } secret;
    struct {
        const char *token; /* secret; NULL = none */
    } prepared;
    struct {
        enum log_level level;
        enum log_format format;
    } log;
    struct {
        enum config_egress egress;
    } net;
    struct config_sync sync;
    struct config_webhook webhook;
    struct {
        int64_t retention_days, max_entries, max_bytes;
    } changelog;
    struct {
        const char *ca_file; /* authorities for mail servers and webhooks */
    } tls;
};

/* argv: only flags, "--section.name=value" or "--section.name value" (a switch may stand
 * alone). path: NULL = no file. NULL with err on failure. */
const struct config *config_load(int argc, char *const *argv, const char *path,
                                 struct err *err);
void config_free(const struct config **config);

/* Values in effect as a configuration file; secrets are masked. */
bool config_dump(const struct config *config, struct buf *out);
/* The flags, for --help. */
bool config_help(struct buf *out);
/* docs/CONFIG.md and config/postrider.conf.example, generated from the table. */
bool config_print_markdown(struct buf *out);
bool config_print_example(struct buf *out);

/* The settings whose value differs between the two configurations and that only take
 * effect at a start, separated by ", ". False (and "") when there are none. */
bool config_needs_restart(const struct config *now, const struct config *next,
                          struct buf *names_out);

/* Checks every line of a file's text against the table; `name` appears in messages. */
bool config_check_text(const char *name, struct str text, struct err *err);

#endif
