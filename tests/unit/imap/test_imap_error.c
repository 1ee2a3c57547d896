#include "imap_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct refusal_case {
    enum imap_cond cond;
    enum imap_code_kind code;
    const char *code_name;
    const char *text;
    enum imap_context context;
    enum err_code want;
};

#define NO(code, text, context, want)                                                    \
    {                                                                                    \
        IMAP_COND_NO, IMAP_CODE_##code, #code, text, IMAP_CONTEXT_##context, want        \
    }
#define BAD(text, context, want)                                                         \
    {                                                                                    \
        IMAP_COND_BAD, IMAP_CODE_NONE, NULL, text, IMAP_CONTEXT_##context, want          \
    }

static const struct refusal_case cases[] = {
    NO(NONE, "no", AUTH, ERR_AUTH),
    NO(NONE, "no", MAILBOX, ERR_NO_MAILBOX),
    NO(NONE, "no", OTHER, ERR_NO),
    NO(OVERQUOTA, "full", STORAGE, ERR_QUOTA),
    NO(OVERQUOTA, "full", OTHER, ERR_THROTTLED),
    NO(OVERQUOTA, "Account exceeded command or bandwidth limits", STORAGE, ERR_THROTTLED),
    NO(INUSE, "busy", MAILBOX, ERR_THROTTLED),
    NO(AUTHENTICATIONFAILED, "please try again later", AUTH, ERR_AUTH),
    NO(NONE, "Please TRY AGAIN LATER", AUTH, ERR_THROTTLED),
    NO(ALERT, "Too many simultaneous connections. (Failure)", AUTH, ERR_MAXCONN),
    NO(NONE, "SELECT Unsafe Login. Please contact the provider", MAILBOX, ERR_NO),
    NO(TRYCREATE, "create it", STORAGE, ERR_NO_MAILBOX),
    NO(WEBALERT, "log in", AUTH, ERR_AUTH),
    BAD("what", AUTH, ERR_PROTOCOL),
    BAD("what", OTHER, ERR_BAD),
    BAD("User is authenticated but not connected.", OTHER, ERR_THROTTLED),
    BAD("Command Error. 10", AUTH, ERR_AUTH),
    BAD("Command Error. 10", OTHER, ERR_BAD),
    {IMAP_COND_BYE, IMAP_CODE_NONE, NULL, "bye", IMAP_CONTEXT_AUTH, ERR_BYE},
};

static void refusals_are_classified(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct refusal_case *c = &cases[i];
        struct imap_resp resp = {
            .cond = c->cond,
            .text = str_of(c->text),
            .code = {.kind = c->code,
                     .name = str_of(c->code_name != NULL ? c->code_name : "")}};
        struct err err;
        err_clear(&err);
        imap_error_from_resp(&err, "X", c->context, &resp);
        if (err.code != c->want) {
            fail_msg("case %zu, \"%s\": %s", i, c->text, err_code_name(err.code));
        }
        assert_string_equal(err.peer_code, c->code != IMAP_CODE_NONE ? c->code_name : "");
    }
}

static void messages_are_bounded_and_printable(void **state)
{
    (void)state;
    char text[1000];
    struct err err;
    memset(text, '\x1b', sizeof text);
    struct imap_resp resp = {.cond = IMAP_COND_NO, .text = str_from(text, sizeof text)};
    err_clear(&err);
    imap_error_from_resp(&err, "X", IMAP_CONTEXT_OTHER, &resp);
    assert_true(strlen(err.msg) < ERR_MSG_MAX);
    assert_null(strchr(err.msg, '\x1b'));
}

static void backoff_hints_are_read_and_capped(void **state)
{
    static const struct {
        const char *msg;
        int64_t want;
    } hints[] = {
        {"Request is throttled. Suggested Backoff Time: 2500 milliseconds", 2500},
        {"suggested backoff time: 99999999 milliseconds", 300000},
        {"Suggested Backoff Time: soon", 0},
        {"Suggested Backoff Time: ", 0},
        {"", 0}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(hints); i++) {
        struct err err;
        err_clear(&err);
        err_set(&err, ERR_THROTTLED, "%s", hints[i].msg);
        assert_int_equal(imap_backoff_hint_ms(&err), hints[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals_are_classified),
        cmocka_unit_test(messages_are_bounded_and_printable),
        cmocka_unit_test(backoff_hints_are_read_and_capped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
