#ifndef POSTRIDER_CLI_PRIV_H
#define POSTRIDER_CLI_PRIV_H

#include "postrider/base/arena.h"
#include "postrider/cli/cli.h"
#include "postrider/json/json.h"
#include "postrider/loop/loop.h"
#include "postrider/store/store.h"

struct cli_call {
    cli_serve_fn *serve;
    const struct config *config;
    const char *config_path;
    char **args; /* what is neither setting nor command */
    int arg_count;
    char **flags; /* settings */
    int flag_count;
    bool wants_help;
};

struct cli_command {
    const char *name; /* words separated by spaces */
    const char *args, *summary, *help;
    int (*run)(struct cli_call *call);
};

extern const struct cli_command cli_commands[];

/* Says what is wrong and where help is; CLI_USAGE. */
int cli_usage_error(const char *message, const char *what);

/* An option takes the argument behind it. */
struct cli_option {
    const char *name;   /* NULL ends the list */
    const char **value; /* or, if it may come several times, */
    json_t *list;       /* strings are added here */
};
/* False after a message. */
bool cli_options_take(struct cli_call *call, const struct cli_option *options);

int cli_check_config(struct cli_call *call);
int cli_health(struct cli_call *call);
int cli_token_issue(struct cli_call *call);
int cli_token_list(struct cli_call *call);
int cli_token_revoke(struct cli_call *call);
int cli_token_export(struct cli_call *call);
int cli_token_import(struct cli_call *call);
int cli_events_tail(struct cli_call *call);
int cli_events_replay(struct cli_call *call);
int cli_events_routes(struct cli_call *call);
int cli_route_list(struct cli_call *call);
int cli_route_create(struct cli_call *call);
int cli_route_update(struct cli_call *call);
int cli_route_delete(struct cli_call *call);
int cli_letters_list(struct cli_call *call);
int cli_letters_requeue(struct cli_call *call);
int cli_letters_drop(struct cli_call *call);

/* --- cli_store.c: the store without a daemon --- */

struct cli_store {
    struct loop *loop;
    struct net *net;
    struct redis *redis;
    struct redis_embedded *embedded; /* started by us, because no daemon runs */
    int lock_fd;
    struct store *store;
    struct timer overdue;
    bool done;
    struct err err;
};

/* Opens the store beside a running daemon, or starts the embedded Redis for the command. */
bool cli_store_open(struct cli_store *cs, const struct config *config, struct err *err);
void cli_store_close(struct cli_store *cs);
/* Says the error, if there is one, and closes; the exit status. */
int cli_finish(struct cli_store *cs, const struct err *err);
/* Runs the loop until cs->done. */
void cli_store_wait(struct cli_store *cs);

#endif
