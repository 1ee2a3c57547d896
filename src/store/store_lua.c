#include "store_priv.h"

#include "embedded.h"

struct lua_row {
    const char *name;
    const unsigned char *source;
    const size_t *len;
};

#define ROW(id)                                                                          \
    {                                                                                    \
#        id, embedded_##id##_lua, &embedded_##id##_lua_len                               \
    }

static const struct lua_row rows[STORE_LUA_COUNT] = {
    [STORE_LUA_LEASE] = ROW(lease),
    [STORE_LUA_RELEASE] = ROW(release),
    [STORE_LUA_ACCOUNT_CREATE] = ROW(account_create),
    [STORE_LUA_ACCOUNT_UPDATE] = ROW(account_update),
    [STORE_LUA_ACCOUNT_DELETE] = ROW(account_delete),
    [STORE_LUA_DIRECTORY_SWAP] = ROW(directory_swap),
    [STORE_LUA_SETTINGS_SET] = ROW(settings_set),
    [STORE_LUA_TOKEN_DELETE] = ROW(token_delete),
    [STORE_LUA_TOKEN_TOUCH] = ROW(token_touch),
    [STORE_LUA_COMMIT] = ROW(commit),
    [STORE_LUA_CURSOR] = ROW(cursor),
    [STORE_LUA_TRIM] = ROW(trim),
};

void store_lua_init(struct store *s)
{
    for (size_t i = 0; i < STORE_LUA_COUNT; i++) {
        s->scripts[i] = (struct redis_script){.name = rows[i].name,
                                              .source = (const char *)rows[i].source,
                                              .source_len = *rows[i].len};
    }
}
