/* imap_bare: what the bare clients share. Included by one file each, so that they can be
 * built without the rest of the tree. */
#ifndef POSTRIDER_BENCH_IMAP_BARE_H
#define POSTRIDER_BENCH_IMAP_BARE_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

enum {
    SILENCE_S = 120
};

static void die(const char *what)
{
    fprintf(stderr, "bare client: %s\n", what);
    exit(EXIT_FAILURE);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* TLS to that port of this machine, nothing verified. */
static SSL *open_tls(SSL_CTX *ctx, int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval silence = {.tv_sec = SILENCE_S};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
        die("cannot connect");
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof(silence));
    SSL *ssl = ctx == NULL ? NULL : SSL_new(ctx);
    if (ssl == NULL || SSL_set_fd(ssl, fd) != 1 || SSL_connect(ssl) != 1) {
        die("no TLS");
    }
    return ssl;
}

enum {
    BARE_COMMAND_MAX = 1024,
    BARE_CHUNK = 64 * 1024,
    BARE_HEAD_MAX = 16 /* of a line; holds a tag and its status */
};

/* A session. */
struct bare {
    SSL *ssl;
    unsigned long long bytes;
    unsigned long long rows;
    char head[BARE_HEAD_MAX]; /* of the line that is being read */
    size_t head_len;
    char chunk[BARE_CHUNK];
};

/* Takes the lines of a chunk; true once the tagged one is complete. The items that are
 * asked for have no literals, so every line end is one. */
static inline bool bare_take(struct bare *d, const char *data, size_t n, const char *tag)
{
    const char *end = data + n;
    bool done = false;
    while (data < end) {
        const char *nl = memchr(data, '\n', (size_t)(end - data));
        size_t len = (size_t)((nl == NULL ? end : nl) - data);
        size_t keep =
            len < BARE_HEAD_MAX - d->head_len ? len : BARE_HEAD_MAX - d->head_len;
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

static inline void bare_read(struct bare *d, const char *tag)
{
    int n;
    do {
        n = SSL_read(d->ssl, d->chunk, sizeof(d->chunk));
        if (n <= 0) {
            die("the connection ended");
        }
        d->bytes += (unsigned long long)n;
    } while (!bare_take(d, d->chunk, (size_t)n, tag));
}

static inline void bare_command(struct bare *d, const char *tag, const char *text)
{
    char line[BARE_COMMAND_MAX];
    int n = snprintf(line, sizeof(line), "%s %s\r\n", tag, text);
    if (n < 0 || n >= (int)sizeof(line) || SSL_write(d->ssl, line, n) != n) {
        die("cannot send");
    }
    bare_read(d, tag);
}

#endif
