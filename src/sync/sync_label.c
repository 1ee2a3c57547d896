/* Labels (Gmail, X-GM-EXT-1). All messages but those in Junk and Trash are in All Mail; every
 * other mailbox is a view of the ones with its label.
 *
 *   All Mail is listed    it is indexed, with labels, and so are Junk and Trash; a message with
 *                         the label \\Inbox is told of as one of INBOX
 *   it is hidden          all mailboxes are indexed like those of any server, and a message
 *                         with two labels is told of twice
 *
 * A label is a word of the mailbox's dictionary like a keyword, with a mark in front: one
 * dictionary of combinations serves both, as they repeat together. */
#include "sync_list_priv.h"
#include "sync_priv.h"

#include "postrider/base/log.h"

static bool has_use(const struct list_row *row, const char *use)
{
    return row->entry.special_use.ptr != NULL && str_ieq_c(row->entry.special_use, use);
}

/* Proton's bridge: each label is a mailbox "Labels/name". */
static void mark_label_copies(struct list_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct imap_list_entry *e = &rows[i].entry;
        struct str rest = e->path, top = STR_NULL;
        if (e->delimiter != 0 && str_split(&rest, e->delimiter, &top) &&
            str_ieq_c(top, "Labels")) {
            e->attrs |= (uint32_t)SYNC_LIST_COPIES;
        }
    }
}

void sync_label_listing(const struct imap_conn *conn, const struct sync_ctx *sc,
                        struct list_row *rows, size_t count)
{
    bool found = false;
    if ((sync_quirks(conn) & SYNC_QUIRK_LABEL_COPIES) != 0) {
        mark_label_copies(rows, count);
    }
    if (!imap_conn_has(conn, IMAP_CAP_GMAIL)) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (has_use(&rows[i], "\\All") &&
            (rows[i].entry.attrs & (uint32_t)IMAP_LIST_NOSELECT) == 0 && !found) {
            found = true;
            rows[i].entry.attrs |= (uint32_t)SYNC_LIST_ALL;
        }
    }
    if (!found) {
        log_at(LOG_WARN, "sync",
               "All Mail is hidden from IMAP: a message with two labels is told of twice",
               LOG_S("account", sc->acct->name));
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if ((rows[i].entry.attrs & (uint32_t)SYNC_LIST_ALL) == 0 &&
            !has_use(&rows[i], "\\Junk") && !has_use(&rows[i], "\\Trash")) {
            rows[i].entry.attrs |= (uint32_t)SYNC_LIST_COPIES;
        }
    }
}

/* Labels are spelled as mailbox names are, in modified UTF-7. */
static struct str marked(struct arena *arena, struct str label)
{
    struct buf text = BUF_INIT(4096);
    struct str word = STR_NULL;
    buf_put_byte(&text, MAILBOX_LABEL_MARK);
    if (!imap_utf7_decode(&text, label)) {
        buf_clear(&text);
        buf_put_byte(&text, MAILBOX_LABEL_MARK);
        buf_put_str(&text, label);
    }
    if (!text.overflow) {
        word = arena_str(arena, buf_str(&text));
    }
    buf_fini(&text);
    return word;
}

size_t sync_label_words(struct arena *arena, const struct imap_row *row,
                        struct str *keywords, size_t count, size_t max)
{
    for (size_t i = 0; i < row->label_count && count < max; i++) {
        keywords[count++] = marked(arena, row->labels[i]);
    }
    return count;
}

bool sync_is_label(const struct mailbox *m, uint8_t id)
{
    return m->keywords[id][0] == MAILBOX_LABEL_MARK;
}

bool sync_has_label(const struct mailbox *m, const struct msg_row *row, const char *name)
{
    for (size_t i = 0; i < row->keyword_count; i++) {
        if (sync_is_label(m, row->keywords[i]) &&
            str_ieq_c(str_of(m->keywords[row->keywords[i]] + 1), name)) {
            return true;
        }
    }
    return false;
}

void sync_label_keep(struct arena *arena, const struct mailbox *m,
                     const struct msg_row *stored, struct msg_row *row)
{
    size_t count = row->keyword_count;
    uint8_t *ids = arena_alloc(arena, count + stored->keyword_count + 1u);
    if (count > 0) {
        memcpy(ids, row->keywords, count);
    }
    for (size_t i = 0; i < stored->keyword_count; i++) {
        if (sync_is_label(m, stored->keywords[i]) && count < MAILBOX_KEYWORDS_MAX) {
            ids[count++] = stored->keywords[i];
        }
    }
    sync_keywords_sort(ids, count);
    row->keywords = count > 0 ? ids : NULL;
    row->keyword_count = (uint8_t)count;
}

void sync_label_carry(struct arena *arena, const struct sync_flag_row *earlier,
                      struct sync_flag_row *later)
{
    if (!earlier->has_labels || later->has_labels) {
        return;
    }
    size_t count = later->keyword_count;
    struct str *words =
        ARENA_ARRAY(arena, struct str, count + earlier->keyword_count + 1u);
    if (count > 0) {
        memcpy(words, later->keywords, count * sizeof *words);
    }
    for (size_t i = 0; i < earlier->keyword_count && count < MAILBOX_KEYWORDS_MAX; i++) {
        struct str word = earlier->keywords[i];
        if (word.len > 0 && word.ptr[0] == MAILBOX_LABEL_MARK) {
            words[count++] = word;
        }
    }
    later->keywords = words;
    later->keyword_count = (uint8_t)count;
    later->has_labels = true;
}

const char *sync_label_path(const struct mailbox *m, const struct msg_row *row)
{
    bool in_inbox = (m->list_attrs & (uint32_t)SYNC_LIST_ALL) != 0 &&
                    sync_has_label(m, row, "\\Inbox");
    return in_inbox ? "INBOX" : m->path;
}
