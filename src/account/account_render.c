#include "account_render.h"

#include "postrider/base/codec.h"
#include "postrider/base/num.h"
#include "postrider/imap/imap.h"
#include "postrider/json/json_out.h"
#include "postrider/mime/mime.h"

enum {
    MESSAGE_ID_BYTES = 8,
    PART_ID_MAX = 4096,
    DECODED_MAX = 64 * 1024,
    PREVIEW_MAX = 1024 /* bytes; RFC 8970 allows 256 characters */
};

/* Names and addresses have the limits of the parser. */
#define ANY_SIZE (SIZE_MAX / 4)

_Static_assert(sizeof(struct mime_param) == sizeof(struct imap_param),
               "parameters go from imap to mime as they are");

/* One message on its way out. */
struct rendering {
    struct json_out out;
    struct buf text; /* of one member, while it is made */
    struct buf code; /* the id of a part */
    const struct imap_row *row;
    uint8_t id[MESSAGE_ID_BYTES];
    bool whole; /* what listings leave out, too */
};

/* --- pieces --- */

/* Empty, for a text of so many bytes. */
static struct buf *text_of(struct rendering *r, size_t max_bytes)
{
    r->text.max_bytes = max_bytes;
    buf_clear(&r->text);
    return &r->text;
}

static void put_decoded(struct rendering *r, const char *key, struct str raw)
{
    struct buf *text = text_of(r, DECODED_MAX);
    (void)mime_decode_words(text, raw);
    json_out_str(&r->out, key, buf_str(text));
}

static void put_address(struct rendering *r, const char *key,
                        const struct imap_address *a)
{
    struct buf *text = text_of(r, ANY_SIZE);
    json_out_open(&r->out, key, '{');
    json_out_str(&r->out, "name", mime_name_decode(text, a->name));
    json_out_str(&r->out, "address", mime_address_join(text, a->mailbox, a->host));
    json_out_close(&r->out, '}');
}

/* Neither start nor end of a group. */
static bool is_person(const struct imap_address *a)
{
    return a->host.ptr != NULL;
}

static void put_addresses(struct rendering *r, const char *key,
                          const struct imap_addresses *list)
{
    bool any = false;
    for (size_t i = 0; i < list->count; i++) {
        if (is_person(&list->items[i])) {
            if (!any) {
                json_out_open(&r->out, key, '[');
            }
            put_address(r, NULL, &list->items[i]);
            any = true;
        }
    }
    if (any) {
        json_out_close(&r->out, ']');
    }
}

static void put_first_address(struct rendering *r, const char *key,
                              const struct imap_addresses *list)
{
    for (size_t i = 0; i < list->count; i++) {
        if (is_person(&list->items[i])) {
            put_address(r, key, &list->items[i]);
            return;
        }
    }
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

static void put_flag_names(struct json_out *out, const struct imap_flags *flags)
{
    json_out_open(out, "flags", '[');
    for (uint8_t bit = IMAP_FLAG_SEEN; bit != 0 && bit <= IMAP_FLAG_DRAFT;
         bit = (uint8_t)(bit << 1)) {
        if ((flags->system & bit) != 0) {
            json_out_str(out, NULL, str_of(imap_flag_name(bit)));
        }
    }
    for (size_t i = 0; i < flags->keyword_count; i++) {
        json_out_str(out, NULL, flags->keywords[i]);
    }
    json_out_close(out, ']');
}

/* Gmail spells them as mailbox names are, in modified UTF-7. */
static void put_labels(struct json_out *out, const struct imap_row *row)
{
    struct buf text = BUF_INIT(4096);
    json_out_open(out, "labels", '[');
    for (size_t i = 0; i < row->label_count; i++) {
        struct str label = row->labels[i];
        buf_clear(&text);
        if (str_find_byte(label, '&') != SIZE_MAX && imap_utf7_decode(&text, label)) {
            label = buf_str(&text);
        }
        json_out_str(out, NULL, label);
    }
    json_out_close(out, ']');
    buf_fini(&text);
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

static const struct mime_param *mime_params(const struct imap_params *params)
{
    return (const struct mime_param *)(const void *)params->items;
}

bool render_part_filename(const struct imap_part *part, struct buf *out)
{
    const struct imap_params *disposition = &part->disposition_params;
    return mime_decode_param(out, mime_params(disposition), disposition->count,
                             "filename") ||
           mime_decode_param(out, mime_params(&part->params), part->params.count, "name");
}

static bool has_filename(const struct imap_part *part)
{
    const struct imap_params *disposition = &part->disposition_params;
    return mime_has_param(mime_params(disposition), disposition->count, "filename") ||
           mime_has_param(mime_params(&part->params), part->params.count, "name");
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

/* Begins with the message; what names the parts follows. */
static struct buf *part_id_begin(struct rendering *r)
{
    struct buf *raw = text_of(r, MESSAGE_ID_BYTES + PART_ID_MAX);
    (void)buf_put(raw, r->id, sizeof r->id);
    return raw;
}

/* One base64url text over the bytes of both: it stays valid base64url for any length. */
static void put_part_id(struct rendering *r, struct buf *raw)
{
    if (raw->len > PART_ID_MAX) {
        buf_truncate(raw, MESSAGE_ID_BYTES);
    }
    r->code.max_bytes = 2 * PART_ID_MAX;
    buf_clear(&r->code);
    (void)base64url_encode(&r->code, raw->bytes, raw->len);
    json_out_str(&r->out, "id", buf_str(&r->code));
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

static void put_attachment(struct rendering *r, const struct imap_part *part)
{
    struct json_out *out = &r->out;
    struct buf *text = part_id_begin(r);
    (void)buf_put_str(text, part->path);
    json_out_open(out, NULL, '{');
    put_part_id(r, text);
    text = text_of(r, MIME_FILENAME_MAX * 2);
    (void)buf_put_str(text, part->type);
    (void)buf_put_byte(text, '/');
    (void)buf_put_str(text, part->subtype);
    json_out_str(out, "contentType", buf_str(text));
    json_out_int(out, "encodedSize", (int64_t)part->size);
    json_out_bool(out, "embedded", is_embedded(part));
    json_out_bool(out, "inline", str_eq_c(part->disposition, "inline"));
    json_out_bool(out, "encodedInMessage", is_enclosed(part));
    buf_clear(text);
    if (render_part_filename(part, text)) {
        json_out_str(out, "filename", buf_str(text));
    }
    json_out_str(out, "contentId", part->id);
    if (str_eq_c(part->subtype, "calendar")) {
        json_out_str(out, "method", imap_param_get(&part->params, "method"));
    }
    json_out_close(out, '}');
}

static void put_attachments(struct rendering *r)
{
    bool any = false;
    for (const struct imap_part *part = r->row->structure->root; part != NULL;
         part = imap_part_next(part)) {
        if (!is_multipart(part) && !is_text_part(part) && part->path.len > 0) {
            if (!any) {
                json_out_open(&r->out, "attachments", '[');
            }
            put_attachment(r, part);
            any = true;
        }
    }
    if (any) {
        json_out_close(&r->out, ']');
    }
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

static void put_text(struct rendering *r)
{
    struct render_texts texts;
    uint64_t plain_size, html_size;
    render_texts_find(r->row->structure, &texts);
    if (texts.plain_count + texts.html_count == 0) {
        return;
    }
    struct buf *raw = part_id_begin(r);
    (void)buf_put_byte(raw, '[');
    plain_size = put_paths(raw, texts.plain, texts.plain_count);
    (void)buf_put_byte(raw, ',');
    html_size = put_paths(raw, texts.html, texts.html_count);
    (void)buf_put_byte(raw, ']');
    json_out_open(&r->out, "text", '{');
    put_part_id(r, raw);
    json_out_open(&r->out, "encodedSize", '{');
    if (texts.plain_count > 0) {
        json_out_int(&r->out, "plain", (int64_t)plain_size);
    }
    if (texts.html_count > 0) {
        json_out_int(&r->out, "html", (int64_t)html_size);
    }
    json_out_close(&r->out, '}');
    json_out_close(&r->out, '}');
}

/* --- the message --- */

static void put_envelope(struct rendering *r)
{
    const struct imap_envelope *e = r->row->envelope;
    put_decoded(r, "subject", e->subject.ptr != NULL ? e->subject : STR(""));
    put_first_address(r, "from", &e->from);
    put_addresses(r, "replyTo", &e->reply_to);
    /* Where the message does not say, servers repeat who it is from. */
    if (r->whole) {
        put_first_address(r, "sender",
                          same_addresses(&e->sender, &e->from) ? &e->from : &e->sender);
    }
    put_addresses(r, "to", &e->to);
    put_addresses(r, "cc", &e->cc);
    if (r->whole) {
        put_addresses(r, "bcc", &e->bcc);
    }
    json_out_str(&r->out, "messageId", str_trim(e->message_id));
    json_out_str(&r->out, "inReplyTo", str_trim(e->in_reply_to));
    if (e->in_reply_to.len > 0 && mime_subject_is_auto_reply(e->subject)) {
        json_out_bool(&r->out, "isAutoReply", true);
    }
}

static void put_flags(struct json_out *out, const struct imap_flags *flags)
{
    static const struct {
        const char *key;
        uint8_t bit;
    } marks[] = {{"flagged", IMAP_FLAG_FLAGGED},
                 {"answered", IMAP_FLAG_ANSWERED},
                 {"draft", IMAP_FLAG_DRAFT}};
    put_flag_names(out, flags);
    if ((flags->system & IMAP_FLAG_SEEN) == 0) {
        json_out_bool(out, "unseen", true);
    }
    for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
        if ((flags->system & marks[i].bit) != 0) {
            json_out_bool(out, marks[i].key, true);
        }
    }
}

static void put_message_use(struct json_out *out, const struct mailbox *m)
{
    static const struct str uses[] = {STR_INIT("\\Junk"), STR_INIT("\\Sent"),
                                      STR_INIT("\\Trash"), STR_INIT("\\Inbox"),
                                      STR_INIT("\\Drafts")};
    struct str use = str_of(render_special_use(m));
    for (size_t i = 0; i < ARRAY_LEN(uses); i++) {
        if (str_ieq(use, uses[i])) {
            json_out_str(out, "messageSpecialUse", uses[i]);
        }
    }
}

/* What may change while a message has its UID. */
static void put_live(struct json_out *out, const struct mailbox *m,
                     const struct imap_row *row)
{
    json_out_str(out, "path", str_of(m->path));
    json_out_str(out, "threadId", row->thread_id);
    put_flags(out, &row->flags);
    if ((row->has & IMAP_ITEM_GM_LABELS) != 0) {
        put_labels(out, row);
    }
    put_message_use(out, m);
}

static void put_fixed(struct rendering *r, const struct mailbox *m)
{
    char id[12];
    const struct imap_row *row = r->row;
    struct json_out *out = &r->out;
    message_id_format(m->number, row->uid, id);
    num_put_be32(r->id, m->number);
    num_put_be32(r->id + 4, row->uid);
    json_out_str(out, "id", str_of(id));
    json_out_int(out, "uid", row->uid);
    json_out_str(out, "emailId", row->email_id);
    if ((row->has & IMAP_ITEM_INTERNALDATE) != 0) {
        json_out_time(out, "date", row->internaldate_ms);
    }
    json_out_int(out, "size", (int64_t)row->size);
    if (row->envelope != NULL) {
        put_envelope(r);
    }
    if (row->preview.len > 0) {
        size_t len = row->preview.len < PREVIEW_MAX ? row->preview.len : PREVIEW_MAX;
        json_out_str(out, "preview", str_from(row->preview.ptr, len));
    }
    if (row->structure != NULL) {
        put_attachments(r);
        put_text(r);
    }
}

static void rendering_fini(struct rendering *r)
{
    buf_fini(&r->text);
    buf_fini(&r->code);
}

void render_listed_fixed(struct buf *out, const struct mailbox *m,
                         const struct imap_row *row)
{
    struct rendering r = {.out = {.text = out}, .row = row};
    put_fixed(&r, m);
    rendering_fini(&r);
}

void render_listed_live(struct buf *out, const struct mailbox *m,
                        const struct imap_row *row)
{
    put_live(&(struct json_out){.text = out}, m, row);
}

json_t *render_message(const struct mailbox *m, const struct imap_row *row)
{
    struct rendering r = {.row = row, .whole = true};
    json_out_open(&r.out, NULL, '{');
    put_live(&r.out, m, row);
    put_fixed(&r, m);
    json_out_close(&r.out, '}');
    rendering_fini(&r);
    return r.out.value;
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
