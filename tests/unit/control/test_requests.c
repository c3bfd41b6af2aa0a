/* What is asked of a running job from outside, and how who asked is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <pthread.h>
#include <stdatomic.h>

#include <cmocka.h>

#include "control/requests.h"

enum { RUN, DRAIN, STOP }; /* as enum job_command: a later one overrides an earlier one */

struct fixture {
    _Atomic int command;
    struct requests *requests;
};

static int set_up(void **state) {
    static struct fixture f;
    atomic_init(&f.command, RUN);
    f.requests = requests_new(&f.command, STOP, DRAIN);
    *state = &f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    requests_free(f->requests);
    return 0;
}

static struct request found(const struct fixture *f, const char *id) {
    struct request r;
    if (!requests_find(f->requests, id, &r))
        fail_msg("there is no request %s", id);
    return r;
}

static void is(const struct fixture *f, const char *id, enum request_state state,
               const char *text) {
    struct request r = found(f, id);
    assert_int_equal(r.state, state);
    assert_string_equal(r.text, text);
}

static void test_ids(void **state) {
    struct fixture *f = *state;
    char a[REQUEST_ID_MAX], b[REQUEST_ID_MAX];
    struct request r;
    requests_add(f->requests, REQUEST_SAVEPOINT, a);
    requests_add(f->requests, REQUEST_CANCEL, b);
    assert_int_equal(strlen(a), 32);
    assert_int_equal(strspn(a, "0123456789abcdef"), 32);
    assert_string_not_equal(a, b);
    assert_int_equal(found(f, a).kind, REQUEST_SAVEPOINT);
    assert_int_equal(found(f, b).kind, REQUEST_CANCEL);
    assert_false(requests_find(f->requests, "", &r)); /* not an empty place */
    assert_false(requests_find(f->requests, "0123", &r));
}

static void test_savepoints(void **state) {
    struct fixture *f = *state;
    char one[REQUEST_ID_MAX], two[REQUEST_ID_MAX], three[REQUEST_ID_MAX];
    assert_int_equal(requests_savepoints(f->requests), 0);
    requests_add(f->requests, REQUEST_SAVEPOINT, one);
    requests_add(f->requests, REQUEST_SAVEPOINT, two);
    assert_int_equal(requests_savepoints(f->requests), 2);
    assert_int_equal(atomic_load(&f->command), RUN);
    requests_add(f->requests, REQUEST_SAVEPOINT, three); /* while the worker does those two */
    requests_savepoints_done(f->requests, 2, true, "s3://b/x/");
    is(f, one, REQUEST_DONE, "s3://b/x/");
    is(f, two, REQUEST_DONE, "s3://b/x/");
    is(f, three, REQUEST_PENDING, "");
    requests_savepoints_done(f->requests, 3, false, "none");
    is(f, three, REQUEST_FAILED, "none");
    is(f, one, REQUEST_DONE, "s3://b/x/"); /* what is answered stays answered */
}

/* A request that is no savepoint is not done by one. */
static void test_savepoint_does_not_answer_a_stop(void **state) {
    struct fixture *f = *state;
    char stop[REQUEST_ID_MAX];
    requests_add(f->requests, REQUEST_STOP, stop);
    requests_savepoints_done(f->requests, 100, true, "there");
    is(f, stop, REQUEST_PENDING, "");
}

static void test_commands(void **state) {
    struct fixture *f = *state;
    char id[REQUEST_ID_MAX];
    requests_add(f->requests, REQUEST_DRAIN, id);
    assert_int_equal(atomic_load(&f->command), DRAIN);
    requests_add(f->requests, REQUEST_STOP, id); /* cuts the drain short */
    assert_int_equal(atomic_load(&f->command), STOP);
    requests_add(f->requests, REQUEST_DRAIN, id); /* too late to open it again */
    assert_int_equal(atomic_load(&f->command), STOP);
    atomic_store(&f->command, RUN);
    requests_add(f->requests, REQUEST_CANCEL, id);
    assert_int_equal(atomic_load(&f->command), STOP);
}

static void test_end_answers_all(void **state) {
    struct fixture *f = *state;
    char stop[REQUEST_ID_MAX], savepoint[REQUEST_ID_MAX], done[REQUEST_ID_MAX];
    requests_add(f->requests, REQUEST_SAVEPOINT, done);
    requests_savepoints_done(f->requests, 1, true, "first");
    requests_add(f->requests, REQUEST_SAVEPOINT, savepoint);
    requests_add(f->requests, REQUEST_STOP, stop);
    requests_ended(f->requests, true, "last");
    is(f, done, REQUEST_DONE, "first");
    is(f, savepoint, REQUEST_DONE, "last"); /* the last checkpoint is one */
    is(f, stop, REQUEST_DONE, "last");
}

/* A job that has ended stops as it is told, but puts no checkpoint any more. */
static void test_after_the_end(void **state) {
    struct fixture *f = *state;
    char stop[REQUEST_ID_MAX], savepoint[REQUEST_ID_MAX];
    requests_ended(f->requests, true, "ended");
    requests_add(f->requests, REQUEST_STOP, stop);
    requests_add(f->requests, REQUEST_SAVEPOINT, savepoint);
    is(f, stop, REQUEST_DONE, "ended");
    is(f, savepoint, REQUEST_FAILED, "ended");
    assert_int_equal(atomic_load(&f->command), RUN);
    assert_int_equal(requests_savepoints(f->requests), 0);
}

static void test_after_a_failure(void **state) {
    struct fixture *f = *state;
    char before[REQUEST_ID_MAX], after[REQUEST_ID_MAX];
    requests_add(f->requests, REQUEST_STOP, before);
    requests_ended(f->requests, false, "no space");
    requests_add(f->requests, REQUEST_STOP, after);
    is(f, before, REQUEST_FAILED, "no space");
    is(f, after, REQUEST_FAILED, "no space");
}

/* Whoever asked for a stop polls; the process waits for that, but not for those who never ask. */
static void test_untold(void **state) {
    struct fixture *f = *state;
    char stop[REQUEST_ID_MAX], id[REQUEST_ID_MAX];
    assert_false(requests_untold(f->requests));
    requests_add(f->requests, REQUEST_SAVEPOINT, id);
    requests_add(f->requests, REQUEST_CANCEL, id);
    assert_false(requests_untold(f->requests));
    requests_add(f->requests, REQUEST_STOP, stop);
    assert_true(requests_untold(f->requests));
    is(f, stop, REQUEST_PENDING, ""); /* asked too early: not told yet */
    assert_true(requests_untold(f->requests));
    requests_ended(f->requests, true, "there");
    assert_true(requests_untold(f->requests));
    is(f, stop, REQUEST_DONE, "there");
    assert_false(requests_untold(f->requests));
}

static void test_oldest_are_forgotten(void **state) {
    struct fixture *f = *state;
    char ids[REQUESTS_MAX + 2][REQUEST_ID_MAX];
    struct request r;
    for (int i = 0; i < REQUESTS_MAX + 2; i++)
        requests_add(f->requests, REQUEST_SAVEPOINT, ids[i]);
    assert_false(requests_find(f->requests, ids[0], &r));
    assert_false(requests_find(f->requests, ids[1], &r));
    requests_savepoints_done(f->requests, REQUESTS_MAX + 2, true, "there");
    for (int i = 2; i < REQUESTS_MAX + 2; i++)
        is(f, ids[i], REQUEST_DONE, "there");
}

static void test_no_requests(void **state) {
    (void)state;
    assert_int_equal(requests_savepoints(NULL), 0);
    requests_savepoints_done(NULL, 1, true, "");
    requests_ended(NULL, true, "");
    assert_false(requests_untold(NULL));
    requests_free(NULL);
}

/* ---- Threads ------------------------------------------------------------------------------------- */

enum { ASKERS = 3, ASKED = 25 }; /* of each; all together are remembered */

struct asker {
    struct requests *requests;
    const char *wrong;
};

static void *ask(void *ctx) {
    struct asker *a = ctx;
    for (int i = 0; i < ASKED; i++) {
        char id[REQUEST_ID_MAX];
        struct request r = {.state = REQUEST_PENDING};
        requests_add(a->requests, REQUEST_SAVEPOINT, id);
        while (r.state == REQUEST_PENDING && !a->wrong)
            if (!requests_find(a->requests, id, &r))
                a->wrong = "it was forgotten";
        if (r.state != REQUEST_DONE || strcmp(r.text, "a place with a long name") != 0)
            a->wrong = "half an answer";
    }
    return NULL;
}

static void test_worker_answers_while_others_ask(void **state) {
    struct fixture *f = *state;
    pthread_t threads[ASKERS];
    struct asker askers[ASKERS];
    for (int i = 0; i < ASKERS; i++) {
        askers[i] = (struct asker){f->requests, NULL};
        assert_int_equal(pthread_create(&threads[i], NULL, ask, &askers[i]), 0);
    }
    for (uint64_t done = 0; done < (uint64_t)ASKERS * ASKED;) {
        uint64_t asked = requests_savepoints(f->requests);
        if (asked > done) {
            done = asked;
            requests_savepoints_done(f->requests, done, true, "a place with a long name");
        }
    }
    for (int i = 0; i < ASKERS; i++) {
        (void)pthread_join(threads[i], NULL);
        if (askers[i].wrong)
            fail_msg("%s", askers[i].wrong);
    }
}

#define requests_test(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        requests_test(test_ids),
        requests_test(test_savepoints),
        requests_test(test_savepoint_does_not_answer_a_stop),
        requests_test(test_commands),
        requests_test(test_end_answers_all),
        requests_test(test_after_the_end),
        requests_test(test_after_a_failure),
        requests_test(test_untold),
        requests_test(test_oldest_are_forgotten),
        cmocka_unit_test(test_no_requests),
        requests_test(test_worker_answers_while_others_ask),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
