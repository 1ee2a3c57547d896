#include "config_priv.h"

#include "postrider/base/mem.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    char dir[64];
    char path[96];
};

static void clear_environment(void)
{
    for (size_t i = 0; i < CONFIG_ROW_COUNT; i++) {
        char name[CONFIG_NAME_SIZE];
        char file_name[CONFIG_NAME_SIZE + 8];
        config_row_variable(&config_rows[i], name);
        (void)snprintf(file_name, sizeof file_name, "%s_FILE", name);
        (void)unsetenv(name);
        (void)unsetenv(file_name);
    }
    (void)unsetenv("STATE_DIRECTORY");
}

static int setup(void **state)
{
    static struct fixture f;
    (void)snprintf(f.dir, sizeof f.dir, "/tmp/postrider-config-XXXXXX");
    if (mkdtemp(f.dir) == NULL) {
        return -1;
    }
    (void)snprintf(f.path, sizeof f.path, "%s/test.conf", f.dir);
    clear_environment();
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    clear_environment();
    (void)unlink(f->path);
    return rmdir(f->dir);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* Arguments as one string, separated by blanks. */
static const struct config *load(const char *flags, const char *path, struct err *err)
{
    char text[512];
    char *argv[32];
    int argc = 0;
    (void)snprintf(text, sizeof text, "%s", flags);
    char *rest = text;
    for (char *part; (part = strsep(&rest, " ")) != NULL;) {
        if (part[0] != '\0') {
            argv[argc++] = part;
        }
    }
    return config_load(argc, argv, path, err);
}

static void defaults(void **state)
{
    (void)state;
    struct err err = {0};
    const struct config *c = load("", NULL, &err);
    assert_non_null(c);
    assert_string_equal(c->http.host, "127.0.0.1");
    assert_int_equal(c->http.port, 3000);
    assert_string_equal(c->redis.url, "embedded");
    assert_string_equal(c->redis.prefix, "pr");
    assert_null(c->redis.ca_file);
    assert_false(c->redis.allow_eviction);
    assert_null(c->secret.key);
    assert_int_equal(c->log.level, LOG_INFO);
    assert_int_equal(c->log.format, LOG_FORMAT_JSON);
    assert_int_equal(c->net.egress, CONFIG_EGRESS_LINK_LOCAL);
    assert_int_equal(c->sync.delete_confirm_s, 60);
    assert_int_equal(c->sync.move_window_s, 120);
    assert_int_equal(c->sync.flags_refresh_s, 1800);
    assert_int_equal(c->sync.resets_per_day, 3);
    assert_int_equal(c->sync.batch_messages, 1000);
    assert_int_equal(c->sync.connect_concurrency, 64);
    assert_int_equal(c->webhook.timeout_ms, 30000);
    assert_int_equal(c->webhook.retry_first_ms, 5000);
    assert_int_equal(c->changelog.retention_days, 7);
    assert_non_null(c->data.dir);
    config_free(&c);
    assert_null(c);
    config_free(&c);
}

/* Each setting kind in every combination of file, variable and flag. */
static void stronger_places_win(void **state)
{
    struct fixture *f = *state;
    for (unsigned places = 0; places < 8; places++) {
        clear_environment();
        write_file(f->path, (places & 1) != 0
                                ? "[http]\nport = 1001\n[log]\nlevel = error\n"
                                  "[redis]\nallow_eviction = yes\nprefix = file\n"
                                : "# nothing\n");
        if ((places & 2) != 0) {
            (void)setenv("POSTRIDER_HTTP_PORT", "1002", 1);
            (void)setenv("POSTRIDER_LOG_LEVEL", "debug", 1);
            (void)setenv("POSTRIDER_REDIS_ALLOW_EVICTION", "0", 1);
            (void)setenv("POSTRIDER_REDIS_PREFIX", "env", 1);
        }
        struct err err = {0};
        const struct config *c =
            load((places & 4) != 0 ? "--http.port 1003 --log.level=trace "
                                     "--redis.allow_eviction --redis.prefix=flag"
                                   : "",
                 f->path, &err);
        assert_non_null(c);
        const struct {
            int64_t port;
            enum log_level level;
            bool allow;
            const char *prefix;
        } want[] = {{3000, LOG_INFO, false, "pr"},
                    {1001, LOG_ERROR, true, "file"},
                    {1002, LOG_DEBUG, false, "env"},
                    {1003, LOG_TRACE, true, "flag"}};
        size_t i = (places & 4) != 0 ? 3 : (places & 2) != 0 ? 2 : places;
        assert_int_equal(c->http.port, want[i].port);
        assert_int_equal(c->log.level, want[i].level);
        assert_int_equal(c->redis.allow_eviction, want[i].allow);
        assert_string_equal(c->redis.prefix, want[i].prefix);
        config_free(&c);
    }
}

static void booleans(void **state)
{
    (void)state;
    const struct {
        const char *flags;
        bool want;
    } cases[] = {{"--redis.tls_insecure=true", true},
                 {"--redis.tls_insecure=1", true},
                 {"--redis.tls_insecure=YES", true},
                 {"--redis.tls_insecure yes", true},
                 {"--redis.tls_insecure", true},
                 {"--redis.tls_insecure --http.port 1", true},
                 {"--redis.tls_insecure=false", false},
                 {"--redis.tls_insecure 0", false},
                 {"--redis.tls_insecure=no", false}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        const struct config *c = load(cases[i].flags, NULL, &err);
        assert_non_null(c);
        assert_int_equal(c->redis.tls_insecure, cases[i].want);
        config_free(&c);
    }
}

static void file_errors_name_the_line(void **state)
{
    struct fixture *f = *state;
    const struct {
        const char *text;
        const char *want; /* behind the path */
    } cases[] = {
        {"[nope]\n", ":1: unknown section [nope]"},
        {"[http]\nprot = 1\n", ":2: unknown setting prot in section [http]"},
        {"port = 1\n", ":1: port stands before the first [section]"},
        {"[http]\n\n# c\nport = x\n",
         ":4: http.port must be a whole number from 0 to 65535"},
        {"[http]\nport = 65536\n", ":2: http.port must be"},
        {"[http]\nport = 3000 # no\n", ":2: http.port must be"},
        {"[http]\nport = 0x10\n", ":2: http.port must be"},
        {"[http]\nport =\n", ":2: http.port must be"},
        {"[http]\nport = 1\nport = 2\n", ":3: http.port is set in line 2 already"},
        {"[http]\nhost\n", ":2: expected"},
        {"[http]\n= 1\n", ":2: expected"},
        {"[http\n", ":1: \"[\" without \"]\""},
        {"[http]\nhost =\n", ":2: http.host must not be empty"},
        {"[log]\nlevel = loud\n",
         ":2: log.level must be one of trace, debug, info, warn"},
        {"[redis]\nprefix = a{b\n", ":2: redis.prefix needs 1 to 32 letters"},
        {"[redis]\nallow_eviction = maybe\n", ":2: redis.allow_eviction must be true"},
        {"[redis]\nurl = redis://marker\x01\n", ":2: redis.url contains a control"},
        {"[net]\negress = marker\n", ":2: net.egress must be one of off, link-local"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        write_file(f->path, cases[i].text);
        struct err err = {0};
        assert_null(load("", f->path, &err));
        assert_int_equal(err.code, ERR_CONFIG);
        char want[256];
        (void)snprintf(want, sizeof want, "%s%s", f->path, cases[i].want);
        err.msg[strlen(err.msg) < strlen(want) ? strlen(err.msg) : strlen(want)] = '\0';
        assert_string_equal(err.msg, want);
    }
}

static void files_may_be_written_freely(void **state)
{
    struct fixture *f = *state;
    write_file(f->path, "\xef\xbb\xbf; comment\r\n  [ http ]  \r\n\tport=1\r\n"
                        "host = ::1 \n[redis]\nurl = redis://u:p=#;@h/1\n[http]\n"
                        "max_body = 2048");
    struct err err = {0};
    const struct config *c = load("", f->path, &err);
    assert_non_null(c);
    assert_int_equal(c->http.port, 1);
    assert_string_equal(c->http.host, "::1");
    assert_string_equal(c->redis.url, "redis://u:p=#;@h/1");
    assert_int_equal(c->http.max_body, 2048);
    config_free(&c);
    assert_null(load("", "/nonexistent/file", &err));
    assert_int_equal(err.code, ERR_IO);
    assert_null(load("", f->dir, &err));
    assert_int_equal(err.code, ERR_IO);
}

static void flag_errors_name_the_flag(void **state)
{
    (void)state;
    const struct {
        const char *flags;
        enum err_code code;
        const char *want;
    } cases[] = {
        {"--http.prot 1", ERR_USAGE, "--http.prot"},
        {"http.port 1", ERR_USAGE, "http.port"},
        {"--http.port", ERR_USAGE, "--http.port needs a value"},
        {"--http.port x", ERR_CONFIG, "--http.port: http.port must be"},
        {"--secret.kye=marker", ERR_USAGE, "--secret.kye"},
        {"--", ERR_USAGE, "unknown argument"},
        {"--webhook.retry_first_ms 5000 --webhook.retry_max_ms 100", ERR_CONFIG,
         "retry_first_ms"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        assert_null(load(cases[i].flags, NULL, &err));
        assert_int_equal(err.code, cases[i].code);
        assert_non_null(strstr(err.msg, cases[i].want));
        assert_null(strstr(err.msg, "marker"));
    }
    struct err err = {0};
    (void)setenv("POSTRIDER_HTTP_PORT", "tcp://10.0.0.1:80", 1);
    assert_null(load("", NULL, &err));
    assert_non_null(strstr(err.msg, "POSTRIDER_HTTP_PORT: http.port must be"));
    (void)setenv("POSTRIDER_HTTP_PORT", "", 1);
    const struct config *c = load("", NULL, &err);
    assert_non_null(c);
    config_free(&c);
}

static void secrets_come_from_files(void **state)
{
    struct fixture *f = *state;
    write_file(f->path, "  the secret passphrase \nsecond line\n");
    (void)setenv("POSTRIDER_SECRET_KEY_FILE", f->path, 1);
    struct err err = {0};
    const struct config *c = load("", NULL, &err);
    assert_non_null(c);
    assert_string_equal(c->secret.key, "the secret passphrase");
    config_free(&c);

    (void)setenv("POSTRIDER_SECRET_KEY", "another", 1);
    assert_null(load("", NULL, &err));
    assert_int_equal(err.code, ERR_CONFIG);
    assert_non_null(strstr(err.msg, "both set"));
    (void)unsetenv("POSTRIDER_SECRET_KEY");
    (void)setenv("POSTRIDER_SECRET_KEY_FILE", "/nonexistent/key", 1);
    assert_null(load("", NULL, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_non_null(strstr(err.msg, "POSTRIDER_SECRET_KEY_FILE"));
}

static void the_data_directory_follows_the_user(void **state)
{
    (void)state;
    struct err err = {0};
    (void)setenv("STATE_DIRECTORY", "/state/one:/state/two", 1);
    const struct config *c = load("", NULL, &err);
    assert_string_equal(c->data.dir, "/state/one");
    config_free(&c);
    c = load("--data.dir /here", NULL, &err);
    assert_string_equal(c->data.dir, "/here");
    config_free(&c);
    (void)unsetenv("STATE_DIRECTORY");
    c = load("", NULL, &err);
    assert_non_null(strstr(c->data.dir, "postrider"));
    config_free(&c);
}

static void the_dump_hides_secrets_and_loads_again(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    const struct config *c =
        load("--secret.key=marker-marker-marker --redis.url=redis://u:marker@h:1/2 "
             "--http.port 4000",
             NULL, &err);
    assert_non_null(c);
    struct buf out = BUF_INIT(1 << 20);
    assert_true(config_dump(c, &out));
    assert_null(strstr(buf_c(&out), "marker"));
    assert_non_null(strstr(buf_c(&out), "redis://********@h:1/2"));
    assert_non_null(strstr(buf_c(&out), "key = ********"));
    write_file(f->path, buf_c(&out));
    const struct config *again = load("", f->path, &err);
    assert_non_null(again);
    assert_int_equal(again->http.port, 4000);
    buf_fini(&out);
    config_free(&again);
    config_free(&c);
}

static void a_reload_tells_what_needs_a_restart(void **state)
{
    (void)state;
    struct err err = {0};
    const struct config *a = load("--data.dir /a", NULL, &err);
    const struct config *b = load("--data.dir /a --log.level debug", NULL, &err);
    const struct config *c = load("--data.dir /b --http.port 1", NULL, &err);
    struct buf names = BUF_INIT(1024);
    assert_false(config_needs_restart(a, b, &names));
    assert_int_equal(names.len, 0);
    assert_true(config_needs_restart(a, c, &names));
    assert_string_equal(buf_c(&names), "http.port, data.dir");
    buf_fini(&names);
    config_free(&a);
    config_free(&b);
    config_free(&c);
}

static void texts_are_checked_without_a_file(void **state)
{
    (void)state;
    struct err err = {0};
    assert_true(config_check_text("x", STR("[http]\nport = 1"), &err));
    assert_true(config_check_text("x", STR(""), &err));
    assert_false(config_check_text("x", str_from("[http]\nhost = a\0b", 16), &err));
    static char big[CONFIG_LINE_MAX + 20] = "#";
    memset(big + 1, 'x', sizeof big - 2);
    assert_false(config_check_text("x", str_from(big, sizeof big - 1), &err));
    assert_string_equal(err.msg, "x:1: line too long");
}

/* Rows are complete, and every key can be found. */
static void the_table_is_sound(void **state)
{
    (void)state;
    for (size_t i = 0; i < CONFIG_ROW_COUNT; i++) {
        const struct config_row *row = &config_rows[i];
        assert_non_null(row->section);
        assert_non_null(row->doc);
        assert_true(strlen(row->section) + strlen(row->name) + 12 < CONFIG_NAME_SIZE);
        assert_ptr_equal(config_row_find(str_of(row->section), str_of(row->name)), row);
        assert_true(row->kind == CONFIG_KIND_STR || row->fallback != NULL);
    }
}

/* Compares with the file in the tree; POSTRIDER_UPDATE=1 writes it. */
static void assert_file_is(const char *name, const struct buf *want)
{
    char path[512];
    const char *root = getenv("SOURCE_DIR");
    if (root == NULL) {
        skip();
    }
    (void)snprintf(path, sizeof path, "%s/%s", root, name);
    if (getenv("POSTRIDER_UPDATE") != NULL) {
        write_file(path, buf_c(want));
    }
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char *text = mem_alloc(want->len + 2);
    size_t len = fread(text, 1, want->len + 1, file);
    assert_int_equal(fclose(file), 0);
    if (len != want->len || memcmp(text, want->bytes, len) != 0) {
        mem_free(text);
        fail_msg("%s differs from the table; run this test with POSTRIDER_UPDATE=1",
                 name);
    }
    mem_free(text);
}

static void documents_follow_the_table(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(1 << 20);
    assert_true(config_print_markdown(&out));
    assert_file_is("docs/CONFIG.md", &out);
    buf_clear(&out);
    assert_true(config_print_example(&out));
    assert_file_is("config/postrider.conf.example", &out);
    struct err err = {0};
    assert_true(config_check_text("example", buf_str(&out), &err));
    buf_clear(&out);
    assert_true(config_help(&out));
    assert_non_null(strstr(buf_c(&out), "--redis.url"));
    buf_fini(&out);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(defaults),
        TEST(stronger_places_win),
        TEST(booleans),
        TEST(file_errors_name_the_line),
        TEST(files_may_be_written_freely),
        TEST(flag_errors_name_the_flag),
        TEST(secrets_come_from_files),
        TEST(the_data_directory_follows_the_user),
        TEST(the_dump_hides_secrets_and_loads_again),
        TEST(a_reload_tells_what_needs_a_restart),
        TEST(texts_are_checked_without_a_file),
        TEST(the_table_is_sound),
        TEST(documents_follow_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
