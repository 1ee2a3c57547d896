#include "redis_supervisor.h"

#include "postrider/base/clock.h"
#include "postrider/base/num.h"
#include "postrider/loop/backoff.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    CONTROL_FD = 3,
    TICK_MS = 200,
    STOP_TERM_MS = 8000,     /* a server that is told to end gets that long */
    ADOPT_SILENT_MS = 10000, /* an adopted one may be silent that long */
    STABLE_MS = 10000        /* a server that lived that long resets the backoff */
};

static const struct backoff_policy restart_policy = {
    .first_ms = 100, .max_ms = 5000, .factor_percent = 200, .jitter_percent = 0};

struct supervisor {
    const struct redis_server_place *place;
    pid_t pid; /* of the server; 0 = none */
    bool adopted;
    int64_t started_ms;
    int64_t answered_ms; /* an adopted server's last sign of life */
    struct backoff backoff;
};

/* --- the server */

static void put_dev_null(int fd)
{
    int null = open("/dev/null", O_RDWR);
    if (null >= 0) {
        (void)dup2(null, fd);
        (void)close(null);
    }
}

static void reset_signals(void)
{
    static const int ignored[] = {SIGTERM, SIGINT, SIGHUP, SIGPIPE};
    for (size_t i = 0; i < ARRAY_LEN(ignored); i++) {
        (void)signal(ignored[i], SIG_DFL);
    }
}

static void exec_server(const struct redis_server_place *p, pid_t supervisor)
{
    const char *const args[] = {"redis-server",
                                "--port",
                                "0",
                                "--unixsocket",
                                p->socket_path,
                                "--unixsocketperm",
                                "700",
                                "--dir",
                                p->dir,
                                "--pidfile",
                                p->pid_file,
                                "--daemonize",
                                "no",
                                "--appendonly",
                                "yes",
                                "--appendfsync",
                                "everysec",
                                "--save",
                                "",
                                "--maxmemory-policy",
                                "noeviction",
                                "--logfile",
                                "redis.log",
                                "--loglevel",
                                "warning",
                                NULL};
    /* Our own environment may hold the master key. */
    const char *const environment[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C",
                                       NULL};
    reset_signals();
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() == supervisor) {
        (void)execve(p->program, (char *const *)(uintptr_t)args,
                     (char *const *)(uintptr_t)environment);
    }
    _exit(127);
}

static void start_server(struct supervisor *s)
{
    pid_t self = getpid();
    s->started_ms = clock_mono_ms();
    s->adopted = false;
    s->pid = fork();
    if (s->pid == 0) {
        exec_server(s->place, self);
    }
    if (s->pid < 0) {
        s->pid = 0; /* no memory or no process left: the backoff tries again */
    }
}

static pid_t read_pid_file(const char *path)
{
    char text[32] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (fd >= 0) {
        (void)close(fd);
    }
    uint64_t pid = 0;
    bool ok = n > 0 && num_u64(str_trim(str_from(text, (size_t)n)), INT32_MAX, &pid);
    return ok ? (pid_t)pid : 0;
}

/* Is this a living redis-server that works in our directory? Its working directory tells,
 * so that a stale pid file whose number somebody else has now does no harm. */
static bool is_our_server(const struct redis_server_place *p, pid_t pid)
{
    char link[64];
    char cwd[PATH_MAX];
    (void)snprintf(link, sizeof link, "/proc/%d/cwd", (int)pid);
    ssize_t n = readlink(link, cwd, sizeof cwd - 1);
    if (n <= 0) {
        return false;
    }
    cwd[n] = '\0';
    return strcmp(cwd, p->dir) == 0;
}

static bool socket_answers(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    (void)snprintf(addr.sun_path, sizeof addr.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool ok = fd >= 0 && (connect(fd, (struct sockaddr *)&addr, sizeof addr) == 0 ||
                          errno == EAGAIN);
    if (fd >= 0) {
        (void)close(fd);
    }
    return ok;
}

static bool adopt_server(struct supervisor *s)
{
    pid_t pid = read_pid_file(s->place->pid_file);
    if (pid <= 0 || !is_our_server(s->place, pid)) {
        return false;
    }
    s->pid = pid;
    s->adopted = true;
    s->started_ms = s->answered_ms = clock_mono_ms();
    return true;
}

static bool server_lives(struct supervisor *s)
{
    if (s->pid == 0) {
        return false;
    }
    bool lives = s->adopted ? is_our_server(s->place, s->pid)
                            : waitpid(s->pid, NULL, WNOHANG) == 0;
    if (!lives) {
        s->pid = 0;
    }
    return lives;
}

/* An adopted server that closed its socket is on its way out, or stuck. */
static void check_adopted(struct supervisor *s)
{
    int64_t now_ms = clock_mono_ms();
    if (socket_answers(s->place->socket_path)) {
        s->answered_ms = now_ms;
    } else if (now_ms - s->answered_ms > ADOPT_SILENT_MS + STOP_TERM_MS) {
        (void)kill(s->pid, SIGKILL);
    } else if (now_ms - s->answered_ms > ADOPT_SILENT_MS) {
        (void)kill(s->pid, SIGTERM);
    }
}

/* --- the process */

/* The server's end wakes at once where the kernel offers a descriptor for it. */
static int server_fd(const struct supervisor *s)
{
    return s->pid > 0 ? (int)syscall(SYS_pidfd_open, s->pid, 0) : -1;
}

/* True when the daemon has closed its end. */
static bool wait_for_news(const struct supervisor *s, int control, int64_t timeout_ms)
{
    struct pollfd fds[2] = {{.fd = control, .events = POLLIN},
                            {.fd = server_fd(s), .events = POLLIN}};
    int n = poll(fds, ARRAY_LEN(fds), (int)timeout_ms);
    if (fds[1].fd >= 0) {
        (void)close(fds[1].fd);
    }
    return n > 0 && fds[0].revents != 0;
}

static void stop_server(struct supervisor *s)
{
    if (s->pid > 0) {
        (void)kill(s->pid, SIGTERM);
    }
    int64_t until_ms = clock_mono_ms() + STOP_TERM_MS;
    while (server_lives(s)) {
        if (clock_mono_ms() > until_ms) {
            (void)kill(s->pid, SIGKILL);
        }
        /* The control socket has ended and would wake us all the time. */
        (void)wait_for_news(s, -1, TICK_MS);
    }
}

static void isolate(int control)
{
    static const int ignored[] = {SIGTERM, SIGINT, SIGHUP, SIGPIPE};
    for (size_t i = 0; i < ARRAY_LEN(ignored); i++) {
        /* A signal to the whole group means the daemon, which ends us when it has
         * drained. */
        (void)signal(ignored[i], SIG_IGN);
    }
    (void)signal(SIGCHLD, SIG_DFL);
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)setsid();
    (void)prctl(PR_SET_NAME, "postrider-redis");
    if (control != CONTROL_FD) {
        (void)dup2(control, CONTROL_FD);
    }
    (void)fcntl(CONTROL_FD, F_SETFD, FD_CLOEXEC);
    /* The lock of the data directory and everything else are the daemon's alone. */
    (void)close_range(CONTROL_FD + 1, ~0U, 0);
    put_dev_null(STDIN_FILENO);
    put_dev_null(STDOUT_FILENO);
    if (chdir("/") != 0 || send(CONTROL_FD, "r", 1, MSG_NOSIGNAL) != 1) {
        _exit(1);
    }
}

void redis_supervisor_run(const struct redis_server_place *place, int control)
{
    struct supervisor s = {.place = place};
    isolate(control);
    bool ended = false;
    while (!ended) {
        if (!server_lives(&s)) {
            if (s.started_ms != 0 && clock_mono_ms() - s.started_ms > STABLE_MS) {
                backoff_reset(&s.backoff);
            }
            int64_t delay_ms =
                s.started_ms != 0 ? backoff_next_ms(&s.backoff, &restart_policy) : 0;
            ended = wait_for_news(&s, CONTROL_FD, delay_ms);
            if (!ended && !adopt_server(&s)) {
                start_server(&s);
            }
            continue;
        }
        if (s.adopted) {
            check_adopted(&s);
        }
        ended = wait_for_news(&s, CONTROL_FD, s.adopted ? TICK_MS : 1000);
    }
    stop_server(&s);
    _exit(0);
}
