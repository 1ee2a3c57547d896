#include "api_rows.h"

void api_row_as_change(struct field_spec *row, char label[FIELD_LABEL_SIZE] ATTR_UNUSED)
{
    row->flags &= ~(unsigned)FIELD_REQUIRED;
    row->default_json = NULL;
}

void api_row_as_required(struct field_spec *row, char label[FIELD_LABEL_SIZE] ATTR_UNUSED)
{
    row->flags |= FIELD_REQUIRED;
}

void api_row_as_shown(struct field_spec *row, char label[FIELD_LABEL_SIZE] ATTR_UNUSED)
{
    row->flags &= ~(unsigned)FIELD_WRITE_ONLY;
}

const struct field_spec api_row_account[1] = {
    F_STR("account", FIELD_REQUIRED | FIELD_EMPTY_ABSENT | FIELD_TRIM, F_MAX_LEN(256),
          F_DOC("Id of the account")),
};

const struct field_spec api_rows_page[2] = {
    F_INT("page", 0, F_RANGE(0, 1048576), F_DEFAULT("0"), F_DOC("Page, from 0")),
    F_INT("pageSize", 0, F_RANGE(1, 1000), F_DEFAULT("20"), F_DOC("Rows a page")),
};

const struct field_spec api_rows_pages[3] = {
    F_INT("total", 0),
    F_INT("page", 0, F_DOC("Page, from 0")),
    F_INT("pages", 0),
};

const struct field_spec api_row_special_use[1] = {
    F_STR("specialUse", 0,
          F_ENUM("\\All", "\\Archive", "\\Drafts", "\\Flagged", "\\Junk", "\\Sent",
                 "\\Trash", "\\Inbox")),
};

const struct field_spec api_rows_mailbox_name[5] = {
    F_STR("delimiter", FIELD_NULLABLE),
    F_STR("parentPath", FIELD_EMPTY_OK),
    F_STR("name", FIELD_REQUIRED, F_DOC("Shown name")),
    F_BOOL("listed", 0),
    F_BOOL("subscribed", 0),
};

const struct field_spec api_rows_mailbox_purpose[3] = {
    F_PART(api_row_special_use),
    F_STR("specialUseSource", 0, F_ENUM("user", "extension", "name")),
    F_BOOL("noInferiors", 0),
};
