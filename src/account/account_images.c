#include "account_images.h"

#include "postrider/base/attr.h"
#include "postrider/base/codec.h"
#include "postrider/base/mem.h"
#include "postrider/html/html.h"
#include "postrider/mime/mime.h"

enum {
    CID_MAX = 1024
};

struct image {
    struct str path, cid, encoding; /* in the arena */
    const char *kind;
    uint64_t size;
    struct buf body; /* as stored */
    bool named;
};

struct account_images {
    struct arena arena;
    struct image items[ACCOUNT_IMAGES_MAX];
    size_t count;
    size_t put_bytes;
};

/* Only kinds that cannot hold a script: those that the sanitizer lets through. */
static const char *image_kind(const struct imap_part *part)
{
    static const struct {
        const char *subtype, *kind;
    } kinds[] = {{"png", "image/png"},    {"jpeg", "image/jpeg"}, {"jpg", "image/jpeg"},
                 {"pjpeg", "image/jpeg"}, {"gif", "image/gif"},   {"webp", "image/webp"}};
    for (size_t i = 0; str_eq_c(part->type, "image") && i < ARRAY_LEN(kinds); i++) {
        if (str_eq_c(part->subtype, kinds[i].subtype)) {
            return kinds[i].kind;
        }
    }
    return NULL;
}

static struct str bare_id(struct str id)
{
    id = str_trim(id);
    bool angled = id.len >= 2 && id.ptr[0] == '<' && id.ptr[id.len - 1] == '>';
    return angled ? str_from(id.ptr + 1, id.len - 2) : id;
}

static void add(struct account_images *images, const struct imap_part *part)
{
    struct str cid = bare_id(part->id);
    const char *kind = image_kind(part);
    if (kind != NULL && cid.len > 0 && cid.len <= CID_MAX && part->path.len > 0 &&
        part->size > 0 && part->size <= ACCOUNT_IMAGE_BYTES) {
        images->items[images->count++] =
            (struct image){.path = arena_str(&images->arena, part->path),
                           .cid = arena_str(&images->arena, cid),
                           .encoding = arena_str(&images->arena, part->encoding),
                           .kind = kind,
                           .size = part->size,
                           .body = BUF_INIT(ACCOUNT_IMAGE_BYTES)};
    }
}

struct account_images *account_images_find(const struct imap_structure *structure)
{
    struct account_images *images = MEM_NEW(struct account_images);
    *images = (struct account_images){0};
    const struct imap_part *part = structure->root;
    for (; part != NULL && images->count < ACCOUNT_IMAGES_MAX;
         part = imap_part_next(part)) {
        add(images, part);
    }
    if (images->count == 0) {
        account_images_free(&images);
    }
    return images;
}

void account_images_free(struct account_images **images)
{
    struct account_images *self = *images;
    *images = NULL;
    if (self == NULL) {
        return;
    }
    for (size_t i = 0; i < self->count; i++) {
        buf_fini(&self->items[i].body);
    }
    arena_fini(&self->arena);
    mem_free(self);
}

static struct image *find_exactly(struct account_images *images, struct str cid)
{
    for (size_t i = 0; i < images->count; i++) {
        if (str_eq(images->items[i].cid, cid)) {
            return &images->items[i];
        }
    }
    return NULL;
}

/* RFC 2392 §2: the id is percent-encoded in the URL; not all who write one know. */
static struct image *find(struct account_images *images, struct str cid)
{
    struct image *image = find_exactly(images, cid);
    if (image == NULL && cid.len <= CID_MAX) {
        struct buf plain = BUF_INIT(CID_MAX);
        (void)percent_decode(&plain, cid);
        image = find_exactly(images, buf_str(&plain));
        buf_fini(&plain);
    }
    return image;
}

static bool name_image(void *ctx, struct str cid, struct buf *out ATTR_UNUSED)
{
    struct image *image = find(ctx, cid);
    if (image != NULL) {
        image->named = true;
    }
    return false;
}

size_t account_images_named(struct account_images *images, struct str html,
                            struct str *out)
{
    struct buf none = BUF_INIT(html.len + 1);
    uint64_t left = ACCOUNT_IMAGES_BYTES;
    size_t count = 0;
    (void)html_embed(&none, html, name_image, images);
    buf_fini(&none);
    for (size_t i = 0; i < images->count; i++) {
        const struct image *image = &images->items[i];
        if (image->named && image->size <= left) {
            left -= image->size;
            out[count++] = image->path;
        }
    }
    return count;
}

struct buf *account_images_body(struct account_images *images, struct str path)
{
    for (size_t i = 0; i < images->count; i++) {
        if (images->items[i].named && str_eq(images->items[i].path, path)) {
            return &images->items[i].body;
        }
    }
    return NULL;
}

bool account_images_put(void *ctx, struct str cid, struct buf *out)
{
    struct account_images *images = ctx;
    const struct image *image = find(images, cid);
    if (image == NULL || image->body.len == 0 || image->body.overflow ||
        images->put_bytes + image->body.len * 2 > ACCOUNT_IMAGES_OUT_BYTES) {
        return false;
    }
    size_t before = out->len;
    struct buf bytes = BUF_INIT(ACCOUNT_IMAGE_BYTES);
    struct mime_decoder *d = mime_decoder_new(image->encoding);
    bool ok = mime_decoder_feed(d, image->body.bytes, image->body.len, &bytes) &&
              mime_decoder_end(d, &bytes) && bytes.len > 0;
    mime_decoder_free(&d);
    if (ok) {
        buf_printf(out, "data:%s;base64,", image->kind);
        ok = base64_encode(out, bytes.bytes, bytes.len);
    }
    if (!ok) {
        buf_truncate(out, before);
    }
    images->put_bytes += out->len - before;
    buf_fini(&bytes);
    return ok;
}
