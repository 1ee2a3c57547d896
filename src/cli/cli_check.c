#include "cli_priv.h"

#include "postrider/redis/redis.h"

#include <stdio.h>
#include <string.h>

int cli_check_config(struct cli_call *call)
{
    struct err err = {0};
    const char *url = call->config->redis.url;
    if (strcmp(url, "embedded") != 0 && !redis_url_check(url, &err)) {
        fprintf(stderr, "postrider: redis.url: %s\n", err.msg);
        return CLI_FAILED;
    }
    struct buf text = BUF_INIT(256 * 1024);
    bool ok = config_dump(call->config, &text);
    fputs(buf_c(&text), stdout);
    buf_fini(&text);
    return ok ? CLI_DONE : CLI_FAILED;
}
