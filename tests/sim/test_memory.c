/* Memory stays below its limit, with more windows than it holds chunks for and a store that is slow. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/log.h"
#include "base/memory.h"
#include "support/worker_world.h"

/* The store answers one request a poll. */
static void answer_one(void *ctx, int n) {
    struct process *p = ctx;
    memory_store_hold(p->output, true);
    if (n % 3 == 0)
        (void)memory_store_step(p->output, 0);
}

static void test_rule_7_memory_stays_below_its_limit(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    for (int i = 0; i < 1000; i++) {
        int64_t t = T0 + (i * 7919 % 1000) * 300000;
        char *value = xasprintf("{\"user_id\":\"u\",\"timestamp\":%" PRId64
                                ",\"p\":0,\"o\":%d,\"long\":\"%0100000d\"}",
                                t, i, 0);
        (void)fake_topic_add(w.topic, 0, t, "u", value);
        free(value);
    }
    struct process_options o = {.bounded = true,
                                .sets = {"memory.limit=64MiB", "window.out_of_orderness=366d"}};
    struct process *p = process_new(&w, &o);
    process_on_poll(p, answer_one);
    assert_int_equal(process_run(p), WORKER_DONE);
    assert_in_range(p->last.memory_peak, 1, 64 << 20);
    process_free(p);
    worker_world_check_all(&w, 0);
    worker_world_free(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rule_7_memory_stays_below_its_limit),
    };
    log_init(LOG_TEXT, (enum log_level)(LOG_ERROR + 1));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
