/* list: an intrusive doubly linked list with a sentinel.
 * Owner    the list owns nothing; a node lives in the object it links
 * Note     a node that is not linked points to itself, so list_remove is always safe */
#ifndef POSTRIDER_BASE_LIST_H
#define POSTRIDER_BASE_LIST_H

#include "postrider/base/attr.h"

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *prev, *next;
};

static inline void list_init(struct list *l)
{
    l->prev = l->next = l;
}

static inline bool list_is_empty(const struct list *l)
{
    return l->next == l;
}

static inline bool list_is_linked(const struct list *node)
{
    return node->next != node;
}

static inline void list_insert_after(struct list *pos, struct list *node)
{
    node->prev = pos;
    node->next = pos->next;
    pos->next->prev = node;
    pos->next = node;
}

static inline void list_append(struct list *l, struct list *node)
{
    list_insert_after(l->prev, node);
}

static inline void list_prepend(struct list *l, struct list *node)
{
    list_insert_after(l, node);
}

static inline void list_remove(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

/* The first node, unlinked, or NULL. */
static inline struct list *list_pop(struct list *l)
{
    struct list *node = l->next;
    if (node == l) {
        return NULL;
    }
    list_remove(node);
    return node;
}

/* Moves all nodes of `from` to the empty list `to`: for walking a list whose callbacks
 * may change it. */
static inline void list_move_all(struct list *from, struct list *to)
{
    list_init(to);
    if (!list_is_empty(from)) {
        to->next = from->next;
        to->prev = from->prev;
        to->next->prev = to->prev->next = to;
        list_init(from);
    }
}

/* Safe against removal of the current node only. */
#define list_foreach(node, l)                                                            \
    for (struct list *node = (l)->next, *node##_next = node->next; node != (l);          \
         node = node##_next, node##_next = node->next)

#endif
