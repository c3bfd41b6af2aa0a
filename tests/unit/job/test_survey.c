/* Which chains there are, and what their newest checkpoints say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/memory.h"
#include "checkpoint/codec.h"
#include "job/fetch.h"
#include "job/survey.h"
#include "support/verify_world.h"

static int set_up(void **state) {
    (void)state;
    world_begin(COMPRESSION_NONE);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    world_end();
    return 0;
}

static void test_keys(void **state) {
    (void)state;
    static const struct {
        const char *key;
        size_t len;
        int32_t partition;
        uint64_t number;
    } cases[] = {
        {"a/b/p00002/chk-00000000000000000017.json", 11, 2, 17},
        {"p00000/chk-00000000000000000001.json", 7, 0, 1},
        {"_manifests/a/b/p123456/chk-00000000000000000009.json", 23, 123456, 9},
        {"a/b/p0002/chk-00000000000000000017.json", 0, 0, 0},
        {"a/b/q00002/chk-00000000000000000017.json", 0, 0, 0},
        {"a/b/xp00002/chk-00000000000000000017.json", 0, 0, 0},
        {"a/b/p00002x/chk-00000000000000000017.json", 0, 0, 0},
        {"a/b/p0000000002/chk-00000000000000000017.json", 0, 0, 0},
        {"a/b/p00002/chk-17.json", 0, 0, 0},
        {"a/b/p00002/chk-00000000000000000000.json", 0, 0, 0},
        {"chk-00000000000000000017.json", 0, 0, 0},
        {"/chk-00000000000000000017.json", 0, 0, 0},
        {"a/b/start.json", 0, 0, 0},
        {"", 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int32_t partition = -1;
        uint64_t number = 0;
        assert_int_equal(survey_parse_key(cases[i].key, &partition, &number), cases[i].len);
        if (cases[i].len) {
            assert_int_equal(partition, cases[i].partition);
            assert_int_equal(number, cases[i].number);
        }
    }
}

static void test_newest(void **state) {
    (void)state;
    struct survey s;
    struct error e;
    memory_world_plant(w.checkpoints_world, "job/clicks/start.json", "{}", 2);
    memory_world_plant(w.checkpoints_world, "_probe-1", "", 0);
    assert_int_equal(survey_read(w.checkpoints, "", &s, &e), 0);
    assert_int_equal(s.n, 1);
    assert_string_equal(s.chains[0].prefix, JOB);
    assert_int_equal(s.chains[0].number, 5);
    assert_int_equal(s.chains[0].newest.next, 25);
    assert_int_equal(s.chains[0].modified, T0);
    assert_int_equal(s.store_time, T0 + 60 * MINUTE);
    assert_non_null(survey_find(&s, JOB));
    assert_null(survey_find(&s, "job/clicks/p00001/"));
    survey_free(&s);
    assert_int_equal(survey_read(w.checkpoints, "job/clicks2/", &s, &e), 0);
    assert_int_equal(s.n, 0);
    survey_free(&s);
}

/* Between LIST and GET the newest was removed, because ten newer ones exist. */
static void test_newest_moves_on(void **state) {
    (void)state;
    struct survey s;
    struct error e;
    memory_store_fail(w.checkpoints, STORE_GET, 1, ERR_NOT_FOUND, FAULT_BEFORE);
    assert_int_equal(survey_read(w.checkpoints, "", &s, &e), 0);
    assert_int_equal(s.chains[0].newest.number, 5);
    survey_free(&s);
    for (int i = 1; i <= 6; i++)
        memory_store_fail(w.checkpoints, STORE_GET, i, ERR_NOT_FOUND, FAULT_BEFORE);
    assert_int_equal(survey_read(w.checkpoints, "", &s, &e), -1);
    assert_int_equal(e.code, ERR_NOT_FOUND);
}

static void test_copied_checkpoint(void **state) {
    (void)state;
    struct survey s;
    struct error e;
    struct buffer b;
    buffer_init(&b, 1 << 20);
    checkpoint_encode(&w.k[5], &b);
    memory_world_plant(w.checkpoints_world, JOB "chk-00000000000000000006.json", b.data, b.len);
    assert_int_equal(survey_read(w.checkpoints, "", &s, &e), -1);
    assert_int_equal(e.code, ERR_CORRUPT);
    assert_non_null(strstr(e.text, "copied or renamed"));
    buffer_free(&b);
}

/* Never an older one in its place. */
static void test_newest_is_corrupt(void **state) {
    (void)state;
    struct survey s;
    struct error e;
    memory_world_plant(w.checkpoints_world, JOB "chk-00000000000000000006.json", "{}", 2);
    assert_int_equal(survey_read(w.checkpoints, "", &s, &e), -1);
    assert_int_equal(e.code, ERR_CORRUPT);
}

static void test_history(void **state) {
    (void)state;
    struct checkpoint *list;
    size_t n;
    struct error e;
    assert_int_equal(survey_history(w.checkpoints, JOB, &list, &n, &e), 0);
    assert_int_equal(n, 4);
    assert_int_equal(list[0].number, 1);
    assert_int_equal(list[3].number, 5);
    survey_history_free(list, n);
    memory_store_fail(w.checkpoints, STORE_GET, 2, ERR_NOT_FOUND, FAULT_BEFORE);
    assert_int_equal(survey_history(w.checkpoints, JOB, &list, &n, &e), 0);
    assert_int_equal(n, 3);
    survey_history_free(list, n);
    memory_store_fail(w.checkpoints, STORE_GET, 2, ERR_DENIED, FAULT_BEFORE);
    assert_int_equal(survey_history(w.checkpoints, JOB, &list, &n, &e), -1);
}

/* ---- fetch ---- */

struct seen {
    size_t n, sum, fail_at;
};

static int on_object(void *ctx, size_t index, const char *data, size_t len, struct error *e) {
    struct seen *s = ctx;
    (void)index, (void)len;
    s->n++;
    s->sum += strtoul(data, NULL, 10);
    return s->n == s->fail_at ? error_set(e, ERR_CORRUPT, "enough") : 0;
}

static void test_fetch(void **state) {
    (void)state;
    enum { N = 100 };
    char *keys[N], text[16];
    struct error e;
    for (int i = 0; i < N; i++) {
        keys[i] = xasprintf("k%d", i);
        (void)snprintf(text, sizeof text, "%d", i);
        memory_world_plant(w.output_world, keys[i], text, strlen(text));
    }
    struct seen all = {0}, some = {.fail_at = 30}, denied = {0};
    assert_int_equal(fetch_all(w.output, keys, N, 100, on_object, &all, &e), 0);
    assert_int_equal(all.n, N);
    assert_int_equal(all.sum, N * (N - 1) / 2);
    assert_int_equal(fetch_all(w.output, keys, N, 100, on_object, &some, &e), -1);
    assert_string_equal(e.text, "enough");
    assert_int_equal(some.n, 30);
    memory_store_fail(w.output, STORE_GET, 7, ERR_DENIED, FAULT_BEFORE);
    assert_int_equal(fetch_all(w.output, keys, N, 100, on_object, &denied, &e), -1);
    assert_non_null(strstr(e.text, "cannot read"));
    assert_int_equal(fetch_all(w.output, keys, 0, 100, on_object, &denied, &e), 0);
    for (int i = 0; i < N; i++)
        free(keys[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),
        cmocka_unit_test_setup_teardown(test_newest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_newest_moves_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_copied_checkpoint, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_newest_is_corrupt, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_history, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_fetch, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
