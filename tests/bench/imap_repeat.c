/* imap_repeat: how long a server takes for one command, again and again.
 * Opens CLIENTS sessions over TLS, selects INBOX in each, sends the command TIMES times in
 * each of them at once, throws the answers away and prints as one JSON object what they took.
 *     imap_repeat PORT USER PASSWORD CLIENTS TIMES COMMAND */
#include "imap_bare.h"

#include <pthread.h>

enum {
    CLIENTS_MAX = 64
};

struct client {
    struct bare bare;
    const char *text;
    size_t times;
    double *took;
    pthread_t thread;
};

static void *run(void *arg)
{
    struct client *c = arg;
    for (size_t i = 0; i < c->times; i++) {
        double start = now();
        bare_command(&c->bare, "a3", c->text);
        c->took[i] = now() - start;
    }
    return NULL;
}

static int by_size(const void *va, const void *vb)
{
    double a = *(const double *)va, b = *(const double *)vb;
    return a < b ? -1 : a > b;
}

int main(int argc, char **argv)
{
    static struct client clients[CLIENTS_MAX];
    char login[BARE_COMMAND_MAX];
    size_t count = argc == 7 ? strtoul(argv[4], NULL, 10) : 0;
    size_t times = argc == 7 ? strtoul(argv[5], NULL, 10) : 0;
    if (count == 0 || count > CLIENTS_MAX || times == 0) {
        die("usage: imap_repeat PORT USER PASSWORD CLIENTS TIMES COMMAND");
    }
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    double *took = calloc(count * times, sizeof(*took));
    snprintf(login, sizeof(login), "LOGIN \"%s\" \"%s\"", argv[2], argv[3]);
    for (size_t i = 0; i < count && took != NULL; i++) {
        struct client *c = &clients[i];
        c->bare.ssl = open_tls(ctx, (int)strtol(argv[1], NULL, 10));
        c->text = argv[6];
        c->times = times;
        c->took = took + i * times;
        bare_read(&c->bare, "*"); /* the greeting */
        bare_command(&c->bare, "a1", login);
        bare_command(&c->bare, "a2", "SELECT INBOX");
        bare_command(&c->bare, "a3", c->text);
    }
    double start = now();
    for (size_t i = 0; i < count; i++) {
        pthread_create(&clients[i].thread, NULL, run, &clients[i]);
    }
    for (size_t i = 0; i < count; i++) {
        pthread_join(clients[i].thread, NULL);
        SSL_free(clients[i].bare.ssl);
    }
    double all = now() - start;
    qsort(took, count * times, sizeof(*took), by_size);
    printf("{\"p50_ms\": %.4f, \"p99_ms\": %.4f, \"per_s\": %.2f}\n",
           took[count * times / 2] * 1e3, took[count * times * 99 / 100] * 1e3,
           (double)(count * times) / all);
    free(took);
    SSL_CTX_free(ctx);
    return EXIT_SUCCESS;
}
