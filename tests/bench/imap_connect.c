/* imap_connect: how fast a server takes many clients at all.
 * COUNT threads, each one client over TLS: LOGIN, SELECT INBOX, IDLE, until the server says
 * "+". Prints as one JSON object how long it took until all had got there. Without any work
 * besides, it is the floor of a start with that many accounts.
 *     imap_connect PORT USER-PREFIX COUNT PASSWORD       (users are PREFIX0, PREFIX1, ...) */
#include "imap_bare.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

enum {
    LINE_MAX_BYTES = 8192,
    STACK_BYTES = 256 * 1024
};

struct client {
    SSL_CTX *ctx;
    int port;
    char user[64];
    const char *password;
    SSL *ssl;
    char held[LINE_MAX_BYTES]; /* read, not looked at yet */
    size_t held_len;
};

/* Reads lines up to one that begins with this. */
static void read_until(struct client *c, const char *head)
{
    for (;;) {
        char *nl = memchr(c->held, '\n', c->held_len);
        if (nl == NULL) {
            size_t room = sizeof(c->held) - c->held_len;
            int n = room > 0 ? SSL_read(c->ssl, c->held + c->held_len, (int)room) : 0;
            if (n <= 0) {
                die("the connection ended");
            }
            c->held_len += (size_t)n;
            continue;
        }
        size_t len = (size_t)(nl - c->held) + 1;
        bool found = len > strlen(head) && memcmp(c->held, head, strlen(head)) == 0;
        memmove(c->held, nl + 1, c->held_len - len);
        c->held_len -= len;
        if (found) {
            return;
        }
    }
}

static void command(struct client *c, const char *text, const char *answer)
{
    char line[256];
    int n = snprintf(line, sizeof(line), "a %s\r\n", text);
    if (n < 0 || n >= (int)sizeof(line) || SSL_write(c->ssl, line, n) != n) {
        die("cannot send");
    }
    read_until(c, answer);
}

static void *run(void *ptr)
{
    struct client *c = ptr;
    char login[200];
    (void)snprintf(login, sizeof(login), "LOGIN %s %s", c->user, c->password);
    c->ssl = open_tls(c->ctx, c->port);
    read_until(c, "* OK");
    command(c, login, "a OK");
    command(c, "SELECT INBOX", "a OK");
    command(c, "IDLE", "+");
    return NULL;
}

int main(int argc, char **argv)
{
    size_t count = argc == 5 ? strtoul(argv[3], NULL, 10) : 0;
    if (count == 0) {
        die("usage: imap_connect PORT USER-PREFIX COUNT PASSWORD");
    }
    struct client *clients = calloc(count, sizeof(*clients));
    pthread_t *threads = calloc(count, sizeof(*threads));
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    pthread_attr_t attr;
    if (clients == NULL || threads == NULL || ctx == NULL ||
        pthread_attr_init(&attr) != 0 ||
        pthread_attr_setstacksize(&attr, STACK_BYTES) != 0) {
        die("out of memory");
    }
    double start = now();
    for (size_t i = 0; i < count; i++) {
        clients[i].ctx = ctx;
        clients[i].port = (int)strtol(argv[1], NULL, 10);
        clients[i].password = argv[4];
        (void)snprintf(clients[i].user, sizeof(clients[i].user), "%s%zu", argv[2], i);
        if (pthread_create(&threads[i], &attr, run, &clients[i]) != 0) {
            die("no thread");
        }
    }
    for (size_t i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
    }
    printf("{\"clients\": %zu, \"seconds\": %.6f}\n", count, now() - start);
    /* The end of the process closes everything; freeing would only cost time. */
    return EXIT_SUCCESS;
}
