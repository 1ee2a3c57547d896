/* http_fixture: an HTTP/1.1 server on the test's own loop, with as many connections as come.
 * Shape    every request is kept; the test's function says how it is answered
 * Owner    the test: http_fixture_new, then http_fixture_free, which closes every
 *          connection and forgets the requests
 * Limits   HTTP_FIXTURE_REQUESTS_MAX requests of 256 KiB; only bodies with Content-Length */
#ifndef POSTRIDER_TESTS_HTTP_FIXTURE_H
#define POSTRIDER_TESTS_HTTP_FIXTURE_H

#include "postrider/loop/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HTTP_FIXTURE_REQUESTS_MAX = 4096
};

struct http_seen {
    char *text; /* request line and headers, terminated */
    char *body; /* terminated */
    size_t body_len;
    unsigned connection; /* 1 for the first one, and so on */
    int64_t at_ms;       /* loop time */
};

struct http_answer {
    int status;          /* 0 = no answer at all, the connection stays open */
    const char *headers; /* more of them, each with CR LF; or NULL */
    const char *body;    /* or NULL */
    size_t fill_bytes;   /* instead of the body: that many bytes */
    int64_t delay_ms;
    bool reset; /* instead of an answer: a TCP reset */
    bool close; /* instead of an answer: an orderly close */
};

struct http_fixture;
typedef void http_fixture_fn(const struct http_seen *seen, struct http_answer *answer,
                             void *arg);

/* NULL fn: 200 for everything. */
struct http_fixture *http_fixture_new(struct loop *loop, http_fixture_fn *fn, void *arg);
void http_fixture_free(struct http_fixture **f);
uint16_t http_fixture_port(const struct http_fixture *f);
/* "http://127.0.0.1:PORT" and the path. Valid until the next call. */
const char *http_fixture_url(struct http_fixture *f, const char *path);

/* Requests in the order of their arrival. */
const unsigned *http_fixture_count(const struct http_fixture *f);
const struct http_seen *http_fixture_at(const struct http_fixture *f, unsigned index);
/* Value of a header into out; false if there is none. */
bool http_seen_header(const struct http_seen *seen, const char *name, char *out,
                      size_t size);
bool http_seen_is_path(const struct http_seen *seen, const char *path);

#endif
