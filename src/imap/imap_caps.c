/* imap_caps: which words of CAPABILITY mean something to us. */
#include "imap_priv.h"

#include "postrider/base/intern.h"
#include "postrider/base/num.h"

enum {
    CAPS_TEXT_MAX = 8 * 1024
};

struct cap_row {
    const char *word;
    uint32_t bits;
};

static const struct cap_row caps_table[] = {
    {"AUTH=LOGIN", IMAP_CAP_AUTH_LOGIN},
    {"AUTH=OAUTHBEARER", IMAP_CAP_AUTH_OAUTHBEARER},
    {"AUTH=PLAIN", IMAP_CAP_AUTH_PLAIN},
    {"AUTH=XOAUTH2", IMAP_CAP_AUTH_XOAUTH2},
    {"BINARY", IMAP_CAP_BINARY},
    {"CONDSTORE", IMAP_CAP_CONDSTORE},
    {"ENABLE", IMAP_CAP_ENABLE},
    {"ESEARCH", IMAP_CAP_ESEARCH},
    {"ID", IMAP_CAP_ID},
    {"IDLE", IMAP_CAP_IDLE},
    {"IMAP4REV1", IMAP_CAP_IMAP4REV1},
    {"LIST-EXTENDED", IMAP_CAP_LIST_EXTENDED},
    {"LIST-STATUS", IMAP_CAP_LIST_STATUS},
    {"LITERAL+", IMAP_CAP_LITERAL_PLUS},
    {"LITERAL-", IMAP_CAP_LITERAL_MINUS},
    {"LOGINDISABLED", IMAP_CAP_LOGINDISABLED},
    {"MOVE", IMAP_CAP_MOVE},
    {"NAMESPACE", IMAP_CAP_NAMESPACE},
    {"NOTIFY", IMAP_CAP_NOTIFY},
    {"OBJECTID", IMAP_CAP_OBJECTID},
    {"PREVIEW", IMAP_CAP_PREVIEW},
    /* RFC 7162 §3.2.3: QRESYNC brings CONDSTORE along. */
    {"QRESYNC", IMAP_CAP_QRESYNC | IMAP_CAP_CONDSTORE},
    {"SASL-IR", IMAP_CAP_SASL_IR},
    {"SPECIAL-USE", IMAP_CAP_SPECIAL_USE},
    {"STARTTLS", IMAP_CAP_STARTTLS},
    {"UIDPLUS", IMAP_CAP_UIDPLUS},
    {"UNSELECT", IMAP_CAP_UNSELECT},
    {"UTF8=ACCEPT", IMAP_CAP_UTF8_ACCEPT},
    {"UTF8=ONLY", IMAP_CAP_UTF8_ACCEPT},
    {"WITHIN", IMAP_CAP_WITHIN},
    {"X-GM-EXT-1", IMAP_CAP_GMAIL},
    {"XLIST", IMAP_CAP_XLIST},
};

static const char append_limit_word[] = "APPENDLIMIT=";

static void add_word(struct imap_caps *caps, struct str word)
{
    for (size_t i = 0; i < ARRAY_LEN(caps_table); i++) {
        if (str_ieq_c(word, caps_table[i].word)) {
            caps->bits |= caps_table[i].bits;
            return;
        }
    }
    if (str_has_iprefix(word, append_limit_word)) {
        num_u64(str_tail(word, sizeof append_limit_word - 1), UINT64_MAX,
                &caps->append_limit);
    }
}

void imap_caps_clear(struct imap_caps *caps)
{
    intern_give(&caps->text);
    *caps = (struct imap_caps){0};
}

void imap_caps_set_text(struct imap_caps *caps, struct intern *texts, struct str text)
{
    struct str rest =
        str_from(text.ptr, text.len < CAPS_TEXT_MAX ? text.len : CAPS_TEXT_MAX);
    struct buf words = BUF_INIT(CAPS_TEXT_MAX + 1);
    struct str word;
    imap_caps_clear(caps);
    while (str_split(&rest, ' ', &word)) {
        if (word.len > 0) {
            add_word(caps, word);
            buf_put_c(&words, words.len > 0 ? " " : "");
            buf_put_str(&words, word);
        }
    }
    caps->text = words.len > 0 ? intern_take(texts, buf_str(&words)) : NULL;
    buf_fini(&words);
}

void imap_caps_set_words(struct imap_caps *caps, struct intern *texts,
                         const struct str *words, size_t count)
{
    struct buf text = BUF_INIT(CAPS_TEXT_MAX);
    for (size_t i = 0; i < count; i++) {
        buf_put_c(&text, i > 0 ? " " : "");
        buf_put_str(&text, words[i]);
    }
    imap_caps_set_text(caps, texts, buf_str(&text));
    buf_fini(&text);
}

bool imap_caps_has_word(const struct imap_caps *caps, const char *word)
{
    struct str rest = str_of(caps->text != NULL ? caps->text : "");
    struct str piece;
    while (str_split(&rest, ' ', &piece)) {
        if (str_ieq_c(piece, word)) {
            return true;
        }
    }
    return false;
}
