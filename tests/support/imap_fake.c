#include "imap_fake.h"

#include "server_fixture.h"

#include "postrider/base/buf.h"
#include "postrider/base/check.h"
#include "postrider/base/clock.h"
#include "postrider/base/mem.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

enum {
    LINE_MAX_BYTES = 64 * 1024,
    OUT_MAX = 64 * 1024 * 1024,
    FIRST_UIDVALIDITY = 7,
    LOG_MAX = 256,
    SET_MAX = 1024,
    DAY_S = 24 * 3600
};

struct gone {
    uint32_t uid;
    uint64_t modseq;
};

struct kept {
    struct fake_message *messages;
    size_t count, cap;
    uint32_t uid_next;
    uint64_t modseq;
};

struct imap_fake {
    struct imap_fake_config config;
    struct kept kept;
    struct server_fixture *fixture;
    pthread_mutex_t lock;
    struct fake_message *messages; /* rising UIDs */
    size_t count, cap;
    struct gone *gone;
    size_t gone_count, gone_cap;
    uint32_t uid_next, uid_validity, mailbox_id;
    uint64_t modseq, told_modseq;
    uint32_t *view; /* the session's: UIDs by sequence number */
    size_t view_count;
    bool lost_row, qresync;
    struct imap_range set[SET_MAX]; /* of the command */
    size_t set_count;
    struct buf out;
    size_t bytes;
    char log[LOG_MAX][16];
    size_t log_count;
};

/* --- the truth --- */

static void lock(struct imap_fake *f)
{
    CHECK(pthread_mutex_lock(&f->lock) == 0);
}

static void unlock(struct imap_fake *f)
{
    CHECK(pthread_mutex_unlock(&f->lock) == 0);
}

static struct fake_message *find(const struct imap_fake *f, uint32_t uid)
{
    size_t lo = 0, hi = f->count;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (f->messages[mid].uid < uid) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo < f->count && f->messages[lo].uid == uid ? &f->messages[lo] : NULL;
}

void imap_fake_reset(struct imap_fake *f, uint32_t uid_validity)
{
    lock(f);
    f->uid_validity = uid_validity;
    f->gone_count = 0;
    unlock(f);
}

void imap_fake_replace(struct imap_fake *f)
{
    lock(f);
    f->count = f->gone_count = 0;
    f->uid_next = 1;
    f->modseq = 1;
    f->mailbox_id++;
    unlock(f);
}

void imap_fake_keep(struct imap_fake *f)
{
    lock(f);
    mem_free(f->kept.messages);
    f->kept = (struct kept){.messages = mem_array(f->count, sizeof *f->messages),
                            .count = f->count,
                            .cap = f->count,
                            .uid_next = f->uid_next,
                            .modseq = f->modseq};
    memcpy(f->kept.messages, f->messages, f->count * sizeof *f->messages);
    unlock(f);
}

void imap_fake_trade(struct imap_fake *f)
{
    lock(f);
    struct kept shown = {f->messages, f->count, f->cap, f->uid_next, f->modseq};
    f->messages = f->kept.messages;
    f->count = f->kept.count;
    f->cap = f->kept.cap;
    f->uid_next = f->kept.uid_next;
    f->modseq = f->kept.modseq;
    f->kept = shown;
    unlock(f);
}

void imap_fake_rewind(struct imap_fake *f)
{
    lock(f);
    f->modseq = 1;
    f->gone_count = 0;
    for (size_t i = 0; i < f->count; i++) {
        f->messages[i].modseq = f->modseq;
    }
    unlock(f);
}

uint32_t imap_fake_add(struct imap_fake *f, size_t count)
{
    lock(f);
    while (f->cap < f->count + count) {
        f->cap = f->cap > 0 ? f->cap * 2 : 64;
        f->messages = mem_realloc(f->messages, f->cap * sizeof *f->messages);
    }
    for (size_t i = 0; i < count; i++) {
        f->messages[f->count++] = (struct fake_message){
            .uid = f->uid_next++, .modseq = ++f->modseq, .date_s = (int64_t)time(NULL)};
    }
    uint32_t last = f->uid_next - 1;
    unlock(f);
    return last;
}

void imap_fake_expunge(struct imap_fake *f, uint32_t lo, uint32_t hi)
{
    lock(f);
    size_t kept = 0;
    for (size_t i = 0; i < f->count; i++) {
        struct fake_message m = f->messages[i];
        if (m.uid < lo || m.uid > hi) {
            f->messages[kept++] = m;
            continue;
        }
        if (f->gone_count == f->gone_cap) {
            f->gone_cap = f->gone_cap > 0 ? f->gone_cap * 2 : 64;
            f->gone = mem_realloc(f->gone, f->gone_cap * sizeof *f->gone);
        }
        f->gone[f->gone_count++] = (struct gone){m.uid, ++f->modseq};
    }
    f->count = kept;
    unlock(f);
}

void imap_fake_flags(struct imap_fake *f, uint32_t uid, uint8_t flags, bool keyword)
{
    lock(f);
    struct fake_message *m = find(f, uid);
    CHECK(m != NULL);
    m->flags = flags;
    m->keyword = keyword;
    m->modseq = ++f->modseq;
    unlock(f);
}

static int cmp_uid(const void *a, const void *b)
{
    const struct fake_message *x = a, *y = b;
    return (x->uid > y->uid) - (x->uid < y->uid);
}

void imap_fake_swap(struct imap_fake *f, uint32_t uid, const struct fake_message *other)
{
    lock(f);
    struct fake_message *m = find(f, uid);
    CHECK(m != NULL);
    *m = *other;
    qsort(f->messages, f->count, sizeof *f->messages, cmp_uid);
    unlock(f);
}

void imap_fake_trouble(struct imap_fake *f, uint32_t uid, enum fake_trouble trouble)
{
    lock(f);
    struct fake_message *m = find(f, uid);
    CHECK(m != NULL);
    m->trouble = trouble;
    m->modseq = ++f->modseq;
    unlock(f);
}

const struct fake_message *imap_fake_find(const struct imap_fake *f, uint32_t uid)
{
    return find(f, uid);
}

size_t imap_fake_count(const struct imap_fake *f)
{
    return f->count;
}

const struct fake_message *imap_fake_at(const struct imap_fake *f, size_t i)
{
    return &f->messages[i];
}

size_t imap_fake_bytes(struct imap_fake *f, bool reset)
{
    lock(f);
    size_t bytes = f->bytes;
    if (reset) {
        f->bytes = f->log_count = 0;
    }
    unlock(f);
    return bytes;
}

size_t imap_fake_commands(struct imap_fake *f, const char *word)
{
    size_t n = 0;
    lock(f);
    for (size_t i = 0; i < f->log_count; i++) {
        n += strcmp(f->log[i], word) == 0;
    }
    unlock(f);
    return n;
}

/* --- sets --- */

static const char *read_number(const char *at, uint32_t last, uint32_t *out)
{
    char *end;
    if (*at == '*') {
        *out = last;
        return at + 1;
    }
    *out = (uint32_t)strtoul(at, &end, 10);
    return end;
}

/* Fills f->set; "n:*" always names the last message. */
static void read_set(struct imap_fake *f, const char *at, uint32_t last)
{
    f->set_count = 0;
    while (f->set_count < SET_MAX && *at != '\0' && *at != ' ' && *at != ')') {
        struct imap_range r;
        at = read_number(at, last, &r.lo);
        r.hi = r.lo;
        if (*at == ':') {
            at = read_number(at + 1, last, &r.hi);
        }
        r.lo = r.lo > last && r.hi > r.lo ? last : r.lo;
        f->set[f->set_count++] = r;
        at += *at == ',';
    }
}

static bool set_has(const struct imap_fake *f, uint32_t n)
{
    for (size_t i = 0; i < f->set_count; i++) {
        if (n >= f->set[i].lo && n <= f->set[i].hi) {
            return true;
        }
    }
    return false;
}

/* --- answers --- */

static bool has_cap(const struct imap_fake *f, const char *word)
{
    return strstr(f->config.capabilities, word) != NULL;
}

static bool has_modseq(const struct imap_fake *f)
{
    return has_cap(f, "CONDSTORE") && (f->config.quirks & FAKE_NO_MODSEQ) == 0;
}

static void put_flags(struct imap_fake *f, const struct fake_message *m)
{
    static const struct {
        uint8_t flag;
        const char *name;
    } names[] = {{IMAP_FLAG_SEEN, "\\Seen"},
                 {IMAP_FLAG_ANSWERED, "\\Answered"},
                 {IMAP_FLAG_FLAGGED, "\\Flagged"},
                 {IMAP_FLAG_DELETED, "\\Deleted"},
                 {IMAP_FLAG_DRAFT, "\\Draft"}};
    const char *space = "";
    buf_put_c(&f->out, " FLAGS (");
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if ((m->flags & names[i].flag) != 0) {
            buf_printf(&f->out, "%s%s", space, names[i].name);
            space = " ";
        }
    }
    buf_printf(&f->out, m->keyword ? "%salpha)" : "%s)", m->keyword ? space : "");
}

static void put_row(struct imap_fake *f, size_t seq, const struct fake_message *m,
                    const char *items)
{
    buf_printf(&f->out, "* %zu FETCH (UID %u", seq, m->uid);
    if (strstr(items, "FLAGS") != NULL) {
        put_flags(f, m);
    }
    if (strstr(items, "MODSEQ") != NULL || strstr(items, "CHANGEDSINCE") != NULL) {
        buf_printf(&f->out, " MODSEQ (%llu)", (unsigned long long)m->modseq);
    }
    if (strstr(items, "INTERNALDATE") != NULL) {
        char date[40];
        struct tm tm;
        bool torn = m->trouble == FAKE_TORN;
        time_t t = torn ? 0 : (time_t)m->date_s;
        (void)gmtime_r(&t, &tm);
        (void)strftime(date, sizeof date, "%d-%b-%Y %H:%M:%S +0000", &tm);
        buf_printf(&f->out, " INTERNALDATE \"%s\" RFC822.SIZE %u", date,
                   torn ? 0 : 100 + m->uid);
    }
    if (strstr(items, "EMAILID") != NULL) {
        buf_printf(&f->out, " EMAILID (E%u)", m->uid);
    }
    buf_put_c(&f->out, ")\r\n");
}

static void put_vanished(struct imap_fake *f, uint64_t since)
{
    if ((f->config.quirks & FAKE_VANISHES_ALL) != 0) {
        buf_printf(&f->out, "* VANISHED (EARLIER) 1:%u\r\n", f->uid_next - 1);
        return;
    }
    const char *before = "* VANISHED (EARLIER) ";
    for (size_t i = 0; i < f->gone_count; i++) {
        if (f->gone[i].modseq > since) {
            buf_printf(&f->out, "%s%u", before, f->gone[i].uid);
            before = ",";
        }
    }
    buf_put_c(&f->out, *before == ',' ? "\r\n" : "");
}

static bool is_shown(const struct imap_fake *f, const struct fake_message *m)
{
    size_t window = f->config.window;
    size_t first = window > 0 && f->count > window ? f->count - window : 0;
    return m != NULL && m >= f->messages + first && m->trouble != FAKE_HIDDEN;
}

/* The view becomes the truth, and the client hears of it. */
static void refresh(struct imap_fake *f, bool tell)
{
    size_t kept = 0;
    for (size_t i = 0; i < f->view_count; i++) {
        if (is_shown(f, find(f, f->view[i]))) {
            f->view[kept++] = f->view[i];
        } else if (tell && f->qresync) {
            buf_printf(&f->out, "* VANISHED %u\r\n", f->view[i]);
        } else if (tell) {
            buf_printf(&f->out, "* %zu EXPUNGE\r\n", kept + 1);
        }
    }
    bool fewer = kept < f->view_count;
    size_t before = kept;
    if (tell && fewer && (f->config.quirks & FAKE_TELLS_APART) != 0) {
        f->view_count = kept;
        return;
    }
    f->view = mem_realloc(f->view, (f->count + 1) * sizeof *f->view);
    f->view_count = 0;
    for (size_t i = 0; i < f->count; i++) {
        if (is_shown(f, &f->messages[i])) {
            f->view[f->view_count++] = f->messages[i].uid;
        }
    }
    if (tell && (fewer || f->view_count != before)) {
        buf_printf(&f->out, "* %zu EXISTS\r\n", f->view_count);
    }
    for (size_t i = 0; i < before && tell && (f->config.quirks & FAKE_TELLS_FLAGS) != 0;
         i++) {
        const struct fake_message *m = find(f, f->view[i]);
        if (m != NULL && m->modseq > f->told_modseq) {
            put_row(f, i + 1, m, "FLAGS");
        }
    }
    f->told_modseq = f->modseq;
}

static void ok(struct imap_fake *f, const char *tag)
{
    buf_printf(&f->out, "%s OK done\r\n", tag);
}

/* --- commands --- */

static void do_select(struct imap_fake *f, const char *tag, const char *args)
{
    if (f->config.refuses_select != NULL) {
        buf_printf(&f->out, "%s NO %s\r\n", tag, f->config.refuses_select);
        return;
    }
    f->view_count = 0;
    refresh(f, false);
    buf_printf(&f->out,
               "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft alpha%s)\r\n"
               "* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft%s "
               "\\*)] ok\r\n* %zu EXISTS\r\n* OK [UIDVALIDITY %u] ok\r\n",
               f->config.more_flags != NULL ? f->config.more_flags : "",
               (f->config.quirks & FAKE_KEEPS_NO_KEYWORD) != 0 ? "" : " alpha",
               f->view_count, f->uid_validity);
    if ((f->config.quirks & FAKE_NO_UIDNEXT) == 0) {
        bool sticks =
            (f->config.quirks & FAKE_STICKS_UIDNEXT) != 0 && f->uid_next > FAKE_STUCK_AT;
        buf_printf(&f->out, "* OK [UIDNEXT %u] ok\r\n",
                   sticks ? FAKE_STUCK_AT : f->uid_next);
    }
    if (has_cap(f, "OBJECTID")) {
        buf_printf(&f->out, "* OK [MAILBOXID (M%u)] ok\r\n", f->mailbox_id);
    }
    if (has_modseq(f)) {
        buf_printf(&f->out, "* OK [HIGHESTMODSEQ %llu] ok\r\n",
                   (unsigned long long)f->modseq);
    } else if (has_cap(f, "CONDSTORE")) {
        buf_put_c(&f->out, "* OK [NOMODSEQ] none\r\n");
    }
    const char *qresync = strstr(args, "QRESYNC (");
    unsigned long long since = 0;
    unsigned validity = 0;
    if (qresync != NULL && has_modseq(f) &&
        sscanf(qresync, "QRESYNC (%u %llu", &validity, &since) == 2 &&
        validity == f->uid_validity) {
        put_vanished(f, since);
        for (size_t i = 0; i < f->view_count; i++) {
            const struct fake_message *m = find(f, f->view[i]);
            if (m != NULL && m->modseq > since) {
                put_row(f, i + 1, m, "FLAGS MODSEQ");
            }
        }
    }
    buf_printf(&f->out, "%s OK [READ-WRITE] done\r\n", tag);
}

static bool is_refused(const struct fake_message *m, const char *items)
{
    return m->trouble == FAKE_STUBBORN ||
           (m->trouble == FAKE_REFUSES && strstr(items, "INTERNALDATE") != NULL);
}

static void do_fetch(struct imap_fake *f, const char *tag, const char *args, bool by_uid)
{
    const char *items = strchr(args, ' ');
    items = items != NULL ? items : "";
    const char *changed = strstr(items, "CHANGEDSINCE ");
    uint64_t since = changed != NULL ? strtoull(changed + 13, NULL, 10) : 0;
    uint32_t last = f->view_count > 0 ? f->view[f->view_count - 1] : 0;
    last = by_uid ? last : (uint32_t)f->view_count;
    bool complete = true, refuses = false;
    read_set(f, args, last);
    for (size_t i = 0; i < f->view_count; i++) {
        if (!set_has(f, by_uid ? f->view[i] : (uint32_t)i + 1)) {
            continue;
        }
        const struct fake_message *m = find(f, f->view[i]);
        refuses = refuses || (m != NULL && is_refused(m, items));
    }
    if (refuses) {
        buf_printf(&f->out, "%s NO cannot show a message\r\n", tag);
        return;
    }
    if (strstr(items, "VANISHED") != NULL) {
        put_vanished(f, since);
    }
    bool loses = !by_uid && (f->config.quirks & FAKE_LOSES_ROWS) != 0 && !f->lost_row;
    for (size_t i = 0; i < f->view_count; i++) {
        if (!set_has(f, by_uid ? f->view[i] : (uint32_t)i + 1)) {
            continue;
        }
        const struct fake_message *m = find(f, f->view[i]);
        complete = complete && m != NULL;
        if (loses) {
            f->lost_row = true;
            loses = false;
        } else if (m != NULL && m->modseq > since) {
            put_row(f, i + 1, m, items);
        }
    }
    if (by_uid && f->config.behind != NULL) {
        unlock(f);
        f->config.behind(f, f->config.ctx);
        lock(f);
    }
    if (by_uid) {
        refresh(f, true);
    }
    buf_printf(&f->out, complete ? "%s OK done\r\n" : "%s NO [EXPUNGEISSUED] gone\r\n",
               tag);
}

/* "22-Nov-2026" as days since 1970 */
static int64_t read_day(const char *text)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    unsigned day = 0;
    int year = 0;
    char month[4] = "";
    CHECK(sscanf(text, "%u-%3s-%d", &day, month, &year) == 3);
    const char *at = strstr(months, month);
    CHECK(at != NULL);
    return clock_days_from_civil(year, (unsigned)(at - months) / 3 + 1, day);
}

/* --- search keys --- */

/* Who reads the keys of one message's search. */
struct keys {
    const struct fake_message *m;
    const char *at;
    uint32_t last;
};

static bool took(struct keys *k, const char *word)
{
    size_t len = strlen(word);
    bool is = strncmp(k->at, word, len) == 0 && strchr(" )", k->at[len]) != NULL;
    k->at += is ? len + (k->at[len] == ' ') : 0;
    return is;
}

static bool took_set(struct keys *k)
{
    bool found = false;
    while (*k->at >= '0' && *k->at <= '9') {
        uint32_t lo, hi;
        k->at = read_number(k->at, k->last, &lo);
        hi = lo;
        if (*k->at == ':') {
            k->at = read_number(k->at + 1, k->last, &hi);
        }
        found = found || (k->m->uid >= lo && k->m->uid <= hi);
        k->at += *k->at == ',';
    }
    k->at += *k->at == ' ';
    return found;
}

static bool took_flag(struct keys *k)
{
    static const struct {
        const char *key;
        uint8_t flag;
        bool is;
    } flags[] = {
        {"SEEN", IMAP_FLAG_SEEN, true},         {"UNSEEN", IMAP_FLAG_SEEN, false},
        {"FLAGGED", IMAP_FLAG_FLAGGED, true},   {"UNFLAGGED", IMAP_FLAG_FLAGGED, false},
        {"ANSWERED", IMAP_FLAG_ANSWERED, true}, {"UNANSWERED", IMAP_FLAG_ANSWERED, false},
        {"DRAFT", IMAP_FLAG_DRAFT, true},       {"UNDRAFT", IMAP_FLAG_DRAFT, false},
        {"DELETED", IMAP_FLAG_DELETED, true},   {"UNDELETED", IMAP_FLAG_DELETED, false}};
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        if (took(k, flags[i].key)) {
            return ((k->m->flags & flags[i].flag) != 0) == flags[i].is;
        }
    }
    CHECK(false);
    return false;
}

static bool matches_all(struct keys *k);

static bool matches(struct keys *k)
{
    if (*k->at == '(') {
        k->at++;
        bool all = matches_all(k);
        k->at += *k->at == ')';
        k->at += *k->at == ' ';
        return all;
    }
    if (took(k, "OR")) {
        bool one = matches(k), other = matches(k);
        return one || other;
    }
    if (took(k, "NOT")) {
        return !matches(k);
    }
    if (took(k, "UID")) {
        return took_set(k);
    }
    if (strncmp(k->at, "SINCE ", 6) == 0) {
        int64_t day = read_day(k->at + 6);
        k->at += strcspn(k->at + 6, " )") + 6;
        k->at += *k->at == ' ';
        return k->m->date_s / DAY_S >= day;
    }
    if (took(k, "KEYWORD alpha")) {
        return k->m->keyword;
    }
    if (took(k, "UNKEYWORD alpha")) {
        return !k->m->keyword;
    }
    if (took(k, "KEYWORD beta")) {
        return false;
    }
    return took(k, "ALL") || took_flag(k);
}

static bool matches_all(struct keys *k)
{
    bool all = true;
    while (*k->at != '\0' && *k->at != ')') {
        all = matches(k) && all;
    }
    return all;
}

static void do_search(struct imap_fake *f, const char *tag, const char *args)
{
    static const char esearch[] = "RETURN (ALL) ", counting[] = "RETURN (COUNT) ";
    if ((f->config.quirks & FAKE_REFUSES_SEARCH) != 0) {
        buf_printf(&f->out, "%s NO not today\r\n", tag);
        return;
    }
    bool extended = strncmp(args, esearch, sizeof esearch - 1) == 0;
    bool counts = strncmp(args, counting, sizeof counting - 1) == 0;
    const char *key = extended ? args + sizeof esearch - 1
                      : counts ? args + sizeof counting - 1
                               : args;
    size_t count = 0;
    uint32_t last = f->view_count > 0 ? f->view[f->view_count - 1] : 0;
    uint32_t lo = 0, hi = 0;
    const char *before = " ALL ";
    if (extended && (f->config.quirks & FAKE_SEARCHES_UNTAGGED) != 0) {
        buf_put_c(&f->out, "* ESEARCH UID");
    } else if (extended || counts) {
        buf_printf(&f->out, "* ESEARCH (TAG \"%s\") UID", tag);
    } else {
        buf_put_c(&f->out, "* SEARCH");
    }
    for (size_t i = 0; i <= f->view_count; i++) {
        const struct fake_message *m = i < f->view_count ? find(f, f->view[i]) : NULL;
        struct keys keys = {.m = m, .at = key, .last = last};
        bool hit = m != NULL && matches_all(&keys);
        count += hit;
        if (counts) {
            continue;
        }
        if (!extended && hit) {
            buf_printf(&f->out, " %u", m->uid);
        } else if (hit && lo != 0 && m->uid == hi + 1) {
            hi = m->uid;
        } else if (extended && (hit || i == f->view_count)) {
            if (lo != 0) {
                buf_printf(&f->out, lo == hi ? "%s%u" : "%s%u:%u", before, lo, hi);
                before = ",";
            }
            lo = hi = hit ? m->uid : 0;
        }
    }
    if (counts) {
        buf_printf(&f->out, " COUNT %zu", count);
    }
    buf_put_c(&f->out, "\r\n");
    refresh(f, true);
    ok(f, tag);
}

static void do_capability(struct imap_fake *f, const char *tag, const char *args)
{
    (void)args;
    buf_printf(&f->out, "* CAPABILITY IMAP4rev1 ENABLE %s%s\r\n", f->config.capabilities,
               f->config.id != NULL ? " ID" : "");
    ok(f, tag);
}

static void do_id(struct imap_fake *f, const char *tag, const char *args)
{
    (void)args;
    buf_printf(&f->out, "* ID (\"name\" \"%s\")\r\n",
               f->config.id != NULL ? f->config.id : "");
    ok(f, tag);
}

static void do_enable(struct imap_fake *f, const char *tag, const char *args)
{
    f->qresync = strstr(args, "QRESYNC") != NULL;
    buf_printf(&f->out, "* ENABLED %s\r\n", args);
    ok(f, tag);
}

static void do_noop(struct imap_fake *f, const char *tag, const char *args)
{
    (void)args;
    refresh(f, true);
    ok(f, tag);
}

static void do_list(struct imap_fake *f, const char *tag, const char *args)
{
    (void)args;
    buf_put_c(&f->out, "* LIST () \"/\" INBOX\r\n");
    ok(f, tag);
}

static void do_ok(struct imap_fake *f, const char *tag, const char *args)
{
    (void)args;
    ok(f, tag);
}

static void do_seq_fetch(struct imap_fake *f, const char *tag, const char *args)
{
    do_fetch(f, tag, args, false);
}

static void do_uid(struct imap_fake *f, const char *tag, const char *args)
{
    if (strncmp(args, "FETCH ", 6) == 0) {
        do_fetch(f, tag, args + 6, true);
    } else if (strncmp(args, "SEARCH ", 7) == 0) {
        do_search(f, tag, args + 7);
    } else {
        buf_printf(&f->out, "%s BAD unknown\r\n", tag);
    }
}

static const struct {
    const char *word;
    void (*fn)(struct imap_fake *f, const char *tag, const char *args);
} commands[] = {
    {"CAPABILITY", do_capability},
    {"ID", do_id},
    {"ENABLE", do_enable},
    {"LOGIN", do_ok},
    {"SELECT", do_select},
    {"EXAMINE", do_select},
    {"NOOP", do_noop},
    {"FETCH", do_seq_fetch},
    {"UID", do_uid},
    {"LIST", do_list},
};

/* --- the session --- */

static bool flush(struct imap_fake *f, int fd)
{
    struct str out = buf_str(&f->out);
    bool sent = true;
    f->bytes += out.len;
    size_t step = f->config.chop > 0 ? f->config.chop : out.len;
    for (size_t at = 0; sent && at < out.len; at += step) {
        size_t n = out.len - at < step ? out.len - at : step;
        sent = server_fixture_send(fd, out.ptr + at, n);
    }
    buf_clear(&f->out);
    return sent;
}

static bool answer(struct imap_fake *f, int fd, char *line)
{
    char *word = strchr(line, ' ');
    if (word == NULL) {
        return false;
    }
    *word++ = '\0';
    if (f->config.hook != NULL) {
        f->config.hook(f, word, f->config.ctx);
    }
    lock(f);
    f->bytes += strlen(line) + strlen(word) + 3;
    char *args = strchr(word, ' ');
    static char none[1];
    if (args != NULL) {
        *args++ = '\0';
    }
    if (f->log_count < LOG_MAX) {
        (void)snprintf(f->log[f->log_count++], sizeof f->log[0], "%.15s",
                       strcmp(word, "UID") == 0 && strncmp(args, "SEARCH", 6) == 0
                           ? "SEARCH"
                           : word);
    }
    size_t i = 0;
    while (i < ARRAY_LEN(commands) && strcmp(commands[i].word, word) != 0) {
        i++;
    }
    if (i < ARRAY_LEN(commands)) {
        commands[i].fn(f, line, args != NULL ? args : none);
    } else {
        buf_printf(&f->out, "%s BAD unknown\r\n", line);
    }
    bool sent = flush(f, fd) && strcmp(word, "LOGOUT") != 0;
    unlock(f);
    return sent;
}

static void serve(int fd, void *arg)
{
    struct imap_fake *f = arg;
    char *in = mem_alloc(LINE_MAX_BYTES);
    size_t have = 0;
    ssize_t n;
    f->qresync = f->lost_row = false;
    f->view_count = 0;
    bool open = server_fixture_send(fd, "* OK ready\r\n", 12);
    while (open && (n = recv(fd, in + have, LINE_MAX_BYTES - have - 1, 0)) > 0) {
        have += (size_t)n;
        in[have] = '\0';
        char *end;
        while (open && (end = strstr(in, "\r\n")) != NULL) {
            *end = '\0';
            size_t used = (size_t)(end - in) + 2;
            open = answer(f, fd, in);
            have -= used;
            memmove(in, in + used, have + 1);
        }
    }
    mem_free(in);
}

struct imap_fake *imap_fake_start(const struct imap_fake_config *config)
{
    struct imap_fake *f = MEM_NEW(struct imap_fake);
    f->config = *config;
    f->uid_next = 1;
    f->uid_validity = FIRST_UIDVALIDITY;
    f->modseq = 10;
    buf_init(&f->out, OUT_MAX);
    CHECK(pthread_mutex_init(&f->lock, NULL) == 0);
    f->fixture = server_fixture_start(serve, f);
    return f;
}

void imap_fake_stop(struct imap_fake **fp)
{
    struct imap_fake *f = *fp;
    *fp = NULL;
    server_fixture_stop(&f->fixture);
    buf_fini(&f->out);
    mem_free(f->messages);
    mem_free(f->kept.messages);
    mem_free(f->gone);
    mem_free(f->view);
    (void)pthread_mutex_destroy(&f->lock);
    mem_free(f);
}

uint16_t imap_fake_port(const struct imap_fake *f)
{
    return server_fixture_port(f->fixture);
}

struct imap_fake_config *imap_fake_config(struct imap_fake *f)
{
    return &f->config;
}
