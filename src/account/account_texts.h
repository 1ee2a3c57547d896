/* account_texts: the texts of one message, from the parts that its structure names.
 * Shape    struct account_texts   of one reading; begins with `type` and `max_bytes` set
 * Owner    the caller's struct; what parts are named by lies in the arena given
 * Limits   max_bytes of each of the two texts, decoded
 * Calls    pure */
#ifndef POSTRIDER_ACCOUNT_TEXTS_H
#define POSTRIDER_ACCOUNT_TEXTS_H

#include "postrider/account/account_message.h"
#include "postrider/base/arena.h"
#include "postrider/base/buf.h"
#include "postrider/imap/imap.h"

#include <jansson.h>

struct account_texts {
    enum account_text_type type;
    size_t max_bytes; /* 0: the usual limit */
    /* plain first; encodings copied, since rows are borrowed */
    struct text_part {
        struct str path, encoding, charset;
        uint64_t size; /* encoded */
        bool html;
        struct buf body; /* of what streams: rows do not keep so much */
    } * parts;
    size_t part_count;
    struct buf plain, html;
    bool has_more; /* than the limit lets through */
};

void account_texts_init(struct account_texts *t);
void account_texts_fini(struct account_texts *t);
/* Forgets parts and texts: they are read once more. */
void account_texts_clear(struct account_texts *t);

/* The parts of the type wanted. */
void account_texts_find(struct account_texts *t, struct arena *arena,
                        const struct imap_structure *structure);
/* Encoded bytes to ask for of a part. */
size_t account_texts_bytes(const struct account_texts *t);
/* Where the bytes of a part go; NULL: it is none of them. */
struct buf *account_texts_body(struct account_texts *t, struct str path);

/* Decodes the bodies of all parts. */
void account_texts_take(struct account_texts *t);
/* Decodes what the row brought, `asked_bytes` of each part at most, if it brought all of them;
 * else takes none: false. guessed: asked for before it was known what there is. */
bool account_texts_take_row(struct account_texts *t, const struct imap_row *row,
                            size_t asked_bytes, bool guessed);

bool account_texts_has(const struct account_texts *t, bool html);
/* A new reference. made: what stands for the HTML; absent: the HTML itself, if there is any. */
json_t *account_texts_json(const struct account_texts *t, struct str made, bool web_safe);

#endif
