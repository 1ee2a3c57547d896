/* docs_text: the documents that are generated from tables, as text.
 * Owner    the caller's buffers */
#ifndef DOCS_TEXT_H
#define DOCS_TEXT_H

#include "postrider/base/buf.h"

struct docs_file {
    const char *path; /* below the source tree */
    bool (*print)(struct buf *out);
};

/* Ended by a row without a path. */
extern const struct docs_file docs_files[];

#endif
