/* Which mailboxes of an account are watched, in which order, how thoroughly: what the
 * record says about that. */
#include "account_priv.h"

#include "postrider/store/store_settings.h"

enum {
    RESYNC_DEFAULT_S = 900,
    RESYNC_MIN_S = 10,
    RANK_INITIAL = 16 /* an index that is missing waits for news of the others */
};

static bool is_named(const char *name, const struct mailbox *m)
{
    struct str path = str_of(m->path);
    if (name[0] == '\\') {
        return str_ieq_c(str_of(m->special_use), name) ||
               (str_ieq_c(str_of(name), "\\Inbox") && str_ieq_c(path, "INBOX"));
    }
    return str_eq_c(path, name) ||
           (str_ieq_c(path, "INBOX") && str_ieq_c(str_of(name), "INBOX"));
}

bool account_names(const struct account *a, const char *member, const struct mailbox *m)
{
    const json_t *list = json_object_get(a->record, member);
    size_t index;
    const json_t *item;
    json_array_foreach(list, index, item)
    {
        const char *name = json_string_value(item);
        if (name != NULL && is_named(name, m)) {
            return true;
        }
    }
    return json_is_string(list) && is_named(json_string_value(list), m);
}

/* "*" stands for all, and so does an absent list. */
static bool path_is_all(const struct account *a)
{
    const json_t *list = json_object_get(a->record, "path");
    const char *only = json_string_value(list);
    bool all = list == NULL || (only != NULL && strcmp(only, "*") == 0);
    size_t index, named = 0;
    const json_t *item;
    json_array_foreach(list, index, item)
    {
        const char *name = json_string_value(item);
        named += name != NULL;
        all = all || (name != NULL && strcmp(name, "*") == 0);
    }
    return all || (json_is_array(list) && named == 0);
}

bool account_syncs(const struct account *a, const struct mailbox *m)
{
    /* What All Mail holds is told of as INBOX, too: whoever wants a part gets the whole. */
    return mailbox_is_synced(m) && (path_is_all(a) || account_names(a, "path", m) ||
                                    (m->list_attrs & (uint32_t)SYNC_LIST_ALL) != 0);
}

bool account_is_fast(struct accounts *as, const json_t *record)
{
    const char *own = json_string_value(json_object_get(record, "imapIndexer"));
    const char *mode =
        own != NULL ? own : json_string_value(store_setting(as->store, "imapIndexer"));
    return mode != NULL && strcmp(mode, "fast") == 0;
}

bool account_indexes(const struct account *a, const struct mailbox *m)
{
    return !a->fast && account_syncs(a, m);
}

struct mailbox *account_main(const struct account *a)
{
    struct mailbox *inbox = mailbox_table_inbox(&a->table);
    struct mailbox *all = mailbox_table_all(&a->table);
    if (all != NULL && account_syncs(a, all)) {
        return all;
    }
    if (path_is_all(a) || (inbox != NULL && account_names(a, "path", inbox))) {
        return inbox;
    }
    struct mailbox *first = NULL;
    for (size_t i = 0; i < a->table.count; i++) {
        struct mailbox *m = a->table.items[i];
        if (account_syncs(a, m) && (first == NULL || m->box < first->box)) {
            first = m;
        }
    }
    return first != NULL ? first : inbox; /* none of them is there yet */
}

unsigned account_rank(const struct mailbox *m)
{
    static const struct {
        const char *use;
        unsigned rank;
    } ranks[] = {
        {"\\Sent", 1}, {"\\Drafts", 2}, {"\\Junk", 4}, {"\\Trash", 5}, {"\\All", 6}};
    unsigned rank = str_ieq_c(str_of(m->path), "INBOX") ? 0 : 3;
    for (size_t i = 0; i < ARRAY_LEN(ranks); i++) {
        if (str_ieq_c(str_of(m->special_use), ranks[i].use)) {
            rank = ranks[i].rank;
        }
    }
    return m->phase == MAILBOX_PHASE_LIVE ? rank : rank + RANK_INITIAL;
}

int64_t account_resync_ms(const struct account *a)
{
    const json_t *imap = json_object_get(a->record, "imap");
    const json_t *delay = json_object_get(imap, "resyncDelay");
    int64_t s = json_is_integer(delay) ? json_integer_value(delay) : RESYNC_DEFAULT_S;
    return (s > RESYNC_MIN_S ? s : RESYNC_MIN_S) * 1000;
}
