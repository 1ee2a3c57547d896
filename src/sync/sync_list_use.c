/* What mailboxes are for, where the server does not say it. */
#include "sync_list_priv.h"

#include "postrider/base/mem.h"

/* Names that servers without SPECIAL-USE give these mailboxes. */
static const struct {
    const char *use;
    const char *name;
} use_names[] = {
    {"\\Sent", "Sent"},
    {"\\Sent", "Sent Items"},
    {"\\Sent", "Sent Messages"},
    {"\\Sent", "Sent Mail"},
    {"\\Drafts", "Drafts"},
    {"\\Drafts", "Draft"},
    {"\\Trash", "Trash"},
    {"\\Trash", "Deleted Items"},
    {"\\Trash", "Deleted Messages"},
    {"\\Trash", "Bin"},
    {"\\Junk", "Junk"},
    {"\\Junk", "Junk Email"},
    {"\\Junk", "Junk E-mail"},
    {"\\Junk", "Spam"},
    {"\\Junk", "Bulk Mail"},
    {"\\Archive", "Archive"},
    {"\\Archive", "Archives"},
};

static bool use_is_taken(const struct sync_listed *rows, size_t count, const char *use)
{
    for (size_t i = 0; i < count; i++) {
        if (str_ieq_c(rows[i].entry->special_use, use)) {
            return true;
        }
    }
    return false;
}

static struct str base_name(struct str path, char delimiter)
{
    for (size_t i = path.len; delimiter != 0 && i > 0; i--) {
        if (path.ptr[i - 1] == delimiter) {
            return str_tail(path, i);
        }
    }
    return path;
}

void sync_guess_uses(struct sync_listed *rows, size_t count)
{
    for (size_t u = 0; u < ARRAY_LEN(use_names); u++) {
        if (use_is_taken(rows, count, use_names[u].use)) {
            continue;
        }
        for (size_t i = 0; i < count; i++) {
            struct imap_list_entry *e = rows[i].entry;
            if (e->special_use.ptr == NULL && (e->attrs & IMAP_LIST_NOSELECT) == 0 &&
                str_ieq_c(base_name(e->path, e->delimiter), use_names[u].name)) {
                e->special_use = str_of(use_names[u].use);
                rows[i].guessed = true;
                break;
            }
        }
    }
}

void sync_list_guess_uses(struct list_row *rows, size_t count)
{
    struct sync_listed *listed = mem_array(count + 1, sizeof *listed);
    for (size_t i = 0; i < count; i++) {
        listed[i].entry = &rows[i].entry;
    }
    sync_guess_uses(listed, count);
    for (size_t i = 0; i < count; i++) {
        rows[i].guessed = listed[i].guessed;
    }
    mem_free(listed);
}
