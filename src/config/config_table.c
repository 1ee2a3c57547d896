/* The settings. One row gives a setting its key, variable, flag, bounds, default and
 * documentation; docs/CONFIG.md and the example file are printed from here. */
#include "config_priv.h"

#include "postrider/base/ip.h"
#include "postrider/base/mem.h"
#include "postrider/base/num.h"

#include <stdio.h>
#include <string.h>

enum {
    PREFIX_MAX = 32
};

static const struct config_choice levels[] = {{"trace", LOG_TRACE}, {"debug", LOG_DEBUG},
                                              {"info", LOG_INFO},   {"warn", LOG_WARN},
                                              {"error", LOG_ERROR}, {NULL, 0}};
static const struct config_choice formats[] = {
    {"json", LOG_FORMAT_JSON}, {"text", LOG_FORMAT_TEXT}, {NULL, 0}};
static const struct config_choice egress[] = {{"off", CONFIG_EGRESS_OFF},
                                              {"link-local", CONFIG_EGRESS_LINK_LOCAL},
                                              {"private", CONFIG_EGRESS_PRIVATE},
                                              {NULL, 0}};

/* A brace would change the hash tag of every key. */
static bool check_prefix(struct str value, struct err *err)
{
    bool ok = value.len >= 1 && value.len <= PREFIX_MAX;
    for (size_t i = 0; ok && i < value.len; i++) {
        char c = ascii_lower(value.ptr[i]);
        ok = (c >= 'a' && c <= 'z') || ascii_is_digit(c) || c == '-' || c == '_';
    }
    return ok || err_set(err, ERR_CONFIG, "needs 1 to %d letters, digits, \"-\" or \"_\"",
                         PREFIX_MAX);
}

static bool check_not_empty(struct str value, struct err *err)
{
    return value.len > 0 || err_set(err, ERR_CONFIG, "must not be empty");
}

static bool check_networks(struct str value, struct err *err)
{
    struct str network;
    while (ip_list_next(&value, &network)) {
        if (!ip_is_network(network)) {
            return err_set(err, ERR_CONFIG, "\"%.*s\" is no address or network",
                           STR_ARG(network));
        }
    }
    return true;
}

#define AT(member) .offset = offsetof(struct config, member)
#define DAY_MS     (24 * 3600 * 1000)

/* clang-format off */
const struct config_row config_rows[CONFIG_ROW_COUNT] = {
    {"http", "host", CONFIG_KIND_STR, AT(http.host), .check = check_not_empty, .fallback = "127.0.0.1",
     .doc = "Address the REST API listens on."},
    {"http", "port", CONFIG_KIND_INT, AT(http.port), .min = 0, .max = 65535, .fallback = "3000",
     .doc = "Port of the REST API; 0 takes any free one."},
    {"http", "max_body", CONFIG_KIND_INT, AT(http.max_body), .min = 1024, .max = 1 << 30, .fallback = "1048576",
     .doc = "Largest JSON body of a request in bytes."},
    {"http", "large_bodies", CONFIG_KIND_INT, AT(http.large_bodies), .min = 1, .max = 10000, .fallback = "8",
     .doc = "Requests that may hold more than 1 MiB at the same time, uploads and long answers; others get 503 and come again."},
    {"http", "trusted_proxies", CONFIG_KIND_STR, AT(http.trusted_proxies), .check = check_networks,
     .doc = "Addresses and networks of proxies in front, such as 10.0.0.0/8, parted by commas: who calls is taken from their X-Forwarded-For."},
    {"http", "token_streams", CONFIG_KIND_INT, AT(http.token_streams), .min = 1, .max = 10000, .fallback = "32",
     .doc = "Event streams and waiting calls that one token may have open at the same time."},
    {"redis", "url", CONFIG_KIND_STR, AT(redis.url), .secrecy = CONFIG_URL, .check = check_not_empty, .fallback = "embedded",
     .doc = "redis://[user:password@]host[:port][/db], rediss:// (TLS), unix:///path[?db=n], or embedded: a private redis-server in data.dir."},
    {"redis", "prefix", CONFIG_KIND_STR, AT(redis.prefix), .check = check_prefix, .fallback = "pr",
     .doc = "Begins every key in Redis."},
    {"redis", "ca_file", CONFIG_KIND_STR, AT(redis.ca_file),
     .doc = "PEM file of the authorities for rediss://; unset: those of the system."},
    {"redis", "tls_insecure", CONFIG_KIND_BOOL, AT(redis.tls_insecure), .fallback = "false",
     .doc = "Do not verify the certificate of Redis. For tests only."},
    {"redis", "allow_eviction", CONFIG_KIND_BOOL, AT(redis.allow_eviction), .fallback = "false",
     .doc = "Start although the maxmemory-policy of Redis may drop stored data."},
    {"redis", "lease_s", CONFIG_KIND_INT, AT(redis.lease_s), .min = 1, .max = 600, .fallback = "15",
     .doc = "Seconds after which other nodes take over the accounts of a node that is gone."},
    {"data", "dir", CONFIG_KIND_STR, AT(data.dir), .check = check_not_empty,
     .shown = "$STATE_DIRECTORY, else /var/lib/postrider for root, else ~/.local/share/postrider",
     .doc = "Directory of the node: its key, its lock, and the embedded Redis."},
    {"secret", "key", CONFIG_KIND_STR, AT(secret.key), .secrecy = CONFIG_SECRET,
     .shown = "the file secret.key in data.dir, made at the first start",
     .doc = "Master key of all stored secrets: 64 hexadecimal digits, the base64 of 32 bytes, or a passphrase of at least 16 characters."},
    {"prepared", "token", CONFIG_KIND_STR, AT(prepared.token), .secrecy = CONFIG_SECRET,
     .doc = "An access token that exists from the first start on: what `token export` prints, or 64 hexadecimal digits for a token that may do everything. Revoked, it stays revoked; `token import` brings it back."},
    {"log", "level", CONFIG_KIND_CHOICE, AT(log.level), .reloadable = true, .choices = levels, .fallback = "info",
     .doc = "Least level that is logged."},
    {"log", "format", CONFIG_KIND_CHOICE, AT(log.format), .reloadable = true, .choices = formats, .fallback = "json",
     .doc = "One JSON object or one line of text per event, on stderr."},
    {"net", "egress", CONFIG_KIND_CHOICE, AT(net.egress), .choices = egress, .fallback = "link-local",
     .doc = "Addresses that outgoing connections must not have: none (off), link-local and cloud metadata (link-local), or loopback and private ranges too (private)."},
    {"sync", "poll_interval_s", CONFIG_KIND_INT, AT(sync.poll_interval_s), .min = 1, .max = 86400, .fallback = "300",
     .doc = "Seconds between looks at a mailbox of which the server does not tell changes by itself."},
    {"sync", "poll_hot_s", CONFIG_KIND_INT, AT(sync.poll_hot_s), .min = 1, .max = 86400, .fallback = "60",
     .doc = "The same for a mailbox that changed lately; never more than sync.poll_interval_s."},
    {"sync", "hot_for_s", CONFIG_KIND_INT, AT(sync.hot_for_s), .min = 1, .max = 86400, .fallback = "3600",
     .doc = "How many seconds after its last change a mailbox counts as lately changed."},
    {"sync", "poll_cold_s", CONFIG_KIND_INT, AT(sync.poll_cold_s), .min = 1, .max = 86400, .fallback = "900",
     .doc = "Seconds between looks at a mailbox without a change for sync.cold_after_s."},
    {"sync", "cold_after_s", CONFIG_KIND_INT, AT(sync.cold_after_s), .min = 1, .max = 31536000, .fallback = "604800",
     .doc = "See sync.poll_cold_s."},
    {"sync", "poll_frozen_s", CONFIG_KIND_INT, AT(sync.poll_frozen_s), .min = 1, .max = 86400, .fallback = "3600",
     .doc = "Seconds between looks at a mailbox without a change for sync.frozen_after_s."},
    {"sync", "frozen_after_s", CONFIG_KIND_INT, AT(sync.frozen_after_s), .min = 1, .max = 31536000, .fallback = "2592000",
     .doc = "See sync.poll_frozen_s."},
    {"sync", "inbox_poll_s", CONFIG_KIND_INT, AT(sync.inbox_poll_s), .min = 1, .max = 3600, .fallback = "55",
     .doc = "Seconds between looks at INBOX where the server has no IDLE."},
    {"sync", "idle_max_s", CONFIG_KIND_INT, AT(sync.idle_max_s), .min = 1, .max = 1740, .fallback = "1440",
     .doc = "Seconds after which IDLE is ended and begun anew."},
    {"sync", "idle_check_s", CONFIG_KIND_INT, AT(sync.idle_check_s), .min = 1, .max = 86400, .fallback = "900",
     .doc = "Seconds of silence in IDLE after which another connection asks whether there was nothing to tell."},
    {"sync", "audit_interval_s", CONFIG_KIND_INT, AT(sync.audit_interval_s), .min = 0, .max = 2592000, .fallback = "21600",
     .doc = "Seconds between proofs that the index of a mailbox equals the server; 0 makes none."},
    {"sync", "delete_confirm_s", CONFIG_KIND_INT, AT(sync.delete_confirm_s), .min = 0, .max = 3600, .fallback = "60",
     .doc = "Seconds a mailbox must stay missing before it counts as deleted."},
    {"sync", "move_window_s", CONFIG_KIND_INT, AT(sync.move_window_s), .min = 0, .max = 3600, .fallback = "120",
     .doc = "Seconds in which a message that left a mailbox and arrives in another one counts as moved; 0 looks for no moves."},
    {"sync", "flags_refresh_s", CONFIG_KIND_INT, AT(sync.flags_refresh_s), .min = 1, .max = 86400, .fallback = "1800",
     .doc = "Seconds between looks at all flags of INBOX where the server does not tell that they changed (no CONDSTORE); of other mailboxes twelve times that."},
    {"sync", "resets_per_day", CONFIG_KIND_INT, AT(sync.resets_per_day), .min = 1, .max = 1000000, .fallback = "3",
     .doc = "Changes of UIDVALIDITY of one mailbox that are followed in a day; after another one it is left alone for six hours."},
    {"sync", "threads", CONFIG_KIND_BOOL, AT(sync.threads), .fallback = "true",
     .doc = "Find out which messages are a thread where the server does not say; for accounts without the fast indexer."},
    {"sync", "batch_messages", CONFIG_KIND_INT, AT(sync.batch_messages), .min = 1, .max = 100000, .fallback = "1000",
     .doc = "Messages fetched and committed at a time."},
    {"sync", "connect_concurrency", CONFIG_KIND_INT, AT(sync.connect_concurrency), .min = 1, .max = 1024, .fallback = "64",
     .doc = "Handshakes with one mail host at the same time."},
    {"sync", "connect_total", CONFIG_KIND_INT, AT(sync.connect_total), .min = 1, .max = 10000, .fallback = "256",
     .doc = "Handshakes with all mail hosts together at the same time."},
    {"sync", "index_concurrency", CONFIG_KIND_INT, AT(sync.index_concurrency), .min = 1, .max = 1000, .fallback = "8",
     .doc = "Accounts whose mailboxes are indexed for the first time at the same time; as many gather threads of older messages."},
    {"sync", "memory_max_mib", CONFIG_KIND_INT, AT(sync.memory_max_mib), .min = 0, .max = 1 << 20, .fallback = "0",
     .doc = "Resident memory of the daemon in MiB; from 70, 80 and 90 percent of it on, accounts get along with less. 0: no limit."},
    {"sync", "rows_cache_mib", CONFIG_KIND_INT, AT(sync.rows_cache_mib), .min = 0, .max = 1 << 16, .fallback = "8",
     .doc = "MiB of memory for rows of message listings: of a message that was listed lately only the flags are asked for again. 0: none is kept."},
    {"webhook", "timeout_ms", CONFIG_KIND_INT, AT(webhook.timeout_ms), .min = 100, .max = 300000, .fallback = "30000",
     .doc = "Milliseconds a webhook has to answer."},
    {"webhook", "retry_first_ms", CONFIG_KIND_INT, AT(webhook.retry_first_ms), .min = 10, .max = DAY_MS, .fallback = "5000",
     .doc = "Milliseconds before the first repetition of a failed delivery; each further wait is longer."},
    {"webhook", "retry_max_ms", CONFIG_KIND_INT, AT(webhook.retry_max_ms), .min = 10, .max = DAY_MS, .fallback = "3600000",
     .doc = "Longest wait between repetitions in milliseconds."},
    {"webhook", "give_up_ms", CONFIG_KIND_INT, AT(webhook.give_up_ms), .min = 1000, .max = 30LL * DAY_MS, .fallback = "259200000",
     .doc = "Milliseconds after its first failed delivery until an event becomes a dead letter."},
    {"webhook", "concurrency", CONFIG_KIND_INT, AT(webhook.concurrency), .min = 1, .max = 256, .fallback = "16",
     .doc = "Requests at once of one route to one destination (scheme, host and port)."},
    {"webhook", "rate", CONFIG_KIND_INT, AT(webhook.rate), .min = 0, .max = 100000, .fallback = "0",
     .doc = "Most requests a second of one route to one destination; 0: no limit."},
    {"changelog", "retention_days", CONFIG_KIND_INT, AT(changelog.retention_days), .min = 1, .max = 3650, .fallback = "7",
     .doc = "Days that events stay readable."},
    {"changelog", "max_entries", CONFIG_KIND_INT, AT(changelog.max_entries), .min = 0, .max = 1000000000, .fallback = "0",
     .doc = "Most events kept of an account, of those that every enabled route has read; 0: no limit."},
    {"changelog", "max_bytes", CONFIG_KIND_INT, AT(changelog.max_bytes), .min = 0, .max = 1LL << 40, .fallback = "67108864",
     .doc = "Memory in Redis that the events of one account may take; over it the oldest go, read or not, and readers are told of the gap. 0: no limit."},
    {"tls", "ca_file", CONFIG_KIND_STR, AT(tls.ca_file),
     .doc = "PEM file of the authorities for mail servers and webhooks; unset: those of the system."},
};
/* clang-format on */

const struct config_row *config_row_find(struct str section, struct str name)
{
    for (size_t i = 0; i < CONFIG_ROW_COUNT; i++) {
        const struct config_row *row = &config_rows[i];
        if (str_eq_c(section, row->section) && str_eq_c(name, row->name)) {
            return row;
        }
    }
    return NULL;
}

const struct config_row *config_row_find_key(struct str key)
{
    size_t dot = str_find_byte(key, '.');
    return dot == SIZE_MAX
               ? NULL
               : config_row_find(str_from(key.ptr, dot), str_tail(key, dot + 1));
}

bool config_section_exists(struct str section)
{
    for (size_t i = 0; i < CONFIG_ROW_COUNT; i++) {
        if (str_eq_c(section, config_rows[i].section)) {
            return true;
        }
    }
    return false;
}

void config_row_variable(const struct config_row *row, char out[CONFIG_NAME_SIZE])
{
    (void)snprintf(out, CONFIG_NAME_SIZE, "POSTRIDER_%s_%s", row->section, row->name);
    for (char *c = out; *c != '\0'; c++) {
        *c = ascii_upper(*c);
    }
}

/* --- values */

static bool refuse(const struct config_row *row, const char *where, struct err *err,
                   const char *what)
{
    return err_set(err, ERR_CONFIG, "%s: %s.%s %s", where, row->section, row->name, what);
}

static void store(const struct config_row *row, struct config *config, const void *value,
                  size_t size)
{
    if (config != NULL) {
        memcpy((char *)config + row->offset, value, size);
    }
}

/* A secret that a stronger place replaces does not stay in memory. */
static void wipe_former(const struct config_row *row, struct config *config)
{
    char *former = NULL;
    memcpy(&former, (char *)config + row->offset, sizeof former);
    if (former != NULL && row->secrecy != CONFIG_PUBLIC) {
        mem_wipe(former, strlen(former));
    }
}

static bool set_str(const struct config_row *row, struct str text, struct config *config,
                    struct arena *a, struct err *err)
{
    if (row->check != NULL && !row->check(text, err)) {
        return false;
    }
    if (config != NULL) {
        const char *value = text.len > 0 ? arena_strndup(a, text.ptr, text.len) : NULL;
        wipe_former(row, config);
        store(row, config, &value, sizeof value);
    }
    return true;
}

static bool set_int(const struct config_row *row, struct str text, struct config *config,
                    struct err *err)
{
    int64_t value = 0;
    if (!num_i64(text, &value) || value < row->min || value > row->max) {
        return err_set(err, ERR_CONFIG, "must be a whole number from %lld to %lld",
                       (long long)row->min, (long long)row->max);
    }
    store(row, config, &value, sizeof value);
    return true;
}

static bool set_bool(const struct config_row *row, struct str text, struct config *config,
                     struct err *err)
{
    static const char *const words[][2] = {{"false", "true"}, {"0", "1"}, {"no", "yes"}};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        bool yes = str_ieq_c(text, words[i][1]);
        if (yes || str_ieq_c(text, words[i][0])) {
            store(row, config, &yes, sizeof yes);
            return true;
        }
    }
    return err_set(err, ERR_CONFIG, "must be true or false (or 1, 0, yes, no)");
}

static bool set_choice(const struct config_row *row, struct str text,
                       struct config *config, struct err *err)
{
    struct buf names = BUF_INIT(ERR_MSG_MAX);
    bool found = false;
    for (const struct config_choice *c = row->choices; c->name != NULL && !found; c++) {
        found = str_eq_c(text, c->name);
        if (found) {
            store(row, config, &c->value, sizeof c->value);
        }
        (void)buf_printf(&names, "%s%s", names.len > 0 ? ", " : "", c->name);
    }
    if (!found) {
        (void)err_set(err, ERR_CONFIG, "must be one of %s", buf_c(&names));
    }
    buf_fini(&names);
    return found;
}

_Static_assert(sizeof(enum log_level) == sizeof(unsigned) &&
                   sizeof(enum log_format) == sizeof(unsigned) &&
                   sizeof(enum config_egress) == sizeof(unsigned),
               "choices are stored as unsigned");

static bool set_any(const struct config_row *row, struct str text, struct config *config,
                    struct arena *a, struct err *err)
{
    switch (row->kind) {
    case CONFIG_KIND_STR:
        return set_str(row, text, config, a, err);
    case CONFIG_KIND_INT:
        return set_int(row, text, config, err);
    case CONFIG_KIND_BOOL:
        return set_bool(row, text, config, err);
    case CONFIG_KIND_CHOICE:
        return set_choice(row, text, config, err);
    }
    return err_set(err, ERR_INTERNAL, "unknown kind of setting");
}

bool config_row_set(const struct config_row *row, struct str text, const char *where,
                    struct config *config, struct arena *a, struct err *err)
{
    if (text.len > CONFIG_VALUE_MAX) {
        return refuse(row, where, err, "is too long");
    }
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f) {
            return refuse(row, where, err, "contains a control character");
        }
    }
    struct err why;
    /* The value is not repeated: it may be a secret given to the wrong setting. */
    return set_any(row, text, config, a, &why) || refuse(row, where, err, why.msg);
}

bool config_row_get(const struct config_row *row, const struct config *config,
                    struct buf *out)
{
    const char *at = (const char *)config + row->offset;
    if (row->kind == CONFIG_KIND_STR) {
        const char *value = NULL;
        memcpy(&value, at, sizeof value);
        return value != NULL && buf_put_c(out, value);
    }
    if (row->kind == CONFIG_KIND_INT) {
        int64_t value = 0;
        memcpy(&value, at, sizeof value);
        return buf_printf(out, "%lld", (long long)value);
    }
    if (row->kind == CONFIG_KIND_BOOL) {
        bool value = false;
        memcpy(&value, at, sizeof value);
        return buf_put_c(out, value ? "true" : "false");
    }
    unsigned value = 0;
    memcpy(&value, at, sizeof value);
    for (const struct config_choice *c = row->choices; c->name != NULL; c++) {
        if (c->value == value) {
            return buf_put_c(out, c->name);
        }
    }
    return false;
}
