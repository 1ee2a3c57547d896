/* imap_drain: how fast a server can tell a mailbox at all.
 * Sends one FETCH of every message over TLS on a plain blocking socket, throws the answer
 * away and prints as one JSON object what it took. Without any work on what it reads, it is
 * the floor of a first synchronization.
 *     imap_drain PORT USER PASSWORD ITEMS */
#include "imap_bare.h"

int main(int argc, char **argv)
{
    char text[BARE_COMMAND_MAX];
    if (argc != 5) {
        die("usage: imap_drain PORT USER PASSWORD ITEMS");
    }
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    struct bare d = {.ssl = open_tls(ctx, (int)strtol(argv[1], NULL, 10))};
    bare_read(&d, "*"); /* the greeting */
    snprintf(text, sizeof(text), "LOGIN \"%s\" \"%s\"", argv[2], argv[3]);
    bare_command(&d, "a1", text);
    bare_command(&d, "a2", "SELECT INBOX");
    d.bytes = 0;
    d.rows = 0;
    snprintf(text, sizeof(text), "FETCH 1:* %s", argv[4]);
    double start = now();
    bare_command(&d, "a3", text);
    printf("{\"seconds\": %.6f, \"bytes\": %llu, \"rows\": %llu}\n", now() - start,
           d.bytes, d.rows);
    SSL_free(d.ssl);
    SSL_CTX_free(ctx);
    return EXIT_SUCCESS;
}
