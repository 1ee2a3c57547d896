#include "log_world.h"

#include "postrider/base/attr.h"
#include "postrider/store/store_settings.h"

#include <hiredis/hiredis.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

enum {
    APPEND_MAX = 200,
    CLEAN_TRIES = 500
};

void log_world_append(struct store_world *w, const struct store_acct *acct,
                      enum event_type type, uint32_t uid, unsigned count)
{
    struct event events[APPEND_MAX];
    assert_true(count <= APPEND_MAX);
    for (unsigned i = 0; i < count; i++) {
        event_init(&events[i], type, 1700000000000, 1, uid + i, "INBOX", "\\Inbox",
                   json_pack("{s:s, s:i}", "id", "AAAAAQAAAAE", "uid", (int)(uid + i)));
        store_event_id(w->store, acct, 1, 1, uid + i, event_type_name(type), uid + i,
                       events[i].id);
    }
    struct err err =
        world_commit(w, (struct store_commit_params){
                            .acct = acct, .events = events, .event_count = count});
    if (err.code != ERR_OK) {
        fail_msg("commit: %s", err.msg);
    }
}

static void on_record(struct store_account_op *op ATTR_UNUSED, const struct err *err,
                      const struct store_acct *acct ATTR_UNUSED,
                      json_t *record ATTR_UNUSED, json_t *state ATTR_UNUSED, void *ctx)
{
    struct world_call *call = ctx;
    call->err = *err;
    call->done = true;
}

void log_world_record(struct store_world *w, const char *account_id, json_t *record)
{
    struct world_call call = {0};
    (void)store_account_update_start(w->store, str_of(account_id), record, on_record,
                                     &call);
    json_decref(record);
    world_wait(w, &call);
    assert_int_equal(call.err.code, ERR_OK);
}

static void on_settings(struct store_settings_op *op ATTR_UNUSED, const struct err *err,
                        void *ctx)
{
    struct world_call *call = ctx;
    call->err = *err;
    call->done = true;
}

void log_world_settings(struct store_world *w, json_t *changes)
{
    struct world_call call = {0};
    assert_non_null(changes);
    (void)store_settings_set_start(w->store, changes, on_settings, &call);
    json_decref(changes);
    world_wait(w, &call);
    assert_int_equal(call.err.code, ERR_OK);
}

bool log_world_is_dirty(struct store_world *w)
{
    redisReply *keys = redis_fixture_command(w->server, "KEYS test:{*}:dirty");
    bool dirty = keys->elements > 0; /* an empty set does not exist */
    freeReplyObject(keys);
    return dirty;
}

void log_world_wait_clean(struct store_world *w)
{
    for (int i = 0; i < CLEAN_TRIES && log_world_is_dirty(w); i++) {
        loop_fixture_run_for(w->loop, 10);
    }
    assert_false(log_world_is_dirty(w));
}
