#include "app_priv.h"

#include "postrider/base/codec.h"
#include "postrider/base/rand.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool read_id(const char *path, char out[33])
{
    uint8_t raw[16];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    ssize_t n = read(fd, out, 32);
    (void)close(fd);
    out[32] = '\0';
    return n == 32 && hex_decode(str_from(out, 32), raw, sizeof raw);
}

bool app_node_id_load(const char *data_dir, char out[33], struct err *err)
{
    char path[4096], fresh[4200];
    (void)snprintf(path, sizeof path, "%s/node.id", data_dir);
    (void)snprintf(fresh, sizeof fresh, "%s.new", path);
    if (read_id(path, out)) {
        return true;
    }
    uint8_t raw[16];
    struct buf text = BUF_INIT(64);
    rand_bytes(raw, sizeof raw);
    (void)hex_encode(&text, raw, sizeof raw);
    memcpy(out, buf_c(&text), 33);
    (void)buf_put_byte(&text, '\n');
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool ok =
        fd >= 0 && write(fd, text.bytes, text.len) == (ssize_t)text.len && fsync(fd) == 0;
    if (fd >= 0) {
        (void)close(fd);
    }
    buf_fini(&text);
    if (!ok || rename(fresh, path) != 0) {
        return err_set_sys(err, ERR_IO, errno, "%s: %s", path, strerror(errno));
    }
    return true;
}
