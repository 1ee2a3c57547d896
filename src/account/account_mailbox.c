/* Changes of mailboxes: a few commands in a row, then a listing that finds what they did.
 *
 *   borrow ──► steps ──► wait for the listing ──► answer
 *
 * A refused step ends the call, unless it only makes things tidy. */
#include "postrider/account/account_mailbox.h"

#include "account_call.h"

enum {
    STEPS_MAX = 3,
    LISTINGS_MAX =
        3, /* a pass that works on a mailbox puts its change off to the next one */
    NAME_MAX_BYTES = 4096
};

enum step_kind {
    STEP_CREATE,
    STEP_RENAME,
    STEP_DELETE,
    STEP_SUBSCRIBE,
    STEP_UNSUBSCRIBE
};

struct change_step {
    enum step_kind kind;
    struct str wire, to; /* to: of a rename */
    bool must;           /* its failure is that of the call */
};

struct changing {
    struct account_call *call;
    struct change_step steps[STEPS_MAX];
    size_t count, at;
    struct str path, wire;         /* of the mailbox as it is; absent: it is made */
    const json_t *new_path;        /* in `input` */
    json_t *input;                 /* owned */
    struct str new_name, new_wire; /* absent: it keeps its name */
    bool was_subscribed, sets_subscribed, subscribed, deletes, created;
    unsigned listings;
    struct timer wait;
};

static struct changing *changing_of(const struct account_call *c)
{
    return c->detail;
}

static void changing_fini(struct account_call *c)
{
    json_decref(changing_of(c)->input);
}

/* The server may have done what nobody waits for any more. */
static void changing_abort(struct account_call *c)
{
    timer_stop(&changing_of(c)->wait);
    account_mailboxes_refresh(c->a);
}

/* --- names --- */

/* The levels joined as the server joins them, below the personal namespace. */
static bool join_path(const struct account_call *c, const json_t *path, struct buf *out)
{
    const struct imap_namespace *ns = imap_conn_namespace(c->conn);
    const struct mailbox *inbox = mailbox_table_inbox(&c->a->table);
    char delimiter = ns->given && ns->delimiter != 0 ? ns->delimiter
                     : inbox != NULL                 ? inbox->delimiter
                                                     : '/';
    size_t count = json_is_array(path) ? json_array_size(path) : 1;
    for (size_t i = 0; i < count; i++) {
        const json_t *part = json_is_array(path) ? json_array_get(path, i) : path;
        struct str level = str_from(json_string_value(part), json_string_length(part));
        bool wrong = level.len == 0 || str_find_byte(level, '\0') != SIZE_MAX;
        if (wrong || (i > 0 && !buf_put_byte(out, delimiter)) ||
            !buf_put_str(out, level)) {
            return false;
        }
    }
    return out->len > 0 && !out->overflow;
}

static bool needs_prefix(struct str path, const struct imap_namespace *ns)
{
    return ns->given && ns->prefix.len > 0 && !str_ieq_c(path, "INBOX") &&
           (path.len < ns->prefix.len ||
            memcmp(path.ptr, ns->prefix.ptr, ns->prefix.len) != 0);
}

/* The prefix as it is on the wire is ASCII in practice; a name is encoded as the connection
 * speaks. False: the call has failed. */
static bool take_name(struct account_call *c, const json_t *path)
{
    struct changing *ch = changing_of(c);
    const struct imap_namespace *ns = imap_conn_namespace(c->conn);
    struct buf joined = BUF_INIT(NAME_MAX_BYTES), full = BUF_INIT(NAME_MAX_BYTES),
               wire = BUF_INIT(2 * NAME_MAX_BYTES);
    bool ok = join_path(c, path, &joined);
    if (ok && needs_prefix(buf_str(&joined), ns)) {
        ok = buf_put_str(&full, ns->prefix);
    }
    ok = ok && buf_put_str(&full, buf_str(&joined));
    bool utf8 = (imap_conn_enabled(c->conn) & IMAP_CAP_UTF8_ACCEPT) != 0;
    ok = ok && (utf8 ? buf_put_str(&wire, buf_str(&full))
                     : imap_utf7_encode(&wire, buf_str(&full)));
    if (ok) {
        ch->new_name = arena_str(&c->op.arena, buf_str(&full));
        ch->new_wire = arena_str(&c->op.arena, buf_str(&wire));
    } else {
        call_fail(c, ERR_INVALID, "this cannot be the name of a mailbox");
    }
    buf_fini(&joined);
    buf_fini(&full);
    buf_fini(&wire);
    return ok;
}

/* --- the answer --- */

static struct mailbox *new_mailbox(const struct account_call *c)
{
    const struct changing *ch = changing_of(c);
    return mailbox_table_by_wire(&c->a->table,
                                 ch->new_wire.ptr != NULL ? ch->new_wire : ch->wire);
}

static bool is_listed(const struct account_call *c)
{
    const struct changing *ch = changing_of(c);
    const struct mailbox *m = new_mailbox(c);
    if (ch->deletes) {
        /* One that has children stays as a name. */
        return m == NULL || (m->list_attrs & IMAP_LIST_NOSELECT) != 0;
    }
    return m != NULL;
}

static void answer(struct account_call *c)
{
    struct changing *ch = changing_of(c);
    const struct mailbox *m = new_mailbox(c);
    timer_stop(&ch->wait);
    list_remove(&c->listing);
    json_put_str(c->result, "path", ch->path.ptr != NULL ? ch->path : ch->new_name);
    if (m != NULL && m->mailbox_id != NULL && !ch->deletes) {
        json_put_cstr(c->result, "mailboxId", m->mailbox_id);
    }
    if (ch->deletes) {
        json_put_bool(c->result, "deleted", true);
    } else if (ch->wire.ptr == NULL) {
        json_put_bool(c->result, "created", ch->created);
    } else if (ch->new_name.ptr != NULL) {
        json_put_str(c->result, "newPath", ch->new_name);
        json_put_bool(c->result, "renamed", true);
    }
    if (ch->sets_subscribed) {
        json_put_bool(c->result, "subscribed", ch->subscribed);
    }
    op_complete(&c->op);
}

static void on_waited(struct timer *t)
{
    answer(container_of(t, struct changing, wait)->call);
}

static void on_listing(struct account_call *c)
{
    struct changing *ch = changing_of(c);
    if (is_listed(c) || ++ch->listings >= LISTINGS_MAX) {
        answer(c);
    } else {
        account_mailboxes_refresh(c->a);
    }
}

static void steps_ended(struct account_call *c)
{
    struct changing *ch = changing_of(c);
    account_work_end(&c->work, false);
    c->on_listing = on_listing;
    account_listing_await(c->a, &c->listing);
    account_mailboxes_refresh(c->a);
    timer_set(c->a->as->loop, &ch->wait, ACCOUNT_LISTING_WAIT_MS, on_waited);
}

/* --- the commands --- */

static void next_step(struct account_call *c);

/* What a refusal means to who asked. */
static void fail_step(struct account_call *c, const struct err *err)
{
    static const struct {
        const char *peer_code;
        enum err_code code;
    } meanings[] = {{"ALREADYEXISTS", ERR_CONFLICT},
                    {"NONEXISTENT", ERR_NO_MAILBOX},
                    {"CANNOT", ERR_INVALID},
                    {"NOPERM", ERR_FORBIDDEN}};
    struct err told = *err;
    for (size_t i = 0; i < ARRAY_LEN(meanings); i++) {
        if (strcmp(err->peer_code, meanings[i].peer_code) == 0) {
            told.code = meanings[i].code;
        }
    }
    call_fail_err(c, &told);
}

static void step_succeeded(struct account_call *c, const struct change_step *step)
{
    struct mailbox *m = mailbox_table_by_wire(&c->a->table, step->wire);
    if (step->kind == STEP_CREATE) {
        changing_of(c)->created = true;
    } else if (step->kind == STEP_DELETE && m != NULL) {
        m->nonexistent = true; /* the next listing need not be confirmed */
    }
}

static void on_step(struct imap_simple *op ATTR_UNUSED, const struct err *err, void *ctx)
{
    struct account_call *c = ctx;
    struct changing *ch = changing_of(c);
    const struct change_step *step = &ch->steps[ch->at];
    c->simple = NULL;
    if (!op_is_running(&c->op)) {
        return;
    }
    bool refused = err->code != ERR_OK && imap_conn_is_open(c->conn);
    /* Not every server says why it refuses to make what is there. */
    bool exists = step->kind == STEP_CREATE && refused &&
                  (strcmp(err->peer_code, "ALREADYEXISTS") == 0 ||
                   mailbox_table_by_wire(&c->a->table, step->wire) != NULL);
    if (err->code == ERR_OK) {
        step_succeeded(c, step);
    } else if (!exists && (step->must || !refused)) {
        fail_step(c, err);
        return;
    }
    ch->at++;
    next_step(c);
}

static void next_step(struct account_call *c)
{
    struct changing *ch = changing_of(c);
    if (ch->at == ch->count) {
        steps_ended(c);
        return;
    }
    const struct change_step *s = &ch->steps[ch->at];
    struct imap_conn *conn = c->conn;
    switch (s->kind) {
    case STEP_CREATE:
        c->simple = imap_create_start(conn, s->wire, CALL_COMMAND_MS, on_step, c);
        return;
    case STEP_RENAME:
        c->simple = imap_rename_start(conn, s->wire, s->to, CALL_COMMAND_MS, on_step, c);
        return;
    case STEP_DELETE:
        c->simple = imap_delete_start(conn, s->wire, CALL_COMMAND_MS, on_step, c);
        return;
    case STEP_SUBSCRIBE:
    case STEP_UNSUBSCRIBE:
        c->simple = imap_subscribe_start(conn, s->wire, s->kind == STEP_SUBSCRIBE,
                                         CALL_COMMAND_MS, on_step, c);
        return;
    }
}

static struct change_step *add_step(struct changing *ch, enum step_kind kind,
                                    struct str wire, bool must)
{
    struct change_step *step = &ch->steps[ch->count++];
    *step = (struct change_step){.kind = kind, .wire = wire, .must = must};
    return step;
}

static void create_now(struct account_call *c)
{
    struct changing *ch = changing_of(c);
    if (!take_name(c, ch->new_path)) {
        return;
    }
    add_step(ch, STEP_CREATE, ch->new_wire, true);
    add_step(ch, STEP_SUBSCRIBE, ch->new_wire, false);
    next_step(c);
}

/* A subscription is to a name: it goes along (RFC 9051 §6.3.7 lets servers forget it). */
static void modify_now(struct account_call *c)
{
    struct changing *ch = changing_of(c);
    struct str wire = ch->wire;
    bool subscribes = ch->sets_subscribed ? ch->subscribed : ch->was_subscribed;
    if (ch->new_path != NULL) {
        if (!take_name(c, ch->new_path)) {
            return;
        }
        add_step(ch, STEP_RENAME, wire, true)->to = ch->new_wire;
        if (ch->was_subscribed) {
            add_step(ch, STEP_UNSUBSCRIBE, wire, false);
        }
        wire = ch->new_wire;
    }
    if (ch->sets_subscribed || (ch->new_path != NULL && subscribes)) {
        add_step(ch, subscribes ? STEP_SUBSCRIBE : STEP_UNSUBSCRIBE, wire,
                 ch->sets_subscribed);
    }
    next_step(c);
}

static void delete_now(struct account_call *c)
{
    struct changing *ch = changing_of(c);
    add_step(ch, STEP_DELETE, ch->wire, true);
    if (ch->was_subscribed) {
        add_step(ch, STEP_UNSUBSCRIBE, ch->wire, false);
    }
    next_step(c);
}

/* --- the calls --- */

static struct account_call *changing_new(struct account *a, const char *name,
                                         int64_t deadline_ms, account_call_cb *cb,
                                         void *ctx)
{
    struct account_call *c = call_new(a, name, deadline_ms, cb, ctx);
    struct changing *ch = ARENA_NEW(&c->op.arena, struct changing);
    ch->call = c;
    c->detail = ch;
    c->result = json_object();
    c->fini = changing_fini;
    c->abort = changing_abort;
    return c;
}

/* The mailbox that is changed; false: the call has failed. */
static bool find_mailbox(struct account_call *c, struct str path)
{
    struct changing *ch = changing_of(c);
    const struct mailbox *m = call_path(c, path);
    if (m == NULL) {
        return false;
    }
    struct arena *arena = &c->op.arena;
    ch->path = arena_str(arena, str_of(m->path));
    ch->wire = arena_str(arena, str_from(m->wire, m->wire_len));
    ch->was_subscribed = (m->list_attrs & IMAP_LIST_SUBSCRIBED) != 0;
    if (m->mailbox_id != NULL) {
        json_put_cstr(c->result, "mailboxId", m->mailbox_id);
    }
    return true;
}

struct account_call *account_mailbox_create_start(struct account *a, const json_t *path,
                                                  int64_t deadline_ms,
                                                  account_call_cb *cb, void *ctx)
{
    struct account_call *c = changing_new(a, "create mailbox", deadline_ms, cb, ctx);
    struct changing *ch = changing_of(c);
    ch->input = json_deep_copy(path);
    ch->new_path = ch->input;
    call_borrow(c, ACCOUNT_LANE_INTERACTIVE, create_now);
    return c;
}

struct account_call *
account_mailbox_modify_start(struct account *a,
                             const struct account_mailbox_change *change,
                             int64_t deadline_ms, account_call_cb *cb, void *ctx)
{
    struct account_call *c = changing_new(a, "change mailbox", deadline_ms, cb, ctx);
    struct changing *ch = changing_of(c);
    if (!find_mailbox(c, change->path)) {
        return c;
    }
    ch->input = json_deep_copy(change->new_path);
    ch->new_path = ch->input;
    ch->sets_subscribed = change->subscribed != NULL;
    ch->subscribed = json_is_true(change->subscribed);
    if (ch->new_path != NULL) {
        account_work_forget(a, ch->wire);
    }
    call_borrow(c, ACCOUNT_LANE_INTERACTIVE, modify_now);
    return c;
}

struct account_call *account_mailbox_delete_start(struct account *a, struct str path,
                                                  int64_t deadline_ms,
                                                  account_call_cb *cb, void *ctx)
{
    struct account_call *c = changing_new(a, "delete mailbox", deadline_ms, cb, ctx);
    changing_of(c)->deletes = true;
    if (find_mailbox(c, path)) {
        account_work_forget(a, changing_of(c)->wire);
        call_borrow(c, ACCOUNT_LANE_INTERACTIVE, delete_now);
    }
    return c;
}
