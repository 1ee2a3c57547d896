#include "postrider/base/clock.h"
#include "rich_spec.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* `out`: members that the normal form has besides the three defaults, or the messages. */
struct row {
    const char *in, *out;
};

#define DEFAULTS "\"loose\":false,\"from\":null"

static const struct row valid[] = {
    {"{}", "{" DEFAULTS "}"},
    {"{'account':'  ab '}", "{'account':'ab'," DEFAULTS "}"},
    {"{'account':null}", "{'account':null," DEFAULTS "}"},
    {"{'account':'  '}", "{" DEFAULTS "}"},
    {"{'email':''}", "{" DEFAULTS "}"},
    {"{'account':'\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4'}",
     "{'account':'\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4'," DEFAULTS "}"},
    {"{'path':'INBOX'}", "{'path':['INBOX']," DEFAULTS "}"},
    {"{'path':['a','b']}", "{'path':['a','b']," DEFAULTS "}"},
    {"{'path':null}", "{'path':null," DEFAULTS "}"},
    {"{'url':''}", "{'url':''," DEFAULTS "}"},
    {"{'url':'HTTPS://x/y?z#f'}", "{'url':'HTTPS://x/y?z#f'," DEFAULTS "}"},
    {"{'copy':'TRUE'}", "{'copy':true," DEFAULTS "}"},
    {"{'copy':null}", "{'copy':null," DEFAULTS "}"},
    {"{'loose':'y'}", "{'loose':true,'from':null}"},
    {"{'loose':'1'}", "{'loose':true,'from':null}"},
    {"{'loose':0}", "{" DEFAULTS "}"},
    {"{'loose':''}", "{" DEFAULTS "}"},
    {"{'looseOn':'on'}", "{'looseOn':true," DEFAULTS "}"},
    {"{'looseOn':''}", "{'looseOn':false," DEFAULTS "}"},
    {"{'from':'2026-01-02T03:04:05+01:00'}",
     "{'loose':false,'from':'2026-01-02T02:04:05.000Z'}"},
    {"{'future':'2026-11-24T00:00:00Z'}",
     "{'future':'2026-11-24T00:00:00.000Z'," DEFAULTS "}"},
    {"{'ip':'::1'}", "{'ip':'::1'," DEFAULTS "}"},
    {"{'raw':'YQ=='}", "{'raw':'YQ=='," DEFAULTS "}"},
    {"{'id':'_-A'}", "{'id':'_-A'," DEFAULTS "}"},
    {"{'hex':'0aFf'}", "{'hex':'0AFF'," DEFAULTS "}"},
    {"{'export':'exp_0123456789abcdef01234567'}",
     "{'export':'exp_0123456789abcdef01234567'," DEFAULTS "}"},
    {"{'topic':'a-b%'}", "{'topic':'a-b%'," DEFAULTS "}"},
    {"{'temperature':'1.5','weight':1}", "{'temperature':1.5,'weight':1," DEFAULTS "}"},
    {"{'even':' 4 '}", "{'even':4," DEFAULTS "}"},
    {"{'even':4.0}", "{'even':4," DEFAULTS "}"},
    {"{'even':'1e3'}", "{'even':1000," DEFAULTS "}"},
    {"{'secretNote':'abc'}", "{" DEFAULTS "}"},
    {"{'imap':false}", "{'imap':false," DEFAULTS "}"},
    {"{'imap':{'host':'h','auth':{'user':'u','pass':'p'}}}",
     "{'imap':{'host':'h','auth':{'user':'u','pass':'p'},'port':993,'secure':false}"
     "," DEFAULTS "}"},
    {"{'imap':{'host':'h','auth':{'user':'u','accessToken':'t','pass':false}}}",
     "{'imap':{'host':'h','auth':{'user':'u','accessToken':'t','pass':false},"
     "'port':993,'secure':false}," DEFAULTS "}"},
    {"{'imap':{'host':'h','useAuthServer':true,'auth':null,'tls':{'a':[1,{}]}}}",
     "{'imap':{'host':'h','useAuthServer':true,'auth':null,'tls':{'a':[1,{}]},"
     "'port':993,'secure':false}," DEFAULTS "}"},
    {"{'to':{'address':' A@B.C ','name':''}}",
     "{'to':[{'address':'a@b.c'}]," DEFAULTS "}"},
    {"{'headers':{'X-A':'','b':'c'}}", "{'headers':{'X-A':'','b':'c'}," DEFAULTS "}"},
    {"{'restrictions':false}", "{" DEFAULTS "}"},
    {"{'restrictions':''}", "{" DEFAULTS "}"},
    {"{'anything':[{'a':null}]}", "{'anything':[{'a':null}]," DEFAULTS "}"},
    {"{'provider':'gmailService','serviceKey':'k'}",
     "{'provider':'gmailService','serviceKey':'k','method':'key'," DEFAULTS "}"},
    {"{'provider':'gmailService','method':'external','serviceKey':''}",
     "{'provider':'gmailService','serviceKey':'','method':'external'," DEFAULTS "}"},
    {"{'provider':'gmail','method':null,'serviceKey':false}",
     "{'provider':'gmail','serviceKey':false,'method':null," DEFAULTS "}"},
    {"{'provider':'outlook','permissions':{'actions':'read'}}",
     "{'provider':'outlook','cloud':'global','permissions':{'actions':['read']}," DEFAULTS
     "}"},
};

static const struct row invalid[] = {
    {"[]", "\"value\" must be of type object"},
    {"null", "\"value\" must be of type object"},
    {"{'x':1}", "\"x\" is not allowed"},
    {"{'account':5}", "\"account\" must be a string"},
    {"{'account':'abcdef'}",
     "\"account\" length must be less than or equal to 5 characters long"},
    {"{'name':''}", "\"name\" is not allowed to be empty"},
    {"{'name':'a'}", "\"name\" length must be at least 2 characters long"},
    {"{'name':'root'}", "\"name\" contains an invalid value"},
    {"{'hex':'abc'}", "\"hex\" length must be 4 characters long"},
    {"{'hex':'abcx'}", "\"hex\" must only contain hexadecimal characters"},
    {"{'email':'a'}", "\"email\" must be a valid email"},
    {"{'email':'a@b\\r\\nc'}", "\"email\" must be a valid email"},
    {"{'email':'a..b@c.d'}", "\"email\" must be a valid email"},
    {"{'path':['a','','c']}", "\"path.1\" must not be a sparse array item"},
    {"{'path':[1,'b',{}]}", "\"path.0\" must be a string|\"path.2\" must be a string"},
    {"{'path':['a','b','c','d']}", "\"path\" must contain less than or equal to 3 items"},
    {"{'url':'ftp://x'}",
     "\"url\" must be a valid uri with an allowed scheme [http, https]"},
    {"{'url':'http:///x'}", "\"url\" must be a valid uri [http, https]"},
    {"{'url':'http://x y'}", "\"url\" must be a valid uri [http, https]"},
    {"{'url':'x'}", "\"url\" must be a valid uri [http, https]"},
    {"{'copy':'yes'}", "\"copy\" must be a boolean"},
    {"{'copy':1}", "\"copy\" must be a boolean"},
    {"{'loose':'on'}", "\"loose\" must be a boolean"},
    {"{'from':'yesterday'}", "\"from\" must be in ISO 8601 date format"},
    {"{'from':5}", "\"from\" must be a string"},
    {"{'future':'2026-11-22T00:00:00Z'}", "\"future\" must be greater than \"now\""},
    {"{'ip':'1.2.3'}", "\"ip\" must be a valid ip address"},
    {"{'raw':'YQ='}", "\"raw\" must be a valid base64 string"},
    {"{'id':'A'}", "\"id\" must be a valid base64 string"},
    {"{'guid':'x'}", "\"guid\" must be a valid GUID"},
    {"{'export':'exp_x'}",
     "\"export\" fails to match the required pattern: /^exp_[a-f0-9]{24}$/"},
    {"{'even':'x'}", "\"even\" must be a number"},
    {"{'even':''}", "\"even\" must be a number"},
    {"{'even':2.5}", "\"even\" must be an integer"},
    {"{'even':9007199254740993}", "\"even\" must be a safe number"},
    {"{'even':1e300}", "\"even\" must be a safe number"},
    {"{'even':3}", "\"even\" must be even"},
    {"{'even':null}", "\"even\" must be a number"},
    {"{'temperature':2.1,'weight':1}", "\"temperature\" must be less than or equal to 2"},
    {"{'temperature':-1,'weight':0}",
     "\"temperature\" must be greater than or equal to 0|"
     "\"weight\" must be a positive number"},
    {"{'temperature':1}", "\"value\" must contain all or none of [temperature, weight]"},
    {"{'gone':1}", "\"gone\" is not allowed"},
    {"{'secretNote':'abcd'}",
     "\"secretNote\" length must be less than or equal to 3 characters long"},
    {"{'imap':{}}", "\"imap.host\" is required"},
    {"{'imap':{'host':'-a','port':0,'x':1}}",
     "\"imap.host\" must be a valid hostname|"
     "\"imap.port\" must be greater than or equal to 1|\"imap.x\" is not allowed"},
    {"{'imap':{'host':'h','auth':{'user':'u'}}}", "\"imap.auth.pass\" is required"},
    {"{'imap':{'host':'h','auth':{'user':'u','accessToken':'t','pass':'p'}}}",
     "\"imap.auth.pass\" must be one of [false, null]"},
    {"{'imap':{'host':'h','auth':{'user':'u','accessToken':[],'pass':'p'}}}",
     "\"imap.auth.accessToken\" must be a string|"
     "\"imap.auth.pass\" must be one of [false, null]"},
    {"{'to':[{'address':'a@b.c'},{},7]}",
     "\"to.1.address\" is required|\"to.2\" must be of type object"},
    {"{'headers':{}}", "\"headers\" must contain at least 1 members"},
    {"{'headers':{'a b':'c'}}", "\"headers.a b\" is not allowed"},
    {"{'headers':{'a':'123456'}}",
     "\"headers.a\" length must be less than or equal to 5 characters long"},
    {"{'provider':'x'}", "\"provider\" must be one of [gmail, gmailService, outlook]"},
    {"{'provider':'gmailService'}", "\"serviceKey\" is required"},
    {"{'provider':'gmail','method':'key'}", "\"method\" must be one of [false, null]"},
    {"{'cloud':'global'}", "\"cloud\" is not allowed|\"permissions\" is required"},
    {"{'provider':'outlook'}", "\"permissions\" is required"},
    {"{'provider':'outlook','cloud':'dod','permissions':{'actions':['read']}}",
     "\"cloud\" must be one of [global, china]"},
    {"{'provider':'outlook','permissions':{}}",
     "\"permissions\" must contain at least 1 members"},
    {"{'provider':'outlook','permissions':{'actions':['read','read']}}",
     "\"permissions.actions\" contains a duplicate value"},
    {"{'provider':'outlook','permissions':{'actions':[]}}",
     "\"permissions.actions\" must contain at least 1 items"},
    {"{'raw':'YQ==','url':'http://x'}",
     "\"value\" contains a conflict between optional exclusive peers [raw, url]"},
    {"{'ip':'::1','id':'AA','hex':'abcd'}",
     "\"value\" must not contain all of [ip, id, hex]"},
};

static json_t *parse(const char *text)
{
    char copy[2048];
    size_t n = 0;
    for (; text[n] != '\0'; n++) {
        copy[n] = text[n] == '\'' ? '"' : text[n];
    }
    json_t *v = NULL;
    struct err err;
    if (!json_parse_strict(str_from(copy, n), sizeof copy, &v, &err)) {
        fail_msg("%s: %s", text, err.msg);
    }
    return v;
}

static void messages(const struct spec_errors *errs, struct buf *out)
{
    for (size_t i = 0; i < errs->count; i++) {
        (void)buf_printf(out, "%s%s", i > 0 ? "|" : "", errs->items[i].message);
    }
}

static int freeze_clock(void **state)
{
    (void)state;
    static int64_t now_ms;
    assert_true(clock_parse_iso(STR("2026-11-23T00:00:00Z"), &now_ms));
    clock_set_fake(&now_ms);
    return 0;
}

static int thaw_clock(void **state)
{
    (void)state;
    clock_set_fake(NULL);
    return 0;
}

static void valid_rows_have_their_normal_form(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(valid); i++) {
        json_t *in ATTR_CLEANUP(json_cleanup) = parse(valid[i].in);
        json_t *want ATTR_CLEANUP(json_cleanup) = parse(valid[i].out);
        json_t *before ATTR_CLEANUP(json_cleanup) = json_deep_copy(in);
        json_t *out ATTR_CLEANUP(json_cleanup) = NULL;
        json_t *again ATTR_CLEANUP(json_cleanup) = NULL;
        struct spec_errors errs = {0};
        struct buf text = BUF_INIT(10000);
        bool ok = spec_validate_value(&rich_spec, in, &out, &errs);
        messages(&errs, &text);
        if (!ok) {
            fail_msg("%s: %s", valid[i].in, buf_c(&text));
        }
        assert_true(json_emit(out, &text));
        if (!json_equal(out, want)) {
            fail_msg("%s: %s", valid[i].in, buf_c(&text));
        }
        assert_true(json_equal(in, before));
        assert_true(spec_validate_value(&rich_spec, out, &again, &errs));
        assert_true(json_equal(out, again));
        spec_errors_fini(&errs);
        buf_fini(&text);
    }
}

static void invalid_rows_tell_everything(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(invalid); i++) {
        json_t *in ATTR_CLEANUP(json_cleanup) = parse(invalid[i].in);
        json_t *out = NULL;
        struct spec_errors errs = {0};
        struct buf text = BUF_INIT(10000);
        bool ok = spec_validate_value(&rich_spec, in, &out, &errs);
        messages(&errs, &text);
        if (ok || strcmp(buf_c(&text), invalid[i].out) != 0) {
            fail_msg("%s: %s", invalid[i].in, ok ? "valid" : buf_c(&text));
        }
        assert_null(out);
        spec_errors_fini(&errs);
        buf_fini(&text);
    }
}

static void errors_are_capped_and_serialized(void **state)
{
    (void)state;
    static const struct field_spec none[] = {F_INT("n", FIELD_REQUIRED)};
    json_t *in ATTR_CLEANUP(json_cleanup) = json_object();
    json_t *out = NULL;
    struct spec_errors errs = {0};
    char name[16];
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(name, sizeof name, "k%d", i);
        json_put_int(in, name, i);
    }
    assert_false(spec_validate(none, ARRAY_LEN(none), in, &out, &errs));
    assert_int_equal(errs.count, SPEC_ERRORS_MAX);
    assert_true(errs.truncated);
    json_t *list ATTR_CLEANUP(json_cleanup) = spec_errors_json(&errs);
    assert_string_equal(json_get_cstr(json_array_get(list, 0), "key"), "n");
    spec_errors_fini(&errs);
    assert_false(spec_validate(none, ARRAY_LEN(none), NULL, &out, &errs));
    spec_errors_fini(&errs);
}

static void long_paths_are_cut(void **state)
{
    (void)state;
    static char name[4000];
    memset(name, 'n', sizeof name - 1);
    json_t *in ATTR_CLEANUP(json_cleanup) = json_object();
    json_t *out = NULL;
    struct spec_errors errs = {0};
    json_put_int(in, name, 1);
    assert_false(spec_validate_value(&rich_spec, in, &out, &errs));
    assert_true(strlen(errs.items[0].key) < 600);
    spec_errors_fini(&errs);
}

static const struct field_spec level_row = F_INT("level", 0, F_RANGE(1, 9));
static const struct field_spec secret_row =
    F_STR("secret", FIELD_TRIM, F_WHEN({.field = "level", .then = {WHEN_REQUIRED}}));

static void members_are_validated_one_by_one(void **state)
{
    (void)state;
    json_t *done ATTR_CLEANUP(json_cleanup) = json_object();
    json_t *five ATTR_CLEANUP(json_cleanup) = json_string("5");
    json_t *text ATTR_CLEANUP(json_cleanup) = json_string(" x ");
    json_t *ten ATTR_CLEANUP(json_cleanup) = json_integer(10);
    json_t *want ATTR_CLEANUP(json_cleanup) = parse("{'level':5,'secret':'x'}");
    struct spec_errors errs = {0};
    assert_true(spec_validate_member(&secret_row, NULL, done, &errs));
    assert_int_equal(json_object_size(done), 0);
    assert_true(spec_validate_member(&level_row, five, done, &errs));
    assert_false(spec_validate_member(&secret_row, NULL, done, &errs));
    assert_string_equal(errs.items[0].message, "\"secret\" is required");
    assert_true(spec_validate_member(&secret_row, text, done, &errs));
    assert_false(spec_validate_member(&level_row, ten, done, &errs));
    assert_string_equal(errs.items[1].key, "level");
    assert_true(json_equal(done, want));
    spec_errors_fini(&errs);
}

static void pattern_rows(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *text;
        bool match;
    } rows[] = {
        {"^a$", "a", true},
        {"a", "aa", false},
        {"", "", true},
        {"a*", "", true},
        {"a*", "aaaa", true},
        {"a*b", "aaab", true},
        {"a*ab", "aaab", true},
        {"a?a?a?aaa", "aaa", true},
        {"a+", "", false},
        {"[^a-c]+", "xyz", true},
        {"[^a-c]+", "xbz", false},
        {"[a\\]]+", "a]", true},
        {"[a-]+", "a-a", true},
        {"a{2}", "aa", true},
        {"a{2}", "aaa", false},
        {"a{2,}", "aaaaa", true},
        {"a{2,3}b", "aaaab", false},
        {"a{0,1}b", "b", true},
        {".+@.+", "x@y", true},
        {"\\.\\*", ".*", true},
        {"^(?!goog)[a-z]{3,}$", "google", false},
        {"^(?!goog)[a-z]{3,}$", "goo", true},
        {"^[a-z][a-z0-9-]{4,28}[a-z0-9]$", "abc-def", true},
        {"^[a-z][a-z0-9-]{4,28}[a-z0-9]$", "abc-de-", false},
        {"^[a-z][a-z0-9-]{4,28}[a-z0-9]$", "abcde", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (spec_pattern_match(rows[i].pattern, str_of(rows[i].text)) != rows[i].match) {
            fail_msg("%s ~ %s", rows[i].text, rows[i].pattern);
        }
    }
}

static void schema_says_what_the_table_says(void **state)
{
    (void)state;
    json_t *components ATTR_CLEANUP(json_cleanup) = json_object();
    json_t *schema ATTR_CLEANUP(json_cleanup) = spec_schema(&rich_spec, components);
    assert_string_equal(json_get_cstr(schema, "$ref"), "#/components/schemas/Rich");
    json_t *rich = json_get_obj(components, "Rich");
    json_t *members = json_get_obj(rich, "properties");
    assert_false(json_get_bool(rich, "additionalProperties", true));
    json_t *note = json_get_obj(members, "secretNote");
    assert_true(json_get_bool(note, "x-undocumented", false));
    assert_int_equal(json_get_int(note, "maxLength", 0), 3);
    json_t *account = json_get_obj(members, "account");
    assert_string_equal(json_get_cstr(account, "description"), "Name of the account");
    assert_int_equal(json_array_size(json_get_arr(account, "anyOf")), 2);
    assert_null(json_get_obj(members, "gone"));
    assert_int_equal(
        json_array_size(json_get_arr(json_get_obj(members, "provider"), "enum")), 3);
    json_t *imap = json_get_obj(components, "Imap");
    assert_string_equal(
        json_string_value(json_array_get(json_get_arr(imap, "required"), 0)), "host");
    json_t *port = json_get_obj(json_get_obj(imap, "properties"), "port");
    assert_int_equal(json_get_int(port, "default", 0), 993);
    assert_int_equal(json_get_int(port, "maximum", 0), 65535);
}

static void a_value_may_come_several_times(void **state)
{
    (void)state;
    static const struct field_spec rows[] = {
        F_STR("path", FIELD_MANY | FIELD_REQUIRED, F_MAX_LEN(3))};
    static const struct {
        const char *in;
        bool ok;
    } inputs[] = {{"{\"path\":\"a\"}", true},      {"{\"path\":[\"a\",\"b\"]}", true},
                  {"{\"path\":[\"a\",1]}", false}, {"{\"path\":[\"abcd\"]}", false},
                  {"{\"path\":[[\"a\"]]}", false}, {"{}", false}};
    for (size_t i = 0; i < ARRAY_LEN(inputs); i++) {
        struct spec_errors errs = {0};
        json_t *in ATTR_CLEANUP(json_cleanup) = json_loads(inputs[i].in, 0, NULL);
        json_t *out ATTR_CLEANUP(json_cleanup) = NULL;
        assert_int_equal(spec_validate(rows, ARRAY_LEN(rows), in, &out, &errs),
                         inputs[i].ok);
        assert_true(!inputs[i].ok || json_equal(in, out));
        spec_errors_fini(&errs);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_may_come_several_times),
        cmocka_unit_test(valid_rows_have_their_normal_form),
        cmocka_unit_test(invalid_rows_tell_everything),
        cmocka_unit_test(errors_are_capped_and_serialized),
        cmocka_unit_test(long_paths_are_cut),
        cmocka_unit_test(members_are_validated_one_by_one),
        cmocka_unit_test(pattern_rows),
        cmocka_unit_test(schema_says_what_the_table_says),
    };
    return cmocka_run_group_tests(tests, freeze_clock, thaw_clock);
}
