#include "account_render.h"

#include "postrider/base/codec.h"
#include "postrider/imap/imap.h"
#include "postrider/json/json.h"
#include "postrider/mime/mime.h"

enum {
    MESSAGE_ID_BYTES = 8,
    PART_ID_MAX = 4096,
    DECODED_MAX = 64 * 1024,
    PREVIEW_MAX = 1024 /* bytes; RFC 8970 allows 256 characters */
};

_Static_assert(sizeof(struct mime_param) == sizeof(struct imap_param),
               "parameters go from imap to mime as they are");

/* --- pieces --- */

static void put_decoded(json_t *obj, const char *key, struct str raw)
{
    if (raw.ptr == NULL) {
        return;
    }
    struct buf text = BUF_INIT(DECODED_MAX);
    (void)buf_reserve(&text, raw.len < DECODED_MAX ? raw.len : 0);
    (void)mime_decode_words(&text, raw);
    json_put_str(obj, key, buf_str(&text));
    buf_fini(&text);
}

static json_t *address_json(struct arena *arena, const struct imap_address *a)
{
    struct mime_address out;
    mime_address_from_parts(arena, a->name, a->mailbox, a->host, &out);
    json_t *obj = json_object();
    json_put_str(obj, "name", out.name.ptr != NULL ? out.name : STR(""));
    json_put_str(obj, "address", out.address.ptr != NULL ? out.address : STR(""));
    return obj;
}

/* Neither start nor end of a group. */
static bool is_person(const struct imap_address *a)
{
    return a->host.ptr != NULL;
}

static void put_addresses(struct arena *arena, json_t *message, const char *key,
                          const struct imap_addresses *list)
{
    json_t *out = NULL;
    for (size_t i = 0; i < list->count; i++) {
        if (is_person(&list->items[i])) {
            out = out != NULL ? out : json_array();
            json_push(out, address_json(arena, &list->items[i]));
        }
    }
    json_put(message, key, out);
}

/* The first one, or NULL. */
static json_t *first_address(struct arena *arena, const struct imap_addresses *list)
{
    for (size_t i = 0; i < list->count; i++) {
        if (is_person(&list->items[i])) {
            return address_json(arena, &list->items[i]);
        }
    }
    return NULL;
}

static bool same_addresses(const struct imap_addresses *a, const struct imap_addresses *b)
{
    bool same = a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++) {
        const struct imap_address *x = &a->items[i], *y = &b->items[i];
        same = str_eq(x->name, y->name) && str_eq(x->mailbox, y->mailbox) &&
               str_eq(x->host, y->host) && is_person(x) == is_person(y);
    }
    return same;
}

static json_t *flags_json(const struct imap_flags *flags)
{
    json_t *out = json_array();
    for (uint8_t bit = IMAP_FLAG_SEEN; bit != 0 && bit <= IMAP_FLAG_DRAFT;
         bit = (uint8_t)(bit << 1)) {
        if ((flags->system & bit) != 0) {
            json_push(out, json_str_repaired(str_of(imap_flag_name(bit))));
        }
    }
    for (size_t i = 0; i < flags->keyword_count; i++) {
        json_array_append_new(out, json_str_repaired(flags->keywords[i]));
    }
    return out;
}

/* Gmail spells them as mailbox names are, in modified UTF-7. */
static json_t *labels_json(const struct imap_row *row)
{
    json_t *out = json_array();
    for (size_t i = 0; i < row->label_count; i++) {
        struct buf text = BUF_INIT(4096);
        bool ok = imap_utf7_decode(&text, row->labels[i]);
        json_array_append_new(out,
                              json_str_repaired(ok ? buf_str(&text) : row->labels[i]));
        buf_fini(&text);
    }
    return out;
}

const char *render_special_use(const struct mailbox *m)
{
    if (m->special_use[0] != '\0') {
        return m->special_use;
    }
    return str_ieq_c(str_of(m->path), "INBOX") ? "\\Inbox" : NULL;
}

/* --- the MIME tree --- */

static bool is_multipart(const struct imap_part *part)
{
    return str_eq_c(part->type, "multipart");
}

/* Next part of this message; the texts of an attached message are its own business. */
static const struct imap_part *next_own_part(const struct imap_part *part)
{
    if (is_multipart(part) && part->first_child != NULL) {
        return part->first_child;
    }
    while (part != NULL && part->next == NULL) {
        part = part->parent;
    }
    return part != NULL ? part->next : NULL;
}

bool render_part_filename(const struct imap_part *part, struct buf *out)
{
    const struct mime_param *disposition =
        (const struct mime_param *)(const void *)part->disposition_params.items;
    const struct mime_param *params =
        (const struct mime_param *)(const void *)part->params.items;
    return mime_decode_param(out, disposition, part->disposition_params.count,
                             "filename") ||
           mime_decode_param(out, params, part->params.count, "name");
}

static bool has_filename(const struct imap_part *part)
{
    struct buf name = BUF_INIT(MIME_FILENAME_MAX * 2);
    bool named = render_part_filename(part, &name);
    buf_fini(&name);
    return named;
}

static bool is_text_part(const struct imap_part *part)
{
    return str_eq_c(part->type, "text") &&
           (str_eq_c(part->subtype, "plain") || str_eq_c(part->subtype, "html")) &&
           !str_eq_c(part->disposition, "attachment") && !has_filename(part);
}

void render_texts_find(const struct imap_structure *structure, struct render_texts *out)
{
    *out = (struct render_texts){0};
    const struct imap_part *part = structure != NULL ? structure->root : NULL;
    for (; part != NULL; part = next_own_part(part)) {
        if (!is_text_part(part)) {
            continue;
        }
        bool html = str_eq_c(part->subtype, "html");
        if (html && out->html_count < RENDER_TEXT_PARTS_MAX) {
            out->html[out->html_count++] = part;
        } else if (!html && out->plain_count < RENDER_TEXT_PARTS_MAX) {
            out->plain[out->plain_count++] = part;
        }
    }
}

const struct imap_part *render_part_find(const struct imap_structure *structure,
                                         struct str path)
{
    const struct imap_part *part = structure != NULL ? structure->root : NULL;
    for (; part != NULL; part = imap_part_next(part)) {
        if (str_eq(part->path, path)) {
            return part;
        }
    }
    return NULL;
}

/* --- names of mailboxes --- */

void render_put_name(json_t *obj, struct str path, char delimiter)
{
    size_t cut = 0;
    for (size_t i = path.len; delimiter != 0 && i > 0 && cut == 0; i--) {
        cut = path.ptr[i - 1] == delimiter ? i : 0;
    }
    json_put_str(obj, "parentPath", str_from(path.ptr, cut > 0 ? cut - 1 : 0));
    json_put_str(obj, "name", str_tail(path, cut));
}

/* --- ids of parts --- */

/* One base64url text over the bytes of both: it stays valid base64url for any length. */
static json_t *part_id_json(const char *message_id, struct str rest)
{
    struct buf raw = BUF_INIT(PART_ID_MAX);
    struct buf id = BUF_INIT(2 * PART_ID_MAX);
    (void)base64url_decode(&raw, str_of(message_id));
    (void)buf_put_str(&raw, rest);
    (void)base64url_encode(&id, raw.bytes, raw.len);
    json_t *out = json_stringn_nocheck(buf_c(&id), id.len);
    buf_fini(&id);
    buf_fini(&raw);
    return out;
}

bool render_part_id_parse(struct arena *arena, struct str id, struct str *message_id_out,
                          struct str *rest_out)
{
    struct buf raw = BUF_INIT(PART_ID_MAX);
    struct buf message_id = BUF_INIT(64);
    bool ok = base64url_decode(&raw, id) && raw.len > MESSAGE_ID_BYTES;
    if (ok) {
        (void)base64url_encode(&message_id, raw.bytes, MESSAGE_ID_BYTES);
        *message_id_out = arena_str(arena, buf_str(&message_id));
        *rest_out = arena_str(arena, str_tail(buf_str(&raw), MESSAGE_ID_BYTES));
    }
    buf_fini(&message_id);
    buf_fini(&raw);
    return ok;
}

/* --- attachments and texts --- */

static bool is_embedded(const struct imap_part *part)
{
    return part->id.ptr != NULL && part->parent != NULL &&
           str_eq_c(part->parent->subtype, "related");
}

/* Part of a message that is attached. */
static bool is_enclosed(const struct imap_part *part)
{
    while (part->parent != NULL && !str_eq_c(part->parent->type, "message")) {
        part = part->parent;
    }
    return part->parent != NULL;
}

static json_t *attachment_json(const char *message_id, const struct imap_part *part)
{
    json_t *obj = json_object();
    struct buf text = BUF_INIT(MIME_FILENAME_MAX * 2);
    json_put(obj, "id", part_id_json(message_id, part->path));
    (void)buf_put_str(&text, part->type);
    (void)buf_put_byte(&text, '/');
    (void)buf_put_str(&text, part->subtype);
    json_put_str(obj, "contentType", buf_str(&text));
    json_put_int(obj, "encodedSize", (int64_t)part->size);
    json_put_bool(obj, "embedded", is_embedded(part));
    json_put_bool(obj, "inline", str_eq_c(part->disposition, "inline"));
    json_put_bool(obj, "encodedInMessage", is_enclosed(part));
    buf_clear(&text);
    if (render_part_filename(part, &text)) {
        json_put_str(obj, "filename", buf_str(&text));
    }
    if (part->id.ptr != NULL) {
        json_put_str(obj, "contentId", part->id);
    }
    struct str method = imap_param_get(&part->params, "method");
    if (method.ptr != NULL && str_eq_c(part->subtype, "calendar")) {
        json_put_str(obj, "method", method);
    }
    buf_fini(&text);
    return obj;
}

static void put_attachments(json_t *message, const char *message_id,
                            const struct imap_structure *structure)
{
    json_t *list = NULL;
    for (const struct imap_part *part = structure->root; part != NULL;
         part = imap_part_next(part)) {
        if (!is_multipart(part) && !is_text_part(part) && part->path.len > 0) {
            list = list != NULL ? list : json_array();
            json_push(list, attachment_json(message_id, part));
        }
    }
    json_put(message, "attachments", list);
}

/* ["1.1","1.2"]: a path has nothing to escape. */
static uint64_t put_paths(struct buf *out, const struct imap_part *const *parts,
                          size_t count)
{
    uint64_t size = 0;
    (void)buf_put_byte(out, '[');
    for (size_t i = 0; i < count; i++) {
        (void)buf_put_c(out, i > 0 ? ",\"" : "\"");
        (void)buf_put_str(out, parts[i]->path);
        (void)buf_put_byte(out, '"');
        size += parts[i]->size;
    }
    (void)buf_put_byte(out, ']');
    return size;
}

static void put_text(json_t *message, const char *message_id,
                     const struct imap_structure *structure)
{
    struct render_texts texts;
    uint64_t plain_size, html_size;
    render_texts_find(structure, &texts);
    if (texts.plain_count + texts.html_count == 0) {
        return;
    }
    struct buf paths = BUF_INIT(PART_ID_MAX);
    (void)buf_put_byte(&paths, '[');
    plain_size = put_paths(&paths, texts.plain, texts.plain_count);
    (void)buf_put_byte(&paths, ',');
    html_size = put_paths(&paths, texts.html, texts.html_count);
    (void)buf_put_byte(&paths, ']');
    json_t *text = json_object(), *sizes = json_object();
    json_put(text, "id", part_id_json(message_id, buf_str(&paths)));
    buf_fini(&paths);
    if (texts.plain_count > 0) {
        json_put_int(sizes, "plain", (int64_t)plain_size);
    }
    if (texts.html_count > 0) {
        json_put_int(sizes, "html", (int64_t)html_size);
    }
    json_put(text, "encodedSize", sizes);
    json_put(message, "text", text);
}

/* --- the message --- */

/* whole: what listings leave out, too. */
static void put_envelope(struct arena *arena, json_t *message,
                         const struct imap_envelope *e, bool whole)
{
    put_decoded(message, "subject", e->subject.ptr != NULL ? e->subject : STR(""));
    json_t *from = first_address(arena, &e->from);
    json_put(message, "from", from);
    put_addresses(arena, message, "replyTo", &e->reply_to);
    /* Where the message does not say, servers repeat who it is from. */
    if (whole) {
        json_put(message, "sender",
                 same_addresses(&e->sender, &e->from) ? json_copy(from)
                                                      : first_address(arena, &e->sender));
    }
    put_addresses(arena, message, "to", &e->to);
    put_addresses(arena, message, "cc", &e->cc);
    if (whole) {
        put_addresses(arena, message, "bcc", &e->bcc);
    }
    if (e->message_id.ptr != NULL) {
        json_put_str(message, "messageId", str_trim(e->message_id));
    }
    if (e->in_reply_to.ptr != NULL) {
        json_put_str(message, "inReplyTo", str_trim(e->in_reply_to));
    }
    if (e->in_reply_to.len > 0 && mime_subject_is_auto_reply(e->subject)) {
        json_put_bool(message, "isAutoReply", true);
    }
}

static void put_flags(json_t *message, const struct imap_flags *flags)
{
    static const struct {
        const char *key;
        uint8_t bit;
    } marks[] = {{"flagged", IMAP_FLAG_FLAGGED},
                 {"answered", IMAP_FLAG_ANSWERED},
                 {"draft", IMAP_FLAG_DRAFT}};
    json_put(message, "flags", flags_json(flags));
    if ((flags->system & IMAP_FLAG_SEEN) == 0) {
        json_put_bool(message, "unseen", true);
    }
    for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
        if ((flags->system & marks[i].bit) != 0) {
            json_put_bool(message, marks[i].key, true);
        }
    }
}

static void put_message_use(json_t *message, const struct mailbox *m)
{
    static const char *const uses[] = {"\\Junk", "\\Sent", "\\Trash", "\\Inbox",
                                       "\\Drafts"};
    const char *use = render_special_use(m);
    for (size_t i = 0; use != NULL && i < ARRAY_LEN(uses); i++) {
        if (str_ieq_c(str_of(uses[i]), use)) {
            json_put_cstr(message, "messageSpecialUse", uses[i]);
        }
    }
}

static json_t *render(const struct mailbox *m, const struct imap_row *row, bool whole)
{
    char id[12];
    json_t *message = json_object();
    message_id_format(m->number, row->uid, id);
    json_put_cstr(message, "id", id);
    json_put_int(message, "uid", row->uid);
    json_put_cstr(message, "path", m->path);
    if (row->email_id.ptr != NULL) {
        json_put_str(message, "emailId", row->email_id);
    }
    if (row->thread_id.ptr != NULL) {
        json_put_str(message, "threadId", row->thread_id);
    }
    if ((row->has & IMAP_ITEM_INTERNALDATE) != 0) {
        json_put_time(message, "date", row->internaldate_ms);
    }
    put_flags(message, &row->flags);
    if ((row->has & IMAP_ITEM_GM_LABELS) != 0) {
        json_object_set_new(message, "labels", labels_json(row));
    }
    json_put_int(message, "size", (int64_t)row->size);
    if (row->envelope != NULL) {
        struct arena arena = {0};
        put_envelope(&arena, message, row->envelope, whole);
        arena_fini(&arena);
    }
    if (row->preview.len > 0) {
        size_t len = row->preview.len < PREVIEW_MAX ? row->preview.len : PREVIEW_MAX;
        json_put_str(message, "preview", str_from(row->preview.ptr, len));
    }
    if (row->structure != NULL) {
        put_attachments(message, id, row->structure);
        put_text(message, id, row->structure);
    }
    put_message_use(message, m);
    return message;
}

json_t *render_message(const struct mailbox *m, const struct imap_row *row)
{
    return render(m, row, true);
}

json_t *render_listed(const struct mailbox *m, const struct imap_row *row)
{
    return render(m, row, false);
}

void render_headers(json_t *message, struct str block)
{
    struct arena arena = {0};
    struct mime_headers headers;
    json_t *out = json_object();
    mime_headers_parse(&arena, block, &headers);
    for (size_t i = 0; i < headers.count; i++) {
        const struct mime_header *h = &headers.items[i];
        char *key = arena_strndup(&arena, h->name.ptr, h->name.len);
        for (char *c = key; *c != '\0'; c++) {
            *c = ascii_lower(*c);
        }
        json_t *values = json_object_get(out, key);
        if (values == NULL) {
            values = json_array();
            json_object_set_new(out, key, values);
        }
        json_array_append_new(values, json_str_repaired(h->value));
    }
    json_object_set_new(message, "headers", out);
    if (mime_headers_is_auto_reply(&headers)) {
        json_put_bool(message, "isAutoReply", true);
    }
    arena_fini(&arena);
}
