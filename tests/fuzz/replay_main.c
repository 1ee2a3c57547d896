/* replay_main: runs a fuzz target over stored inputs, for compilers without libFuzzer.
 * Arguments are files or directories (one level); a target without any input fails, so
 * that a misspelled corpus does not pass silently. */
#include "postrider/base/buf.h"

#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    INPUT_MAX = 64 * 1024 * 1024
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool read_file(const char *path, struct buf *out)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        return false;
    }
    char block[16384];
    size_t n;
    while ((n = fread(block, 1, sizeof block, f)) > 0) {
        buf_put(out, block, n);
    }
    bool ok = ferror(f) == 0 && !out->overflow;
    (void)fclose(f);
    return ok;
}

static bool replay_file(const char *path, size_t *count)
{
    struct buf input = BUF_INIT(INPUT_MAX);
    bool ok = read_file(path, &input);
    if (ok) {
        /* A copy of exactly this size lets AddressSanitizer see reads past the end. */
        uint8_t *exact = malloc(input.len > 0 ? input.len : 1);
        ok = exact != NULL;
        if (ok && input.len > 0) {
            memcpy(exact, input.bytes, input.len);
        }
        if (ok) {
            (void)LLVMFuzzerTestOneInput(exact, input.len);
            (*count)++;
        }
        free(exact);
    }
    if (!ok) {
        (void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
    }
    buf_fini(&input);
    return ok;
}

static bool replay_dir(const char *path, size_t *count)
{
    DIR *dir = opendir(path);
    if (dir == NULL) {
        (void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return false;
    }
    bool ok = true;
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.') {
            continue;
        }
        char name[4096];
        int n = snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        ok = n > 0 && (size_t)n < sizeof name && replay_file(name, count) && ok;
    }
    (void)closedir(dir);
    return ok;
}

int main(int argc, char **argv)
{
    size_t count = 0;
    bool ok = true;
    for (int i = 1; i < argc; i++) {
        struct stat st;
        bool is_dir = stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode);
        ok = (is_dir ? replay_dir(argv[i], &count) : replay_file(argv[i], &count)) && ok;
    }
    (void)printf("%zu inputs replayed\n", count);
    return ok && count > 0 ? 0 : 1;
}
