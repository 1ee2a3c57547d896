#include "httpc_priv.h"

#include "postrider/base/num.h"

#include <stdio.h>

/* curl's own parser, so that what is checked here is what is connected to later: it also
 * brings octal, hexadecimal and short IPv4 forms into dotted form. */
static bool get_part(CURLU *u, CURLUPart part, unsigned flags, char *out, size_t size)
{
    char *text = NULL;
    if (curl_url_get(u, part, &text, flags) != CURLUE_OK) {
        return false;
    }
    size_t len = strlen(text);
    if (len < size) {
        memcpy(out, text, len + 1);
    }
    curl_free(text);
    return len < size;
}

static void strip_brackets(char *host)
{
    size_t len = strlen(host);
    if (len >= 2 && host[0] == '[') {
        memmove(host, host + 1, len - 2);
        host[len - 2] = '\0';
    }
}

static bool parse_parts(CURLU *u, struct httpc_url *out, struct err *err)
{
    char scheme[16];
    char port[8];
    uint64_t number;
    if (!get_part(u, CURLUPART_SCHEME, 0, scheme, sizeof scheme) ||
        (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)) {
        return err_set(err, ERR_INVALID, "the URL is neither http nor https");
    }
    out->tls = strcmp(scheme, "https") == 0;
    if (!get_part(u, CURLUPART_HOST, 0, out->host, sizeof out->host) ||
        out->host[0] == '\0') {
        return err_set(err, ERR_INVALID, "the URL has no host, or one that is too long");
    }
    for (char *c = out->host; *c != '\0'; c++) {
        *c = ascii_lower(*c);
    }
    strip_brackets(out->host);
    if (!get_part(u, CURLUPART_PORT, CURLU_DEFAULT_PORT, port, sizeof port) ||
        !num_u64(str_of(port), UINT16_MAX, &number) || number == 0) {
        return err_set(err, ERR_INVALID, "the URL has no usable port");
    }
    out->port = (uint16_t)number;
    return true;
}

bool httpc_url_parse(const char *url, struct httpc_url *out, struct err *err)
{
    if (url == NULL || strlen(url) > HTTPC_URL_MAX) {
        return err_set(err, ERR_INVALID, "the URL is missing or longer than %d bytes",
                       HTTPC_URL_MAX);
    }
    CURLU *u = curl_url();
    if (u == NULL) {
        return err_set(err, ERR_INTERNAL, "out of memory for a URL");
    }
    struct httpc_url found = {0};
    bool ok = curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK
                  ? parse_parts(u, &found, err)
                  : err_set(err, ERR_INVALID, "the URL is malformed");
    curl_url_cleanup(u);
    if (ok) {
        *out = found;
    }
    return ok;
}

bool httpc_origin_get(const char *url, struct httpc_origin *out, struct err *err)
{
    struct httpc_url parts;
    if (!httpc_url_parse(url, &parts, err)) {
        return false;
    }
    bool v6 = strchr(parts.host, ':') != NULL;
    (void)snprintf(out->text, sizeof out->text, "%s://%s%s%s:%u",
                   parts.tls ? "https" : "http", v6 ? "[" : "", parts.host, v6 ? "]" : "",
                   (unsigned)parts.port);
    return true;
}
