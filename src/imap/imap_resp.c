/* imap_resp: the table of responses, and those that are one value long. */
#include "imap_codec_priv.h"

/* message-data of one number: nz for EXPUNGE, which renumbers messages. */
static bool parse_number(struct imap_doc *doc, struct imap_resp *resp)
{
    (void)doc;
    return resp->kind != IMAP_RESP_EXPUNGE || resp->number > 0;
}

/* Most frequent first: it is searched from the top. */
static const struct imap_resp_def defs[] = {
    {STR_INIT("FETCH"), IMAP_RESP_FETCH, IMAP_SHAPE_ROW, true, imap_parse_fetch,
     IMAP_COND_OK},
    {STR_INIT("OK"), IMAP_RESP_STATUS, IMAP_SHAPE_TEXT, false, NULL, IMAP_COND_OK},
    {STR_INIT("EXISTS"), IMAP_RESP_EXISTS, IMAP_SHAPE_DATA, true, parse_number,
     IMAP_COND_OK},
    {STR_INIT("EXPUNGE"), IMAP_RESP_EXPUNGE, IMAP_SHAPE_DATA, true, parse_number,
     IMAP_COND_OK},
    {STR_INIT("RECENT"), IMAP_RESP_RECENT, IMAP_SHAPE_DATA, true, parse_number,
     IMAP_COND_OK},
    {STR_INIT("LIST"), IMAP_RESP_LIST, IMAP_SHAPE_DATA, false, imap_parse_list,
     IMAP_COND_OK},
    {STR_INIT("STATUS"), IMAP_RESP_MAILBOX_STATUS, IMAP_SHAPE_DATA, false,
     imap_parse_status, IMAP_COND_OK},
    {STR_INIT("SEARCH"), IMAP_RESP_SEARCH, IMAP_SHAPE_SET, false, imap_parse_search,
     IMAP_COND_OK},
    {STR_INIT("ESEARCH"), IMAP_RESP_SEARCH, IMAP_SHAPE_SET, false, imap_parse_esearch,
     IMAP_COND_OK},
    {STR_INIT("VANISHED"), IMAP_RESP_VANISHED, IMAP_SHAPE_SET, false, imap_parse_vanished,
     IMAP_COND_OK},
    {STR_INIT("FLAGS"), IMAP_RESP_FLAGS, IMAP_SHAPE_DATA, false, imap_parse_flags,
     IMAP_COND_OK},
    {STR_INIT("NO"), IMAP_RESP_STATUS, IMAP_SHAPE_TEXT, false, NULL, IMAP_COND_NO},
    {STR_INIT("BAD"), IMAP_RESP_STATUS, IMAP_SHAPE_TEXT, false, NULL, IMAP_COND_BAD},
    {STR_INIT("BYE"), IMAP_RESP_STATUS, IMAP_SHAPE_TEXT, false, NULL, IMAP_COND_BYE},
    {STR_INIT("PREAUTH"), IMAP_RESP_STATUS, IMAP_SHAPE_TEXT, false, NULL,
     IMAP_COND_PREAUTH},
    {STR_INIT("CAPABILITY"), IMAP_RESP_CAPABILITY, IMAP_SHAPE_DATA, false,
     imap_parse_capability, IMAP_COND_OK},
    {STR_INIT("ENABLED"), IMAP_RESP_ENABLED, IMAP_SHAPE_DATA, false,
     imap_parse_capability, IMAP_COND_OK},
    {STR_INIT("ID"), IMAP_RESP_ID, IMAP_SHAPE_DATA, false, imap_parse_id, IMAP_COND_OK},
    {STR_INIT("NAMESPACE"), IMAP_RESP_NAMESPACE, IMAP_SHAPE_DATA, false,
     imap_parse_namespace, IMAP_COND_OK},
    {STR_INIT("LSUB"), IMAP_RESP_LIST, IMAP_SHAPE_DATA, false, imap_parse_lsub,
     IMAP_COND_OK},
    {STR_INIT("QUOTA"), IMAP_RESP_QUOTA, IMAP_SHAPE_DATA, false, imap_parse_quota,
     IMAP_COND_OK},
    {STR_INIT("XLIST"), IMAP_RESP_LIST, IMAP_SHAPE_DATA, false, imap_parse_list,
     IMAP_COND_OK},
};

const struct imap_resp_def *imap_resp_def_find(struct str name, bool numbered)
{
    for (size_t i = 0; i < ARRAY_LEN(defs); i++) {
        if (defs[i].numbered == numbered && str_ieq(name, defs[i].name)) {
            return &defs[i];
        }
    }
    return NULL;
}

const char *imap_resp_kind_name(enum imap_resp_kind kind)
{
    static const char *const names[] = {
        [IMAP_RESP_CONTINUE] = "continue",
        [IMAP_RESP_TAGGED] = "tagged",
        [IMAP_RESP_STATUS] = "status",
        [IMAP_RESP_CAPABILITY] = "capability",
        [IMAP_RESP_ENABLED] = "enabled",
        [IMAP_RESP_ID] = "id",
        [IMAP_RESP_NAMESPACE] = "namespace",
        [IMAP_RESP_LIST] = "list",
        [IMAP_RESP_MAILBOX_STATUS] = "mailbox-status",
        [IMAP_RESP_QUOTA] = "quota",
        [IMAP_RESP_SEARCH] = "search",
        [IMAP_RESP_FLAGS] = "flags",
        [IMAP_RESP_EXISTS] = "exists",
        [IMAP_RESP_RECENT] = "recent",
        [IMAP_RESP_EXPUNGE] = "expunge",
        [IMAP_RESP_VANISHED] = "vanished",
        [IMAP_RESP_FETCH] = "fetch",
        [IMAP_RESP_UNKNOWN] = "unknown",
        [IMAP_RESP_UNPARSED] = "unparsed",
    };
    return (size_t)kind < ARRAY_LEN(names) ? names[kind] : "?";
}
