#include "postrider/redis/redis_embedded.h"

#include "redis_supervisor.h"

#include "postrider/base/clock.h"
#include "postrider/base/map.h"
#include "postrider/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    SOCKET_PATH_MAX = 107, /* sun_path without its NUL */
    STOP_WAIT_MS = 10000,
    STOP_TICK_MS = 10,
    PID_TEXT_SIZE = 32
};

struct redis_embedded {
    pid_t supervisor;
    int control; /* our end; closing it ends the supervisor */
};

static bool io_err(struct err *err, const char *path)
{
    int sys = errno;
    return err_set_sys(err, ERR_CONFIG, sys, "%.150s: %s", path, strerror(sys));
}

/* --- directories */

/* Makes the directory and its parents; those that are there stay as they are. */
static bool make_dirs(const char *dir, struct err *err)
{
    char path[PATH_MAX];
    size_t len = strlen(dir);
    if (len == 0 || len >= sizeof path) {
        return err_set(err, ERR_CONFIG, "data.dir is %s",
                       len == 0 ? "empty" : "too long a path");
    }
    memcpy(path, dir, len + 1);
    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != '\0') {
            continue;
        }
        char kept = path[i];
        path[i] = '\0';
        if (mkdir(path, kept == '\0' ? 0700 : 0755) != 0 && errno != EEXIST) {
            return io_err(err, path);
        }
        path[i] = kept;
    }
    return true;
}

static void write_pid(int fd)
{
    char text[PID_TEXT_SIZE];
    int n = snprintf(text, sizeof text, "%d\n", (int)getpid());
    /* Only names the holder in the message of the one who is refused: a failure to write it
     * (a full disk) is no reason to stop. */
    bool written = ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)n, 0) == n;
    (void)written;
}

static bool refuse_lock(const char *dir, int fd, struct err *err)
{
    char text[PID_TEXT_SIZE] = "";
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    struct str pid = str_trim(str_from(text, n > 0 ? (size_t)n : 0));
    return err_set(err, ERR_CONFIG,
                   "%.150s is in use by another process (%.*s); stop it or set another "
                   "data.dir",
                   dir, STR_ARG(pid));
}

bool data_dir_lock(const char *dir, int *fd_out, struct err *err)
{
    char path[PATH_MAX];
    if (!make_dirs(dir, err)) {
        return false;
    }
    if (snprintf(path, sizeof path, "%s/lock", dir) >= (int)sizeof path) {
        return err_set(err, ERR_CONFIG, "data.dir is too long a path");
    }
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return io_err(err, path);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        bool held = errno == EWOULDBLOCK;
        (void)(held ? refuse_lock(dir, fd, err) : io_err(err, path));
        (void)close(fd);
        return false;
    }
    write_pid(fd);
    *fd_out = fd;
    return true;
}

/* --- the socket's place */

/* A directory that only we can enter. In /tmp somebody else may have made it before. */
static bool make_private_dir(const char *path, struct err *err)
{
    struct stat st;
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        return io_err(err, path);
    }
    if (lstat(path, &st) != 0) {
        return io_err(err, path);
    }
    bool ours = S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
                (st.st_mode & (S_IRWXG | S_IRWXO)) == 0;
    return ours ||
           err_set(err, ERR_CONFIG,
                   "%.150s exists and is not a private directory of this user", path);
}

static const char *runtime_dir(void)
{
    static const char *const variables[] = {"RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"};
    for (size_t i = 0; i < ARRAY_LEN(variables); i++) {
        const char *dir = getenv(variables[i]);
        if (dir != NULL && dir[0] == '/' && access(dir, W_OK) == 0) {
            return dir;
        }
    }
    return access("/run", W_OK) == 0 ? "/run" : "/tmp";
}

static bool place_socket(const char *root, char out[SOCKET_PATH_MAX + 1], struct err *err)
{
    /* A "?" would begin the query of the URL. */
    if (strchr(root, '?') == NULL &&
        snprintf(out, SOCKET_PATH_MAX + 1, "%s/redis.sock", root) <= SOCKET_PATH_MAX) {
        return true;
    }
    static const uint8_t key[16] = "postrider socket";
    char dir[PATH_MAX];
    (void)snprintf(dir, sizeof dir, "%.80s/postrider-%016llx", runtime_dir(),
                   (unsigned long long)map_siphash(key, root, strlen(root)));
    if (!make_private_dir(dir, err)) {
        return false;
    }
    return snprintf(out, SOCKET_PATH_MAX + 1, "%s/redis.sock", dir) <= SOCKET_PATH_MAX ||
           err_set(err, ERR_CONFIG, "no directory with a path short enough for a socket");
}

static bool resolve(const char *data_dir, char root[PATH_MAX],
                    char socket_path[SOCKET_PATH_MAX + 1], struct err *err)
{
    if (realpath(data_dir, root) == NULL) {
        return io_err(err, data_dir);
    }
    return place_socket(root, socket_path, err);
}

static bool put_url(const char *socket_path, char *url_out, size_t url_size,
                    struct err *err)
{
    int n = snprintf(url_out, url_size, "unix://%s", socket_path);
    return (n > 0 && (size_t)n < url_size) ||
           err_set(err, ERR_INTERNAL, "no room for the URL of the embedded Redis");
}

bool redis_embedded_url(const char *data_dir, char *url_out, size_t url_size,
                        struct err *err)
{
    char root[PATH_MAX];
    char socket_path[SOCKET_PATH_MAX + 1];
    return resolve(data_dir, root, socket_path, err) &&
           put_url(socket_path, url_out, url_size, err);
}

/* --- start and stop */

static bool find_program(char out[PATH_MAX], struct err *err)
{
    const char *path = getenv("PATH");
    struct str lists[] = {str_of(path), STR("/usr/local/bin:/usr/bin:/bin")};
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        struct str dir;
        while (lists[i].ptr != NULL && str_split(&lists[i], ':', &dir)) {
            int n = snprintf(out, PATH_MAX, "%.*s/redis-server", STR_ARG(dir));
            if (dir.len > 0 && dir.ptr[0] == '/' && n < PATH_MAX &&
                access(out, X_OK) == 0) {
                return true;
            }
        }
    }
    return err_set(err, ERR_CONFIG,
                   "redis-server is not installed: install the package redis-server, or "
                   "set redis.url to a Redis that runs elsewhere");
}

static bool find_place(const char *data_dir, struct redis_server_place *p,
                       struct err *err)
{
    char root[PATH_MAX];
    if (!find_program(p->program, err) || !make_dirs(data_dir, err) ||
        !resolve(data_dir, root, p->socket_path, err)) {
        return false;
    }
    bool fits = snprintf(p->dir, sizeof p->dir, "%s/redis", root) < (int)sizeof p->dir &&
                snprintf(p->pid_file, sizeof p->pid_file, "%s/redis.pid", root) <
                    (int)sizeof p->pid_file;
    if (!fits) {
        return err_set(err, ERR_CONFIG, "data.dir is too long a path");
    }
    return make_private_dir(p->dir, err);
}

/* Waits until it has let go of our descriptors, the lock among them. */
static bool supervisor_is_ready(int control)
{
    char byte = 0;
    ssize_t n = 0;
    do {
        n = read(control, &byte, 1);
    } while (n < 0 && errno == EINTR);
    return n == 1;
}

struct redis_embedded *redis_embedded_start(const char *data_dir, char *url_out,
                                            size_t url_size, struct err *err)
{
    struct redis_server_place place;
    int control[2];
    if (!find_place(data_dir, &place, err) ||
        !put_url(place.socket_path, url_out, url_size, err)) {
        return NULL;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control) != 0) {
        (void)io_err(err, "socketpair");
        return NULL;
    }
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(control[1]);
        redis_supervisor_run(&place, control[0]);
    }
    (void)close(control[0]);
    if (pid < 0 || !supervisor_is_ready(control[1])) {
        (void)io_err(err, "the supervisor of redis-server");
        (void)close(control[1]);
        return NULL;
    }
    struct redis_embedded *e = MEM_NEW(struct redis_embedded);
    e->supervisor = pid;
    e->control = control[1];
    return e;
}

void redis_embedded_stop(struct redis_embedded **e)
{
    if (e == NULL || *e == NULL) {
        return;
    }
    (void)close((*e)->control);
    int64_t until_ms = clock_mono_ms() + STOP_WAIT_MS;
    while (waitpid((*e)->supervisor, NULL, WNOHANG) == 0) {
        if (clock_mono_ms() > until_ms) {
            /* Its server gets SIGTERM from the kernel then. */
            (void)kill((*e)->supervisor, SIGKILL);
            (void)waitpid((*e)->supervisor, NULL, 0);
            break;
        }
        (void)usleep(STOP_TICK_MS * 1000);
    }
    mem_free(*e);
    *e = NULL;
}
