/* store_log_priv: what the files of the log share.
 * Errors   ERR_INVALID: not an entry id */
#ifndef POSTRIDER_STORE_LOG_PRIV_H
#define POSTRIDER_STORE_LOG_PRIV_H

#include "store_rows.h"

/* Field of cur:<acc>: the last entry that was trimmed. */
#define CURSOR_FIELD_TRIMMED "t:"

bool store_entry_id_split(const char *id, uint64_t *ms_out, uint64_t *seq_out);
/* "" or an entry id. */
bool store_entry_id_check(const char *id, struct err *err);

#endif
