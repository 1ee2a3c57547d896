/* GET /v1/autoconfig: the mail servers of an address. Large providers are known; of others
 * the usual names below the domain are looked up. */
#include "api_handlers.h"
#include "postrider/base/mem.h"
#include "postrider/net/net.h"

#include <stdio.h>

enum {
    NAME_LEN_MAX = 253,
    DOMAIN_MAX = NAME_LEN_MAX - 5, /* with the longest of the names in front */
    IMAPS_PORT = 993,
    SMTPS_PORT = 465,
    SUBMISSION_PORT = 587
};

struct server {
    const char *host; /* NULL = none */
    uint16_t port;
    bool secure;
};

struct provider {
    const char *const *domains;
    struct server imap, smtp;
    const char *password_name; /* who wants a password of its own for programs, or NULL */
    const char *password_help;
};

#define DOMAINS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define IMAPS(name)                                                                      \
    {                                                                                    \
        .host = (name), .port = IMAPS_PORT, .secure = true                               \
    }
#define SMTPS(name)                                                                      \
    {                                                                                    \
        .host = (name), .port = SMTPS_PORT, .secure = true                               \
    }
#define SUBMIT(name)                                                                     \
    {                                                                                    \
        .host = (name), .port = SUBMISSION_PORT                                          \
    }

/* What the providers say in their help for mail programs. */
static const struct provider providers[] = {
    {DOMAINS("gmail.com", "googlemail.com"), IMAPS("imap.gmail.com"),
     SMTPS("smtp.gmail.com"), "gmail",
     "https://support.google.com/accounts/answer/185833"},
    {DOMAINS("outlook.com", "hotmail.com", "live.com", "msn.com", "outlook.de",
             "hotmail.de", "hotmail.fr", "hotmail.co.uk", "live.de", "live.fr"),
     IMAPS("outlook.office365.com"), SUBMIT("smtp.office365.com"), NULL, NULL},
    {DOMAINS("yahoo.com", "ymail.com", "rocketmail.com", "yahoo.de", "yahoo.fr",
             "yahoo.co.uk"),
     IMAPS("imap.mail.yahoo.com"), SMTPS("smtp.mail.yahoo.com"), "yahoo",
     "https://help.yahoo.com/kb/SLN15241.html"},
    {DOMAINS("aol.com"), IMAPS("imap.aol.com"), SMTPS("smtp.aol.com"), "aol",
     "https://help.aol.com/articles/Create-and-manage-app-password"},
    {DOMAINS("icloud.com", "me.com", "mac.com"), IMAPS("imap.mail.me.com"),
     SUBMIT("smtp.mail.me.com"), "icloud", "https://support.apple.com/102654"},
    {DOMAINS("fastmail.com", "fastmail.fm"), IMAPS("imap.fastmail.com"),
     SMTPS("smtp.fastmail.com"), "fastmail",
     "https://www.fastmail.help/hc/articles/360058752854"},
    {DOMAINS("gmx.net", "gmx.de", "gmx.at", "gmx.ch"), IMAPS("imap.gmx.net"),
     SMTPS("mail.gmx.net"), NULL, NULL},
    {DOMAINS("gmx.com"), IMAPS("imap.gmx.com"), SMTPS("mail.gmx.com"), NULL, NULL},
    {DOMAINS("web.de"), IMAPS("imap.web.de"), SUBMIT("smtp.web.de"), NULL, NULL},
    {DOMAINS("t-online.de"), IMAPS("secureimap.t-online.de"),
     SMTPS("securesmtp.t-online.de"), NULL, NULL},
    {DOMAINS("mailbox.org"), IMAPS("imap.mailbox.org"), SMTPS("smtp.mailbox.org"), NULL,
     NULL},
    {DOMAINS("posteo.de", "posteo.net"), IMAPS("posteo.de"), SMTPS("posteo.de"), NULL,
     NULL},
    {DOMAINS("yandex.com", "yandex.ru", "ya.ru"), IMAPS("imap.yandex.com"),
     SMTPS("smtp.yandex.com"), "yandex",
     "https://yandex.com/support/id/authorization/app-passwords.html"},
    {DOMAINS("mail.ru", "bk.ru", "inbox.ru", "list.ru"), IMAPS("imap.mail.ru"),
     SMTPS("smtp.mail.ru"), "mailru",
     "https://help.mail.ru/mail/security/protection/external"},
    {DOMAINS("zoho.com", "zohomail.com"), IMAPS("imap.zoho.com"), SMTPS("smtp.zoho.com"),
     NULL, NULL},
    {DOMAINS("163.com"), IMAPS("imap.163.com"), SMTPS("smtp.163.com"), NULL, NULL},
    {DOMAINS("126.com"), IMAPS("imap.126.com"), SMTPS("smtp.126.com"), NULL, NULL},
    {DOMAINS("qq.com"), IMAPS("imap.qq.com"), SMTPS("smtp.qq.com"), NULL, NULL},
};

/* Names under which mail servers usually are; the first that exists is taken. */
static const char *const imap_names[] = {"imap.", "mail."};
static const char *const smtp_names[] = {"smtp.", "mail."};

/* --- answers --- */

static json_t *server_json(const struct server *server, struct str user)
{
    if (server->host == NULL) {
        return json_false();
    }
    json_t *auth = json_object();
    json_t *out = json_object();
    json_put_str(auth, "user", user);
    json_put(out, "auth", auth);
    json_put_cstr(out, "host", server->host);
    json_put_int(out, "port", server->port);
    json_put_bool(out, "secure", server->secure);
    return out;
}

static json_t *answer_json(const struct provider *p, struct str user, const char *source)
{
    json_t *out = json_object();
    json_put(out, "imap", server_json(&p->imap, user));
    json_put(out, "smtp", server_json(&p->smtp, user));
    if (p->password_name != NULL) {
        json_t *password = json_object();
        json_put_bool(password, "required", true);
        json_put_cstr(password, "provider", p->password_name);
        json_put_cstr(password, "instructions", p->password_help);
        json_put(out, "appPassword", password);
    }
    json_put_cstr(out, "_source", source);
    return out;
}

static const struct provider *provider_of(struct str domain)
{
    for (size_t i = 0; i < ARRAY_LEN(providers); i++) {
        for (const char *const *name = providers[i].domains; *name != NULL; name++) {
            if (str_ieq_c(domain, *name)) {
                return &providers[i];
            }
        }
    }
    return NULL;
}

/* --- names below the domain --- */

struct lookup {
    const char *const *names;
    size_t name_count;
    size_t at;
    struct net_resolve *op;
    char host[NAME_LEN_MAX + 1]; /* "" = none was found */
    struct search *search;
};

struct search {
    struct api_task *task;
    char domain[NAME_LEN_MAX + 1];
    struct lookup imap, smtp;
    size_t open; /* lookups under way */
};

static void cancel_search(void *op)
{
    struct search *search = op;
    net_resolve_cancel(search->imap.op);
    net_resolve_cancel(search->smtp.op);
}

static void finish(struct search *search)
{
    static const struct err none = {.code = ERR_OK};
    struct api_task *task = search->task;
    struct provider found = {0};
    json_t *out = NULL;
    if (search->imap.host[0] != '\0') {
        found.imap = (struct server)IMAPS(search->imap.host);
    }
    if (search->smtp.host[0] != '\0') {
        found.smtp = (struct server)SMTPS(search->smtp.host);
    }
    if (task->call != NULL) {
        out = answer_json(&found, json_get_str(task->call->query, "email"), "dns");
    }
    api_task_reply(task, &none, out);
    mem_free(search);
}

static void look_on(struct lookup *l);

static void on_resolved(struct net_resolve *op ATTR_UNUSED, const struct err *err,
                        const struct net_addresses *addresses ATTR_UNUSED, void *ctx)
{
    struct lookup *l = ctx;
    struct search *search = l->search;
    l->op = NULL;
    if (err->code != ERR_OK) {
        l->host[0] = '\0';
        l->at++;
    }
    if (err->code != ERR_OK && l->at < l->name_count && search->task->call != NULL) {
        look_on(l);
    } else if (--search->open == 0) {
        finish(search);
    }
}

static void look_on(struct lookup *l)
{
    struct search *search = l->search;
    struct net *net = accounts_net(search->task->services->accounts);
    (void)snprintf(l->host, sizeof l->host, "%s%s", l->names[l->at], search->domain);
    l->op =
        net_resolve_start(net, l->host, search->task->call->timeout_ms, on_resolved, l);
}

static void search_start(struct api_call *call, struct str domain)
{
    struct search *search = MEM_NEW(struct search);
    search->task = api_task_new(call, cancel_search);
    search->task->op = search;
    search->open = 2;
    (void)snprintf(search->domain, sizeof search->domain, "%.*s", STR_ARG(domain));
    search->imap = (struct lookup){
        .names = imap_names, .name_count = ARRAY_LEN(imap_names), .search = search};
    search->smtp = (struct lookup){
        .names = smtp_names, .name_count = ARRAY_LEN(smtp_names), .search = search};
    look_on(&search->imap);
    look_on(&search->smtp);
}

/* What is behind the last "@". */
static struct str domain_of(struct str email)
{
    size_t at = email.len;
    while (at > 0 && email.ptr[at - 1] != '@') {
        at--;
    }
    return str_tail(email, at);
}

void api_autoconfig_get(struct api_call *call)
{
    static const struct provider none = {0};
    struct str email = json_get_str(call->query, "email");
    struct str domain = domain_of(email);
    const struct provider *known = provider_of(domain);
    if (known != NULL) {
        api_reply_json(call, 200, answer_json(known, email, "known"));
    } else if (domain.len > DOMAIN_MAX) {
        api_reply_json(call, 200, answer_json(&none, email, "dns"));
    } else {
        search_start(call, domain);
    }
}

/* --- rows --- */

static const struct field_spec query[] = {
    F_STR("email", FIELD_REQUIRED, F_FORMAT(EMAIL), F_DOC("Address")),
};

static const struct field_spec auth_fields[] = {
    F_STR("user", 0, F_MAX_LEN(256), F_DOC("User name")),
};

static const struct field_spec server_fields[] = {
    F_OBJ("auth", 0, F_LABEL("DetectedAuthenticationInfo"), F_FIELDS(auth_fields)),
    F_STR("host", 0, F_FORMAT(HOSTNAME), F_DOC("Host of the server")),
    F_INT("port", 0, F_RANGE(1, 65536), F_DOC("Port")),
    F_BOOL("secure", 0, F_DEFAULT("false"), F_DOC("TLS from the first byte")),
};

static const struct field_spec password_fields[] = {
    F_BOOL("required", 0, F_DOC("Whether the password of the account is refused")),
    F_STR("provider", 0),
    F_STR("instructions", 0, F_DOC("Where to make a password for a program")),
};

static const struct field_spec response_fields[] = {
    F_OBJ("imap", FIELD_FALSE_OK, F_LABEL("ResolvedServerSettings"),
          F_FIELDS(server_fields), F_DOC("IMAP server, false if none was found")),
    F_OBJ("smtp", FIELD_FALSE_OK, F_LABEL("DiscoveredServerSettings"),
          F_FIELDS(server_fields), F_DOC("SMTP server, false if none was found")),
    F_OBJ("appPassword", FIELD_UNKNOWN_OK, F_LABEL("DiscoveredAppPasswordInfo"),
          F_FIELDS(password_fields), F_DOC("If a password of its own is needed")),
    F_STR("_source", 0, F_DOC("known: a large provider; dns: usual names")),
};

static const struct field_spec response =
    F_OBJ(NULL, 0, F_LABEL("DiscoveredEmailSettings"), F_FIELDS(response_fields));

const struct api_route api_autoconfig_routes[API_AUTOCONFIG_ROUTES] = {
    {.method = "GET",
     .path = "/v1/autoconfig",
     .operation_id = "getV1Autoconfig",
     .tag = "Settings",
     .summary = "Find the mail servers of an address",
     .scope = "api",
     .action = "read",
     .group = "diagnostics",
     ROUTE_QUERY(query),
     .response = &response,
     ROUTE_EXAMPLE(.reply = "{'imap': {'auth': {'user': 'ann@gmail.com'}, 'host': "
                            "'imap.gmail.com', 'port': 993, 'secure': true}, 'smtp': "
                            "{'auth': {'user': 'ann@gmail.com'}, 'host': "
                            "'smtp.gmail.com', 'port': 465, 'secure': true}, "
                            "'_source': 'known'}"),
     .handler = api_autoconfig_get},
};
