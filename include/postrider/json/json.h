/* json: reading, building and printing JSON values.
 * Shape    jansson's json_t, behind a strict parser, typed getters and safe setters
 * Owner    json_t is counted by reference (json_decref); getters return borrowed values
 * Limits   JSON_DEPTH_MAX levels, checked before anything is built; the caller's
 *          max_bytes
 * Errors   ERR_TOO_LARGE: over max_bytes; ERR_INVALID: not JSON, too deep, a duplicate
 *          key, invalid UTF-8, a lone surrogate, a NUL in a string, or a number out of
 *          range
 * Spec     RFC 8259; I-JSON (RFC 7493) for duplicate names and surrogates */
#ifndef POSTRIDER_JSON_JSON_H
#define POSTRIDER_JSON_JSON_H

#include "postrider/base/attr.h"
#include "postrider/base/buf.h"
#include "postrider/base/err.h"
#include "postrider/base/str.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    JSON_DEPTH_MAX = 64
};

/* Any JSON value; *out is the caller's. */
bool json_parse_strict(struct str text, size_t max_bytes, json_t **out, struct err *err);

/* The value of text that json_out wrote; a new reference. */
json_t *json_of_own(struct str text) ATTR_RETURNS_NONNULL;

/* Frees what it points to; for ATTR_CLEANUP. */
void json_cleanup(json_t **value);

/* --- getters: the member of an object, or the stated answer if it is missing or of
 * another type; obj may be NULL or not an object --- */

struct str json_get_str(const json_t *obj, const char *key);   /* absent */
const char *json_get_cstr(const json_t *obj, const char *key); /* NULL */
bool json_get_bool(const json_t *obj, const char *key, bool other);
int64_t json_get_int(const json_t *obj, const char *key, int64_t other);
json_t *json_get_obj(const json_t *obj, const char *key); /* NULL */
json_t *json_get_arr(const json_t *obj, const char *key); /* NULL */
/* An ISO 8601 string; false leaves *wall_ms_out alone. */
bool json_get_time(const json_t *obj, const char *key, int64_t *wall_ms_out);
/* Whether the member is present and not null. */
bool json_has(const json_t *obj, const char *key);

/* --- building and printing --- */

/* A new string; every invalid byte becomes U+FFFD. An absent slice gives null. */
json_t *json_str_repaired(struct str s) ATTR_RETURNS_NONNULL;
/* Sets a member; an absent slice sets nothing. */
void json_put_str(json_t *obj, const char *key, struct str s);
void json_put_cstr(json_t *obj, const char *key, const char *s); /* NULL sets nothing */
void json_put_int(json_t *obj, const char *key, int64_t v);
void json_put_bool(json_t *obj, const char *key, bool v);
void json_put_time(json_t *obj, const char *key, int64_t wall_ms);
/* Takes the value; NULL sets nothing. */
void json_put(json_t *obj, const char *key, json_t *taken);
/* Takes the value. */
void json_push(json_t *arr, json_t *taken);

/* Appends the compact text; false if the buffer's maximum is crossed. */
bool json_emit(const json_t *value, struct buf *out);

#endif
