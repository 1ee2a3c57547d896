/* The command line: exit status and which stream the words go to. */
#include "postrider/base/str.h"
#include "postrider/cli/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    ARGS_MAX = 8,
    TEXT_MAX = 64 * 1024,
    SERVED = 42
};

struct output {
    char out[TEXT_MAX], err[TEXT_MAX];
};

static int served_flags;

static int serve(int argc, char *const *argv, const struct config *config,
                 const char *config_path)
{
    (void)argv;
    (void)config_path;
    assert_non_null(config);
    served_flags = argc;
    return SERVED;
}

static void take(FILE *stream, FILE *file, int saved, char text[TEXT_MAX])
{
    (void)fflush(stream);
    assert_true(dup2(saved, fileno(stream)) >= 0);
    (void)close(saved);
    rewind(file);
    text[fread(text, 1, TEXT_MAX - 1, file)] = '\0';
    (void)fclose(file);
}

static int run(const char *const *words, struct output *o)
{
    char storage[ARGS_MAX][128] = {"postrider"};
    char *argv[ARGS_MAX + 1] = {storage[0]};
    int argc = 1;
    for (; words[argc - 1] != NULL; argc++) {
        assert_true(argc < ARGS_MAX);
        (void)snprintf(storage[argc], sizeof storage[argc], "%s", words[argc - 1]);
        argv[argc] = storage[argc];
    }
    FILE *out = tmpfile(), *err = tmpfile();
    assert_true(out != NULL && err != NULL);
    (void)fflush(stdout);
    (void)fflush(stderr);
    int saved_out = dup(STDOUT_FILENO), saved_err = dup(STDERR_FILENO);
    assert_true(dup2(fileno(out), STDOUT_FILENO) >= 0);
    assert_true(dup2(fileno(err), STDERR_FILENO) >= 0);
    int status = cli_main(argc, argv, serve);
    take(stdout, out, saved_out, o->out);
    take(stderr, err, saved_err, o->err);
    return status;
}

static void words_decide_status_and_output(void **state)
{
    static const struct {
        const char *words[ARGS_MAX];
        int status;
        const char *out, *err; /* must be part of it; NULL: nothing at all */
    } rows[] = {
        {{"version"}, CLI_DONE, "postrider ", NULL},
        {{"help"}, CLI_DONE, "token issue", NULL},
        {{"--help"}, CLI_DONE, "Usage:", NULL},
        {{"help", "token", "issue"}, CLI_DONE, "--scope", NULL},
        {{"token", "issue", "--help"}, CLI_DONE, "--scope", NULL},
        {{"help", "nothing"}, CLI_USAGE, NULL, "nothing"},
        {{"nothing"}, CLI_USAGE, NULL, "no such command: nothing"},
        {{"token"}, CLI_USAGE, NULL, "no such command: token"},
        {{"token", "issue"}, CLI_USAGE, NULL, "--scope and --description"},
        {{"token", "issue", "--scope", "root"}, CLI_USAGE, NULL, "no such scope: root"},
        {{"token", "issue", "--scope"}, CLI_USAGE, NULL, "a value is missing"},
        {{"token", "issue", "--what", "x"}, CLI_USAGE, NULL, "unknown option: --what"},
        {{"token", "list", "x"}, CLI_USAGE, NULL, "no arguments"},
        {{"token", "revoke"}, CLI_USAGE, NULL, "one token"},
        {{"serve", "x"}, CLI_USAGE, NULL, "no arguments"},
        {{"--config"}, CLI_USAGE, NULL, "--config needs a file"},
        {{"check-config", "--config", "/nonexistent/x.conf"}, CLI_FAILED, NULL, "x.conf"},
        {{"check-config", "--http.port=nine"}, CLI_FAILED, NULL, "http.port"},
        {{"check-config", "--http.pork=9"}, CLI_USAGE, NULL, "http.pork"},
        {{"check-config", "--redis.url=ftp://x"}, CLI_FAILED, NULL, "redis.url"},
        {{"check-config", "--redis.url=redis://127.0.0.1"},
         CLI_DONE,
         "batch_messages",
         NULL},
    };
    static struct output o;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int status = run(rows[i].words, &o);
        const char *const want[] = {rows[i].out, rows[i].err};
        const char *const got[] = {o.out, o.err};
        for (size_t k = 0; k < 2; k++) {
            if (status != rows[i].status ||
                (want[k] != NULL ? strstr(got[k], want[k]) == NULL : got[k][0] != '\0')) {
                fail_msg("row %zu: status %d\nstdout: %s\nstderr: %s", i, status, o.out,
                         o.err);
            }
        }
    }
}

static void serve_gets_the_flags(void **state)
{
    static const char *const implicit[] = {"--http.port=0", NULL};
    static const char *const named[] = {"serve", "--http.port", "0", NULL};
    static struct output o;
    (void)state;
    assert_int_equal(run(implicit, &o), SERVED);
    assert_int_equal(served_flags, 1);
    assert_int_equal(run(named, &o), SERVED);
    assert_int_equal(served_flags, 2);
}

static void secrets_are_not_printed(void **state)
{
    static const char *const words[] = {"check-config",
                                        "--redis.url=redis://:hunter2@127.0.0.1", NULL};
    static struct output o;
    (void)state;
    assert_int_equal(run(words, &o), CLI_DONE);
    assert_null(strstr(o.out, "hunter2"));
    assert_null(strstr(o.err, "hunter2"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_decide_status_and_output),
        cmocka_unit_test(serve_gets_the_flags),
        cmocka_unit_test(secrets_are_not_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
