#include "webhook_priv.h"

static const struct status_row {
    int first, last;
    enum webhook_verdict_kind kind;
} status_rows[] = {
    /* the first row that fits counts */
    {200, 299, WEBHOOK_DELIVERED},
    {300, 399, WEBHOOK_REFUSED}, /* redirects are not followed */
    {408, 408, WEBHOOK_AGAIN},
    {410, 410, WEBHOOK_GONE},
    {425, 425, WEBHOOK_AGAIN},
    {429, 429, WEBHOOK_AGAIN},
    {400, 499, WEBHOOK_AGAIN_FEW},
};

enum webhook_verdict_kind webhook_verdict(const struct err *err,
                                          const struct httpc_reply *reply)
{
    if (err->code == ERR_EGRESS || err->code == ERR_INVALID) {
        return WEBHOOK_REFUSED;
    }
    for (size_t i = 0; reply != NULL && i < ARRAY_LEN(status_rows); i++) {
        const struct status_row *row = &status_rows[i];
        if (reply->status >= row->first && reply->status <= row->last) {
            return row->kind;
        }
    }
    return WEBHOOK_AGAIN;
}
