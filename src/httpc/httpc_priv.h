/* httpc_priv: what the client, its URLs and its requests share. */
#ifndef POSTRIDER_HTTPC_PRIV_H
#define POSTRIDER_HTTPC_PRIV_H

#include "postrider/base/buf.h"
#include "postrider/base/map.h"
#include "postrider/httpc/httpc.h"

#include <curl/curl.h>

enum {
    HTTPC_HOST_CONNECTIONS = 32,
    HTTPC_IDLE_CONNECTIONS = 128,
    HTTPC_SPARE_MAX = 64,
    HTTPC_HOST_MAX = 253
};

struct httpc {
    uint32_t magic;
    struct net *net;
    struct loop *loop;
    enum egress_policy egress;
    char *ca_file;
    CURLM *multi;
    struct map *sockets;          /* watched ones: descriptor → struct httpc_socket */
    CURL *spare[HTTPC_SPARE_MAX]; /* handles of requests that have ended */
    size_t spare_count;
    struct timer timer;
    size_t active;
};

void httpc_check(const struct httpc *h);
/* Something curl waits for happened: a descriptor, or CURL_SOCKET_TIMEOUT. */
void httpc_act(struct httpc *h, curl_socket_t fd, int mask);

/* How curl opens and closes sockets; ctx is the client. */
curl_socket_t httpc_socket_open(struct httpc *h, const struct curl_sockaddr *addr);
int httpc_socket_close(void *ctx, curl_socket_t fd);
/* It is connected and lies idle: curl tells when it closes it. */
void httpc_socket_keep(struct httpc *h, curl_socket_t fd);

/* A handle with nothing set. */
CURL *httpc_handle_take(struct httpc *h);
void httpc_handle_give(struct httpc *h, CURL *easy);

/* Ends the request behind the handle; called when curl has finished with it. */
void httpc_req_finished(CURL *easy, CURLcode code);

struct httpc_url {
    bool tls;
    uint16_t port;
    char host[HTTPC_HOST_MAX + 3]; /* lower case; an IPv6 address without brackets */
};
/* ERR_INVALID. */
bool httpc_url_parse(const char *url, struct httpc_url *out, struct err *err);

#endif
