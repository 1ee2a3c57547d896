/* api_input: the three inputs of a call, checked against its row; all errors together. */
#include "api_priv.h"
#include "postrider/base/check.h"
#include "postrider/base/num.h"

struct str api_path_value(const struct api_call_frame *frame, const char *name)
{
    for (size_t i = 0; i < frame->entry->segment_count; i++) {
        if (str_eq_c(api_segment_name(frame->entry->segments[i]), name)) {
            return httpd_req_segment(frame->call.req, i);
        }
    }
    return STR_NULL;
}

static void check_params(struct api_call_frame *frame, struct spec_errors *errs)
{
    struct field_walk walk;
    const struct field_spec *row;
    frame->call.params = json_object();
    field_walk_init(&walk, frame->entry->route->params, frame->entry->route->param_count);
    while ((row = field_walk_next(&walk)) != NULL) {
        json_t *raw = json_str_repaired(api_path_value(frame, row->name));
        (void)spec_validate_member(row, raw, frame->call.params, errs);
        json_decref(raw);
    }
}

/* A name that comes twice makes a list. */
static json_t *raw_query(const struct api_call_frame *frame)
{
    const struct httpd_req *req = frame->call.req;
    json_t *out = json_object();
    for (size_t i = 0; i < httpd_req_arg_count(req); i++) {
        const struct httpd_arg *arg = httpd_req_arg(req, i);
        const char *name = arena_strndup(frame->call.arena, arg->name.ptr, arg->name.len);
        json_t *value = json_str_repaired(arg->value);
        json_t *known = json_object_get(out, name);
        if (frame->call.api->config.token_in_query && strcmp(name, "access_token") == 0) {
            json_decref(value);
        } else if (json_is_array(known)) {
            json_push(known, value);
        } else if (known != NULL) {
            json_t *list = json_array();
            json_push(list, json_incref(known));
            json_push(list, value);
            json_put(out, name, list);
        } else {
            json_put(out, name, value);
        }
    }
    return out;
}

static void check_query(struct api_call_frame *frame, struct spec_errors *errs)
{
    const struct api_route *route = frame->entry->route;
    if (httpd_req_arg_count(frame->call.req) == 0 && frame->entry->plain_query != NULL) {
        frame->call.query = json_incref(frame->entry->plain_query);
        return;
    }
    json_t *raw ATTR_CLEANUP(json_cleanup) = raw_query(frame);
    if (route->query_count == 0 && (route->flags & API_PUBLIC) != 0) {
        frame->call.query = json_incref(raw); /* probes add what they like */
        return;
    }
    (void)spec_validate(route->query, route->query_count, raw, &frame->call.query, errs);
}

static bool parse_body(struct api_call_frame *frame, json_t **out, struct err *err)
{
    struct str text = str_trim(httpd_req_body(frame->call.req));
    if (text.len == 0) {
        *out = json_object();
        return true;
    }
    if (!json_parse_strict(text, text.len, out, err)) {
        return err_wrap(err, "request body");
    }
    const struct field_spec *spec = frame->entry->route->body;
    if (json_is_null(*out) && (spec->flags & FIELD_NULLABLE) != 0) {
        json_decref(*out);
        *out = json_object();
    }
    return true;
}

static bool check_body(struct api_call_frame *frame, struct spec_errors *errs,
                       struct err *err)
{
    const struct api_route *route = frame->entry->route;
    json_t *raw ATTR_CLEANUP(json_cleanup) = NULL;
    if (route->body == NULL || (route->flags & API_STREAM_BODY) != 0) {
        return true;
    }
    const char *coding = httpd_req_header(frame->call.req, "Content-Encoding");
    if (coding != NULL && !str_ieq_c(str_of(coding), "identity")) {
        return err_set(err, ERR_UNSUPPORTED, "request body: compression is not accepted");
    }
    if (!parse_body(frame, &raw, err)) {
        return false;
    }
    (void)spec_validate_value(route->body, raw, &frame->call.body, errs);
    return true;
}

static void check_timeout(struct api_call_frame *frame, struct spec_errors *errs)
{
    int64_t configured = frame->call.api->config.timeout_ms;
    const char *text = httpd_req_header(frame->call.req, "X-EE-Timeout");
    uint64_t ms = 0;
    if (text != NULL &&
        !num_u64(str_trim(str_of(text)), (uint64_t)API_TIMEOUT_MAX_MS, &ms)) {
        spec_errors_add(errs, "x-ee-timeout",
                        "\"x-ee-timeout\" must be a number from 0 to %d",
                        API_TIMEOUT_MAX_MS);
    }
    frame->call.timeout_ms = configured > 0 ? configured : API_TIMEOUT_MS;
    if (ms > 0) {
        frame->call.timeout_ms = (int64_t)ms;
    }
}

bool api_input_read(struct api_call_frame *frame)
{
    struct spec_errors errs = {0};
    struct err err = {.code = ERR_OK};
    check_params(frame, &errs);
    check_query(frame, &errs);
    check_timeout(frame, &errs);
    bool parsed = check_body(frame, &errs, &err);
    if (!parsed) {
        api_reply_err(&frame->call, &err);
    } else if (errs.count > 0) {
        api_reply_invalid(&frame->call, &errs);
    }
    bool ok = parsed && errs.count == 0;
    spec_errors_fini(&errs);
    return ok;
}
