#include "replay_model.h"

#include "postrider/base/map.h"
#include "postrider/base/mem.h"

struct message {
    uint32_t box;
    json_t *flags;
};

struct box {
    size_t carried;
    char *path;
};

struct replay {
    struct map *messages; /* id → struct message */
    struct map *boxes;    /* 4 bytes → struct box */
    struct map *seen;     /* event ids */
};

static void message_free(void *value)
{
    struct message *m = value;
    json_decref(m->flags);
    mem_free(m);
}

static void box_free(void *value)
{
    struct box *b = value;
    mem_free(b->path);
    mem_free(b);
}

struct replay *replay_new(void)
{
    struct replay *r = MEM_NEW(struct replay);
    r->messages = map_new(message_free);
    r->boxes = map_new(box_free);
    r->seen = map_new(NULL);
    return r;
}

void replay_free(struct replay **rp)
{
    struct replay *r = *rp;
    if (r != NULL) {
        *rp = NULL;
        map_free(&r->messages);
        map_free(&r->boxes);
        map_free(&r->seen);
        mem_free(r);
    }
}

static struct box *box_get(const struct replay *r, uint32_t box)
{
    return map_get(r->boxes, str_from((const char *)&box, sizeof box));
}

static struct box *box_of(struct replay *r, uint32_t box)
{
    struct box *b = box_get(r, box);
    if (b == NULL) {
        b = MEM_NEW(struct box);
        map_put(r->boxes, str_from((const char *)&box, sizeof box), b);
    }
    return b;
}

void replay_baseline(struct replay *r, uint32_t box, size_t count)
{
    box_of(r, box)->carried += count;
}

void replay_put(struct replay *r, uint32_t box, const char *id, json_t *flags)
{
    struct message *m = MEM_NEW(struct message);
    m->box = box;
    m->flags = flags;
    map_put(r->messages, str_of(id), m);
}

static json_t *flags_of(const struct event *e)
{
    json_t *changes = json_object_get(json_object_get(e->data, "changes"), "flags");
    json_t *flags = e->type == EVENT_MESSAGE_UPDATED ? json_object_get(changes, "value")
                                                     : json_object_get(e->data, "flags");
    return json_incref(flags);
}

/* Takes the message out; one that was carried counts down instead. */
static bool take(struct replay *r, uint32_t box, const char *id)
{
    if (map_remove(r->messages, str_of(id))) {
        return true;
    }
    struct box *b = box_of(r, box);
    bool carried = b->carried > 0;
    b->carried -= carried;
    return carried;
}

static void forget_names(struct replay *r, uint32_t box, bool carry)
{
    struct str id;
    void *value;
    for (size_t it = 0; map_next(r->messages, &it, &id, &value);) {
        if (((struct message *)value)->box == box) {
            box_of(r, box)->carried += carry;
            (void)map_remove(r->messages, id);
        }
    }
}

static const char *message_event(struct replay *r, const struct event *e)
{
    const char *id = json_string_value(json_object_get(e->data, "id"));
    if (id == NULL) {
        return "names no message";
    }
    if (e->type == EVENT_MESSAGE_DELETED) {
        return take(r, e->box, id) ? NULL : "deletes what is not there";
    }
    if (e->type == EVENT_MESSAGE_UPDATED) {
        if (!take(r, e->box, id)) {
            return "changes what is not there";
        }
    } else if (replay_flags(r, id) != NULL) {
        return "is new twice";
    }
    /* A move is an arrival: the removal has an event of its own. */
    replay_put(r, e->box, id, flags_of(e));
    return NULL;
}

static const char *mailbox_event(struct replay *r, const struct event *e)
{
    struct box *b = box_of(r, e->box);
    switch ((int)e->type) {
    case EVENT_MAILBOX_DELETED:
        forget_names(r, e->box, false);
        (void)map_remove(r->boxes, str_from((const char *)&e->box, sizeof e->box));
        return NULL;
    case EVENT_MAILBOX_RESET:
        forget_names(r, e->box, true);
        return NULL;
    default: /* created, renamed */
        mem_free(b->path);
        b->path = mem_strdup(e->path);
        return NULL;
    }
}

const char *replay_event(struct replay *r, const struct event *e)
{
    if (map_get(r->seen, str_of(e->id)) != NULL) {
        return NULL;
    }
    map_put(r->seen, str_of(e->id), r);
    if (e->uid != 0) {
        return message_event(r, e);
    }
    return e->box != 0 ? mailbox_event(r, e) : NULL;
}

const json_t *replay_flags(const struct replay *r, const char *id)
{
    const struct message *m = map_get(r->messages, str_of(id));
    return m != NULL ? m->flags : NULL;
}

size_t replay_carried(const struct replay *r, uint32_t box)
{
    const struct box *b = box_get(r, box);
    return b != NULL ? b->carried : 0;
}

size_t replay_count(const struct replay *r, uint32_t box)
{
    size_t n = replay_carried(r, box);
    struct str id;
    void *value;
    for (size_t it = 0; map_next(r->messages, &it, &id, &value);) {
        n += ((struct message *)value)->box == box;
    }
    return n;
}

const char *replay_path(const struct replay *r, uint32_t box)
{
    const struct box *b = box_get(r, box);
    return b != NULL ? b->path : NULL;
}
