/* check: assertions that stay on in production.
 * For programming errors only; input from outside never reaches a CHECK. */
#ifndef POSTRIDER_BASE_CHECK_H
#define POSTRIDER_BASE_CHECK_H

#include "postrider/base/attr.h"

#define CHECK(cond)                                                                      \
    do {                                                                                 \
        if (__builtin_expect(!(cond), 0)) {                                              \
            check_failed(#cond, __FILE__, __LINE__, __func__);                           \
        }                                                                                \
    } while (0)

/* The object behind `ptr` is alive and of the right kind. */
#define CHECK_MAGIC(ptr, value) CHECK((ptr) != NULL && (ptr)->magic == (value))

void check_failed(const char *cond, const char *file, int line,
                  const char *func) ATTR_NORETURN;

#endif
