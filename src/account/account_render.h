/* account_render: messages as the API and the webhooks show them.
 * Calls    pure; results are new references
 * Spec     the compatible API's message object; RFC 2047 and 2231 through mime */
#ifndef POSTRIDER_ACCOUNT_RENDER_H
#define POSTRIDER_ACCOUNT_RENDER_H

#include "postrider/imap/imap_value.h"
#include "postrider/store/store_mailbox.h"

#include <jansson.h>

enum {
    RENDER_PARTS_MAX = 10000,
    RENDER_TEXT_PARTS_MAX = 20
};

/* Ids, flags, envelope, attachments, text ids. */
json_t *render_message(const struct mailbox *m, const struct imap_row *row);
/* The members of the same as an entry of a listing, which has no `sender` and no `bcc`, in two
 * parts without braces, so that they can be kept apart: those that may change while a message has
 * its UID (flags, labels, thread, the mailbox's path and use), never none, and the others. A comma
 * goes in front of the first unless the buffer is empty or ends with a bracket. */
void render_listed_live(struct buf *out, const struct mailbox *m,
                        const struct imap_row *row);
void render_listed_fixed(struct buf *out, const struct mailbox *m,
                         const struct imap_row *row);
/* Adds header fields: {"name": ["value", …]}, names in lower case. */
void render_headers(json_t *message, struct str block);
/* Puts name and parentPath of a mailbox. */
void render_put_name(json_t *obj, struct str path, char delimiter);
/* "\\Inbox", "\\Sent" …, or NULL. */
const char *render_special_use(const struct mailbox *m);

/* The parts that make up the text of a message. */
struct render_texts {
    const struct imap_part *plain[RENDER_TEXT_PARTS_MAX];
    size_t plain_count;
    const struct imap_part *html[RENDER_TEXT_PARTS_MAX];
    size_t html_count;
};
void render_texts_find(const struct imap_structure *structure, struct render_texts *out);
/* The part with this section path, or NULL. */
const struct imap_part *render_part_find(const struct imap_structure *structure,
                                         struct str path);
/* UTF-8 name of an attachment into out; false if it has none. */
bool render_part_filename(const struct imap_part *part, struct buf *out);

/* Ids of attachments and texts: base64url over the bytes of the message id and of what
 * names the parts. */
bool render_part_id_parse(struct arena *arena, struct str id, struct str *message_id_out,
                          struct str *rest_out);

#endif
