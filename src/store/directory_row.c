/* One row of the hash PREFIX:directory: account name → sealed JSON. */
#include "store_parts.h"

#include "postrider/base/mem.h"

#include <stdio.h>

static const char *const stage_names[] = {
    [DIRECTORY_LIVE] = "live",
    [DIRECTORY_CREATING] = "creating",
    [DIRECTORY_DELETING] = "deleting",
    [DIRECTORY_UPDATING] = "updating",
};

static void copy_c(char *out, size_t size, const char *text)
{
    (void)snprintf(out, size, "%s", text != NULL ? text : "");
}

void directory_row_init(struct directory_row *row, const struct store_acct *acct,
                        const json_t *record, int64_t created_ms)
{
    const char *name = json_string_value(json_object_get(record, "name"));
    const char *email = json_string_value(json_object_get(record, "email"));
    *row = (struct directory_row){.shard = acct->shard,
                                  .id = mem_strdup(acct->id),
                                  .full_name = mem_strdup(name != NULL ? name : ""),
                                  .email = mem_strdup(email != NULL ? email : ""),
                                  .created_ms = created_ms};
    copy_c(row->name, sizeof row->name, acct->name);
    copy_c(row->incarnation, sizeof row->incarnation, acct->incarnation);
}

void directory_row_fini(struct directory_row *row)
{
    mem_free(row->id);
    mem_free(row->full_name);
    mem_free(row->email);
    *row = (struct directory_row){0};
}

static struct store_place place_of(const char *name, char *field, size_t size)
{
    (void)snprintf(field, size, "directory:%s", name);
    return (struct store_place){
        .purpose = CRYPTO_DIRECTORY, .incarnation = "", .field = field};
}

bool directory_row_seal(struct store *s, const struct directory_row *row, struct buf *out)
{
    json_t *json =
        json_pack("{s:s, s:s, s:s, s:I, s:s, s:s}", "id", row->id, "name", row->full_name,
                  "email", row->email, "created", (json_int_t)row->created_ms, "inc",
                  row->incarnation, "stage", stage_names[row->stage]);
    char field[64];
    struct store_place place = place_of(row->name, field, sizeof field);
    bool ok = json != NULL && store_seal_json(s, &place, json, out);
    json_decref(json);
    return ok;
}

static bool from_json(struct store *s, const json_t *json, struct directory_row *row)
{
    const char *id = json_string_value(json_object_get(json, "id"));
    const char *inc = json_string_value(json_object_get(json, "inc"));
    const char *stage = json_string_value(json_object_get(json, "stage"));
    if (id == NULL || inc == NULL || stage == NULL) {
        return false;
    }
    struct store_acct acct;
    store_acct_init(s, &acct, str_of(id));
    copy_c(acct.incarnation, sizeof acct.incarnation, inc);
    directory_row_init(row, &acct, json,
                       json_integer_value(json_object_get(json, "created")));
    store_acct_fini(&acct);
    for (size_t i = 0; i < ARRAY_LEN(stage_names); i++) {
        if (strcmp(stage, stage_names[i]) == 0) {
            row->stage = (enum directory_stage)i;
        }
    }
    return true;
}

bool directory_row_open(struct store *s, struct str name, struct str sealed,
                        struct directory_row *row, struct err *err)
{
    char key[STORE_ACCT_NAME_SIZE];
    (void)snprintf(key, sizeof key, "%.*s", STR_ARG(name));
    char field[64];
    struct store_place place = place_of(key, field, sizeof field);
    json_t *json = store_open_json(s, &place, sealed, err);
    if (json == NULL) {
        return err_wrap(err, "directory");
    }
    bool ok = from_json(s, json, row);
    json_decref(json);
    return ok || err_set(err, ERR_CORRUPT, "directory: malformed row");
}
