#include "rich_spec.h"

#include "postrider/base/err.h"

static bool check_even(const json_t *value, struct err *err)
{
    return json_integer_value(value) % 2 == 0 ||
           err_set(err, ERR_INVALID, "must be even");
}

static const struct field_spec auth_fields[] = {
    F_STR("user", FIELD_REQUIRED, F_MAX_LEN(256)),
    F_STR("accessToken", FIELD_FALSE_OK, F_MAX_LEN(32)),
    F_STR(
        "pass", FIELD_WRITE_ONLY, F_MAX_LEN(8),
        F_WHEN(
            {.field = "accessToken", .then = {WHEN_OFF}, .otherwise = {WHEN_REQUIRED}})),
};

static const struct field_spec imap_fields[] = {
    F_BOOL("useAuthServer", 0),
    F_OBJ("auth", FIELD_FALSE_OK, F_LABEL("Auth"), F_FIELDS(auth_fields),
          F_WHEN({.field = "useAuthServer", .is = F_LIST("true"), .then = {WHEN_OFF}})),
    F_STR("host", FIELD_REQUIRED, F_FORMAT(HOSTNAME)),
    F_INT("port", 0, F_RANGE(1, 65535), F_DEFAULT("993")),
    F_BOOL("secure", 0, F_DEFAULT("false")),
    F_OBJ("tls", FIELD_UNKNOWN_OK),
};

static const struct field_spec rcpt_fields[] = {
    F_STR("name", FIELD_TRIM | FIELD_EMPTY_ABSENT, F_MAX_LEN(10)),
    F_STR("address", FIELD_REQUIRED | FIELD_TRIM | FIELD_LOWER, F_FORMAT(EMAIL)),
};

static const struct field_spec permission_fields[] = {
    F_ARR("actions", FIELD_SINGLE | FIELD_UNIQUE, F_MIN_LEN(1),
          F_ITEM(F_STR(NULL, 0, F_ENUM("read", "write")))),
};
static const struct field_spec full_permissions =
    F_OBJ(NULL, FIELD_REQUIRED, F_LABEL("Permissions"), F_MIN_LEN(1),
          F_FIELDS(permission_fields));

static const struct field_when by_method = {.field = "method",
                                            .is = F_LIST("external"),
                                            .then = {.set = FIELD_EMPTY_OK},
                                            .otherwise = {WHEN_REQUIRED}};

static const struct field_spec fields[] = {
    F_STR("account", FIELD_TRIM | FIELD_NULLABLE | FIELD_EMPTY_ABSENT, F_MAX_LEN(5),
          F_DOC("Name of the account")),
    F_STR("email", FIELD_EMPTY_ABSENT, F_FORMAT(EMAIL)),
    F_ARR("path", FIELD_SINGLE | FIELD_NULLABLE, F_MAX_LEN(3),
          F_ITEM(F_STR(NULL, FIELD_EMPTY_ABSENT, F_MAX_LEN(10)))),
    F_STR("url", FIELD_EMPTY_OK, F_URI("http", "https")),
    F_BOOL("copy", FIELD_NULLABLE),
    F_BOOL("loose", FIELD_LOOSE | FIELD_EMPTY_ABSENT, F_DEFAULT("false")),
    F_BOOL("looseOn", FIELD_LOOSE_ON),
    F_STR("from", FIELD_NULLABLE, F_FORMAT(DATE_TIME), F_DEFAULT("null")),
    F_STR("future", FIELD_FUTURE, F_FORMAT(DATE_TIME)),
    F_STR("ip", 0, F_FORMAT(IP)),
    F_STR("raw", 0, F_FORMAT(BASE64)),
    F_STR("id", 0, F_FORMAT(BASE64URL)),
    F_STR("guid", 0, F_FORMAT(GUID)),
    F_STR("hex", FIELD_UPPER, F_LEN(4), F_FORMAT(HEX)),
    F_STR("export", 0, F_PATTERN("^exp_[a-f0-9]{24}$")),
    F_STR("topic", 0, F_PATTERN("^(?!goog)[A-Za-z][A-Za-z0-9\\-_.~+%]{2,254}$")),
    F_NUM("temperature", 0, F_RANGE(0, 2)),
    F_NUM("weight", FIELD_POSITIVE),
    F_INT("even", 0, F_CHECK(check_even)),
    F_INT("gone", FIELD_FORBIDDEN),
    F_STR("secretNote", FIELD_STRIP | FIELD_UNDOCUMENTED, F_MAX_LEN(3)),
    F_STR("name", 0, F_MIN_LEN(2), F_DENY("admin", "root")),
    F_OBJ("imap", FIELD_FALSE_OK, F_LABEL("Imap"), F_FIELDS(imap_fields)),
    F_ARR("to", FIELD_SINGLE,
          F_ITEM(F_OBJ(NULL, 0, F_LABEL("Rcpt"), F_FIELDS(rcpt_fields)))),
    F_OBJ("headers", 0, F_MIN_LEN(1), .key_pattern = "[A-Za-z-]+",
          F_ITEM(F_STR(NULL, FIELD_EMPTY_OK, F_MAX_LEN(5)))),
    F_OBJ("restrictions", FIELD_EMPTY_ABSENT | FIELD_FALSE_ABSENT, F_FIELDS(rcpt_fields)),
    F_ANY("anything"),
    F_STR("provider", 0, F_ENUM("gmail", "gmailService", "outlook")),
    F_STR("method", 0, F_ENUM("key", "external"),
          F_WHEN({.field = "provider",
                  .is = F_LIST("gmailService"),
                  .then = {.default_json = "\"key\""},
                  .otherwise = {WHEN_OFF}})),
    F_STR("serviceKey", 0,
          F_WHEN({.field = "provider",
                  .is = F_LIST("gmailService"),
                  .then = {.when = &by_method},
                  .otherwise = {WHEN_OFF}})),
    F_STR("cloud", 0,
          F_WHEN({.field = "provider",
                  .is = F_LIST("outlook"),
                  .then = {.values = F_LIST("global", "china"),
                           .default_json = "\"global\""},
                  .otherwise = {WHEN_FORBIDDEN}})),
    F_OBJ("permissions", 0,
          F_WHEN({.field = "account", .otherwise = {.set = 0}},
                 {.field = "cloud", .then = {.spec = &full_permissions}})),
};

static const struct field_dep deps[] = {
    {RELATION_OXOR, F_LIST("raw", "url")},
    {RELATION_NAND, F_LIST("ip", "id", "hex")},
    {RELATION_AND, F_LIST("temperature", "weight")},
};

const struct field_spec rich_spec =
    F_OBJ(NULL, FIELD_REQUIRED, F_LABEL("Rich"), F_FIELDS(fields), F_DEPS(deps));
