/* What servers are known for, by the words of their capabilities, their ID and greeting. */
#include "postrider/sync/sync.h"

struct quirk_row {
    const char *capability; /* a word of them; NULL = any */
    const char *id;         /* part of the name that ID tells; NULL = any */
    const char *greeting;   /* part of its text; NULL = any */
    const char *unless_id;  /* the ID of who shares the capability, but not the fault */
    uint32_t quirks;
};

/* What a server does is in the table only if no answer of its own gives it away: a missing
 * UIDNEXT (163.com), an ENABLE without ENABLED (iCloud), HIGHESTMODSEQ 0 (Purelymail), two
 * lines for one mailbox (Zoho) or a SELECT that wants ID first (163.com, 126.com) are dealt
 * with where they show, whoever the server is. */
static const struct quirk_row quirk_table[] = {
    /* iCloud: mail older than a week "vanished", and broken sets; Cyrus sells the same
     * push service. */
    {"XAPPLEPUSHSERVICE", NULL, NULL, "cyrus", SYNC_QUIRK_FALSE_VANISHED},
    /* The second QRESYNC of old versions reported all mail as vanished. */
    {NULL, "james", NULL, NULL, SYNC_QUIRK_FALSE_VANISHED},
    {NULL, "dovecot", NULL, NULL, SYNC_QUIRK_TRUE_VANISHED},
    /* In the STATUS of a listing, the MAILBOXID of 3.6 is what memory held at the time:
     * other bytes each time, the same for several mailboxes, line ends among them. */
    {NULL, "cyrus", NULL, NULL, SYNC_QUIRK_TRUE_VANISHED | SYNC_QUIRK_WRONG_IDS},
    {NULL, "exchange", NULL, NULL, SYNC_QUIRK_LATE | SYNC_QUIRK_SLOW_STATUS},
    {NULL, NULL, "Microsoft Exchange", NULL, SYNC_QUIRK_LATE | SYNC_QUIRK_SLOW_STATUS},
    {NULL, "wildduck", NULL, NULL, SYNC_QUIRK_LATE},
    {NULL, "wild duck", NULL, NULL, SYNC_QUIRK_LATE},
    {NULL, "zimbra", NULL, NULL, SYNC_QUIRK_LATE},
    /* Yahoo, AOL */
    {"XYMHIGHESTMODSEQ", NULL, NULL, NULL, SYNC_QUIRK_LATE | SYNC_QUIRK_WINDOW},
    {"UIDONLY", NULL, NULL, "stalwart", SYNC_QUIRK_WINDOW},
    {"X-CM-EXT-1", NULL, NULL, NULL, SYNC_QUIRK_LATE}, /* 163.com, 126.com, yeah.net */
    {NULL, "coremail", NULL, NULL, SYNC_QUIRK_LATE},
    {NULL, "proton", NULL, NULL, SYNC_QUIRK_LABEL_COPIES},
    {NULL, NULL, "Proton", NULL, SYNC_QUIRK_LABEL_COPIES},
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

static bool has_part(const char *text, const char *part)
{
    return str_ifind(str_of(text), part) != SIZE_MAX;
}

static bool applies(const struct quirk_row *row, const struct imap_conn *conn)
{
    const char *id = imap_conn_server_name(conn);
    return (row->capability == NULL ||
            has_word(str_of(imap_conn_caps_text(conn)), row->capability)) &&
           (row->id == NULL || has_part(id, row->id)) &&
           (row->greeting == NULL || has_part(imap_conn_greeting(conn), row->greeting)) &&
           (row->unless_id == NULL || !has_part(id, row->unless_id));
}

uint32_t sync_quirks(const struct imap_conn *conn)
{
    uint32_t quirks = 0;
    for (size_t i = 0; i < ARRAY_LEN(quirk_table); i++) {
        if (applies(&quirk_table[i], conn)) {
            quirks |= quirk_table[i].quirks;
        }
    }
    return quirks;
}
