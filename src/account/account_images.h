/* account_images: images that a message has with it, put into its HTML as data: URLs.
 * Shape    found in the BODYSTRUCTURE; those that the HTML names are fetched in one FETCH as
 *          they are stored, and decoded where they are put in
 * Owner    the caller; moves into the job that puts them in
 * Calls    loop thread, but account_images_put: any one thread
 * Limits   ACCOUNT_IMAGES_MAX images, ACCOUNT_IMAGE_BYTES each and ACCOUNT_IMAGES_BYTES in all,
 *          as stored; ACCOUNT_IMAGES_OUT_BYTES of URLs in one document. What is beyond stays
 *          a cid: URL. */
#ifndef POSTRIDER_ACCOUNT_IMAGES_H
#define POSTRIDER_ACCOUNT_IMAGES_H

#include "postrider/base/buf.h"
#include "postrider/imap/imap_value.h"

enum {
    ACCOUNT_IMAGES_MAX = 50,
    ACCOUNT_IMAGE_BYTES = 3 * 1024 * 1024,
    ACCOUNT_IMAGES_BYTES = 8 * 1024 * 1024,
    ACCOUNT_IMAGES_OUT_BYTES = 16 * 1024 * 1024
};

struct account_images;
/* NULL: the message has none that may be put in. */
struct account_images *account_images_find(const struct imap_structure *structure);
void account_images_free(struct account_images **images);
/* Section paths of those that the HTML names, borrowed; out has ACCOUNT_IMAGES_MAX. */
size_t account_images_named(struct account_images *images, struct str html,
                            struct str *out);
/* Where the section goes as it comes; NULL if it was not named. */
struct buf *account_images_body(struct account_images *images, struct str path);
/* html_cid_fn; ctx is the images. */
bool account_images_put(void *ctx, struct str cid, struct buf *out);

#endif
