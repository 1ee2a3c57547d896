#include "cli_priv.h"

#include <stdio.h>
#include <string.h>

static int cmd_version(struct cli_call *call);
static int cmd_help(struct cli_call *call);
static int cmd_serve(struct cli_call *call);

#define ROUTE_OPTIONS                                                                    \
    "  --description TEXT\n"                                                             \
    "  --enabled true|false\n"                                                           \
    "  --events NAMES       separated by commas; * = all\n"                              \
    "  --filter EXPRESSION  only what it is true for is sent; \"\" removes it\n"         \
    "  --mapping EXPRESSION its value is sent instead; \"\" removes it\n"                \
    "  --payload FORM       full, thin or cloudevents\n"                                 \
    "  --header 'NAME: VALUE'   as often as needed\n"                                    \
    "docs/EXPRESSIONS.md describes expressions."

const struct cli_command cli_commands[] = {
    {"serve", "", "run the daemon (also without any command)",
     "Runs in the foreground until SIGTERM. SIGHUP reads the configuration again.",
     cmd_serve},
    {"token issue", "--scope SCOPE --description TEXT [--account ID]",
     "make an access token and print it as the last line",
     "SCOPE is api, metrics, smtp, imap-proxy or * (repeat --scope for several). The "
     "token is\n"
     "shown once; only its SHA-256 is kept.",
     cli_token_issue},
    {"token list", "", "show the tokens, newest last", "Prints one JSON object a line.",
     cli_token_list},
    {"token revoke", "TOKEN|ID", "revoke a token on all nodes",
     "Takes the token itself or its id, as `token list` shows it.", cli_token_revoke},
    {"token export", "TOKEN|ID", "print a token's record for another installation",
     "One line of text, for `token import` or the setting prepared.token. The token "
     "itself is\nnot in it, only its SHA-256.",
     cli_token_export},
    {"token import", "TEXT", "take over a token of another installation",
     "TEXT is what `token export` printed. A token that is there stays as it is.",
     cli_token_import},
    {"events tail", "[--account ID] [--after PLACE] [--count N]",
     "print events as they come, one JSON object a line",
     "Of all accounts, or of one; from now on, or from what follows PLACE: `start`, a\n"
     "cursor or entry id of the account, or without --account the `position` of a line\n"
     "or the id of an event of GET /v1/events. Ends after N entries, or never.",
     cli_events_tail},
    {"events replay", "--from PLACE [--route ID] [--account ID]",
     "let a webhook route deliver again from an earlier place",
     "PLACE is `start`, `end` (skips what is not delivered yet), a time such as\n"
     "2026-01-31T12:00:00Z, an entry id, or, with --account, a cursor. Without --route\n"
     "the route of the settings, `default`; without --account all accounts. A running\n"
     "daemon goes on from there within a second.",
     cli_events_replay},
    {"events routes list", "", "show the custom webhook routes, the oldest first",
     "Prints one JSON object a line, with headers and URLs as they are.", cli_route_list},
    {"events routes create", "--name NAME --url URL [OPTIONS]",
     "make a custom webhook route and print it",
     "It is told of what comes from now on. A running daemon takes it up within a "
     "second.\n" ROUTE_OPTIONS,
     cli_route_create},
    {"events routes update", "ID [OPTIONS]", "change a custom webhook route and print it",
     "It goes on where it was.\n  --name NAME, --url URL\n" ROUTE_OPTIONS,
     cli_route_update},
    {"events routes delete", "ID", "remove a custom webhook route",
     "What it had still to deliver goes with it.", cli_route_delete},
    {"events routes", "", "show how far the webhook routes are, one JSON object a line",
     "Accounts with entries that a route has still to deliver, and since when.",
     cli_events_routes},
    {"events letters", "[--route ID] [--account ID] [--entry ID]",
     "print the events that routes gave up, one JSON object a line",
     "Dead letters: what a webhook refused, or did not take for days, and why.",
     cli_letters_list},
    {"events requeue", "[--route ID] [--account ID] [--entry ID] [--all yes]",
     "let a running daemon deliver dead letters once more",
     "Those that the webhook takes disappear; the others stay with their new reason.",
     cli_letters_requeue},
    {"events drop", "[--route ID] [--account ID] [--entry ID] [--all yes]",
     "drop dead letters for good", "Prints how many.", cli_letters_drop},
    {"check-config", "", "read the configuration and print the values in effect",
     "Secrets are masked. Exit status 1 names the file and line of the first mistake.",
     cli_check_config},
    {"health", "", "ask the daemon at http.host and http.port whether it works",
     "Prints the answer of GET /health in a word. Exit status 0 = healthy, 1 = not, or "
     "no "
     "answer\nwithin 5 seconds.",
     cli_health},
    {"version", "", "print the version", "", cmd_version},
    {"help", "[COMMAND]", "print this text or a command's help", "", cmd_help},
    {NULL, NULL, NULL, NULL, NULL},
};

/* How many words of argv name the command; 0 = not this one. */
static int words_matched(const char *name, int argc, char *const *argv)
{
    struct str rest = str_of(name), word;
    int n = 0;
    while (str_split(&rest, ' ', &word)) {
        if (n >= argc || !str_eq_c(word, argv[n])) {
            return 0;
        }
        n++;
    }
    return n;
}

static const struct cli_command *find_command(int argc, char *const *argv, int *words_out)
{
    for (const struct cli_command *c = cli_commands; c->name != NULL; c++) {
        int words = words_matched(c->name, argc, argv);
        if (words > 0) {
            *words_out = words;
            return c;
        }
    }
    return NULL;
}

int cli_usage_error(const char *message, const char *what)
{
    fprintf(stderr, "postrider: %s%s%s\nTry `postrider help`.\n", message,
            what != NULL ? ": " : "", what != NULL ? what : "");
    return CLI_USAGE;
}

/* --- serve, version, help --- */

static int cmd_serve(struct cli_call *call)
{
    if (call->arg_count > 0) {
        return cli_usage_error("serve takes no arguments", call->args[0]);
    }
    return call->serve(call->flag_count, call->flags, call->config, call->config_path);
}

static int cmd_version(struct cli_call *call ATTR_UNUSED)
{
    printf("postrider %s\n", POSTRIDER_VERSION);
    return CLI_DONE;
}

static void print_overview(void)
{
    puts("Postrider: keeps mailboxes in sync and tells other programs what changed.\n\n"
         "Usage: postrider [COMMAND] [--config FILE] [--section.name VALUE "
         "...]\n\nCommands:");
    for (const struct cli_command *c = cli_commands; c->name != NULL; c++) {
        printf("  %-14s %s\n", c->name, c->summary);
    }
    struct buf flags = BUF_INIT(64 * 1024);
    if (config_help(&flags)) {
        printf("\nSettings (flag; also POSTRIDER_SECTION_NAME or a file key):\n%s",
               buf_c(&flags));
    }
    buf_fini(&flags);
}

/* A first word that is right leads to what may follow it. */
static int no_such_command(const char *word)
{
    size_t len = strlen(word);
    int status = cli_usage_error("no such command", word);
    for (const struct cli_command *c = cli_commands; c->name != NULL; c++) {
        if (strncmp(c->name, word, len) == 0 && c->name[len] == ' ') {
            fprintf(stderr, "  postrider %-22s %s\n", c->name, c->summary);
        }
    }
    return status;
}

static int cmd_help(struct cli_call *call)
{
    int words;
    if (call->arg_count == 0) {
        print_overview();
        return CLI_DONE;
    }
    const struct cli_command *c = find_command(call->arg_count, call->args, &words);
    if (c == NULL) {
        return no_such_command(call->args[0]);
    }
    printf("Usage: postrider %s %s\n\n%s.\n%s%s", c->name, c->args, c->summary, c->help,
           c->help[0] != '\0' ? "\n" : "");
    return CLI_DONE;
}

/* --- splitting the command line --- */

/* Settings are flags with a dot in their name; they may stand anywhere. */
static bool is_setting(const char *arg)
{
    struct str name = str_of(arg);
    if (!str_has_prefix(name, "--")) {
        return false;
    }
    size_t end = str_find_byte(name, '=');
    name.len = end == SIZE_MAX ? name.len : end;
    return str_find_byte(name, '.') != SIZE_MAX;
}

/* Sorts argv into settings, --config, --help and the rest. */
static int split_args(struct arena *arena, int argc, char *const *argv,
                      struct cli_call *call)
{
    call->args = arena_calloc(arena, (size_t)argc + 1, sizeof(char *));
    call->flags = arena_calloc(arena, (size_t)argc + 1, sizeof(char *));
    for (int i = 0; i < argc; i++) {
        char *arg = argv[i];
        if (is_setting(arg)) {
            call->flags[call->flag_count++] = arg;
            bool joined = strchr(arg, '=') != NULL;
            if (!joined && i + 1 < argc && argv[i + 1][0] != '-') {
                call->flags[call->flag_count++] = argv[++i];
            }
        } else if (strcmp(arg, "--config") == 0) {
            if (i + 1 >= argc) {
                return cli_usage_error("--config needs a file", NULL);
            }
            call->config_path = argv[++i];
        } else if (str_has_prefix(str_of(arg), "--config=")) {
            call->config_path = arg + strlen("--config=");
        } else if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0) {
            call->wants_help = true;
        } else {
            call->args[call->arg_count++] = arg;
        }
    }
    return CLI_DONE;
}

static int run_command(const struct cli_command *command, struct cli_call *call)
{
    struct err err = {0};
    if (command->run == cmd_version || command->run == cmd_help) {
        return command->run(call);
    }
    call->config = config_load(call->flag_count, call->flags, call->config_path, &err);
    if (call->config == NULL) {
        fprintf(stderr, "postrider: %s\n", err.msg);
        return err.code == ERR_USAGE ? CLI_USAGE : CLI_FAILED;
    }
    /* What a service says about itself at each step would stand between what was asked for. */
    enum log_level level = call->config->log.level;
    bool serves = command->run == cmd_serve;
    log_configure(level == LOG_INFO && !serves ? LOG_WARN : level,
                  call->config->log.format);
    int status = command->run(call);
    config_free(&call->config);
    return status;
}

int cli_main(int argc, char *const *argv, cli_serve_fn *serve)
{
    struct arena arena = {0};
    struct cli_call call = {.serve = serve};
    int words = 0;
    int status = split_args(&arena, argc - 1, argv + 1, &call);
    if (status == CLI_DONE) {
        const struct cli_command *command =
            call.arg_count == 0 ? cli_commands
                                : find_command(call.arg_count, call.args, &words);
        if (command == NULL) {
            status = no_such_command(call.args[0]);
        } else if (call.wants_help) {
            call.args[words > 0 ? words : 0] = NULL;
            call.arg_count = words;
            status = cmd_help(&call);
        } else {
            call.args += words;
            call.arg_count -= words;
            status = run_command(command, &call);
        }
    }
    arena_fini(&arena);
    return status;
}
