/* rich_spec: one table that uses everything a table can say. */
#ifndef POSTRIDER_TESTS_RICH_SPEC_H
#define POSTRIDER_TESTS_RICH_SPEC_H

#include "postrider/json/spec.h"

extern const struct field_spec rich_spec;

#endif
