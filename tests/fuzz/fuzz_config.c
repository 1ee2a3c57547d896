/* Property: a file that is refused is refused with its name and a line that exists, in
 * printable words; line ends of another system change nothing. */
#include "postrider/base/check.h"
#include "postrider/base/num.h"
#include "postrider/config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    INPUT_MAX = CONFIG_LINE_MAX / 2
};

static void check_message(const struct err *err, size_t lines)
{
    CHECK(err->code == ERR_CONFIG);
    struct str rest = str_of(err->msg);
    struct str name;
    struct str number;
    uint64_t line = 0;
    CHECK(str_split(&rest, ':', &name) && str_eq_c(name, "name.conf"));
    CHECK(str_split(&rest, ':', &number) && num_u64(number, lines, &line) && line > 0);
    for (size_t i = 0; i < rest.len; i++) {
        CHECK(rest.ptr[i] >= 0x20 && rest.ptr[i] < 0x7f);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > INPUT_MAX) {
        return 0;
    }
    struct buf dos = BUF_INIT(2 * INPUT_MAX);
    size_t lines = 1;
    for (size_t i = 0; i < size; i++) {
        char c = (char)data[i];
        lines += c == '\n' ? 1 : 0;
        CHECK((c != '\n' || buf_put_byte(&dos, '\r')) && buf_put_byte(&dos, c));
    }
    struct err err = {0};
    struct err dos_err = {0};
    bool ok = config_check_text("name.conf", str_from(data, size), &err);
    CHECK(config_check_text("name.conf", buf_str(&dos), &dos_err) == ok);
    if (!ok) {
        check_message(&err, lines);
        CHECK(str_eq_c(str_of(err.msg), dos_err.msg));
    }
    buf_fini(&dos);
    return 0;
}
