/* peer: runs a `.peer` script: a scripted server on a thread against the real client.
 *
 * A script is lines; the first is a comment that names the RFC section or the server it is
 * about. Server lines and client lines run side by side, each in their order.
 *
 *   # text             comment
 *   > text             the server sends the line; {name} is a bound word
 *   >= text            sends bytes, with \r \n \\ \0, and no line end of its own
 *   >x N text          sends the line N times
 *   < {name} pattern   reads a line that must match; * is any text, ? any byte. The first
 *                      word is bound to the name; without {name} nothing is bound
 *   tls                the server's TLS handshake
 *   eof                the client must close without sending more (LOGOUT is allowed)
 *   stall              waits until the client closes, whatever it sends
 *   close, sleep MS    what they say
 *   client COMMAND …   an operation of the client, see peer_client.c
 *   expect PATTERN     the next line of the client's log must match
 *
 * The client's log has one line per result, row and event. At the end both sides must have
 * come to their last line and the log must be used up.
 * Limits   20 s a script; PEER_LINES_MAX lines */
#ifndef POSTRIDER_TESTS_PEER_H
#define POSTRIDER_TESTS_PEER_H

#include "postrider/base/buf.h"
#include "postrider/base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PEER_LINES_MAX = 500,
    PEER_TEXT_MAX = 256 * 1024,
    PEER_WAIT_MS = 20000
};

struct peer_line {
    int number;
    struct str word, rest; /* "client", "open user=a" */
};

struct peer_script {
    char *text;
    struct peer_line server[PEER_LINES_MAX], client[PEER_LINES_MAX];
    size_t server_count, client_count;
};

/* Prints what is wrong and exits. */
void peer_script_load(struct peer_script *s, const char *path);
void peer_script_free(struct peer_script *s);
bool peer_match(struct str pattern, struct str text);
/* \r \n \\ \0 */
bool peer_unescape(struct buf *out, struct str text);

/* --- the server --- */

struct peer_server;
struct peer_server *peer_server_start(const struct peer_script *s, size_t chop);
uint16_t peer_server_port(const struct peer_server *ps);
const char *peer_server_ca_file(const struct peer_server *ps);
/* Waits for its end; false, and the reason was printed, if the client deviated. */
bool peer_server_stop(struct peer_server **ps);

/* --- the client --- */

/* False, and the reason was printed, if the results deviate. */
bool peer_client_run(const struct peer_script *s, uint16_t port, const char *ca_file);

#endif
