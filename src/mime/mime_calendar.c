/*     line  = name *(";" param) ":" value
 *     param = name "=" (text | DQUOTE text DQUOTE) *("," …)
 * A line goes on in the next one that begins with a blank. */
#include "postrider/mime/mime_calendar.h"

#include "postrider/base/buf.h"
#include "postrider/base/clock.h"
#include "postrider/base/num.h"
#include "postrider/base/utf8.h"

enum {
    LINE_MAX = MIME_CALENDAR_VALUE_MAX + 4096,
    MS_PER_S = 1000,
    S_PER_MIN = 60,
    S_PER_HOUR = 3600,
    MS_PER_DAY = 24 * 3600 * 1000
};

struct line {
    struct str name, params, value;
};

/* A time as it is written, until the zones are known. */
struct moment {
    bool given, utc, date_only;
    int64_t local_ms;
    struct str tzid;
};

struct reader {
    struct arena *arena;
    struct mime_calendar *out;
    unsigned depth;       /* components inside the event */
    bool in_event, ended; /* the first event */
    bool in_zone;
    bool has_offset, several; /* of the zones: an offset; more than one */
    int64_t offset_ms;
    struct moment start, end;
};

/* --- lines */

/* The next unfolded line; false at the end. */
static bool next_line(struct str *rest, struct buf *out)
{
    buf_clear(out);
    if (rest->len == 0) {
        return false;
    }
    do {
        size_t end = str_find_byte(*rest, '\n');
        struct str piece = str_from(rest->ptr, end != SIZE_MAX ? end : rest->len);
        *rest = str_tail(*rest, end != SIZE_MAX ? end + 1 : rest->len);
        while (piece.len > 0 && piece.ptr[piece.len - 1] == '\r') {
            piece.len--;
        }
        bool folded = out->len > 0 && piece.len > 0 && ascii_is_space(piece.ptr[0]);
        piece = folded ? str_tail(piece, 1) : piece;
        size_t room = LINE_MAX - out->len;
        (void)buf_put_str(out, piece.len < room ? piece : str_from(piece.ptr, room));
    } while (rest->len > 0 && out->len > 0 &&
             (rest->ptr[0] == ' ' || rest->ptr[0] == '\t'));
    return true;
}

/* The first of two signs outside quotes, or SIZE_MAX. */
static size_t find_unquoted(struct str s, char a, char b)
{
    bool quoted = false;
    for (size_t i = 0; i < s.len; i++) {
        quoted = s.ptr[i] == '"' ? !quoted : quoted;
        if (!quoted && (s.ptr[i] == a || s.ptr[i] == b)) {
            return i;
        }
    }
    return SIZE_MAX;
}

static bool split_line(struct str text, struct line *out)
{
    size_t colon = find_unquoted(text, ':', ':');
    if (colon == SIZE_MAX) {
        return false;
    }
    struct str head = str_from(text.ptr, colon);
    size_t semicolon = find_unquoted(head, ';', ';');
    out->value = str_tail(text, colon + 1);
    out->name = str_from(head.ptr, semicolon != SIZE_MAX ? semicolon : head.len);
    out->params = semicolon != SIZE_MAX ? str_tail(head, semicolon + 1) : STR("");
    return true;
}

static struct str param_of(const struct line *line, const char *name)
{
    struct str rest = line->params;
    while (rest.len > 0) {
        size_t end = find_unquoted(rest, ';', ';');
        struct str param = str_from(rest.ptr, end != SIZE_MAX ? end : rest.len);
        size_t equals = str_find_byte(param, '=');
        rest = str_tail(rest, end != SIZE_MAX ? end + 1 : rest.len);
        if (equals != SIZE_MAX && str_ieq_c(str_from(param.ptr, equals), name)) {
            struct str value = str_tail(param, equals + 1);
            bool quoted = value.len >= 2 && value.ptr[0] == '"';
            return quoted ? str_from(value.ptr + 1, value.len - 2) : value;
        }
    }
    return STR_NULL;
}

/* Valid UTF-8, without escapes. */
static struct str text_of(struct arena *a, struct str raw)
{
    struct buf plain = BUF_INIT(LINE_MAX), valid = BUF_INIT((size_t)LINE_MAX * 3);
    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.ptr[i];
        if (c == '\\' && i + 1 < raw.len) {
            c = raw.ptr[++i];
            c = c == 'n' || c == 'N' ? '\n' : c;
        }
        if (c != '\0') {
            (void)buf_put_byte(&plain, c);
        }
    }
    (void)utf8_put_repaired(&valid, buf_str(&plain));
    struct str out = arena_str(
        a, utf8_clip(valid.len > 0 ? buf_str(&valid) : STR(""), MIME_CALENDAR_VALUE_MAX));
    buf_fini(&plain);
    buf_fini(&valid);
    return out;
}

/* --- times */

static bool digits(struct str s, size_t at, size_t count, unsigned max, unsigned *out)
{
    uint64_t value;
    if (at + count > s.len || !num_u64(str_from(s.ptr + at, count), max, &value)) {
        return false;
    }
    *out = (unsigned)value;
    return true;
}

/* "20260301" or "20260301T100000" with or without "Z". */
static bool read_moment(struct arena *a, const struct line *line, struct moment *out)
{
    struct str v = str_trim(line->value);
    unsigned year, month, day, hour = 0, minute = 0, second = 0;
    if (!digits(v, 0, 4, 9999, &year) || !digits(v, 4, 2, 12, &month) ||
        !digits(v, 6, 2, 31, &day) || month == 0 || day == 0) {
        return false;
    }
    bool date_only = v.len == 8;
    if (!date_only &&
        (v.len < 15 || v.ptr[8] != 'T' || !digits(v, 9, 2, 23, &hour) ||
         !digits(v, 11, 2, 59, &minute) || !digits(v, 13, 2, 60, &second))) {
        return false;
    }
    int64_t seconds = (int64_t)hour * S_PER_HOUR + (int64_t)minute * S_PER_MIN + second;
    struct str zone = param_of(line, "TZID");
    *out =
        (struct moment){.given = true,
                        .utc = v.len == 16 && v.ptr[15] == 'Z',
                        .date_only = date_only,
                        .local_ms = clock_days_from_civil(year, month, day) * MS_PER_DAY +
                                    seconds * MS_PER_S,
                        .tzid = zone.ptr != NULL ? text_of(a, zone) : STR_NULL};
    return true;
}

/* "+0100", "-053000". */
static void read_offset(struct reader *r, struct str v)
{
    unsigned hours, minutes;
    v = str_trim(v);
    if (v.len < 5 || (v.ptr[0] != '+' && v.ptr[0] != '-') ||
        !digits(v, 1, 2, 23, &hours) || !digits(v, 3, 2, 59, &minutes)) {
        return;
    }
    int64_t ms = ((int64_t)hours * S_PER_HOUR + (int64_t)minutes * S_PER_MIN) * MS_PER_S;
    ms = v.ptr[0] == '-' ? -ms : ms;
    r->several = r->several || (r->has_offset && r->offset_ms != ms);
    r->has_offset = true;
    r->offset_ms = ms;
}

static bool settle(const struct reader *r, const struct moment *m, int64_t *out)
{
    if (!m->given) {
        return false;
    }
    if (m->utc || m->date_only) {
        *out = m->local_ms;
        return true;
    }
    if (m->tzid.len == 0 || !r->has_offset || r->several) {
        return false; /* a time on the wall of who reads it, or of a zone with summers */
    }
    *out = m->local_ms - r->offset_ms;
    return true;
}

/* --- components */

static void take_value(struct reader *r, const struct line *line)
{
    struct mime_calendar *c = r->out;
    const struct {
        const char *name;
        struct str *to;
    } rows[] = {{"UID", &c->uid},
                {"SUMMARY", &c->summary},
                {"DESCRIPTION", &c->description},
                {"ORGANIZER", &c->organizer}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (str_ieq_c(line->name, rows[i].name) && rows[i].to->ptr == NULL) {
            *rows[i].to = text_of(r->arena, line->value);
        }
    }
    if (str_ieq_c(line->name, "DTSTART") && !r->start.given) {
        (void)read_moment(r->arena, line, &r->start);
    } else if (str_ieq_c(line->name, "DTEND") && !r->end.given) {
        (void)read_moment(r->arena, line, &r->end);
    }
}

static void begin(struct reader *r, struct str component)
{
    if (r->in_event) {
        r->depth++;
    } else if (str_ieq_c(component, "VEVENT")) {
        r->in_event = !r->ended;
    } else if (str_ieq_c(component, "VTIMEZONE")) {
        r->in_zone = true;
    }
}

static void end(struct reader *r, struct str component)
{
    if (r->in_event && r->depth > 0) {
        r->depth--;
    } else if (r->in_event) {
        r->in_event = false;
        r->ended = true;
    } else if (str_ieq_c(component, "VTIMEZONE")) {
        r->in_zone = false;
    }
}

static void take_line(struct reader *r, const struct line *line)
{
    struct str value = str_trim(line->value);
    if (str_ieq_c(line->name, "BEGIN")) {
        begin(r, value);
    } else if (str_ieq_c(line->name, "END")) {
        end(r, value);
    } else if (r->in_event && r->depth == 0) {
        take_value(r, line);
    } else if (r->in_zone && str_ieq_c(line->name, "TZOFFSETTO")) {
        read_offset(r, value);
    } else if (!r->in_event && !r->in_zone && str_ieq_c(line->name, "METHOD") &&
               r->out->method.ptr == NULL) {
        r->out->method = text_of(r->arena, value);
    }
}

bool mime_calendar_read(struct arena *a, struct str text, struct mime_calendar *out)
{
    struct mime_calendar found = {0};
    struct reader r = {.arena = a, .out = &found};
    struct buf unfolded = BUF_INIT(LINE_MAX);
    struct line line;
    for (size_t n = 0; n < MIME_CALENDAR_LINES && next_line(&text, &unfolded); n++) {
        if (unfolded.len > 0 && split_line(buf_str(&unfolded), &line)) {
            take_line(&r, &line);
        }
    }
    buf_fini(&unfolded);
    if (!r.ended && !r.in_event) {
        return false;
    }
    found.timezone = r.start.tzid;
    found.has_start = settle(&r, &r.start, &found.start_ms);
    found.has_end = settle(&r, &r.end, &found.end_ms);
    *out = found;
    return true;
}
