/* A cursor is base64url of: a format byte, four bytes of the incarnation, two varints. */
#include "postrider/changelog/cursor.h"

#include "postrider/base/clock.h"
#include "postrider/base/codec.h"
#include "postrider/base/num.h"
#include "postrider/json/json.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    FORMAT = 1,
    MARK_SIZE = 4,
    SKEW_MS = 5 * 60 * 1000, /* of the clocks of nodes and Redis */
    BYTES_MAX = 1 + MARK_SIZE + 10 + 10
};

static void mark_of(const struct store_acct *acct, uint8_t out[MARK_SIZE])
{
    if (!hex_decode(str_from(acct->incarnation, (size_t)2 * MARK_SIZE), out, MARK_SIZE)) {
        memset(out, 0, MARK_SIZE);
    }
}

void changelog_cursor_format(const struct store_acct *acct, const char *entry_id,
                             char out[CHANGELOG_CURSOR_SIZE])
{
    uint8_t mark[MARK_SIZE];
    uint64_t ms = 0, seq = 0;
    struct buf raw = BUF_INIT(BYTES_MAX);
    struct buf text = BUF_INIT(CHANGELOG_CURSOR_SIZE - 1);
    mark_of(acct, mark);
    (void)store_entry_id_split(entry_id, &ms, &seq);
    (void)buf_put_byte(&raw, FORMAT);
    (void)buf_put(&raw, mark, sizeof mark);
    (void)buf_put_varint(&raw, ms);
    (void)buf_put_varint(&raw, seq);
    (void)base64url_encode(&text, raw.bytes, raw.len);
    (void)snprintf(out, CHANGELOG_CURSOR_SIZE, "%s", buf_c(&text));
    buf_fini(&raw);
    buf_fini(&text);
}

static bool parse_entry_id(struct str text, char out[STORE_ENTRY_ID_SIZE])
{
    char id[STORE_ENTRY_ID_SIZE];
    uint64_t ms, seq;
    if (text.len >= sizeof id) {
        return false;
    }
    (void)snprintf(id, sizeof id, "%.*s", STR_ARG(text));
    if (!store_entry_id_split(id, &ms, &seq)) {
        return false;
    }
    (void)snprintf(out, STORE_ENTRY_ID_SIZE, "%s", id);
    return true;
}

static bool parse_opaque(const struct store_acct *acct, struct str raw,
                         char out[STORE_ENTRY_ID_SIZE], bool *foreign_out)
{
    uint8_t mark[MARK_SIZE];
    uint64_t ms = 0, seq = 0;
    size_t pos = 1 + MARK_SIZE;
    if (raw.len <= pos || raw.ptr[0] != FORMAT || !num_get_varint(raw, &pos, &ms) ||
        !num_get_varint(raw, &pos, &seq) || pos != raw.len) {
        return false;
    }
    mark_of(acct, mark);
    *foreign_out = memcmp(raw.ptr + 1, mark, MARK_SIZE) != 0;
    out[0] = '\0';
    if (!*foreign_out && (ms != 0 || seq != 0)) {
        (void)snprintf(out, STORE_ENTRY_ID_SIZE, "%" PRIu64 "-%" PRIu64, ms, seq);
    }
    return true;
}

bool changelog_cursor_parse(const struct store_acct *acct, struct str text,
                            char entry_id_out[STORE_ENTRY_ID_SIZE], bool *foreign_out,
                            struct err *err)
{
    struct buf raw = BUF_INIT(BYTES_MAX);
    bool foreign = false;
    char id[STORE_ENTRY_ID_SIZE];
    bool ok = text.len > 0 && (parse_entry_id(text, id) ||
                               (base64url_decode(&raw, text) &&
                                parse_opaque(acct, buf_str(&raw), id, &foreign)));
    buf_fini(&raw);
    if (!ok) {
        return err_set(err, ERR_INVALID, "not a cursor of this API");
    }
    (void)snprintf(entry_id_out, STORE_ENTRY_ID_SIZE, "%s", id);
    *foreign_out = foreign;
    return true;
}

/* A reader at another place would skip all that comes until then. */
static bool is_past(uint64_t ms, struct err *err)
{
    return ms <= (uint64_t)(clock_wall_ms() + SKEW_MS) ||
           err_set(err, ERR_INVALID, "the place lies in the future");
}

bool changelog_place_of_time(int64_t wall_ms, char entry_id_out[STORE_ENTRY_ID_SIZE],
                             struct err *err)
{
    if (wall_ms > 0 && !is_past((uint64_t)wall_ms, err)) {
        return false;
    }
    changelog_entry_before(wall_ms, entry_id_out);
    return true;
}

bool changelog_place_parse(const struct store_acct *acct, struct str text,
                           char entry_id_out[STORE_ENTRY_ID_SIZE], struct err *err)
{
    bool foreign = false;
    char id[STORE_ENTRY_ID_SIZE];
    uint64_t ms = 0, seq;
    if (!changelog_cursor_parse(acct, text, id, &foreign, err)) {
        return false;
    }
    (void)store_entry_id_split(id, &ms, &seq);
    if (!is_past(ms, err)) {
        return false;
    }
    if (foreign) {
        return err_set(err, ERR_INVALID, "%s",
                       acct->id == NULL ? "a cursor is of one account: name it, too"
                                        : "the cursor is not of this account, or older "
                                          "than it");
    }
    (void)snprintf(entry_id_out, STORE_ENTRY_ID_SIZE, "%s", id);
    return true;
}

void changelog_entry_before(int64_t wall_ms, char entry_id_out[STORE_ENTRY_ID_SIZE])
{
    entry_id_out[0] = '\0';
    if (wall_ms > 0) {
        /* More entries than this are never made in a millisecond, and scripts can compare
         * the number exactly. */
        (void)snprintf(entry_id_out, STORE_ENTRY_ID_SIZE, "%" PRId64 "-%d", wall_ms - 1,
                       INT32_MAX);
    }
}

json_t *changelog_entry_json(const struct store_acct *acct, const struct log_entry *entry)
{
    const struct event *e = &entry->event;
    char cursor[CHANGELOG_CURSOR_SIZE];
    json_t *out = json_object();
    changelog_cursor_format(acct, entry->entry_id, cursor);
    json_put(out, "account", json_str_repaired(str_of(acct->id)));
    if (entry->readable) {
        const char *path = e->path != NULL ? e->path : json_get_cstr(e->data, "path");
        json_put_time(out, "date", e->date_ms);
        json_put_cstr(out, "path", path);
        json_put_cstr(out, "specialUse", e->special_use);
    }
    if (e->type < EVENT_TYPE_COUNT) {
        json_put_cstr(out, "event", event_type_name(e->type));
    }
    json_put(out, "eventId", json_str_repaired(str_of(e->id)));
    json_put_cstr(out, "entryId", entry->entry_id);
    json_put_cstr(out, "cursor", cursor);
    if (entry->readable) {
        json_put(out, "data", json_incref(e->data));
    } else {
        json_put_bool(out, "unreadable", true);
    }
    return out;
}
