#ifndef POSTRIDER_TESTS_PEER_CLIENT_H
#define POSTRIDER_TESTS_PEER_CLIENT_H

#include "peer.h"

#include "postrider/imap/imap.h"

enum {
    WORDS_MAX = 24
};

struct client {
    const char *ca_file;
    uint16_t port;
    struct loop *loop;
    struct net *net;
    struct imap_conn *conn;
    void *last; /* the last operation, while it runs */
    void (*last_cancel)(void *op);
    struct buf log;
    size_t log_read;
    struct str words[WORDS_MAX];
    size_t word_count;
    struct str rest; /* behind the command */
    struct arena arena;
    struct str message; /* of append */
    int64_t deadline_ms;
};

/* One line of the log is begun by the text of its caller and ended by end_line. */
void peer_log_escaped(struct buf *b, struct str s);
void peer_log_end_line(struct client *cl);
void peer_log_field(struct client *cl, const char *name, struct str value);
void peer_log_set(struct client *cl, const char *name, const struct imap_set *set);
void peer_log_flags(struct client *cl, const struct imap_flags *flags);
void peer_log_row(struct client *cl, const char *what, const struct imap_row *row);
/* "select ok" or "select error no peer=CODE: text"; the caller ends the line. */
void peer_log_result(struct client *cl, const char *what, const struct err *err);
extern const struct imap_conn_events peer_log_conn_events;

#endif
