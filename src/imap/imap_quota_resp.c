/* imap_quota_resp: QUOTA.
 *
 *   quota-response = "QUOTA" SP astring SP "(" [resource *(SP resource)] ")"
 *   resource       = atom SP number64 SP number64            ; usage, limit; RFC 9208 §7
 *
 * Of the resources only STORAGE is kept, which counts units of 1024 bytes. */
#include "imap_codec_priv.h"

enum {
    STORAGE_UNIT = 1024
};

bool imap_parse_quota(struct imap_doc *doc, struct imap_resp *resp)
{
    struct imap_cur cur = imap_cur_all(doc);
    (void)imap_cur_next(&cur);
    const struct imap_tok *list = imap_cur_next(&cur);
    if (!imap_tok_is_list(list)) {
        return false;
    }
    struct imap_cur inner = imap_cur_children(doc, list);
    const struct imap_tok *name;
    while ((name = imap_cur_next(&inner)) != NULL) {
        uint64_t used, limit, max = IMAP_NUM63_MAX / STORAGE_UNIT;
        bool numbers =
            imap_tok_num(doc, imap_cur_next(&inner), max, &used) == IMAP_NUM_OK;
        numbers = imap_tok_num(doc, imap_cur_next(&inner), max, &limit) == IMAP_NUM_OK &&
                  numbers;
        if (numbers && imap_tok_is_word(doc, name, "STORAGE")) {
            resp->storage = (struct imap_storage){.known = true,
                                                  .used_bytes = used * STORAGE_UNIT,
                                                  .limit_bytes = limit * STORAGE_UNIT};
        }
    }
    return true;
}
