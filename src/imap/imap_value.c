/* imap_value: small things on the values of responses. */
#include "postrider/imap/imap_value.h"

const struct imap_part *imap_part_next(const struct imap_part *part)
{
    if (part->first_child != NULL) {
        return part->first_child;
    }
    while (part != NULL && part->next == NULL) {
        part = part->parent;
    }
    return part != NULL ? part->next : NULL;
}

struct str imap_param_get(const struct imap_params *params, const char *name)
{
    for (size_t i = 0; i < params->count; i++) {
        if (str_ieq_c(params->items[i].name, name)) {
            return params->items[i].value;
        }
    }
    return STR_NULL;
}
