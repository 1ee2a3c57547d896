/* clock: time, monotonic for timers and wall for dates.
 * Units    milliseconds
 * Note     tests replace both readings with clock_set_fake */
#ifndef POSTRIDER_BASE_CLOCK_H
#define POSTRIDER_BASE_CLOCK_H

#include "postrider/base/buf.h"
#include "postrider/base/str.h"

#include <stdbool.h>
#include <stdint.h>

int64_t clock_mono_ms(void);
int64_t clock_mono_us(void);
int64_t clock_wall_ms(void); /* since 1970-01-01 UTC */
/* Both clocks read from *fake_ms until called with NULL; for tests. */
void clock_set_fake(const int64_t *fake_ms);

enum {
    CLOCK_ISO_SIZE = 25
}; /* with the NUL */
/* "2026-11-22T05:48:00.000Z"; years outside 0–9999 are clamped. */
void clock_format_iso(int64_t wall_ms, char out[CLOCK_ISO_SIZE]);
/* ISO 8601 / RFC 3339 date or date-time, with Z or an offset; false if malformed. */
bool clock_parse_iso(struct str s, int64_t *wall_ms_out);
/* Days since 1970-01-01 of a proleptic Gregorian date (month 1–12). */
int64_t clock_days_from_civil(int64_t year, unsigned month, unsigned day) ATTR_PURE;

#endif
