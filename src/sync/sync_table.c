#include "postrider/sync/sync.h"

#include "postrider/base/check.h"
#include "postrider/base/mem.h"

void mailbox_table_fini(struct mailbox_table *t)
{
    for (size_t i = 0; i < t->count; i++) {
        mailbox_free(&t->items[i]);
    }
    mem_free(t->items);
    *t = (struct mailbox_table){0};
}

void mailbox_table_add(struct mailbox_table *t, struct mailbox *m)
{
    if (t->count == t->cap) {
        t->cap = t->cap > 0 ? t->cap * 2 : 8;
        t->items = mem_realloc(t->items, t->cap * sizeof(struct mailbox *));
    }
    t->items[t->count++] = m;
}

void mailbox_table_remove(struct mailbox_table *t, struct mailbox *m)
{
    for (size_t i = 0; i < t->count; i++) {
        if (t->items[i] == m) {
            mailbox_free(&t->items[i]);
            t->items[i] = t->items[--t->count];
            return;
        }
    }
    CHECK(false && "mailbox is in its table");
}

struct mailbox *mailbox_table_by_wire(const struct mailbox_table *t, struct str wire)
{
    for (size_t i = 0; i < t->count; i++) {
        if (str_eq(str_from(t->items[i]->wire, t->items[i]->wire_len), wire)) {
            return t->items[i];
        }
    }
    return NULL;
}

struct mailbox *mailbox_table_by_box(const struct mailbox_table *t, uint32_t box)
{
    for (size_t i = 0; i < t->count; i++) {
        if (t->items[i]->box == box) {
            return t->items[i];
        }
    }
    return NULL;
}

struct mailbox *mailbox_table_by_number(const struct mailbox_table *t, uint32_t number)
{
    for (size_t i = 0; i < t->count; i++) {
        if (t->items[i]->number == number) {
            return t->items[i];
        }
    }
    return NULL;
}

struct mailbox *mailbox_table_by_use(const struct mailbox_table *t,
                                     const char *special_use)
{
    for (size_t i = 0; i < t->count; i++) {
        if (str_ieq_c(str_of(t->items[i]->special_use), special_use)) {
            return t->items[i];
        }
    }
    return NULL;
}

struct mailbox *mailbox_table_inbox(const struct mailbox_table *t)
{
    for (size_t i = 0; i < t->count; i++) {
        if (str_ieq_c(str_of(t->items[i]->path), "INBOX")) {
            return t->items[i];
        }
    }
    return NULL;
}

struct mailbox *mailbox_table_all(const struct mailbox_table *t)
{
    for (size_t i = 0; i < t->count; i++) {
        if ((t->items[i]->list_attrs & (uint32_t)SYNC_LIST_ALL) != 0) {
            return t->items[i];
        }
    }
    return NULL;
}

bool mailbox_is_synced(const struct mailbox *m)
{
    /* Virtual mailboxes show messages of others: indexing them would announce all twice.
     */
    static const char *const virtual_uses[] = {"\\All", "\\Flagged", "\\Important"};
    if ((m->list_attrs & (IMAP_LIST_NOSELECT | IMAP_LIST_NONEXISTENT |
                          (uint32_t)SYNC_LIST_COPIES)) != 0 ||
        m->gone_since_ms != 0) {
        return false;
    }
    if ((m->list_attrs & (uint32_t)SYNC_LIST_ALL) != 0) {
        return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(virtual_uses); i++) {
        if (str_ieq_c(str_of(m->special_use), virtual_uses[i])) {
            return false;
        }
    }
    return true;
}
