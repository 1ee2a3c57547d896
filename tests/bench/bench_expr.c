/* bench_expr: evaluations per second of a filter and of a mapping over an event.
 * Not a test: numbers depend on the machine and say something in a release build only. */
#include "postrider/base/check.h"
#include "postrider/expr/expr.h"
#include "postrider/json/json.h"

#include <stdio.h>
#include <time.h>

enum {
    ROUNDS = 500 * 1000
};

static const char event_text[] =
    "{\"account\":\"demo\",\"event\":\"messageNew\",\"path\":\"INBOX\","
    "\"date\":\"2026-03-02T08:05:09.120Z\",\"data\":{\"id\":\"AAAAAQAAAA0\",\"uid\":7,"
    "\"subject\":\"Invoice 42 of this month\",\"from\":{\"address\":\"ann@example.com\"},"
    "\"to\":[{\"address\":\"a@x.test\"},{\"address\":\"b@y.test\"}],\"flags\":[]}}";

static const struct {
    const char *name, *source;
} rows[] = {
    {"compare", "event == 'messageNew' and path == 'INBOX'"},
    {"match", "matches(lower(data.subject), '*invoice*') and "
              "endsWith(data.from.address, '@example.com') and "
              "contains(data.to.address, 'b@y.test')"},
    {"map", "{kind: event, who: default(data.from.name, data.from.address), "
            "day: date(date), to: join(data.to.address, ', '), "
            "text: concat('Mail: ', substring(data.subject, 0, 10))}"},
};

int main(void)
{
    json_t *event = json_loads(event_text, 0, NULL);
    CHECK(event != NULL);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct expr *e = NULL;
        CHECK(expr_compile(str_of(rows[i].source), &e, NULL));
        clock_t began = clock();
        for (int round = 0; round < ROUNDS; round++) {
            json_t *out = NULL;
            CHECK(expr_eval(e, event, &out, NULL));
            json_decref(out);
        }
        double seconds = (double)(clock() - began) / CLOCKS_PER_SEC;
        printf("%-8s %9.0f evaluations/s of CPU time\n", rows[i].name,
               seconds > 0 ? ROUNDS / seconds : 0);
        expr_free(&e);
    }
    json_decref(event);
    return 0;
}
