#include "account_report.h"

#include "postrider/json/json.h"
#include "postrider/mime/mime.h"

static bool is_status(const struct imap_part *part)
{
    return str_eq_c(part->type, "message") &&
           (str_eq_c(part->subtype, "delivery-status") ||
            str_eq_c(part->subtype, "global-delivery-status"));
}

void account_report_find(struct account_report *r, struct arena *arena,
                         const struct imap_structure *structure)
{
    const struct imap_part *root = structure->root;
    const struct imap_part *part =
        root != NULL && str_eq_c(root->subtype, "report") ? root->first_child : NULL;
    while (part != NULL && !is_status(part)) {
        part = part->next;
    }
    if (part != NULL) {
        r->path = arena_str(arena, part->path);
        r->encoding = arena_str(arena, part->encoding);
        r->body = BUF_INIT(ACCOUNT_REPORT_BYTES);
    }
}

void account_report_fini(struct account_report *r)
{
    if (r->path.ptr != NULL) {
        buf_fini(&r->body);
    }
    *r = (struct account_report){0};
}

static json_t *outcome_json(const json_t *message, const struct mime_outcome *o)
{
    json_t *out = json_object(), *response = json_object();
    json_put_str(out, "message", json_get_str(message, "id"));
    json_put_str(out, "recipient", o->recipient);
    json_put_str(out, "action", o->action);
    json_put_str(response, "message", o->diagnostic);
    json_put_str(response, "status", o->status);
    json_put(out, "response", response);
    json_put_str(out, "date", json_get_str(message, "date"));
    return out;
}

void account_report_put(const struct account_report *r, json_t *message)
{
    struct arena arena = {0};
    struct mime_outcome outcomes[ACCOUNT_REPORT_RECIPIENTS];
    struct mime_decoder *decoder = mime_decoder_new(r->encoding);
    struct buf plain = BUF_INIT(ACCOUNT_REPORT_BYTES);
    json_t *bounces = json_array();
    (void)(mime_decoder_feed(decoder, r->body.bytes, r->body.len, &plain) &&
           mime_decoder_end(decoder, &plain));
    size_t count =
        mime_report_parse(&arena, buf_str(&plain), outcomes, ACCOUNT_REPORT_RECIPIENTS);
    for (size_t i = 0; i < count; i++) {
        json_push(bounces, outcome_json(message, &outcomes[i]));
    }
    if (count > 0) {
        json_put(message, "bounces", json_incref(bounces));
    }
    json_decref(bounces);
    buf_fini(&plain);
    mime_decoder_free(&decoder);
    arena_fini(&arena);
}
