/* RESP2:
 *   reply  = line / bulk / array
 *   line   = ("+" / "-" / ":") text CRLF
 *   bulk   = "$" ("-1" CRLF / length CRLF bytes CRLF)
 *   array  = "*" ("-1" CRLF / count CRLF count × reply)
 * The scanner's states:
 *   TYPE ──"+-"──► TEXT ──CRLF──► TYPE
 *   TYPE ──":$*"──► NUMBER ──CRLF──► TYPE or, for a string, BULK
 *   BULK ──all bytes──► BULK_END ──CRLF──► TYPE
 * A lone CR inside a text belongs to the text, as hiredis reads it. */
#include "redis_reply.h"

#include "postrider/base/check.h"
#include "postrider/base/mem.h"
#include "postrider/base/num.h"

#include <hiredis/hiredis.h>
#include <string.h>

enum {
    NUMBER_MAX = 24 /* digits, a sign and CR */
};

enum scan_state {
    SCAN_TYPE,
    SCAN_TEXT,
    SCAN_NUMBER,
    SCAN_BULK,
    SCAN_BULK_END
};

struct scanner {
    enum scan_state state;
    char type;
    bool cr; /* the last byte of the line was CR */
    char number[NUMBER_MAX];
    size_t line_len;
    size_t bulk_left;
    uint32_t left[REDIS_NESTING_MAX]; /* items each open array still wants */
    size_t depth;
    size_t reply_bytes;
    size_t reply_items;
};

struct redis_decoder {
    struct scanner scan;
    redisReader *reader;
    struct arena parts; /* of the reply being read */
    struct err err;     /* why the bytes from here on are refused */
};

/* --- scanner */

static bool scan_bad(struct err *err, const char *what)
{
    return err_set(err, ERR_PROTOCOL, "Redis reply: %s", what);
}

static bool scan_too_large(struct err *err, const char *what)
{
    return err_set(err, ERR_LIMIT, "Redis reply: %s", what);
}

/* An item is complete: so are the arrays whose last item it was. */
static void item_end(struct scanner *s)
{
    s->state = SCAN_TYPE;
    while (s->depth > 0) {
        if (--s->left[s->depth - 1] > 0) {
            return;
        }
        s->depth--;
    }
    s->reply_bytes = 0;
    s->reply_items = 0;
}

static bool array_begin(struct scanner *s, int64_t count, struct err *err)
{
    if (count <= 0) {
        item_end(s);
        return true;
    }
    if ((uint64_t)count > REDIS_REPLY_ITEMS_MAX - s->reply_items) {
        return scan_too_large(err, "too many items");
    }
    s->reply_items += (size_t)count;
    s->left[s->depth++] = (uint32_t)count;
    s->state = SCAN_TYPE;
    return true;
}

static bool bulk_begin(struct scanner *s, int64_t len, struct err *err)
{
    if (len < 0) {
        item_end(s);
        return true;
    }
    if ((uint64_t)len > REDIS_REPLY_MAX - s->reply_bytes) {
        return scan_too_large(err, "string too long");
    }
    s->bulk_left = (size_t)len;
    s->line_len = 0;
    s->state = len > 0 ? SCAN_BULK : SCAN_BULK_END;
    return true;
}

static bool number_end(struct scanner *s, struct err *err)
{
    int64_t n = 0;
    if (!num_i64(str_from(s->number, s->line_len), &n)) {
        return scan_bad(err, "not a number");
    }
    if (s->type == ':') {
        item_end(s);
        return true;
    }
    if (n < -1) {
        return scan_bad(err, "negative length");
    }
    return s->type == '*' ? array_begin(s, n, err) : bulk_begin(s, n, err);
}

static bool scan_type(struct scanner *s, char c, struct err *err)
{
    if (strchr("+-:$*", c) == NULL || c == '\0') {
        return scan_bad(err, "unknown type");
    }
    if (c == '*' && s->depth == REDIS_NESTING_MAX) {
        return scan_too_large(err, "arrays nested too deep");
    }
    s->type = c;
    s->cr = false;
    s->line_len = 0;
    s->state = c == '+' || c == '-' ? SCAN_TEXT : SCAN_NUMBER;
    return true;
}

static bool scan_text(struct scanner *s, char c, struct err *err)
{
    if (s->cr && c == '\n') {
        item_end(s);
        return true;
    }
    s->cr = c == '\r';
    return ++s->line_len <= REDIS_LINE_MAX || scan_too_large(err, "endless line");
}

static bool scan_number(struct scanner *s, char c, struct err *err)
{
    if (s->cr) {
        return c == '\n' ? number_end(s, err) : scan_bad(err, "CR without LF");
    }
    if (c == '\r') {
        s->cr = true;
        return true;
    }
    if (s->line_len == NUMBER_MAX) {
        return scan_bad(err, "number too long");
    }
    s->number[s->line_len++] = c;
    return true;
}

static bool scan_bulk_end(struct scanner *s, char c, struct err *err)
{
    if (c != "\r\n"[s->line_len]) {
        return scan_bad(err, "string without CRLF behind it");
    }
    if (++s->line_len == 2) {
        item_end(s);
    }
    return true;
}

static bool scan_byte(struct scanner *s, char c, struct err *err)
{
    switch (s->state) {
    case SCAN_TYPE:
        return scan_type(s, c, err);
    case SCAN_TEXT:
        return scan_text(s, c, err);
    case SCAN_NUMBER:
        return scan_number(s, c, err);
    case SCAN_BULK:
        s->state = --s->bulk_left > 0 ? SCAN_BULK : SCAN_BULK_END;
        return true;
    case SCAN_BULK_END:
        return scan_bulk_end(s, c, err);
    }
    check_failed("scan state", __FILE__, __LINE__, __func__);
}

/* How many of the bytes are fine; fewer than len means err is set. */
static size_t scan(struct scanner *s, const char *data, size_t len, struct err *err)
{
    size_t i = 0;
    while (i < len) {
        size_t n = 1;
        if (s->state == SCAN_BULK && s->bulk_left > 1) {
            n = len - i < s->bulk_left - 1 ? len - i : s->bulk_left - 1;
            s->bulk_left -= n;
        } else if (s->reply_bytes >= REDIS_REPLY_MAX) {
            (void)scan_too_large(err, "too long");
            return i;
        } else {
            s->reply_bytes++;
            if (!scan_byte(s, data[i], err)) {
                return i;
            }
            i++;
            continue;
        }
        s->reply_bytes += n;
        i += n;
    }
    return i;
}

/* --- what hiredis' reader builds */

static struct redis_reply *place(const redisReadTask *task)
{
    if (task->parent == NULL) {
        return ARENA_NEW((struct arena *)task->privdata, struct redis_reply);
    }
    struct redis_reply *parent = task->parent->obj;
    CHECK(task->idx >= 0 && (size_t)task->idx < parent->count);
    /* The items are ours and still being filled; only readers see them as const. */
    return (struct redis_reply *)(uintptr_t)&parent->items[task->idx];
}

static void *on_string(const redisReadTask *task, char *bytes, size_t len)
{
    struct redis_reply *r = place(task);
    r->type = task->type == REDIS_REPLY_ERROR    ? REDIS_ERROR
              : task->type == REDIS_REPLY_STATUS ? REDIS_STATUS
                                                 : REDIS_STRING;
    r->str = str_from(arena_strndup((struct arena *)task->privdata, bytes, len), len);
    return r;
}

static void *on_array(const redisReadTask *task, int count)
{
    struct redis_reply *r = place(task);
    r->type = REDIS_ARRAY;
    r->count = count > 0 ? (size_t)count : 0;
    r->items = ARENA_ARRAY((struct arena *)task->privdata, struct redis_reply, r->count);
    return r;
}

static void *on_integer(const redisReadTask *task, long long value)
{
    struct redis_reply *r = place(task);
    r->type = REDIS_INTEGER;
    r->integer = value;
    return r;
}

static void *on_nil(const redisReadTask *task)
{
    struct redis_reply *r = place(task);
    r->type = REDIS_NIL;
    return r;
}

/* The arena holds everything. */
static void on_free(void *reply)
{
    (void)reply;
}

static const redisReplyObjectFunctions reply_functions = {
    .createString = on_string,
    .createArray = on_array,
    .createInteger = on_integer,
    .createNil = on_nil,
    .freeObject = on_free,
};

/* --- decoder */

struct redis_decoder *redis_decoder_new(void)
{
    struct redis_decoder *d = MEM_NEW(struct redis_decoder);
    /* hiredis only reads the table, though its parameter is not const. */
    d->reader = redisReaderCreateWithFunctions(
        (redisReplyObjectFunctions *)(uintptr_t)&reply_functions);
    CHECK(d->reader != NULL);
    d->reader->privdata = &d->parts;
    return d;
}

void redis_decoder_free(struct redis_decoder **d)
{
    if (d == NULL || *d == NULL) {
        return;
    }
    redisReaderFree((*d)->reader);
    arena_fini(&(*d)->parts);
    mem_free(*d);
    *d = NULL;
}

void redis_decoder_feed(struct redis_decoder *d, const char *data, size_t len)
{
    if (d->err.code != ERR_OK) {
        return;
    }
    size_t good = scan(&d->scan, data, len, &d->err);
    if (good > 0) {
        CHECK(redisReaderFeed(d->reader, data, good) == REDIS_OK);
    }
}

enum redis_decode redis_decoder_next(struct redis_decoder *d, struct arena *a,
                                     const struct redis_reply **reply_out,
                                     struct err *err)
{
    void *reply = NULL;
    if (redisReaderGetReply(d->reader, &reply) != REDIS_OK) {
        (void)err_set(&d->err, ERR_PROTOCOL, "Redis reply: %s", d->reader->errstr);
    } else if (reply != NULL) {
        arena_fini(a);
        *a = d->parts;
        arena_init(&d->parts);
        *reply_out = reply;
        return REDIS_DECODE_REPLY;
    }
    if (d->err.code != ERR_OK) {
        *err = d->err;
        return REDIS_DECODE_BAD;
    }
    return REDIS_DECODE_MORE;
}
