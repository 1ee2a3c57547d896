/* The supervised redis-server, with the client on top. */
#include "loop_fixture.h"

#include "postrider/base/log.h"
#include "postrider/redis/redis.h"
#include "postrider/redis/redis_embedded.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    WAIT_MS = 20000,
    TICK_US = 20000
};

struct fixture {
    struct loop *loop;
    struct net *net;
    struct redis *r;
    struct redis_embedded *e;
    char dir[64];
    char url[REDIS_EMBEDDED_URL_SIZE];
    bool ready;
    bool down;
    bool done;
    char text[64];
    enum err_code code;
};

static int setup(void **state)
{
    static struct fixture f;
    f = (struct fixture){0};
    log_configure(LOG_OFF, LOG_FORMAT_TEXT);
    (void)snprintf(f.dir, sizeof f.dir, "/tmp/postrider-embedded-XXXXXX");
    if (mkdtemp(f.dir) == NULL) {
        return -1;
    }
    f.loop = loop_fixture_new();
    f.net = net_new(f.loop, &(struct net_config){.egress = EGRESS_PRIVATE});
    *state = &f;
    return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    /* A supervisor whose daemon was killed tidies up at the same time. */
    return remove(path) == 0 || errno == ENOENT ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    redis_free(&f->r);
    redis_embedded_stop(&f->e);
    loop_fixture_run_for(f->loop, 20);
    net_free(&f->net);
    loop_fixture_free(&f->loop);
    for (int i = 0; i < 100 && access(f->dir, F_OK) == 0; i++) {
        (void)nftw(f->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
        (void)usleep(TICK_US);
    }
    return access(f->dir, F_OK) == 0;
}

static void start(struct fixture *f, const char *dir)
{
    struct err err = {0};
    f->e = redis_embedded_start(dir, f->url, sizeof f->url, &err);
    if (f->e == NULL && strstr(err.msg, "not installed") != NULL &&
        getenv("CI") == NULL) {
        print_message("SKIPPED: redis-server is not installed\n");
        skip();
    }
    assert_non_null(f->e);
}

static void on_state(struct redis *r, enum redis_state state, const struct err *err,
                     void *ctx)
{
    (void)r;
    (void)err;
    struct fixture *f = ctx;
    f->ready = state == REDIS_STATE_READY;
    f->down = !f->ready;
}

static void connect_client(struct fixture *f)
{
    struct err err = {0};
    f->ready = false;
    f->r = redis_new(f->net, &(struct redis_config){.url = f->url}, &err);
    assert_non_null(f->r);
    redis_set_state_cb(f->r, on_state, f);
    loop_fixture_run_until(f->loop, &f->ready, WAIT_MS);
}

static void on_reply(struct redis_cmd *cmd, const struct err *err,
                     const struct redis_reply *reply, void *ctx)
{
    (void)cmd;
    struct fixture *f = ctx;
    f->done = true;
    f->code = err != NULL ? err->code : ERR_OK;
    if (reply != NULL && reply->type == REDIS_ARRAY && reply->count == 2) {
        reply = &reply->items[1];
    }
    struct str text = reply != NULL ? reply->str : STR("");
    (void)snprintf(f->text, sizeof f->text, "%.*s", STR_ARG(text));
}

static const char *ask(struct fixture *f, const char *a, const char *b, const char *c)
{
    const struct str argv[] = {str_of(a), str_of(b), str_of(c)};
    f->done = false;
    (void)redis_cmd_start(f->r, c != NULL ? 3 : 2, argv, WAIT_MS, on_reply, f);
    loop_fixture_run_until(f->loop, &f->done, WAIT_MS);
    assert_int_equal(f->code, ERR_OK);
    return f->text;
}

static pid_t server_pid(const char *dir)
{
    char path[128];
    char text[32] = "";
    (void)snprintf(path, sizeof path, "%s/redis.pid", dir);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return 0;
    }
    bool ok = fgets(text, sizeof text, file) != NULL;
    (void)fclose(file);
    return ok ? (pid_t)strtol(text, NULL, 10) : 0;
}

static void wait_gone(pid_t pid)
{
    for (int i = 0; kill(pid, 0) == 0; i++) {
        assert_true(i < 500);
        (void)usleep(TICK_US);
    }
}

static void it_is_set_up_to_keep_data(void **state)
{
    struct fixture *f = *state;
    start(f, f->dir);
    connect_client(f);
    assert_string_equal(ask(f, "CONFIG", "GET", "appendonly"), "yes");
    assert_string_equal(ask(f, "CONFIG", "GET", "appendfsync"), "everysec");
    assert_string_equal(ask(f, "CONFIG", "GET", "maxmemory-policy"), "noeviction");
    assert_string_equal(ask(f, "CONFIG", "GET", "port"), "0");
    char path[128];
    struct stat st;
    (void)snprintf(path, sizeof path, "%s/redis.sock", f->dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 077, 0);
    char url[REDIS_EMBEDDED_URL_SIZE];
    struct err err = {0};
    assert_true(redis_embedded_url(f->dir, url, sizeof url, &err));
    assert_string_equal(url, f->url);
}

static void data_survives_stop_and_start(void **state)
{
    struct fixture *f = *state;
    start(f, f->dir);
    connect_client(f);
    assert_string_equal(ask(f, "SET", "kept", "value"), "OK");
    pid_t pid = server_pid(f->dir);
    assert_true(pid > 0);
    redis_free(&f->r);
    redis_embedded_stop(&f->e);
    assert_null(f->e);
    assert_int_equal(kill(pid, 0), -1);
    start(f, f->dir);
    connect_client(f);
    assert_string_equal(ask(f, "GET", "kept", NULL), "value");
}

static void a_killed_server_comes_back(void **state)
{
    struct fixture *f = *state;
    start(f, f->dir);
    connect_client(f);
    assert_string_equal(ask(f, "SET", "kept", "value"), "OK");
    pid_t first = server_pid(f->dir);
    assert_int_equal(kill(first, SIGKILL), 0);
    loop_fixture_run_until(f->loop, &f->down, WAIT_MS);
    loop_fixture_run_until(f->loop, &f->ready, WAIT_MS);
    assert_string_equal(ask(f, "GET", "kept", NULL), "value");
    assert_true(server_pid(f->dir) != first);
}

/* A second process plays the daemon and dies without a word. */
static pid_t run_daemon(struct fixture *f)
{
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct err err = {0};
        char url[REDIS_EMBEDDED_URL_SIZE];
        struct redis_embedded *e = redis_embedded_start(f->dir, url, sizeof url, &err);
        (void)!write(ready[1], e != NULL ? "y" : "n", 1);
        for (;;) {
            (void)pause();
        }
    }
    char answer = 0;
    assert_int_equal(read(ready[0], &answer, 1), 1);
    assert_int_equal(answer, 'y');
    (void)close(ready[0]);
    (void)close(ready[1]);
    for (int i = 0; server_pid(f->dir) == 0; i++) {
        assert_true(i < 500);
        (void)usleep(TICK_US);
    }
    return pid;
}

static void it_ends_with_a_daemon_that_is_killed(void **state)
{
    struct fixture *f = *state;
    start(f, f->dir); /* skips without redis-server */
    redis_embedded_stop(&f->e);
    pid_t daemon_pid = run_daemon(f);
    pid_t server = server_pid(f->dir);
    assert_int_equal(kill(daemon_pid, SIGKILL), 0);
    assert_int_equal(waitpid(daemon_pid, NULL, 0), daemon_pid);
    wait_gone(server);
}

static void the_next_daemon_takes_over_at_once(void **state)
{
    struct fixture *f = *state;
    start(f, f->dir);
    redis_embedded_stop(&f->e);
    for (int i = 0; i < 3; i++) {
        pid_t daemon_pid = run_daemon(f);
        assert_int_equal(kill(daemon_pid, SIGKILL), 0);
        assert_int_equal(waitpid(daemon_pid, NULL, 0), daemon_pid);
        start(f, f->dir);
        connect_client(f);
        /* Perhaps the old server, on its way out: then the client comes back. */
        loop_fixture_run_for(f->loop, 300);
        f->ready = redis_state_get(f->r) == REDIS_STATE_READY;
        loop_fixture_run_until(f->loop, &f->ready, WAIT_MS);
        assert_string_equal(ask(f, "SET", "a", "b"), "OK");
        redis_free(&f->r);
        redis_embedded_stop(&f->e);
        assert_int_equal(server_pid(f->dir), 0);
    }
}

static void a_survivor_is_adopted(void **state)
{
    struct fixture *f = *state;
    start(f, f->dir);
    connect_client(f);
    assert_string_equal(ask(f, "SET", "kept", "value"), "OK");
    pid_t survivor = server_pid(f->dir);
    redis_free(&f->r);
    /* A second supervisor in the same directory sees what one after a crash would. */
    struct redis_embedded *second = NULL;
    struct err err = {0};
    second = redis_embedded_start(f->dir, f->url, sizeof f->url, &err);
    assert_non_null(second);
    connect_client(f);
    assert_string_equal(ask(f, "GET", "kept", NULL), "value");
    loop_fixture_run_for(f->loop, 500);
    assert_int_equal(server_pid(f->dir), survivor);
    redis_free(&f->r);
    /* Ends the survivor; the first supervisor is stopped by the teardown. */
    redis_embedded_stop(&f->e);
    connect_client(f);
    assert_string_equal(ask(f, "GET", "kept", NULL), "value");
    assert_true(server_pid(f->dir) != survivor);
    f->e = second;
}

static void a_long_directory_moves_the_socket(void **state)
{
    struct fixture *f = *state;
    char dir[256];
    (void)snprintf(dir, sizeof dir, "%s/%0100d", f->dir, 7);
    (void)setenv("RUNTIME_DIRECTORY", f->dir, 1);
    start(f, dir);
    (void)unsetenv("RUNTIME_DIRECTORY");
    assert_null(strstr(f->url, "0000000007"));
    connect_client(f);
    assert_string_equal(ask(f, "SET", "a", "b"), "OK");
}

static void a_missing_server_is_explained(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    char file[128];
    (void)snprintf(file, sizeof file, "%s/file", f->dir);
    assert_true(close(open(file, O_CREAT | O_WRONLY, 0600)) == 0);
    assert_null(redis_embedded_start(file, f->url, sizeof f->url, &err));
    assert_int_equal(err.code, ERR_CONFIG);
    assert_null(redis_embedded_start("", f->url, sizeof f->url, &err));
    assert_int_equal(err.code, ERR_CONFIG);
}

static void the_lock_has_one_holder(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    char dir[128];
    struct stat st;
    int fd = -1;
    int other = -1;
    (void)snprintf(dir, sizeof dir, "%s/deep/data", f->dir);
    assert_true(data_dir_lock(dir, &fd, &err));
    assert_int_equal(stat(dir, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_false(data_dir_lock(dir, &other, &err));
    assert_int_equal(err.code, ERR_CONFIG);
    char pid[32];
    (void)snprintf(pid, sizeof pid, "(%d)", (int)getpid());
    assert_non_null(strstr(err.msg, pid));
    /* The supervisor does not keep it. */
    start(f, dir);
    assert_int_equal(close(fd), 0);
    assert_true(data_dir_lock(dir, &fd, &err));
    assert_int_equal(close(fd), 0);
    redis_embedded_stop(&f->e);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_is_set_up_to_keep_data),
        TEST(data_survives_stop_and_start),
        TEST(a_killed_server_comes_back),
        TEST(it_ends_with_a_daemon_that_is_killed),
        TEST(the_next_daemon_takes_over_at_once),
        TEST(a_survivor_is_adopted),
        TEST(a_long_directory_moves_the_socket),
        TEST(a_missing_server_is_explained),
        TEST(the_lock_has_one_holder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
