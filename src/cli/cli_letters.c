/* Dead letters from the command line: what routes gave up, another try, dropping them. */
#include "cli_priv.h"

#include "postrider/json/json.h"
#include "postrider/store/store_account.h"
#include "postrider/store/store_dead.h"

#include <stdio.h>
#include <string.h>

struct letters {
    struct cli_store cs;
    struct store_dead_query query;
    char place[STORE_LETTER_PLACE_SIZE];
    bool more;
    bool counts, drops;
    size_t waiting; /* letters on their way out */
    size_t count;
};

static void done(struct letters *l, const struct err *err)
{
    if (err->code != ERR_OK) {
        l->cs.err = *err;
    }
    l->cs.done = true;
}

static bool await(struct letters *l)
{
    cli_store_wait(&l->cs);
    l->cs.done = false;
    return l->cs.err.code == ERR_OK;
}

static void print_letter(const struct store_letter *letter)
{
    json_t *row = json_copy(letter->about);
    struct buf text = BUF_INIT((size_t)64 * 1024);
    json_put_cstr(row, "account", letter->acct->id);
    json_put_cstr(row, "route", letter->route);
    json_put_cstr(row, "entryId", letter->entry_id);
    (void)json_object_del(row, "parts");
    (void)json_emit(row, &text);
    puts(buf_c(&text));
    buf_fini(&text);
    json_decref(row);
}

static void on_dropped(struct store_dead_op *op ATTR_UNUSED, const struct err *err,
                       void *ctx)
{
    struct letters *l = ctx;
    if (err->code != ERR_OK) {
        l->cs.err = *err;
    }
    l->cs.done = --l->waiting == 0;
}

static void on_page(struct store_dead_list *op ATTR_UNUSED, const struct err *err,
                    const struct store_dead_page *page, void *ctx)
{
    struct letters *l = ctx;
    l->more = page != NULL && page->more;
    for (size_t i = 0; page != NULL && i < page->count; i++) {
        l->count++;
        if (l->drops) {
            l->waiting++;
            (void)store_dead_drop_start(l->cs.store, &page->letters[i], on_dropped, l);
        } else if (!l->counts) {
            print_letter(&page->letters[i]);
        }
    }
    if (page != NULL) {
        (void)snprintf(l->place, sizeof l->place, "%s", page->place);
    }
    if (l->waiting == 0) {
        done(l, err);
    }
}

static bool walk(struct letters *l)
{
    do {
        l->query.after = l->place[0] != '\0' ? str_of(l->place) : STR_NULL;
        (void)store_dead_list_start(l->cs.store, &l->query, on_page, l);
    } while (await(l) && l->more);
    return l->cs.err.code == ERR_OK;
}

static void on_requested(struct store_settings_op *op ATTR_UNUSED, const struct err *err,
                         void *ctx)
{
    done(ctx, err);
}

static bool requeue(struct letters *l)
{
    l->counts = true;
    if (!walk(l)) {
        return false;
    }
    if (l->count == 0) {
        return err_set(&l->cs.err, ERR_NOT_FOUND, "there is no such dead letter");
    }
    (void)store_dead_requeue_start(l->cs.store, &l->query, on_requested, l);
    bool ok = await(l);
    if (ok) {
        printf("%zu asked for\n", l->count);
    }
    return ok;
}

static bool drop(struct letters *l)
{
    l->drops = true;
    bool ok = walk(l);
    if (ok) {
        printf("%zu dropped\n", l->count);
    }
    return ok;
}

/* Everything is changed only if that is said. */
static int run(struct cli_call *call, bool (*fn)(struct letters *l), bool changes)
{
    const char *account = NULL, *route = NULL, *entry_id = NULL, *all = NULL;
    const struct cli_option options[] = {{"--account", &account, NULL},
                                         {"--route", &route, NULL},
                                         {"--entry", &entry_id, NULL},
                                         {changes ? "--all" : NULL, &all, NULL},
                                         {NULL, NULL, NULL}};
    struct letters l = {.query = {.limit = STORE_LETTERS_PAGE}};
    struct err err = {0};
    if (!cli_options_take(call, options)) {
        return CLI_USAGE;
    }
    bool chosen = account != NULL || route != NULL || entry_id != NULL ||
                  (all != NULL && strcmp(all, "yes") == 0);
    if (changes && !chosen) {
        return cli_usage_error("needs --account, --route, --entry or --all yes", NULL);
    }
    l.query.account = str_of(account);
    l.query.route = str_of(route);
    l.query.entry_id = str_of(entry_id);
    bool ok =
        cli_store_open(&l.cs, call->config, &err) &&
        (account == NULL || store_directory_get(l.cs.store, l.query.account) != NULL ||
         err_set(&err, ERR_NO_ACCOUNT, "there is no account %s", account)) &&
        fn(&l);
    if (!ok) {
        fprintf(stderr, "postrider: %s\n", err.code != ERR_OK ? err.msg : l.cs.err.msg);
    }
    cli_store_close(&l.cs);
    return ok ? CLI_DONE : CLI_FAILED;
}

int cli_letters_list(struct cli_call *call)
{
    return run(call, walk, false);
}

int cli_letters_requeue(struct cli_call *call)
{
    return run(call, requeue, true);
}

int cli_letters_drop(struct cli_call *call)
{
    return run(call, drop, true);
}
