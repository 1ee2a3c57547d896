/* GET /reference: a page that shows the API, made in the browser from swagger.json. It
 * loads nothing from elsewhere and runs nothing but its own script. */
#include "api_priv.h"

#include "embedded.h"

static void reply_file(struct api_call *call, const char *type, struct str body)
{
    static const struct httpd_header headers[] = {
        {"Content-Security-Policy",
         "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
         "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
        {"Referrer-Policy", "no-referrer"},
    };
    api_reply_raw(call, &(struct httpd_reply){.status = 200,
                                              .content_type = type,
                                              .body = body,
                                              .headers = headers,
                                              .header_count = ARRAY_LEN(headers)});
}

#define EMBEDDED(name)                                                                   \
    str_from((const char *)embedded_reference_##name, embedded_reference_##name##_len)

static void get_page(struct api_call *call)
{
    reply_file(call, "text/html; charset=utf-8", EMBEDDED(html));
}

static void get_script(struct api_call *call)
{
    reply_file(call, "text/javascript; charset=utf-8", EMBEDDED(js));
}

static void get_style(struct api_call *call)
{
    reply_file(call, "text/css; charset=utf-8", EMBEDDED(css));
}

static const struct api_route rows[] = {
    {.method = "GET",
     .path = "/reference",
     .operation_id = "getReference",
     .flags = API_PUBLIC | API_HIDDEN,
     .handler = get_page},
    {.method = "GET",
     .path = "/reference/reference.js",
     .operation_id = "getReferenceReferencejs",
     .flags = API_PUBLIC | API_HIDDEN,
     .handler = get_script},
    {.method = "GET",
     .path = "/reference/reference.css",
     .operation_id = "getReferenceReferencecss",
     .flags = API_PUBLIC | API_HIDDEN,
     .handler = get_style},
};

const struct api_table api_reference_table = {rows, ARRAY_LEN(rows)};
