/* mime_calendar: what the first event of an iCalendar file says.
 * Shape    one pure function; content lines are unfolded, the first VEVENT is read, what
 *          is nested in it (alarms) is passed over
 * Owner    results live in the arena
 * Calls    any thread
 * Limits   MIME_CALENDAR_LINES lines; values are cut at MIME_CALENDAR_VALUE_MAX; linear in
 *          the input, no recursion
 * Errors   false: there is no event in it. Broken lines are passed over.
 * Input    UTF-8; invalid bytes become U+FFFD
 * Spec     RFC 5545 §3.1 (lines), §3.3.4, §3.3.5 (dates), §3.3.11 (escapes). A time with
 *          TZID is read with the offset of its VTIMEZONE if that has only one. */
#ifndef POSTRIDER_MIME_MIME_CALENDAR_H
#define POSTRIDER_MIME_MIME_CALENDAR_H

#include "postrider/base/arena.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    MIME_CALENDAR_LINES = 100 * 1000,
    MIME_CALENDAR_VALUE_MAX = 64 * 1024
};

struct mime_calendar {
    /* absent if it does not say */
    struct str method, uid, summary, description, organizer, timezone;
    bool has_start, has_end;
    int64_t start_ms, end_ms; /* UTC */
};

bool mime_calendar_read(struct arena *a, struct str text, struct mime_calendar *out);

#endif
