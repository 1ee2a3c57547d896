/* api_states: who follows the states of the accounts. */
#ifndef POSTRIDER_API_STATES_H
#define POSTRIDER_API_STATES_H

#include "api_handlers.h"

void api_states_free(struct api_states **s);

#endif
