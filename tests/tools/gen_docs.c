/* Writes the documents that are generated from tables: gen_docs SOURCE_DIR */
#include "docs_text.h"

#include <stdio.h>

enum {
    DOC_MAX = 16 * 1024 * 1024
};

static bool write_file(const char *dir, const struct docs_file *file)
{
    char path[4096];
    struct buf text = BUF_INIT(DOC_MAX);
    (void)snprintf(path, sizeof path, "%s/%s", dir, file->path);
    FILE *f = file->print(&text) ? fopen(path, "we") : NULL;
    bool ok = f != NULL && fwrite(buf_c(&text), 1, text.len, f) == text.len;
    ok = f != NULL && fclose(f) == 0 && ok;
    buf_fini(&text);
    fprintf(stderr, "%s: %s\n", path, ok ? "written" : "cannot be written");
    return ok;
}

int main(int argc, char **argv)
{
    bool ok = argc == 2;
    for (const struct docs_file *file = docs_files; ok && file->path != NULL; file++) {
        ok = write_file(argv[1], file);
    }
    return ok ? 0 : 1;
}
