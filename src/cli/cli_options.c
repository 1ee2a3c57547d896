#include "cli_priv.h"

#include <stdio.h>
#include <string.h>

bool cli_options_take(struct cli_call *call, const struct cli_option *options)
{
    for (int i = 0; i < call->arg_count; i++) {
        const struct cli_option *o = options;
        while (o->name != NULL && strcmp(o->name, call->args[i]) != 0) {
            o++;
        }
        if (o->name == NULL) {
            (void)cli_usage_error("unknown option", call->args[i]);
            return false;
        }
        if (i + 1 >= call->arg_count) {
            (void)cli_usage_error("a value is missing behind", call->args[i]);
            return false;
        }
        i++;
        if (o->list != NULL) {
            json_push(o->list, json_str_repaired(str_of(call->args[i])));
        } else {
            *o->value = call->args[i];
        }
    }
    return true;
}

int cli_finish(struct cli_store *cs, const struct err *err)
{
    if (err->code != ERR_OK) {
        fprintf(stderr, "postrider: %s\n", err->msg);
    }
    cli_store_close(cs);
    return err->code == ERR_OK ? CLI_DONE : CLI_FAILED;
}
