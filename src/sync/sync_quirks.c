/* What servers are known for, by the words of their capabilities and by their ID. */
#include "postrider/sync/sync.h"

struct quirk_row {
    const char *capability; /* NULL = any */
    const char *id;         /* part of the ID's name, NULL = any */
    const char *unless_id;  /* the ID of who shares the capability, but not the fault */
    uint32_t quirks;
};

static const struct quirk_row quirk_table[] = {
    /* iCloud: mail older than a week "vanished", and broken sets; Cyrus sells the same
     * push service. */
    {"XAPPLEPUSHSERVICE", NULL, "cyrus", SYNC_QUIRK_FALSE_VANISHED},
    /* The second QRESYNC of old versions reported all mail as vanished. */
    {NULL, "james", NULL, SYNC_QUIRK_FALSE_VANISHED},
    {NULL, "exchange", NULL, SYNC_QUIRK_LATE},
    {NULL, "wildduck", NULL, SYNC_QUIRK_LATE},
    {NULL, "wild duck", NULL, SYNC_QUIRK_LATE},
    {NULL, "zimbra", NULL, SYNC_QUIRK_LATE},
    /* Yahoo, AOL */
    {"XYMHIGHESTMODSEQ", NULL, NULL, SYNC_QUIRK_LATE | SYNC_QUIRK_WINDOW},
    {"UIDONLY", NULL, "stalwart", SYNC_QUIRK_WINDOW},
    {"X-CM-EXT-1", NULL, NULL, SYNC_QUIRK_LATE}, /* 163.com */
};

static bool has_word(struct str words, const char *word)
{
    struct str piece;
    while (str_split(&words, ' ', &piece)) {
        if (str_ieq_c(piece, word)) {
            return true;
        }
    }
    return false;
}

static bool applies(const struct quirk_row *row, struct str capabilities, struct str id)
{
    return (row->capability == NULL || has_word(capabilities, row->capability)) &&
           (row->id == NULL || str_ifind(id, row->id) != SIZE_MAX) &&
           (row->unless_id == NULL || str_ifind(id, row->unless_id) == SIZE_MAX);
}

uint32_t sync_quirks(const struct imap_conn *conn)
{
    struct str capabilities = str_of(imap_conn_caps_text(conn));
    struct str id = str_of(imap_conn_server_name(conn));
    uint32_t quirks = 0;
    for (size_t i = 0; i < ARRAY_LEN(quirk_table); i++) {
        if (applies(&quirk_table[i], capabilities, id)) {
            quirks |= quirk_table[i].quirks;
        }
    }
    return quirks;
}
