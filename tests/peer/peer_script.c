#include "peer.h"

#include "postrider/base/mem.h"

#include <stdio.h>
#include <stdlib.h>

static char *read_file(const char *path)
{
    FILE *f = fopen(path, "r");
    char *text = mem_alloc(PEER_TEXT_MAX);
    if (f == NULL) {
        (void)fprintf(stderr, "%s: cannot be read\n", path);
        exit(2);
    }
    size_t len = fread(text, 1, PEER_TEXT_MAX - 1, f);
    text[len] = '\0';
    (void)fclose(f);
    return text;
}

static void add(struct peer_script *s, const char *path, int number, struct str line)
{
    struct str rest = line;
    struct peer_line l = {.number = number};
    (void)str_split(&rest, ' ', &l.word);
    l.rest = rest.ptr != NULL ? rest : STR("");
    bool client = str_eq_c(l.word, "client") || str_eq_c(l.word, "expect");
    size_t *count = client ? &s->client_count : &s->server_count;
    if (*count == PEER_LINES_MAX) {
        (void)fprintf(stderr, "%s:%d: too many lines\n", path, number);
        exit(2);
    }
    (client ? s->client : s->server)[(*count)++] = l;
}

void peer_script_load(struct peer_script *s, const char *path)
{
    *s = (struct peer_script){.text = read_file(path)};
    struct str rest = str_of(s->text);
    struct str line;
    for (int number = 1; str_split(&rest, '\n', &line); number++) {
        bool comment = line.len == 0 || line.ptr[0] == '#';
        if (number == 1 && !str_has_prefix(line, "# ")) {
            (void)fprintf(stderr, "%s:1: must say what the script is about\n", path);
            exit(2);
        }
        if (!comment) {
            add(s, path, number, line);
        }
    }
}

void peer_script_free(struct peer_script *s)
{
    mem_free(s->text);
    s->text = NULL;
}

bool peer_match(struct str pattern, struct str text)
{
    size_t p = 0, t = 0, star = SIZE_MAX, mark = 0;
    while (t < text.len) {
        if (p < pattern.len && pattern.ptr[p] == '*') {
            star = p++;
            mark = t;
        } else if (p < pattern.len &&
                   (pattern.ptr[p] == '?' || pattern.ptr[p] == text.ptr[t])) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++mark;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.ptr[p] == '*') {
        p++;
    }
    return p == pattern.len;
}

bool peer_unescape(struct buf *out, struct str text)
{
    static const char names[] = "rn0\\";
    static const char bytes[] = {'\r', '\n', '\0', '\\'};
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '\\') {
            buf_put_byte(out, text.ptr[i]);
            continue;
        }
        const char *name = ++i < text.len ? strchr(names, text.ptr[i]) : NULL;
        if (name == NULL) {
            return false;
        }
        buf_put_byte(out, bytes[name - names]);
    }
    return true;
}
