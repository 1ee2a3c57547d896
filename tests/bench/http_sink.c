/* http_sink: a webhook receiver that costs next to nothing.
 * Answers every POST with 200 over connections that stay, and notes for each how long after
 * the event's date it came. Prints its port; at the end of its input it prints as one JSON
 * object what it saw. With an argument it says 500 instead, or with "stall" nothing at all.
 *     http_sink [500|stall] */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    CONNECTIONS = 4096, /* highest descriptor */
    BUFFER = 64 * 1024,
    SEEN_MAX = 4 * 1000 * 1000
};

struct connection {
    char *data;
    size_t len;
};

static struct connection connections[CONNECTIONS];
static unsigned late_ms[SEEN_MAX];
static size_t seen;
static long long first_us, last_us;
static const char *reply = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static long long now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

/* When the event was found, from its body; 0 = it does not say. */
static long long date_ms(const char *body, const char *end)
{
    static const char mark[] = "\"date\":\"";
    struct tm tm = {0};
    int ms = 0;
    const char *at = memmem(body, (size_t)(end - body), mark, sizeof mark - 1);
    if (at == NULL ||
        sscanf(at + sizeof mark - 1, "%d-%d-%dT%d:%d:%d.%dZ", &tm.tm_year, &tm.tm_mon,
               &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &ms) != 7) {
        return 0;
    }
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    return timegm(&tm) * 1000LL + ms;
}

static void note(const char *body, const char *end)
{
    long long now = now_us();
    long long found = date_ms(body, end);
    first_us = seen == 0 ? now : first_us;
    last_us = now;
    if (seen < SEEN_MAX) {
        late_ms[seen++] =
            found > 0 && now / 1000 > found ? (unsigned)(now / 1000 - found) : 0;
    }
}

/* The length of the first request; 0 = it is not complete. */
static size_t take_request(int fd, struct connection *c)
{
    const char *head_end = memmem(c->data, c->len, "\r\n\r\n", 4);
    if (head_end == NULL) {
        return 0;
    }
    const char *field = strcasestr(c->data, "\r\ncontent-length:");
    size_t body_len =
        field != NULL && field < head_end ? strtoul(field + 17, NULL, 10) : 0;
    size_t whole = (size_t)(head_end - c->data) + 4 + body_len;
    if (whole > c->len) {
        return 0;
    }
    note(head_end + 4, c->data + whole);
    if (reply != NULL && write(fd, reply, strlen(reply)) < 0) {
        return whole; /* the next read tells */
    }
    return whole;
}

static void on_data(int fd)
{
    struct connection *c = &connections[fd];
    ssize_t n = read(fd, c->data + c->len, BUFFER - 1 - c->len);
    if (n <= 0) {
        free(c->data);
        c->data = NULL;
        close(fd);
        return;
    }
    c->len += (size_t)n;
    c->data[c->len] = '\0';
    for (size_t used; (used = take_request(fd, c)) > 0;) {
        c->len -= used;
        memmove(c->data, c->data + used, c->len + 1);
    }
}

static void on_client(int epoll, int listener)
{
    int one = 1;
    int fd = accept(listener, NULL, NULL);
    if (fd < 0 || fd >= CONNECTIONS) {
        die("accept");
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    connections[fd] = (struct connection){.data = malloc(BUFFER)};
    struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
    if (connections[fd].data == NULL || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) != 0) {
        die("epoll");
    }
}

static int compare(const void *a, const void *b)
{
    unsigned left = *(const unsigned *)a, right = *(const unsigned *)b;
    return (left > right) - (left < right);
}

static void report(void)
{
    double seconds = (double)(last_us - first_us) / 1e6;
    qsort(late_ms, seen, sizeof *late_ms, compare);
    printf("{\"count\": %zu, \"seconds\": %.3f, \"p50_ms\": %u, \"p99_ms\": %u, "
           "\"longest_ms\": %u}\n",
           seen, seconds, seen > 0 ? late_ms[seen / 2] : 0,
           seen > 0 ? late_ms[seen - 1 - seen / 100] : 0,
           seen > 0 ? late_ms[seen - 1] : 0);
    (void)fflush(stdout);
    seen = 0;
}

/* A line on the input: what was seen since the last one. */
static bool on_input(void)
{
    char line[64];
    if (read(STDIN_FILENO, line, sizeof line) <= 0) {
        return false;
    }
    report();
    return true;
}

int main(int argc, char **argv)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    if (argc > 1) {
        reply = strcmp(argv[1], "stall") == 0
                    ? NULL
                    : "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n";
    }
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&at, len) != 0 || listen(listener, 1024) != 0 ||
        getsockname(listener, (struct sockaddr *)&at, &len) != 0) {
        die("listen");
    }
    int epoll = epoll_create1(0);
    struct epoll_event events[64] = {{.events = EPOLLIN, .data.fd = listener}};
    (void)epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &events[0]);
    events[0] = (struct epoll_event){.events = EPOLLIN, .data.fd = STDIN_FILENO};
    (void)epoll_ctl(epoll, EPOLL_CTL_ADD, STDIN_FILENO, &events[0]);
    printf("%d\n", ntohs(at.sin_port));
    (void)fflush(stdout);
    for (bool more = true; more;) {
        int n = epoll_wait(epoll, events, 64, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == STDIN_FILENO) {
                more = on_input();
            } else if (events[i].data.fd == listener) {
                on_client(epoll, listener);
            } else {
                on_data(events[i].data.fd);
            }
        }
    }
    return 0;
}
