/* Where the master key comes from: a text, or a file that is made once.
 * The file appears under its name complete and synced, or not at all: it is written under
 * a temporary name and linked, so that no crash leaves an empty key behind and two nodes
 * that start at once end up with the same one. */
#include "postrider/crypto/crypto.h"

#include "postrider/base/codec.h"
#include "postrider/base/mem.h"
#include "postrider/base/rand.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    KEY_FILE_MAX = 4096,
    HEX_KEY_LEN = 2 * CRYPTO_KEY_SIZE,
    BASE64_KEY_LEN = 44,
    SCRYPT_N = 1 << 15,
    SCRYPT_R = 8,
    SCRYPT_P = 1,
    SCRYPT_MEMORY_MAX = 64 * 1024 * 1024
};

/* Fixed: the passphrase alone must give the same key on every node. */
static const char scrypt_salt[] = "postrider/master-key/1";

static bool key_from_base64(struct str text, uint8_t out[CRYPTO_KEY_SIZE])
{
    if (text.len != BASE64_KEY_LEN) {
        return false;
    }
    struct buf bytes = BUF_INIT(BASE64_KEY_LEN);
    bool ok = base64_decode(&bytes, text) && bytes.len == CRYPTO_KEY_SIZE;
    if (ok) {
        memcpy(out, bytes.bytes, CRYPTO_KEY_SIZE);
    }
    mem_wipe(bytes.bytes, bytes.cap);
    buf_fini(&bytes);
    return ok;
}

static bool key_from_text(struct str text, const char *origin,
                          uint8_t out[CRYPTO_KEY_SIZE], struct err *err)
{
    if (text.len == HEX_KEY_LEN && hex_decode(text, out, CRYPTO_KEY_SIZE)) {
        return true;
    }
    if (key_from_base64(text, out)) {
        return true;
    }
    if (text.len < CRYPTO_PASSPHRASE_MIN) {
        return err_set(
            err, ERR_KEY,
            "%s: too short: give 64 hexadecimal digits, the base64 of 32 bytes, "
            "or a passphrase of at least %d characters",
            origin, CRYPTO_PASSPHRASE_MIN);
    }
    int ok = EVP_PBE_scrypt(text.ptr, text.len, (const unsigned char *)scrypt_salt,
                            sizeof scrypt_salt - 1, SCRYPT_N, SCRYPT_R, SCRYPT_P,
                            SCRYPT_MEMORY_MAX, out, CRYPTO_KEY_SIZE);
    return ok == 1 || err_set(err, ERR_KEY, "%s: scrypt failed", origin);
}

static bool key_file_check(int fd, const char *path, struct err *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return err_set_sys(err, ERR_IO, errno, "%s: %s", path, strerror(errno));
    }
    if (!S_ISREG(st.st_mode)) {
        return err_set(err, ERR_KEY, "%s: not a regular file", path);
    }
    if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        return err_set(err, ERR_KEY,
                       "%s: mode %04o lets others read the master key; run: chmod 600 %s",
                       path, (unsigned)(st.st_mode & 07777), path);
    }
    if (st.st_uid != geteuid() && st.st_uid != 0) {
        return err_set(err, ERR_KEY,
                       "%s: belongs to user %u; run: chown %u %s (the daemon's user)",
                       path, (unsigned)st.st_uid, (unsigned)geteuid(), path);
    }
    return true;
}

static bool key_file_read(int fd, const char *path, uint8_t out[CRYPTO_KEY_SIZE],
                          struct err *err)
{
    char bytes[KEY_FILE_MAX];
    size_t len = 0;
    ssize_t got = 0;
    do {
        got = read(fd, bytes + len, sizeof bytes - len);
        len += got > 0 ? (size_t)got : 0;
    } while ((got > 0 && len < sizeof bytes) || (got < 0 && errno == EINTR));
    bool ok = true;
    if (got < 0) {
        ok = err_set_sys(err, ERR_IO, errno, "%s: %s", path, strerror(errno));
    } else if (len == sizeof bytes) {
        ok = err_set(err, ERR_KEY, "%s: too long for a master key", path);
    } else {
        struct str rest = str_from(bytes, len);
        struct str line = STR("");
        (void)str_split(&rest, '\n', &line);
        ok = key_from_text(str_trim(line), path, out, err);
    }
    mem_wipe(bytes, sizeof bytes);
    return ok;
}

static bool write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

/* Makes the new name durable; a failure here is not fatal for a key that is readable. */
static void sync_dir_of(const char *path)
{
    char dir[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t len = slash != NULL ? (size_t)(slash - path) : 0;
    if (len >= sizeof dir) {
        return;
    }
    if (slash == NULL) {
        (void)snprintf(dir, sizeof dir, ".");
    } else {
        (void)snprintf(dir, sizeof dir, "%.*s", len > 0 ? (int)len : 1, path);
    }
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)fsync(fd);
        (void)close(fd);
    }
}

static bool key_file_write(const char *path, const char *text, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                  S_IRUSR | S_IWUSR);
    if (fd < 0) {
        return false;
    }
    bool ok = write_all(fd, text, len) && fsync(fd) == 0;
    int sys = errno;
    ok = close(fd) == 0 && ok;
    errno = sys;
    return ok;
}

/* *created stays false when another process made the file first. */
static bool key_file_create(const char *path, bool *created, struct err *err)
{
    uint8_t key[CRYPTO_KEY_SIZE];
    rand_bytes(key, sizeof key);
    struct buf text = BUF_INIT(HEX_KEY_LEN + 1);
    (void)hex_encode(&text, key, sizeof key);
    (void)buf_put_byte(&text, '\n');
    mem_wipe(key, sizeof key);

    char temp[PATH_MAX];
    int n =
        snprintf(temp, sizeof temp, "%s.%016llx", path, (unsigned long long)rand_u64());
    bool ok = n > 0 && (size_t)n < sizeof temp;
    errno = ok ? 0 : ENAMETOOLONG;
    ok = ok && key_file_write(temp, text.bytes, text.len);
    if (ok) {
        *created = link(temp, path) == 0;
        ok = *created || errno == EEXIST;
    }
    int sys = errno;
    mem_wipe(text.bytes, text.cap);
    buf_fini(&text);
    if (n > 0 && (size_t)n < sizeof temp) {
        (void)unlink(temp);
    }
    if (!ok) {
        return err_set_sys(err, ERR_KEY, sys,
                           "%s: cannot create the master key: %s; make the directory "
                           "writable or set secret.key",
                           path, strerror(sys));
    }
    sync_dir_of(path);
    return true;
}

static int key_file_open(const char *path, bool may_create, bool *created,
                         struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT && may_create) {
        if (!key_file_create(path, created, err)) {
            return -1;
        }
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    }
    if (fd < 0 && errno == ENOENT) {
        (void)err_set(err, ERR_KEY,
                      "%s does not exist, and stored data is encrypted already: restore "
                      "the file or set secret.key to the master key",
                      path);
    } else if (fd < 0) {
        (void)err_set_sys(err, ERR_KEY, errno, "%s: %s", path, strerror(errno));
    }
    return fd;
}

bool master_key_load(const struct master_key_config *config, uint8_t out[CRYPTO_KEY_SIZE],
                     bool *created, struct err *err)
{
    *created = false;
    uint8_t key[CRYPTO_KEY_SIZE];
    bool ok = false;
    if (config->key_text != NULL && config->key_text[0] != '\0') {
        ok = key_from_text(str_trim(str_of(config->key_text)), "secret.key", key, err);
    } else if (config->key_file == NULL || config->key_file[0] == '\0') {
        return err_set(err, ERR_KEY, "no master key: set secret.key or data.dir");
    } else {
        int fd = key_file_open(config->key_file, config->may_create, created, err);
        if (fd < 0) {
            return false;
        }
        ok = key_file_check(fd, config->key_file, err) &&
             key_file_read(fd, config->key_file, key, err);
        (void)close(fd);
    }
    if (ok) {
        memcpy(out, key, sizeof key);
    }
    mem_wipe(key, sizeof key);
    return ok;
}
