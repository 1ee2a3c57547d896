/* api_priv: what the parts of the frame share. */
#ifndef POSTRIDER_API_PRIV_H
#define POSTRIDER_API_PRIV_H

#include "postrider/api/api.h"
#include "postrider/base/list.h"

enum {
    API_MAGIC = 0x41504920,
    API_CALL_MAGIC = 0x41504943,
    API_SEGMENTS_MAX = 12,
    API_REPLY_MAX = 64 * 1024 * 1024,
    API_LARGE_BYTES = 1024 * 1024 /* a body above counts as large */
};

/* --- the index over the tables (api_index.c) --- */

struct api_entry {
    const struct api_route *route;
    struct str segments[API_SEGMENTS_MAX]; /* "{name}" stands for any one */
    size_t segment_count;
    /* Bit n counted from the top is set where segment n is literal: of two rows that fit,
     * the greater is the better match. */
    uint32_t rank;
    json_t *plain_query; /* of a request without arguments; NULL: it cannot be without */
};

struct api_index {
    struct api_entry *entries; /* by their number of segments */
    size_t count;
    size_t first[API_SEGMENTS_MAX + 2]; /* of each number, and the end of all */
};

void api_index_init(struct api_index *index, const struct api_table *tables,
                    size_t table_count);
void api_index_fini(struct api_index *index);

enum api_match {
    API_MATCH_FOUND,
    API_MATCH_NO_PATH,
    API_MATCH_NO_METHOD
};
/* The best entry for a path: a literal segment beats a name, the leftmost difference
 * decides. HEAD finds the row of GET. allow: the methods of the path, for
 * API_MATCH_NO_METHOD. */
enum api_match api_index_find(const struct api_index *index, const char *method,
                              const struct str *segments, size_t count,
                              const struct api_entry **entry_out, struct buf *allow);
/* "account" of "{account}"; absent for a literal. */
struct str api_segment_name(struct str segment);

/* --- calls --- */

struct api {
    uint32_t magic;
    struct loop *loop;
    struct httpd *httpd;
    struct api_config config;
    struct api_index index;
    char *openapi; /* JSON text */
    size_t openapi_len;
    struct api_totals totals;
    struct list large; /* calls that hold a large body or answer */
};

enum api_call_state {
    API_CALL_AUTH,
    API_CALL_BODY,
    API_CALL_HANDLER,
    API_CALL_STREAM,
    API_CALL_REPLIED,
    API_CALL_GONE
};

/* Survives its call until the authentication port has called back. */
struct api_auth_wait {
    struct api_call_frame *frame; /* NULL: the call is over */
    void *handle;
};

struct api_call_frame {
    struct api_call call; /* what handlers see */
    enum api_call_state state;
    const struct api_entry *entry;
    struct api_auth_wait *wait;
    struct timer overdue;
    struct api_rate rate;
    struct list large;      /* its node there, while is_large */
    int64_t large_since_ms; /* when its body, or its answer, began to move … */
    size_t large_reply;     /* … and the length of the answer */
    bool is_large;          /* among those that hold a large body */
    bool is_refused;        /* its body is read and dropped */
};

struct api_call_frame *api_call_frame(struct api_call *call);

/* api_input.c: fills params, query and body, or replies and returns false. */
bool api_input_read(struct api_call_frame *frame);
/* The segment that stands for {name}; absent if the path has none. */
struct str api_path_value(const struct api_call_frame *frame, const char *name);

/* api_reply.c */
void api_reply_error_plain(struct httpd_req *req, const struct err *err, json_t *details,
                           const struct httpd_header *extra);

/* The reply to what can be done later: 503 with Retry-After. */
void api_reply_busy(struct api_call *call, int retry_s);

/* api_large.c: each counts the call among those that hold a large body, where it is one */
/* Before the body comes. False: too many do; a reply follows, perhaps after the body. */
bool api_large_admit(struct api_call_frame *frame, size_t body_max);
/* The body of a call that was not admitted has passed. */
void api_large_refuse(struct api_call_frame *frame);
/* Before an answer of that size; false after an error reply. */
bool api_large_hold(struct api_call_frame *frame, size_t size);
void api_large_release(struct api_call_frame *frame);

/* api_builtin.c */
void api_get_health(struct api_call *call);
void api_get_openapi(struct api_call *call);

#endif
