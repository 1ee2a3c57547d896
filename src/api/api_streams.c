#include "api_streams.h"

#include "postrider/base/map.h"
#include "postrider/base/mem.h"

enum {
    RETRY_S = 10
};

struct api_streams {
    struct list open;
    struct map *counts; /* token id → struct token_count */
    bool quiesced;
};

struct token_count {
    size_t open;
};

static struct api_streams *streams_of(struct api_services *services)
{
    if (services->streams == NULL) {
        services->streams = MEM_NEW(struct api_streams);
        list_init(&services->streams->open);
        services->streams->counts = map_new(mem_free);
    }
    return services->streams;
}

static void refuse(struct api_call *call)
{
    static const struct err too_many = {
        .code = ERR_RATE_LIMITED, .msg = "Too many streams are open with this token"};
    json_t *details = json_object();
    json_put_int(details, "ttl", RETRY_S);
    api_reply_err_with(call, &too_many, details);
}

bool api_stream_open(struct api_stream *s, struct api_call *call, api_stream_end *end)
{
    static const struct err stopping = {.code = ERR_UNAVAILABLE,
                                        .msg = "The server is stopping"};
    struct api_services *services = api_services_of(call);
    struct api_streams *streams = streams_of(services);
    struct str token = str_of(call->who.token_id);
    struct token_count *count = map_get(streams->counts, token);
    if (streams->quiesced) {
        api_reply_err(call, &stopping);
        return false;
    }
    if (count != NULL && count->open >= (size_t)services->config->http.token_streams) {
        refuse(call);
        return false;
    }
    if (count == NULL) {
        count = MEM_NEW(struct token_count);
        map_put(streams->counts, token, count);
    }
    count->open++;
    *s = (struct api_stream){.streams = streams,
                             .call = call,
                             .token_id = mem_strdup(call->who.token_id),
                             .end = end};
    list_init(&s->node);
    list_append(&streams->open, &s->node);
    return true;
}

void api_stream_close(struct api_stream *s)
{
    struct api_streams *streams = s->streams;
    if (streams == NULL) {
        return;
    }
    struct str token = str_of(s->token_id);
    struct token_count *count = map_get(streams->counts, token);
    if (--count->open == 0) {
        (void)map_remove(streams->counts, token);
    }
    mem_free(s->token_id);
    list_remove(&s->node);
    s->streams = NULL;
}

void api_services_quiesce(struct api_services *services)
{
    struct api_streams *streams = streams_of(services);
    struct list now;
    struct list *node;
    streams->quiesced = true;
    list_move_all(&streams->open, &now);
    while ((node = list_pop(&now)) != NULL) {
        struct api_stream *s = container_of(node, struct api_stream, node);
        s->end(s);
    }
}

void api_streams_free(struct api_streams **s)
{
    if (*s != NULL) {
        map_free(&(*s)->counts);
        mem_free(*s);
        *s = NULL;
    }
}
