/* imap_drain: how fast a server can tell a mailbox at all.
 * Sends one FETCH of every message over TLS on a plain blocking socket, throws the answer
 * away and prints as one JSON object what it took. Without any work on what it reads, it is
 * the floor of a first synchronization.
 *     imap_drain PORT USER PASSWORD ITEMS */
#include "imap_bare.h"

#include <stdbool.h>
#include <string.h>

enum {
    COMMAND_MAX = 1024,
    CHUNK = 64 * 1024,
    HEAD_MAX = 16 /* of a line; holds a tag and its status */
};

struct drain {
    SSL *ssl;
    unsigned long long bytes;
    unsigned long long rows;
    char head[HEAD_MAX]; /* of the line that is being read */
    size_t head_len;
};

/* Takes the lines of a chunk; true once the tagged one is complete. The items that are
 * asked for have no literals, so every line end is one. */
static bool take(struct drain *d, const char *data, size_t n, const char *tag)
{
    const char *end = data + n;
    bool done = false;
    while (data < end) {
        const char *nl = memchr(data, '\n', (size_t)(end - data));
        size_t len = (size_t)((nl == NULL ? end : nl) - data);
        size_t keep = len < HEAD_MAX - d->head_len ? len : HEAD_MAX - d->head_len;
        memcpy(d->head + d->head_len, data, keep);
        d->head_len += keep;
        if (nl == NULL) {
            break;
        }
        size_t t = strlen(tag);
        if (d->head_len >= t + 3 && memcmp(d->head, tag, t) == 0) {
            if (memcmp(d->head + t, " OK", 3) != 0) {
                die("the server refuses");
            }
            done = true;
        } else if (d->head[0] == '*') {
            d->rows++;
        }
        d->head_len = 0;
        data = nl + 1;
    }
    return done;
}

static void read_until(struct drain *d, const char *tag)
{
    static char chunk[CHUNK];
    int n;
    do {
        n = SSL_read(d->ssl, chunk, sizeof(chunk));
        if (n <= 0) {
            die("the connection ended");
        }
        d->bytes += (unsigned long long)n;
    } while (!take(d, chunk, (size_t)n, tag));
}

static void command(struct drain *d, const char *tag, const char *text)
{
    char line[COMMAND_MAX];
    int n = snprintf(line, sizeof(line), "%s %s\r\n", tag, text);
    if (n < 0 || n >= (int)sizeof(line) || SSL_write(d->ssl, line, n) != n) {
        die("cannot send");
    }
    read_until(d, tag);
}

int main(int argc, char **argv)
{
    char text[COMMAND_MAX];
    if (argc != 5) {
        die("usage: imap_drain PORT USER PASSWORD ITEMS");
    }
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    struct drain d = {.ssl = open_tls(ctx, (int)strtol(argv[1], NULL, 10))};
    read_until(&d, "*"); /* the greeting */
    snprintf(text, sizeof(text), "LOGIN \"%s\" \"%s\"", argv[2], argv[3]);
    command(&d, "a1", text);
    command(&d, "a2", "SELECT INBOX");
    d.bytes = 0;
    d.rows = 0;
    snprintf(text, sizeof(text), "FETCH 1:* %s", argv[4]);
    double start = now();
    command(&d, "a3", text);
    printf("{\"seconds\": %.6f, \"bytes\": %llu, \"rows\": %llu}\n", now() - start,
           d.bytes, d.rows);
    SSL_free(d.ssl);
    SSL_CTX_free(ctx);
    return EXIT_SUCCESS;
}
