/* imap_search: SEARCH and UID SEARCH (RFC 9051 §6.4.4, RFC 4731).
 * ESEARCH is asked for where it is offered, and either answer is taken whichever was
 * asked for. It stands alone on the wire, because a SEARCH answer does not say whose it is,
 * unless others are to be beside it: then only one with its tag is taken, which must come
 * even if nothing is found (RFC 4731 §3.1). */
#include "imap_priv.h"

#include "postrider/base/mem.h"

#include <stdio.h>

enum {
    RANGES_MAX = 1024 * 1024 /* of all answers together */
};

struct imap_search {
    struct imap_op base;
    struct imap_search_result result;
    size_t cap; /* of the ranges, which are freed with the operation */
    bool answered;
    imap_search_cb *cb;
    void *ctx;
};

#define SEARCH(ptr) container_of(ptr, struct imap_search, base)

static void search_done(struct op *base)
{
    struct imap_search *op = SEARCH(IMAP_OP(base));
    op->cb(op, &base->err, base->err.code == ERR_OK ? &op->result : NULL, op->ctx);
}

static void search_fini(struct op *base)
{
    mem_free(SEARCH(IMAP_OP(base))->result.set.ranges);
    imap_op_fini(base);
}

static const struct op_type search_type = {.name = "search",
                                           .size = sizeof(struct imap_search),
                                           .abort = imap_op_abort,
                                           .done = search_done,
                                           .fini = search_fini};

static bool is_ours(const struct imap_cmd *cmd, const struct imap_resp *resp)
{
    char tag[16];
    (void)snprintf(tag, sizeof tag, "A%u", cmd->tag);
    return resp->search_tag.len == 0 ? cmd->type->order != IMAP_ORDER_TAG
                                     : str_ieq_c(resp->search_tag, tag);
}

/* Servers may answer in pieces, and repeat themselves: room grows only for what is left once
 * equal and adjacent ones are one. */
static bool take_ranges(struct imap_search *op, const struct imap_set *more)
{
    struct imap_set *set = &op->result.set;
    if (more->count == 0) {
        return true;
    }
    if (set->count + more->count > op->cap) {
        imap_set_normalize(set);
        size_t need = set->count + more->count;
        if (need > RANGES_MAX) {
            return false;
        }
        if (need > op->cap / 2) {
            op->cap = 2 * need;
            set->ranges = mem_realloc(set->ranges, op->cap * sizeof *set->ranges);
        }
    }
    memcpy(set->ranges + set->count, more->ranges, more->count * sizeof *set->ranges);
    set->count += more->count;
    return true;
}

static bool search_untagged(struct imap_op *base, struct imap_cmd *cmd,
                            const struct imap_resp *resp)
{
    enum {
        HAS_COUNT = 1,
        HAS_MODSEQ = 16
    };
    struct imap_search *op = SEARCH(base);
    if (resp->kind != IMAP_RESP_SEARCH || !is_ours(cmd, resp)) {
        return false;
    }
    imap_op_progress(base);
    op->answered = true;
    if (!take_ranges(op, &resp->set)) {
        struct err err = {0};
        (void)err_set(&err, ERR_PROTOCOL, "the answer to a search does not end");
        imap_op_fail(base, &err);
        return true;
    }
    if ((resp->search_has & HAS_COUNT) != 0) {
        op->result.has_count = true;
        op->result.count = resp->search_count;
    }
    if ((resp->search_has & HAS_MODSEQ) != 0) {
        op->result.modseq = resp->search_modseq;
    }
    return true;
}

static void search_end(struct imap_op *base, struct imap_cmd *cmd,
                       const struct imap_resp *resp, const struct err *err)
{
    (void)resp;
    struct err own = *err;
    if (err->code == ERR_OK && cmd->type->order == IMAP_ORDER_TAG &&
        !SEARCH(base)->answered) {
        (void)err_set(&own, ERR_NO, "no answer to a search says whose it is");
    }
    imap_set_normalize(&SEARCH(base)->result.set);
    imap_op_end_with(base, &own);
}

#define SEARCH_CMD(order_)                                                               \
    {                                                                                    \
        .name = "SEARCH", .order = order_, .context = IMAP_CONTEXT_OTHER, .leads = true, \
        .on_untagged = search_untagged, .on_end = search_end                             \
    }
static const struct imap_cmd_type alone_cmd = SEARCH_CMD(IMAP_ORDER_ALONE);
static const struct imap_cmd_type beside_cmd = SEARCH_CMD(IMAP_ORDER_TAG);

struct imap_search *imap_search_start(struct imap_conn *c,
                                      const struct imap_search_params *params,
                                      int64_t deadline_ms, imap_search_cb *cb, void *ctx)
{
    struct imap_search *op = imap_op_new(c, &search_type, deadline_ms);
    op->cb = cb;
    op->ctx = ctx;
    struct imap_cmd *cmd =
        imap_cmd_new(&op->base, params->beside ? &beside_cmd : &alone_cmd);
    imap_cmd_put(cmd, params->by_uid ? "UID SEARCH " : "SEARCH ");
    if (imap_conn_has(c, IMAP_CAP_ESEARCH)) {
        imap_cmd_put(cmd, params->count ? "RETURN (COUNT) " : "RETURN (ALL) ");
    }
    /* RFC 6855 §3: with UTF8=ACCEPT a charset is an error. */
    if (params->utf8 && (c->enabled & IMAP_CAP_UTF8_ACCEPT) == 0) {
        imap_cmd_put(cmd, "CHARSET UTF-8 ");
    }
    imap_cmd_put_criteria(cmd, params->criteria);
    imap_cmd_send(cmd);
    return op;
}

void imap_search_cancel(struct imap_search *op)
{
    op_cancel(op != NULL ? &op->base.op : NULL);
}
