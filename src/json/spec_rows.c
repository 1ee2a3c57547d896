/* The rows of a table, with those of its parts in their place. */
#include "postrider/base/check.h"
#include "postrider/json/spec.h"

void field_walk_init(struct field_walk *w, const struct field_spec *fields, size_t count)
{
    w->depth = 0;
    w->level[0].next = fields;
    w->level[0].end = count > 0 ? fields + count : fields;
    w->level[0].view = NULL;
}

static void enter_part(struct field_walk *w, const struct field_spec *part)
{
    CHECK(w->depth < FIELD_PART_DEPTH);
    w->depth++;
    w->level[w->depth].next = part->part;
    w->level[w->depth].end = part->part + part->part_count;
    w->level[w->depth].view = part->view;
}

/* The innermost view comes first: each sees what the tables below it say. */
static const struct field_spec *seen(struct field_walk *w, const struct field_spec *row)
{
    for (size_t i = w->depth; i > 0; i--) {
        if (w->level[i].view != NULL) {
            w->row = *row;
            w->level[i].view(&w->row, w->label);
            row = &w->row;
        }
    }
    return row;
}

const struct field_spec *field_walk_next(struct field_walk *w)
{
    for (;;) {
        if (w->level[w->depth].next == w->level[w->depth].end) {
            if (w->depth == 0) {
                return NULL;
            }
            w->depth--;
            continue;
        }
        const struct field_spec *row = w->level[w->depth].next++;
        if (row->part == NULL) {
            return seen(w, row);
        }
        enter_part(w, row);
    }
}

const struct field_spec *field_walk_find(struct field_walk *w, struct str name)
{
    const struct field_spec *row;
    while ((row = field_walk_next(w)) != NULL && !str_eq_c(name, row->name)) {
    }
    return row;
}

size_t field_rows_count(const struct field_spec *fields, size_t count)
{
    struct field_walk walk;
    size_t n = 0;
    field_walk_init(&walk, fields, count);
    while (field_walk_next(&walk) != NULL) {
        n++;
    }
    return n;
}
