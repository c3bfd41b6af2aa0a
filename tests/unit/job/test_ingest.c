/* From a record to its line: what lands where, what is counted, and the end of a bounded run. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "support/worker_world.h"

struct counted {
    struct partition_counters stats;
    uint64_t classes[CLASS_COUNT];
};

/* Runs a bounded job over the topic. */
static struct counted run(struct worker_world *w) {
    struct process *p = process_new(w, &(struct process_options){.bounded = true});
    if (process_run(p) != WORKER_DONE)
        fail_msg("%s", p->error.text);
    struct counted c = {.stats = *p->worker->tasks[0]->count};
    memcpy(c.classes, p->last.partitions[0].count.events, sizeof c.classes);
    process_free(p);
    return c;
}

static const char *only_object(const struct worker_world *w, const char *prefix) {
    size_t len;
    assert_int_equal(memory_world_count(w->store, prefix), 1);
    return memory_world_object(w->store, memory_world_key(w->store, prefix, 0), &len);
}

static void test_an_event_line(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    fake_topic_add(w.topic, 0, T0, "u1",
                   "{ \"user_id\": \"u1\", \"timestamp\": 1729630801500, \"x\": 1.50 }");
    struct counted c = run(&w);
    const char *line = "{\"user_id\":\"u1\",\"timestamp\":1729630801500,"
                       "\"event_timestamp\":\"2024-10-22T21:00:01.500Z\","
                       "\"event_timestamp_start\":\"2024-10-22T21:00:00Z\","
                       "\"event_timestamp_end\":\"2024-10-22T21:05:00Z\",\"x\":1.50}\n";
    assert_string_equal(only_object(&w, "dt=2024-10-22/hour=21/20241022T210000Z-p00000-"), line);
    assert_int_equal(c.stats.records, 1);
    assert_int_equal(c.stats.bytes_out, strlen(line));
    assert_int_equal(c.stats.lines_out, 1);
    assert_int_equal(c.classes[CLASS_EVENT], 1);
    worker_world_free(&w);
}

static void test_late_events(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    worker_world_add(&w, 0, T0 + 900000);     /* watermark T0 + 300000 - 1: window T0 is closed */
    worker_world_add(&w, 0, T0 + 300000 - 1); /* its last millisecond */
    worker_world_add(&w, 0, T0 + 300000);
    struct counted c = run(&w);
    assert_int_equal(c.classes[CLASS_LATE], 1);
    assert_int_equal(c.classes[CLASS_EVENT], 2);
    assert_int_equal(worker_world_lines(&w, "_late/"), 1);
    worker_world_check_all(&w, 0);
    worker_world_free(&w);
}

static void test_rejected_lines(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    fake_topic_add(w.topic, 0, 1729630800123, "k", "{\"user_id\":");
    fake_topic_add(w.topic, 0, 1729630800123, NULL, "[]");
    fake_topic_add(w.topic, 0, 1729630800123, "\xff", "\"\xff\"");
    struct counted c = run(&w);
    const char *text = only_object(&w, "_rejected/p00000-o00000000000000000000-");
    assert_non_null(strstr(text, "{\"topic\":\"clickstream\",\"partition\":0,\"offset\":0,"
                                 "\"timestamp\":1729630800123,\"key\":\"k\",\"reason\":"
                                 "\"invalid_json\",\"detail\":\""));
    assert_non_null(strstr(text, "\"value\":\"{\\\"user_id\\\":\"}\n"));
    assert_non_null(strstr(text, "\"offset\":1,\"timestamp\":1729630800123,\"key\":null,"
                                 "\"reason\":\"not_object\""));
    assert_non_null(strstr(text, "\"key_base64\":\"/w==\""));
    assert_non_null(strstr(text, "\"value_base64\":\"Iv8i\"}\n"));
    assert_int_equal(worker_world_lines(&w, "_rejected/"), 3);
    assert_int_equal(c.classes[CLASS_REJECTED], 3);
    assert_int_equal(c.stats.rejected[REJECT_INVALID_JSON], 2);
    assert_int_equal(c.stats.rejected[REJECT_NOT_OBJECT], 1);
    worker_world_free(&w);
}

static void test_nulls_are_only_counted(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    fake_topic_add(w.topic, 0, T0, "u", NULL);
    fake_topic_add(w.topic, 0, T0, "u", "");
    fake_topic_add(w.topic, 0, T0, "u", " null ");
    struct counted c = run(&w);
    assert_int_equal(c.classes[CLASS_NULL], 3);
    assert_int_equal(c.stats.records, 3);
    assert_int_equal(memory_world_count(w.store, "dt="), 0);
    assert_int_equal(memory_world_count(w.store, "_rejected/"), 0);
    worker_world_free(&w);
}

static void test_key_mismatches_are_counted(void **state) {
    (void)state;
    struct worker_world w;
    const char *value = "{\"user_id\":\"a\",\"timestamp\":1729630800000}";
    worker_world_init(&w, &memory_like_s3, 1);
    fake_topic_add(w.topic, 0, T0, "a", value);
    fake_topic_add(w.topic, 0, T0, "b", value);
    fake_topic_add(w.topic, 0, T0, NULL, value);
    struct counted c = run(&w);
    assert_int_equal(c.stats.key_mismatches, 1);
    assert_int_equal(c.classes[CLASS_EVENT], 3);
    worker_world_free(&w);
}

static void test_compressed_files_have_their_suffix(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    worker_world_add_many(&w, 0, 100, T0, 1000);
    process_must_end(
        &w, &(struct process_options){.bounded = true, .sets = {"output.compression=zstd"}},
        WORKER_DONE);
    const char *key = memory_world_key(w.store, "dt=", 0);
    assert_non_null(key);
    assert_string_equal(key + strlen(key) - strlen(".jsonl.zst"), ".jsonl.zst");
    worker_world_free(&w);
}

int main(void) {
    log_init(LOG_TEXT, LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_event_line),
        cmocka_unit_test(test_late_events),
        cmocka_unit_test(test_rejected_lines),
        cmocka_unit_test(test_nulls_are_only_counted),
        cmocka_unit_test(test_key_mismatches_are_counted),
        cmocka_unit_test(test_compressed_files_have_their_suffix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
