/* account_draft: a request of the API, and what it refers to, as a draft that can be composed.
 * Shape    compose_job: made on the loop, worked off by a worker thread
 * Owner    counted: the operation and the worker hold it
 * Calls    compose_job_work on a worker thread while nobody else touches the job; the rest on
 *          the loop thread */
#ifndef POSTRIDER_ACCOUNT_DRAFT_H
#define POSTRIDER_ACCOUNT_DRAFT_H

#include "account_priv.h"

#include "postrider/account/account_compose.h"
#include "postrider/json/json.h"
#include "postrider/loop/worker.h"
#include "postrider/mime/mime_compose.h"

/* An attachment: fetched (id), or in the request. */
struct compose_file {
    struct str id; /* of an attachment of some message; absent: content counts */
    struct str content;
    struct str filename, content_type, cid;
    bool is_inline;
    struct buf bytes;
};

struct compose_job {
    struct account_compose *op; /* NULL: it ended */
    unsigned refs;
    struct arena arena;
    json_t *request, *referred; /* referred: the message, or NULL */
    struct str own_name, own_address;
    struct compose_file *files;
    size_t file_count;
    size_t fetched; /* bytes */
    int64_t now_ms;
    struct buf raw, out;
    struct str message_id;
};

struct compose_job *compose_job_new(struct account_compose *op, json_t *request,
                                    const json_t *record);
void compose_job_unref(struct compose_job *job);
/* Which attachments there are; after `referred` is known. */
void compose_job_plan(struct compose_job *job);
worker_work compose_job_work;

#endif
