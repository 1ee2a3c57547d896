#include "postrider/base/check.h"

#include <stdio.h>
#include <stdlib.h>

void check_failed(const char *cond, const char *file, int line, const char *func)
{
    fprintf(stderr,
            "{\"level\":\"error\",\"module\":\"check\",\"msg\":\"assertion failed\","
            "\"where\":\"%s:%d %s\"}\n%s\n",
            file, line, func, cond);
    abort();
}
