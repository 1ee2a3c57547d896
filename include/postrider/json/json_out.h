/* json_out: JSON from the first member to the last, as text or as a value.
 * Shape    one writer for both: into a buffer for answers of many rows, where building values
 *          first costs more than all the rest; as a value for who changes it afterwards. Each
 *          function appends one member to the object that is open (with a key), or one item to
 *          the list that is open or all there is (key NULL)
 * Owner    the buffer is the caller's, the value too (json_decref)
 * Calls    keys are names of our own, with nothing in them to escape, each once in an object
 * Limits   JSON_OUT_DEPTH_MAX levels; the buffer's maximum: look at its `overflow` at the end
 * Spec     RFC 8259 */
#ifndef POSTRIDER_JSON_JSON_OUT_H
#define POSTRIDER_JSON_JSON_OUT_H

#include "postrider/json/json.h"

enum {
    JSON_OUT_DEPTH_MAX = 8
};

/* Begin with the buffer set, or with nothing. */
struct json_out {
    struct buf *text;
    json_t *value; /* without a buffer */
    json_t *open[JSON_OUT_DEPTH_MAX];
    size_t depth;
};

/* What the functions below do; the keys of a program have lengths that are known already. */
void json_out_keyed_open(struct json_out *out, struct str key, char bracket);
void json_out_keyed_str(struct json_out *out, struct str key, struct str s);
void json_out_keyed_int(struct json_out *out, struct str key, int64_t v);
void json_out_keyed_bool(struct json_out *out, struct str key, bool v);
void json_out_keyed_null(struct json_out *out, struct str key);
void json_out_keyed_time(struct json_out *out, struct str key, int64_t wall_ms);

/* '{' or '['; closed by '}' or ']'. */
static inline void json_out_open(struct json_out *out, const char *key, char bracket)
{
    json_out_keyed_open(out, str_of(key), bracket);
}

void json_out_close(struct json_out *out, char bracket);

/* An absent slice appends nothing; every invalid byte becomes U+FFFD. */
static inline void json_out_str(struct json_out *out, const char *key, struct str s)
{
    json_out_keyed_str(out, str_of(key), s);
}

static inline void json_out_int(struct json_out *out, const char *key, int64_t v)
{
    json_out_keyed_int(out, str_of(key), v);
}

static inline void json_out_bool(struct json_out *out, const char *key, bool v)
{
    json_out_keyed_bool(out, str_of(key), v);
}

static inline void json_out_null(struct json_out *out, const char *key)
{
    json_out_keyed_null(out, str_of(key));
}

static inline void json_out_time(struct json_out *out, const char *key, int64_t wall_ms)
{
    json_out_keyed_time(out, str_of(key), wall_ms);
}

/* A value that lives on. */
void json_out_json(struct json_out *out, const char *key, json_t *value);

/* --- into text only --- */

/* What is JSON already. */
void json_out_text(struct json_out *out, const char *key, struct str json);
/* All members of an object, into the one that is open. */
void json_out_members(struct json_out *out, const json_t *obj);
/* The text between quotes, which it adds. */
void json_out_quoted(struct buf *out, struct str s);

#endif
