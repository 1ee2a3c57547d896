/* store_fixture: stores on a private redis-server, as many nodes as a test wants.
 * Owner    the test; all stores are dropped or closed before store_fixture_free
 * Limits   every wait is bounded; a wait that is over fails the test */
#ifndef POSTRIDER_TESTS_STORE_FIXTURE_H
#define POSTRIDER_TESTS_STORE_FIXTURE_H

#include "loop_fixture.h"
#include "redis_fixture.h"

#include "postrider/net/net.h"
#include "postrider/store/store.h"

#include <hiredis/hiredis.h>

enum {
    STORE_FIXTURE_WAIT_MS = 20000
};

#define NODE_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define NODE_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

struct store_fixture {
    struct loop *loop;
    struct net *net;
    struct redis_fixture *server;
    char dir[64];       /* of key files; removed at the end */
    char key_file[128]; /* what stores use unless told otherwise */
};

struct store_fixture *store_fixture_new(void);
void store_fixture_free(struct store_fixture **f);
/* For cmocka: *state is the fixture. */
int store_fixture_setup(void **state);
int store_fixture_teardown(void **state);

/* A store that is not open; missing parts of the configuration are filled in. */
struct store *store_fixture_store(struct store_fixture *f, struct store_config config);
/* Runs the open to its end; err_out gets the outcome. */
bool store_fixture_try_open(struct store_fixture *f, struct store *s,
                            struct err *err_out);
/* The usual case: a store of that node, open. */
struct store *store_fixture_open(struct store_fixture *f, const char *node_id);
/* Leases are given back. */
void store_fixture_close(struct store_fixture *f, struct store **s);
/* As if the process died: the leases stay. */
void store_fixture_crash(struct store_fixture *f, struct store **s);

/* Number of keys in Redis, and whether any key, field or value anywhere contains the
 * text. */
long long store_fixture_key_count(struct store_fixture *f, const char *pattern);
bool store_fixture_contains(struct store_fixture *f, const char *text);

#endif
