/* How full Redis is, as far as it has a limit: asked for now and then, since what is full
 * refuses every write. */
#include "store_parts.h"

#include "postrider/base/num.h"

static const int64_t look_ms = 2000;

struct str store_info_value(struct str info, const char *name)
{
    struct str line;
    while (str_split(&info, '\n', &line)) {
        struct str rest = line;
        struct str key;
        if (str_split(&rest, ':', &key) && str_eq_c(key, name)) {
            return str_trim(rest);
        }
    }
    return STR_NULL;
}

static uint64_t info_number(struct str info, const char *name)
{
    struct str text = store_info_value(info, name);
    uint64_t value = 0;
    return text.ptr != NULL && num_u64(text, UINT64_MAX, &value) ? value : 0;
}

unsigned store_memory_percent(struct str info)
{
    uint64_t used = info_number(info, "used_memory");
    uint64_t most = info_number(info, "maxmemory");
    if (most == 0) {
        return 0;
    }
    return used >= most ? 100 : (unsigned)((double)used * 100 / (double)most);
}

static void on_info(void *ctx, const struct store_reply *reply)
{
    struct store *s = ctx;
    if (reply->err == NULL && reply->value->type == REDIS_STRING) {
        s->fill_percent = store_memory_percent(reply->value->str);
    }
}

static void on_timer(struct timer *t)
{
    struct store *s = container_of(t, struct store, memory_timer);
    if (redis_state_get(s->redis) == REDIS_STATE_READY) {
        struct arena arena = {0};
        struct store_words w;
        store_words_init(&w, &arena);
        store_word_c(&w, "INFO");
        store_word_c(&w, "memory");
        struct store_target target = {
            .store = s, .calls = &s->background, .fn = on_info, .ctx = s};
        store_send(&target, &w);
        arena_fini(&arena);
    }
    timer_set(s->loop, &s->memory_timer, look_ms, on_timer);
}

void store_memory_start(struct store *s)
{
    timer_set(s->loop, &s->memory_timer, 0, on_timer);
}

void store_memory_stop(struct store *s)
{
    timer_stop(&s->memory_timer);
}

unsigned store_fill_percent(const struct store *s)
{
    return s->fill_percent;
}
