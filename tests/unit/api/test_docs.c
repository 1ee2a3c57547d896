#include "docs_text.h"
#include "postrider/base/attr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum {
    DOC_MAX = 16 * 1024 * 1024
};

static void read_file(const char *name, struct buf *out)
{
    char path[4096], piece[4096];
    const char *dir = getenv("SOURCE_DIR");
    size_t n = 1;
    (void)snprintf(path, sizeof path, "%s/%s", dir != NULL ? dir : ".", name);
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        fail_msg("%s is missing: run `ninja docs`", path);
    }
    while (n > 0) {
        n = fread(piece, 1, sizeof piece, f);
        assert_true(buf_put(out, piece, n));
    }
    (void)fclose(f);
}

static void documents_say_what_the_tables_say(void **state ATTR_UNUSED)
{
    for (const struct docs_file *file = docs_files; file->path != NULL; file++) {
        struct buf wanted = BUF_INIT(DOC_MAX), found = BUF_INIT(DOC_MAX);
        assert_true(file->print(&wanted));
        read_file(file->path, &found);
        if (!str_eq(buf_str(&wanted), buf_str(&found))) {
            fail_msg("%s is out of date: run `ninja docs`", file->path);
        }
        buf_fini(&wanted);
        buf_fini(&found);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents_say_what_the_tables_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
