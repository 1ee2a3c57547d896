/* api_rows: rows that several routes share, and views that turn the rows of one object
 * into those of another. */
#ifndef POSTRIDER_API_ROWS_H
#define POSTRIDER_API_ROWS_H

#include "postrider/json/spec.h"

/* --- views --- */

field_view api_row_as_change; /* of an object that exists: nothing is needed or assumed */
field_view api_row_as_required; /* always there */
field_view api_row_as_shown;    /* in a reply: secrets are not only written */

/* --- rows --- */

extern const struct field_spec api_row_account[1];          /* the {account} of a path */
extern const struct field_spec api_rows_page[2];            /* asked: page, pageSize */
extern const struct field_spec api_rows_pages[3];           /* told: total, page, pages */
extern const struct field_spec api_row_special_use[1];      /* of a mailbox */
extern const struct field_spec api_rows_mailbox_name[5];    /* delimiter … subscribed */
extern const struct field_spec api_rows_mailbox_purpose[3]; /* specialUse … */

extern const struct field_spec api_rows_route_health[6]; /* delivered … destinations */

/* --- messages (api_message_specs.c) --- */

extern const struct field_spec api_rows_message_entry[9]; /* one in a list */
extern const struct field_spec api_message_list;          /* a page of them */

/* --- searches (api_search_specs.c) --- */

extern const struct field_spec api_row_search[1]; /* search */

/* --- sections of an account (api_server_specs.c) --- */

extern const struct field_spec api_rows_servers[2]; /* imap, smtp */
extern const struct field_spec api_rows_servers_shown[2];
extern const struct field_spec api_rows_servers_change[2];
extern const struct field_spec api_row_oauth2[1];
extern const struct field_spec api_row_oauth2_shown[1];
extern const struct field_spec api_row_oauth2_change[1];
extern const struct field_spec api_rows_route[2]; /* proxy, smtpEhloName */

#endif
