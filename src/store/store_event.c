#include "store_priv.h"

#include <stdio.h>

/* The clear parts of an entry, type and id, are bound to the sealed part by the AAD. */
static struct store_place place_of(const struct store_acct *acct, enum event_type type,
                                   const char *id, char *field, size_t size)
{
    (void)snprintf(field, size, "event:%s:%s", event_type_name(type), id);
    return (struct store_place){
        .purpose = CRYPTO_EVENT, .incarnation = acct->incarnation, .field = field};
}

bool store_event_seal(struct store *s, const struct store_acct *acct,
                      const struct event *e, struct buf *out)
{
    char field[96];
    struct store_place place = place_of(acct, e->type, e->id, field, sizeof field);
    struct buf plain = BUF_INIT(EVENT_DATA_MAX);
    bool ok = event_encode(e, &plain) && store_seal(s, &place, buf_str(&plain), out);
    buf_fini(&plain);
    return ok;
}

bool store_event_open(struct store *s, const struct store_acct *acct,
                      enum event_type type, const char *id, struct str sealed,
                      struct event *out, struct err *err)
{
    char field[96];
    struct store_place place = place_of(acct, type, id, field, sizeof field);
    struct buf plain = BUF_INIT(EVENT_DATA_MAX);
    bool ok = store_open_value(s, &place, sealed, &plain, err) &&
              event_decode(type, id, buf_str(&plain), out, err);
    buf_fini(&plain);
    if (!ok) {
        *out = (struct event){.type = type};
        (void)snprintf(out->id, sizeof out->id, "%s", id);
    }
    return ok;
}
