/* html_css: what of a style attribute is harmless.
 * Shape    declarations whose property is in the table and whose value is made of words,
 *          numbers, quoted strings and a few functions; the rest is left out
 * Spec     CSS Syntax 3, read conservatively: no escapes, no at-rules, no blocks */
#ifndef POSTRIDER_HTML_CSS_H
#define POSTRIDER_HTML_CSS_H

#include "postrider/base/buf.h"

#include <stdbool.h>

/* Appends "name:value" declarations, joined by ";". A url() that `may_load` refuses
 * becomes none. */
typedef bool html_css_url_fn(void *ctx, struct str url);
void html_css_filter(struct buf *out, struct str style, html_css_url_fn *may_load,
                     void *ctx);

#endif
