/* html: HTML of strangers' mail, made safe to show, made short to read.
 * Shape    pure functions over whole documents. The sanitizer reads tokens and writes new
 *          markup: nothing of the input's markup is copied, only names and values that a
 *          table allows come out, closed in order, at most HTML_DEPTH_MAX deep. No element
 *          whose content browsers read as something other than text and elements can
 *          appear in the output, so what a browser repairs cannot become active.
 * Owner    the caller's buffers; parameters are borrowed
 * Calls    any thread; big documents belong into a worker (some 50 MB/s)
 * Limits   input ≤ HTML_INPUT_MAX (the rest is cut off); output by the buffer's maximum;
 *          time linear in the input, no recursion
 * Errors   none by content: whatever comes in gives some document. Functions return false
 *          only when the buffer overflowed; what it holds then is a cut document.
 * Input    UTF-8; invalid bytes become U+FFFD
 * Spec     WHATWG HTML §13.2.5 (tokens), §13.2.6 (which tags close others) */
#ifndef POSTRIDER_HTML_HTML_H
#define POSTRIDER_HTML_HTML_H

#include "postrider/base/buf.h"
#include "postrider/base/str.h"

#include <stdbool.h>

enum {
    HTML_INPUT_MAX = 16 * 1024 * 1024,
    HTML_DEPTH_MAX = 200,
    HTML_STYLE_MAX = 8 * 1024 /* bytes of one style attribute; longer ones go */
};

/* Appends the URL that stands for an image of the message itself; false, and nothing
 * appended: there is none, the cid: URL stays. `cid` is the id without angle brackets, with
 * its percent-encoding. What it appends must be a data: URL of an image, or http(s): the
 * sanitizer drops anything else. */
typedef bool html_cid_fn(void *ctx, struct str cid, struct buf *out);

struct html_sanitize_params {
    /* Images and backgrounds from the web stay. Otherwise showing the document loads
     * nothing: their URL moves to data-remote-src. */
    bool remote_images;
    bool fold_quotes;    /* quoted mail goes into <details> */
    html_cid_fn *on_cid; /* NULL: cid: URLs stay as they are */
    void *ctx;
};

/* Appends the safe form of a document as a fragment: it may be put into a page. Safe text
 * sanitized again with the same parameters stays as it is. */
bool html_sanitize(struct buf *out, struct str input,
                   const struct html_sanitize_params *params);

/* Appends the document as it is, with other URLs for images of the message itself. It is
 * as unsafe as before. */
bool html_embed(struct buf *out, struct str input, html_cid_fn *on_cid, void *ctx);

/* Appends a safe fragment that shows plain text: escaped, lines kept, web and mail
 * addresses made links, quoted lines in blockquotes (folded by the sanitizer's rules if
 * asked). */
bool html_from_text(struct buf *out, struct str text, bool fold_quotes);

/* Appends the text of a document as a reader sees it: one line per block, lists marked,
 * runs of white space one space. Stops at a whole character within max_bytes. */
bool html_to_text(struct buf *out, struct str input, size_t max_bytes);

#endif
