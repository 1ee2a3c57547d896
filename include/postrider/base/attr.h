/* attr: compiler attributes and small macros, the only door to GNU extensions. */
#ifndef POSTRIDER_BASE_ATTR_H
#define POSTRIDER_BASE_ATTR_H

#include <stddef.h>

#define ATTR_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#define ATTR_NODISCARD          __attribute__((warn_unused_result))
#define ATTR_NONNULL            __attribute__((nonnull))
#define ATTR_RETURNS_NONNULL    __attribute__((returns_nonnull))
#define ATTR_NORETURN           __attribute__((noreturn))
#define ATTR_MALLOC             __attribute__((malloc))
#define ATTR_PURE               __attribute__((pure))
#define ATTR_NOINLINE           __attribute__((noinline))
#define ATTR_UNUSED             __attribute__((unused))
#define ATTR_FALLTHROUGH        __attribute__((fallthrough))
#define ATTR_CLEANUP(fn)        __attribute__((cleanup(fn)))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* The struct that embeds `member` at `ptr`. */
#define container_of(ptr, type, member)                                                  \
    ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif
