/* imap_list_resp: LIST, LSUB, XLIST and STATUS.
 *
 *   mailbox-list = "(" [*("\" atom)] ")" SP (<"> QUOTED-CHAR <"> / nil) SP mailbox
 *                  [SP mbox-list-extended]                            ; RFC 9051 §9
 *   status       = "STATUS" SP mailbox SP "(" [att SP value *(SP att SP value)] ")"
 *
 * The mailbox is an astring, so NIL there is a name. Exchange sends names with spaces or
 * control bytes unquoted: what cannot be an extension then belongs to the name. */
#include "imap_codec_priv.h"

#include "postrider/base/utf8.h"

static const struct {
    const char *name;
    uint32_t bits;
} list_attrs[] = {
    {"\\Noselect", IMAP_LIST_NOSELECT},
    {"\\NonExistent", IMAP_LIST_NONEXISTENT | IMAP_LIST_NOSELECT},
    {"\\Noinferiors", IMAP_LIST_NOINFERIORS},
    {"\\HasChildren", IMAP_LIST_HAS_CHILDREN},
    {"\\HasNoChildren", IMAP_LIST_NO_CHILDREN},
    {"\\Subscribed", IMAP_LIST_SUBSCRIBED},
};

/* RFC 6154, RFC 8457, and what XLIST called them. */
static const char *const special_uses[] = {
    "\\All",   "\\Archive",   "\\Drafts",  "\\Flagged", "\\Junk", "\\Sent",
    "\\Trash", "\\Important", "\\AllMail", "\\Starred", "\\Spam", "\\Inbox",
};

static void read_attr(struct str name, struct imap_list_entry *out)
{
    for (size_t i = 0; i < ARRAY_LEN(list_attrs); i++) {
        if (str_ieq_c(name, list_attrs[i].name)) {
            out->attrs |= list_attrs[i].bits;
            return;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(special_uses) && out->special_use.ptr == NULL; i++) {
        if (str_ieq_c(name, special_uses[i])) {
            out->special_use = name;
        }
    }
}

/* The name for people. Some servers put the delimiter in front of every name. */
static struct str display_path(struct imap_doc *doc, const struct imap_list_entry *entry)
{
    struct str wire = entry->wire;
    if (entry->delimiter != '\0' && wire.len > 1 && wire.ptr[0] == entry->delimiter) {
        wire = str_tail(wire, 1);
    }
    struct buf path = BUF_INIT(wire.len * 3 + 1);
    bool ok = doc->utf8 ? utf8_put_repaired(&path, wire) : imap_utf7_decode(&path, wire);
    struct str out = arena_str(doc->arena, ok ? buf_str(&path) : STR(""));
    buf_fini(&path);
    return out;
}

/* From a token that begins an unquoted name to `end`, without spaces behind. */
static struct str raw_name(const struct imap_doc *doc, const struct imap_tok *tok,
                           size_t end)
{
    while (end > tok->off && doc->text[end - 1] == ' ') {
        end--;
    }
    return str_from(doc->text + tok->off, end - tok->off);
}

bool imap_parse_list(struct imap_doc *doc, struct imap_resp *resp)
{
    struct imap_cur cur = imap_cur_all(doc);
    const struct imap_tok *attrs = imap_cur_next(&cur);
    const struct imap_tok *delimiter = imap_cur_next(&cur);
    const struct imap_tok *name = imap_cur_next(&cur);
    if (!imap_tok_is_list(attrs) || imap_tok_str(doc, delimiter).ptr == NULL ||
        imap_tok_str(doc, name).ptr == NULL) {
        return false;
    }
    struct imap_list_entry *out = &resp->list;
    struct imap_cur list = imap_cur_children(doc, attrs);
    const struct imap_tok *attr;
    while ((attr = imap_cur_next(&list)) != NULL) {
        read_attr(imap_tok_str(doc, attr), out);
    }
    struct str mark = imap_tok_nstring(doc, delimiter);
    /* Within a character of a name it would cut what is no text any more. */
    out->delimiter = mark.len > 0 && (mark.ptr[0] & 0x80) == 0 ? mark.ptr[0] : '\0';
    const struct imap_tok *behind = imap_cur_peek(&cur);
    out->wire = imap_tok_is_atom(name) && behind != NULL && !imap_tok_is_list(behind)
                    ? raw_name(doc, name, doc->end)
                    : imap_tok_str(doc, name);
    out->path = display_path(doc, out);
    return true; /* an empty name answers the question for the delimiter */
}

bool imap_parse_lsub(struct imap_doc *doc, struct imap_resp *resp)
{
    if (!imap_parse_list(doc, resp)) {
        return false;
    }
    /* RFC 3501 §7.2.3: \Noselect here says that only a child is subscribed. */
    if ((resp->list.attrs & IMAP_LIST_NOSELECT) == 0) {
        resp->list.attrs |= IMAP_LIST_SUBSCRIBED;
    }
    return true;
}

/* RFC 8474 §7 allows letters, digits, "-" and "_"; servers take it less strictly. */
static bool is_object_id(struct str id)
{
    for (size_t i = 0; i < id.len; i++) {
        if (id.ptr[i] <= ' ' || id.ptr[i] > '~') {
            return false;
        }
    }
    return id.len > 0 && id.len <= IMAP_OBJECTID_MAX;
}

/* MAILBOXID (id), or bare as some send it. */
static void read_mailbox_id(struct imap_doc *doc, const struct imap_tok *value,
                            struct imap_status *out)
{
    struct imap_cur inner = imap_cur_children(doc, value);
    const struct imap_tok *id = imap_tok_is_list(value) ? imap_cur_next(&inner) : value;
    struct str text = imap_tok_nstring(doc, id);
    if (is_object_id(text)) {
        out->mailbox_id = text;
        out->has |= IMAP_STATUS_MAILBOXID;
    }
}

static void read_status_item(struct imap_doc *doc, const struct imap_tok *name,
                             const struct imap_tok *value, struct imap_status *out)
{
    const struct {
        const char *name;
        uint32_t bit;
        bool zero_is_absent;
        uint32_t *out32;
        uint64_t *out64;
    } items[] = {
        {"MESSAGES", IMAP_STATUS_MESSAGES, false, &out->messages, NULL},
        {"UIDNEXT", IMAP_STATUS_UIDNEXT, true, &out->uid_next, NULL},
        {"UIDVALIDITY", IMAP_STATUS_UIDVALIDITY, true, &out->uid_validity, NULL},
        {"UNSEEN", IMAP_STATUS_UNSEEN, false, &out->unseen, NULL},
        {"HIGHESTMODSEQ", IMAP_STATUS_HIGHESTMODSEQ, true, NULL, &out->highest_modseq},
        {"SIZE", IMAP_STATUS_SIZE, false, NULL, &out->size},
    };
    for (size_t i = 0; i < ARRAY_LEN(items); i++) {
        uint64_t v, max = items[i].out32 != NULL ? UINT32_MAX : IMAP_NUM63_MAX;
        if (!imap_tok_is_word(doc, name, items[i].name) ||
            imap_tok_num(doc, value, max, &v) != IMAP_NUM_OK ||
            (v == 0 && items[i].zero_is_absent)) {
            continue;
        }
        out->has |= items[i].bit;
        if (items[i].out32 != NULL) {
            *items[i].out32 = (uint32_t)v;
        } else {
            *items[i].out64 = v;
        }
    }
    if (imap_tok_is_word(doc, name, "MAILBOXID")) {
        read_mailbox_id(doc, value, out);
    }
}

bool imap_parse_status(struct imap_doc *doc, struct imap_resp *resp)
{
    struct imap_cur cur = imap_cur_all(doc);
    const struct imap_tok *name = imap_cur_next(&cur);
    const struct imap_tok *list = imap_cur_next(&cur), *last = list;
    while (imap_cur_peek(&cur) != NULL) {
        last = imap_cur_next(&cur);
    }
    struct imap_status *out = &resp->status;
    out->mailbox = imap_tok_is_atom(name) && last != list && imap_tok_is_list(last)
                       ? raw_name(doc, name, last->off)
                       : imap_tok_str(doc, name);
    list = imap_tok_is_list(list) ? list : last;
    if (out->mailbox.len == 0 || !imap_tok_is_list(list)) {
        return false;
    }
    struct imap_cur items = imap_cur_children(doc, list);
    const struct imap_tok *item;
    while ((item = imap_cur_next(&items)) != NULL) {
        read_status_item(doc, item, imap_cur_next(&items), out);
    }
    return true;
}
