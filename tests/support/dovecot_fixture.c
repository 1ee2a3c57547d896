#include "dovecot_fixture.h"

#include "tls_fixture.h"

#include "postrider/base/check.h"
#include "postrider/base/mem.h"

#include <arpa/inet.h>
#include <ftw.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    PATH_SIZE = 128,
    START_TRIES = 400, /* of 25 ms */
    STOP_TRIES = 200
};

struct dovecot_fixture {
    struct tls_fixture *tls;
    char dir[64];
    uint16_t port, tls_port;
    pid_t pid;
    const char *capability; /* shown after login; NULL = all there are */
};

static const char config_format[] =
    "base_dir = %s/run\nstate_dir = %s/state\nlog_path = %s/log\n"
    "protocols = imap\nlisten = 127.0.0.1\n"
    "ssl = yes\nssl_cert = <%s\nssl_key = <%s\n"
    "disable_plaintext_auth = no\nauth_mechanisms = plain login\n"
    "first_valid_uid = 1\nmail_location = maildir:~/Maildir\nmail_fsync = never\n"
    "default_internal_user = %s\ndefault_login_user = %s\n"
    "passdb {\n  driver = static\n  args = nopassword=y\n}\n"
    "userdb {\n  driver = static\n  args = uid=%u gid=%u home=%s/mail/%%n\n}\n"
    "namespace inbox {\n  inbox = yes\n  separator = /\n"
    "  mailbox Sent {\n    auto = subscribe\n    special_use = \\Sent\n  }\n"
    "  mailbox Trash {\n    auto = subscribe\n    special_use = \\Trash\n  }\n"
    "  mailbox Archive {\n    auto = create\n  }\n}\n"
    "service imap-login {\n  service_count = 0\n  chroot =\n"
    "  inet_listener imap {\n    port = %u\n  }\n"
    "  inet_listener imaps {\n    port = %u\n    ssl = yes\n  }\n}\n"
    "service anvil {\n  chroot =\n}\nservice stats {\n  chroot =\n}\n";

/* A port that was free a moment ago. */
static uint16_t free_port(void)
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof addr;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&addr, len) == 0 &&
          getsockname(fd, (struct sockaddr *)&addr, &len) == 0);
    (void)close(fd);
    return ntohs(addr.sin_port);
}

static bool answers(uint16_t port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                               .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = connect(fd, (struct sockaddr *)&addr, sizeof addr) == 0;
    (void)close(fd);
    return ok;
}

static bool write_config(struct dovecot_fixture *f, const char *path)
{
    const struct passwd *mail = getpwnam("nobody");
    const char *cert, *key;
    FILE *file = fopen(path, "w");
    if (mail == NULL || file == NULL) {
        return false;
    }
    const char *d = f->dir;
    tls_fixture_write(f->tls, TLS_FIXTURE_GOOD, &cert, &key);
    (void)fprintf(file, config_format, d, d, d, cert, key, "nobody", "nobody",
                  (unsigned)mail->pw_uid, (unsigned)mail->pw_gid, d, f->port,
                  f->tls_port);
    if (f->capability != NULL) {
        (void)fprintf(file, "imap_capability = %s\n", f->capability);
    }
    (void)fclose(file);
    char mail_dir[PATH_SIZE];
    (void)snprintf(mail_dir, sizeof mail_dir, "%s/mail", d);
    return chmod(d, 0755) == 0 && mkdir(mail_dir, 0755) == 0 &&
           chown(mail_dir, mail->pw_uid, mail->pw_gid) == 0;
}

static bool run(struct dovecot_fixture *f, const char *config)
{
    f->pid = fork();
    CHECK(f->pid >= 0);
    if (f->pid == 0) {
        (void)execlp("dovecot", "dovecot", "-F", "-c", config, (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < START_TRIES; i++) {
        int status;
        if (waitpid(f->pid, &status, WNOHANG) == f->pid) {
            f->pid = 0;
            return false;
        }
        if (answers(f->port) && answers(f->tls_port)) {
            return true;
        }
        (void)usleep(25 * 1000);
    }
    return false;
}

struct dovecot_fixture *dovecot_fixture_start(void)
{
    return dovecot_fixture_start_masked(NULL);
}

struct dovecot_fixture *dovecot_fixture_start_masked(const char *capability)
{
    char config[PATH_SIZE];
    if (geteuid() != 0) {
        (void)fprintf(stderr, "SKIPPED: Dovecot needs root to become its mail user\n");
        return NULL;
    }
    struct dovecot_fixture *f = MEM_NEW(struct dovecot_fixture);
    (void)snprintf(f->dir, sizeof f->dir, "/tmp/postrider-dovecot-XXXXXX");
    CHECK(mkdtemp(f->dir) != NULL);
    f->capability = capability;
    f->tls = tls_fixture_new();
    f->port = free_port();
    f->tls_port = free_port();
    (void)snprintf(config, sizeof config, "%s/dovecot.conf", f->dir);
    if (!write_config(f, config) || !run(f, config)) {
        (void)fprintf(stderr, "SKIPPED: Dovecot is missing or does not start\n");
        dovecot_fixture_stop(&f);
    }
    return f;
}

static int remove_entry(const char *path, const struct stat *st, int kind,
                        struct FTW *where)
{
    (void)st;
    (void)kind;
    (void)where;
    return remove(path);
}

void dovecot_fixture_stop(struct dovecot_fixture **ptr)
{
    struct dovecot_fixture *f = *ptr;
    int status;
    if (f == NULL) {
        return;
    }
    *ptr = NULL;
    if (f->pid > 0) {
        (void)kill(f->pid, SIGTERM);
        int tries = STOP_TRIES;
        while (waitpid(f->pid, &status, WNOHANG) == 0 && --tries > 0) {
            (void)usleep(25 * 1000);
        }
        if (tries == 0) {
            (void)kill(f->pid, SIGKILL);
            (void)waitpid(f->pid, &status, 0);
        }
    }
    (void)nftw(f->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    tls_fixture_free(&f->tls);
    mem_free(f);
}

uint16_t dovecot_fixture_port(const struct dovecot_fixture *f)
{
    return f->port;
}

uint16_t dovecot_fixture_tls_port(const struct dovecot_fixture *f)
{
    return f->tls_port;
}

const char *dovecot_fixture_ca_file(const struct dovecot_fixture *f)
{
    return tls_fixture_ca_file(f->tls);
}
