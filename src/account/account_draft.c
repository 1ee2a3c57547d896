#include "account_draft.h"

#include "account_quote.h"
#include "postrider/base/codec.h"
#include "postrider/base/mem.h"

enum {
    ADDRESSES_MAX = 10000,
    HEADERS_MAX = 1000,
    FILES_MAX = 1000
};

struct compose_job *compose_job_new(struct account_compose *op, json_t *request,
                                    const json_t *record)
{
    struct compose_job *job = MEM_NEW(struct compose_job);
    *job = (struct compose_job){.op = op,
                                .refs = 1,
                                .request = json_incref(request),
                                .raw = BUF_INIT(ACCOUNT_COMPOSE_MAX),
                                .out = BUF_INIT(ACCOUNT_COMPOSE_MAX)};
    job->own_name = arena_str(&job->arena, json_get_str(record, "name"));
    job->own_address = arena_str(&job->arena, json_get_str(record, "email"));
    return job;
}

void compose_job_unref(struct compose_job *job)
{
    if (--job->refs > 0) {
        return;
    }
    for (size_t i = 0; i < job->file_count; i++) {
        buf_fini(&job->files[i].bytes);
    }
    json_decref(job->request);
    json_decref(job->referred);
    buf_fini(&job->raw);
    buf_fini(&job->out);
    arena_fini(&job->arena);
    mem_free(job);
}

/* --- attachments --- */

static const json_t *reference_of(const struct compose_job *job)
{
    return json_object_get(job->request, "reference");
}

static bool is_forward(const struct compose_job *job)
{
    return str_eq_c(json_get_str(reference_of(job), "action"), "forward");
}

static bool is_quoting(const struct compose_job *job)
{
    return job->referred != NULL && !json_has(job->request, "raw") &&
           json_get_bool(reference_of(job), "inline", false);
}

/* Images that the quoted HTML shows come along; other files if they are asked for. */
static bool comes_along(const struct compose_job *job, const json_t *entry)
{
    bool embedded = json_get_bool(entry, "embedded", false);
    if (json_get_bool(entry, "encodedInMessage", false)) {
        return false; /* comes with the message that encloses it */
    }
    return embedded ? is_quoting(job)
                    : is_forward(job) &&
                          json_get_bool(reference_of(job), "forwardAttachments", false);
}

static void add_file(struct compose_job *job, struct compose_file file)
{
    file.bytes = BUF_INIT(ACCOUNT_COMPOSE_MAX);
    job->files[job->file_count++] = file;
}

static struct compose_file file_of_request(const json_t *a)
{
    struct str cid = json_get_str(a, "cid");
    struct str how = json_get_str(a, "contentDisposition");
    return (struct compose_file){.id = json_get_str(a, "reference"),
                                 .content = json_get_str(a, "content"),
                                 .filename = json_get_str(a, "filename"),
                                 .content_type = json_get_str(a, "contentType"),
                                 .cid = cid,
                                 .is_inline = how.ptr != NULL ? str_eq_c(how, "inline")
                                                              : cid.len > 0};
}

void compose_job_plan(struct compose_job *job)
{
    const json_t *own = json_get_arr(job->request, "attachments");
    const json_t *theirs = json_get_arr(job->referred, "attachments");
    size_t own_count = json_array_size(own), their_count = json_array_size(theirs);
    if (json_has(job->request, "raw")) {
        return;
    }
    own_count = own_count < FILES_MAX ? own_count : FILES_MAX;
    their_count = their_count < FILES_MAX ? their_count : FILES_MAX;
    job->files =
        ARENA_ARRAY(&job->arena, struct compose_file, own_count + their_count + 1);
    for (size_t i = 0; i < own_count; i++) {
        add_file(job, file_of_request(json_array_get(own, i)));
    }
    for (size_t i = 0; i < their_count; i++) {
        const json_t *entry = json_array_get(theirs, i);
        if (comes_along(job, entry)) {
            bool embedded = json_get_bool(entry, "embedded", false);
            add_file(job,
                     (struct compose_file){
                         .id = json_get_str(entry, "id"),
                         .cid = embedded ? json_get_str(entry, "contentId") : STR_NULL,
                         .is_inline = embedded});
        }
    }
}

/* --- the draft: on the worker --- */

static struct mime_address address_of(const json_t *a)
{
    struct str name = json_get_str(a, "name"), address = json_get_str(a, "address");
    return (struct mime_address){name.ptr != NULL ? name : STR(""),
                                 address.ptr != NULL ? address : STR("")};
}

/* A list, or one alone (as messages show it). */
static struct mime_address_list addresses_of(struct arena *arena, const json_t *value)
{
    size_t count = json_is_array(value) ? json_array_size(value) : value != NULL ? 1 : 0;
    count = count < ADDRESSES_MAX ? count : ADDRESSES_MAX;
    struct mime_address *items = ARENA_ARRAY(arena, struct mime_address, count + 1);
    for (size_t i = 0; i < count; i++) {
        items[i] = address_of(json_is_array(value) ? json_array_get(value, i) : value);
    }
    return (struct mime_address_list){items, count};
}

static void add_header(struct mime_draft *d, struct mime_header *items, const char *name,
                       const json_t *value)
{
    if (json_is_string(value) && d->header_count < HEADERS_MAX) {
        items[d->header_count++] = (struct mime_header){
            str_of(name), str_from(json_string_value(value), json_string_length(value))};
    }
}

/* {"name": "value" or ["value", …]} */
static void take_headers(struct compose_job *job, struct mime_draft *d)
{
    json_t *headers = json_get_obj(job->request, "headers");
    struct mime_header *items =
        ARENA_ARRAY(&job->arena, struct mime_header, headers != NULL ? HEADERS_MAX : 1);
    const char *name;
    json_t *value;
    json_object_foreach(headers, name, value)
    {
        add_header(d, items, name, value);
        for (size_t i = 0; i < json_array_size(value); i++) {
            add_header(d, items, name, json_array_get(value, i));
        }
    }
    d->headers = items;
}

/* Everyone but ourselves, who would get a copy of what we send. */
static struct mime_address_list others(struct compose_job *job, const json_t *to,
                                       const json_t *cc)
{
    struct mime_address_list all[] = {addresses_of(&job->arena, to),
                                      addresses_of(&job->arena, cc)};
    struct mime_address *items =
        ARENA_ARRAY(&job->arena, struct mime_address, all[0].count + all[1].count + 1);
    size_t count = 0;
    for (size_t k = 0; k < ARRAY_LEN(all); k++) {
        for (size_t i = 0; i < all[k].count; i++) {
            if (!str_ieq(all[k].items[i].address, job->own_address)) {
                items[count++] = all[k].items[i];
            }
        }
    }
    return (struct mime_address_list){items, count};
}

static void take_recipients(struct compose_job *job, struct mime_draft *d)
{
    const json_t *m = job->referred;
    const json_t *reply_to = json_object_get(m, "replyTo");
    struct str action = json_get_str(reference_of(job), "action");
    if (is_forward(job) || d->to.count > 0 || json_has(job->request, "raw")) {
        return;
    }
    d->to = addresses_of(&job->arena,
                         reply_to != NULL ? reply_to : json_object_get(m, "from"));
    if (str_eq_c(action, "reply-all") && d->cc.count == 0) {
        d->cc = others(job, json_object_get(m, "to"), json_object_get(m, "cc"));
    }
}

static void take_quotes(struct compose_job *job, struct mime_draft *d)
{
    bool forward = is_forward(job);
    bool any = d->text.ptr != NULL || d->html.ptr != NULL;
    if (d->html.ptr != NULL || !any) {
        struct buf html = BUF_INIT(ACCOUNT_COMPOSE_MAX);
        account_quote_html(&html, d->html, job->referred, forward);
        d->html = arena_str(&job->arena, buf_str(&html));
        buf_fini(&html);
    }
    if (d->text.ptr != NULL || !any) {
        struct buf text = BUF_INIT(ACCOUNT_COMPOSE_MAX);
        account_quote_plain(&text, d->text, job->referred, forward);
        d->text = arena_str(&job->arena, buf_str(&text));
        buf_fini(&text);
    }
}

/* What the message referred to adds. */
static void take_reference(struct compose_job *job, struct mime_draft *d)
{
    const json_t *m = job->referred;
    if (m == NULL) {
        return;
    }
    d->references = account_quote_references(&job->arena, m);
    if (!is_forward(job)) {
        d->in_reply_to = json_get_str(m, "messageId");
    }
    if (d->subject.len == 0 && !json_has(job->request, "raw")) {
        d->subject = account_quote_subject(&job->arena, m, is_forward(job));
    }
    take_recipients(job, d);
    if (is_quoting(job)) {
        take_quotes(job, d);
    }
}

static bool take_files(struct compose_job *job, struct mime_draft *d, struct err *err)
{
    struct mime_attachment *items =
        ARENA_ARRAY(&job->arena, struct mime_attachment, job->file_count + 1);
    for (size_t i = 0; i < job->file_count; i++) {
        struct compose_file *f = &job->files[i];
        if (f->id.ptr == NULL && f->content.len > 0 &&
            !base64_decode(&f->bytes, f->content)) {
            return err_set(err, ERR_INVALID, "attachments.%zu.content is not base64", i);
        }
        items[i] = (struct mime_attachment){.filename = f->filename,
                                            .content_type = f->content_type,
                                            .cid = f->cid,
                                            .content = buf_str(&f->bytes),
                                            .is_inline = f->is_inline};
    }
    d->attachments = items;
    d->attachment_count = job->file_count;
    return true;
}

/* The Message-ID that the message has now. */
static void find_message_id(struct compose_job *job)
{
    struct mime_headers headers;
    struct mime_ids ids;
    mime_headers_parse(&job->arena, buf_str(&job->out), &headers);
    struct str raw = mime_headers_get(&headers, "Message-ID");
    mime_ids_parse(&job->arena, raw.ptr != NULL ? raw : STR(""), &ids);
    job->message_id = ids.count > 0 ? arena_str(&job->arena, ids.items[0]) : STR_NULL;
}

static void take_fields(struct compose_job *job, struct mime_draft *d)
{
    const json_t *r = job->request;
    struct arena *arena = &job->arena;
    *d = (struct mime_draft){.from = address_of(json_object_get(r, "from")),
                             .reply_to =
                                 addresses_of(arena, json_object_get(r, "replyTo")),
                             .to = addresses_of(arena, json_object_get(r, "to")),
                             .cc = addresses_of(arena, json_object_get(r, "cc")),
                             .bcc = addresses_of(arena, json_object_get(r, "bcc")),
                             .subject = json_get_str(r, "subject"),
                             .message_id = json_get_str(r, "messageId"),
                             .date_ms = job->now_ms,
                             .text = json_get_str(r, "text"),
                             .html = json_get_str(r, "html")};
    (void)json_get_time(r, "date", &d->date_ms);
    take_headers(job, d);
    take_reference(job, d);
}

static void put_defaults(struct compose_job *job, struct mime_draft *d)
{
    if (d->from.address.len == 0 && job->own_address.len > 0) {
        d->from = (struct mime_address){
            job->own_name.ptr != NULL ? job->own_name : STR(""), job->own_address};
    }
    if (d->message_id.len == 0) {
        struct buf id = BUF_INIT(1024);
        mime_message_id_make(&id, d->from.address);
        d->message_id = arena_str(&job->arena, buf_str(&id));
        buf_fini(&id);
    }
}

void compose_job_work(void *data, struct err *err)
{
    struct compose_job *job = data;
    struct mime_draft d;
    struct str raw = json_get_str(job->request, "raw");
    take_fields(job, &d);
    bool ok;
    if (raw.ptr != NULL) {
        ok = base64_decode(&job->raw, raw)
                 ? mime_compose_raw(&job->out, buf_str(&job->raw), &d, err)
                 : err_set(err, ERR_INVALID, "raw is not base64");
    } else {
        put_defaults(job, &d);
        ok = take_files(job, &d, err) && mime_compose(&job->out, &d, err);
    }
    if (ok) {
        find_message_id(job);
    }
}
