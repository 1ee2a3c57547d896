/* Changes of one account, one after the other: the store refuses a second one at a time, and
 * a removal must not meet a change half way. */
#include "api_handlers.h"
#include "postrider/base/map.h"
#include "postrider/base/mem.h"

struct api_changes {
    struct map *queues; /* by account id; a queue exists while a change runs */
};

struct queue {
    struct list waiting; /* api_task.node */
};

void api_changes_free(struct api_changes **c)
{
    size_t it = 0;
    void *value;
    struct str key;
    if (*c == NULL) {
        return;
    }
    while (map_next((*c)->queues, &it, &key, &value)) {
        struct queue *q = value;
        struct list *node;
        while ((node = list_pop(&q->waiting)) != NULL) {
            (void)api_task_end(container_of(node, struct api_task, node));
        }
    }
    map_free(&(*c)->queues);
    mem_free(*c);
    *c = NULL;
}

/* Runs what waits, until one is under way or none is left. */
static void run_next(struct api_services *services, struct str id)
{
    for (;;) {
        struct queue *q =
            services->changes != NULL ? map_get(services->changes->queues, id) : NULL;
        struct list *node = q != NULL ? list_pop(&q->waiting) : NULL;
        if (node == NULL) {
            break;
        }
        struct api_task *task = container_of(node, struct api_task, node);
        if (task->run(task)) {
            return;
        }
    }
    if (services->changes != NULL) {
        (void)map_remove(services->changes->queues, id);
    }
}

void api_change_start(struct api_task *task, api_change_run *run)
{
    struct api_services *services = task->services;
    if (services->changes == NULL) {
        services->changes = MEM_NEW(struct api_changes);
        services->changes->queues = map_new(mem_free);
    }
    struct queue *q = map_get(services->changes->queues, str_of(task->id));
    task->run = run;
    if (q != NULL) {
        list_append(&q->waiting, &task->node);
        return;
    }
    q = MEM_NEW(struct queue);
    list_init(&q->waiting);
    list_append(&q->waiting, &task->node);
    map_put(services->changes->queues, str_of(task->id), q);
    char *id = mem_strdup(task->id);
    run_next(services, str_of(id));
    mem_free(id);
}

void api_change_end(struct api_task *task, const struct err *err, json_t *taken)
{
    struct api_services *services = task->services;
    char *id = mem_strdup(task->id);
    api_task_reply(task, err, taken);
    run_next(services, str_of(id));
    mem_free(id);
}
