#include "kafka_fixture.h"

#include <jansson.h>

#include "kafka/events.h"
#include "kafka/generator.h"

#define SERVERS(state) embedded_bootstrap_servers(*(state))

static const struct events_config plain = {
    .users = 1000, .disorder_ms = 60000, .late_by_ms = 900000, .seed = 7};
static const int64_t T0 = 1729630800000;

/* ---- Events ---- */

static void the_same_seed_makes_the_same_events(void **state) {
    (void)state;
    struct events *a = events_new(&plain), *b = events_new(&plain);
    struct made_event x, y;
    for (int i = 0; i < 10000; i++) {
        events_next(a, T0 + i, &x);
        events_next(b, T0 + i, &y);
        assert_int_equal(x.value_len, y.value_len);
        assert_memory_equal(x.value, y.value, x.value_len);
    }
    events_free(a);
    events_free(b);
}

static void another_seed_makes_other_events(void **state) {
    (void)state;
    struct events_config other = plain;
    other.seed = 8;
    struct events *a = events_new(&plain), *b = events_new(&other);
    struct made_event x, y;
    events_next(a, T0, &x);
    events_next(b, T0, &y);
    assert_true(x.value_len != y.value_len || memcmp(x.value, y.value, x.value_len) != 0);
    events_free(a);
    events_free(b);
}

static json_t *parse(const struct made_event *ev) {
    return json_loadb(ev->value, ev->value_len, JSON_REJECT_DUPLICATES, NULL);
}

static void an_event_has_the_fields_of_the_job_that_it_feeds(void **state) {
    (void)state;
    static const char *const names[] = {"event_id", "user_id",        "session_id",  "event_type",
                                        "page_url", "timestamp",      "ip_address",  "user_agent",
                                        "referrer", "country",        "device_type", "product_id",
                                        "price",    "processing_time"};
    struct events *g = events_new(&plain);
    struct made_event ev;
    for (int i = 0; i < 1000; i++) {
        events_next(g, T0, &ev);
        json_t *o = parse(&ev);
        assert_non_null(o);
        size_t k = 0;
        const char *name;
        json_t *value;
        json_object_foreach(o, name, value) /* in the order of the text */
            assert_string_equal(name, names[k++]);
        assert_int_equal(k, sizeof names / sizeof names[0]);
        assert_int_equal(json_string_length(json_object_get(o, "event_id")), 36);
        assert_int_equal(ev.key_len, json_string_length(json_object_get(o, "user_id")));
        assert_memory_equal(ev.key, json_string_value(json_object_get(o, "user_id")), ev.key_len);
        int64_t ts = json_integer_value(json_object_get(o, "timestamp"));
        assert_true(ts <= T0 && ts >= T0 - plain.disorder_ms);
        json_decref(o);
    }
    events_free(g);
}

static void late_events_lie_far_enough_back(void **state) {
    (void)state;
    struct events_config cfg = plain;
    cfg.late = 0.25;
    struct events *g = events_new(&cfg);
    struct made_event ev;
    int late = 0;
    for (int i = 0; i < 20000; i++) {
        events_next(g, T0, &ev);
        if (ev.kind != EVENT_LATE)
            continue;
        late++;
        json_t *o = parse(&ev);
        int64_t ts = json_integer_value(json_object_get(o, "timestamp"));
        assert_true(ts < T0 - cfg.late_by_ms - cfg.disorder_ms);
        json_decref(o);
    }
    assert_in_range(late, 4700, 5300);
    events_free(g);
}

/* Whether an event is what a job has to take. */
static bool good(const struct made_event *ev) {
    json_t *o = parse(ev);
    bool ok = o && json_is_object(o) && json_is_string(json_object_get(o, "user_id")) &&
              json_is_integer(json_object_get(o, "timestamp"));
    json_decref(o);
    return ok;
}

static void malformed_events_are_and_others_are_not(void **state) {
    (void)state;
    struct events_config cfg = plain;
    cfg.malformed = 0.1;
    struct events *g = events_new(&cfg);
    struct made_event ev;
    int malformed = 0;
    for (int i = 0; i < 20000; i++) {
        events_next(g, T0, &ev);
        malformed += ev.kind == EVENT_MALFORMED;
        assert_int_equal(good(&ev), ev.kind != EVENT_MALFORMED);
        assert_true(ev.key_len > 5);
    }
    assert_in_range(malformed, 1800, 2200);
    events_free(g);
}

static void few_users_do_much(void **state) {
    (void)state;
    struct events *g = events_new(&plain);
    struct made_event ev;
    int counts[1000] = {0};
    for (int i = 0; i < 100000; i++) {
        events_next(g, T0, &ev);
        char number[EVENT_KEY_MAX + 1] = ""; /* the key has no NUL */
        memcpy(number, ev.key + 5, ev.key_len - 5);
        counts[strtol(number, NULL, 10)]++;
    }
    assert_true(counts[0] > 5 * counts[500]);
    assert_true(counts[999] > 0);
    events_free(g);
}

/* ---- Into a topic ---- */

static struct generator_config into(void **state, uint64_t events) {
    return (struct generator_config){.bootstrap_servers = SERVERS(state),
                                     .topic = "clicks",
                                     .events = events,
                                     .users = 1000,
                                     .disorder_ms = 60000,
                                     .late_by_ms = 900000,
                                     .speed = 60,
                                     .start_ms = T0,
                                     .seed = 1};
}

static void run_ok(const struct generator_config *cfg, const atomic_bool *stop,
                   struct generator_result *result) {
    struct error e = {0};
    if (generator_run(cfg, stop, result, &e))
        fail_msg("%s", e.text);
}

static void every_event_arrives_with_its_simulated_time(void **state) {
    struct generator_config cfg = into(state, 3000);
    struct generator_result result;
    atomic_bool stop = false;
    run_ok(&cfg, &stop, &result);
    assert_int_equal(result.events, 3000);
    assert_int_equal(result.failed, 0);
    assert_int_equal(result.late + result.malformed, 0);

    struct kafka_config kafka = by_hand(SERVERS(state), "clicks");
    struct reader *r = reader_new(&kafka);
    for (int32_t p = 0; p < 3; p++) {
        size_t before = r->n;
        assign_at(r, p, 0);
        read_to_end(r, p, p + 1);
        assert_true(r->n > before); /* spread by the key's hash */
    }
    assert_int_equal(r->n, 3000);
    for (size_t i = 0; i < r->n; i++) { /* 3,000 events are 60 ms at 50,000/s, 60 times as fast */
        assert_in_range(r->kept[i].record.timestamp, T0, T0 + 3600);
        assert_memory_equal(r->kept[i].key, "user_", 5);
        assert_memory_equal(r->kept[i].value, "{\"event_id\": \"", 14);
    }
    reader_free(r);
}

static void a_rate_is_kept(void **state) {
    struct generator_config cfg = into(state, 300);
    struct generator_result result;
    atomic_bool stop = false;
    cfg.rate = 500;
    int64_t began = now_ms();
    run_ok(&cfg, &stop, &result);
    assert_int_equal(result.events, 300);
    assert_true(now_ms() - began >= 500);
}

struct stopping {
    atomic_bool stop;
    int64_t since;
};

/* Stops it as soon as an event is out. */
static bool stop_at_the_first(void *ctx, uint64_t produced) {
    struct stopping *s = ctx;
    if (produced >= 1 && !atomic_exchange(&s->stop, true))
        s->since = now_ms();
    return false;
}

/* Without a stop there is no end, and the next event is due a minute later. */
static void it_ends_soon_after_stop(void **state) {
    struct generator_config cfg = into(state, 0);
    struct generator_result result;
    struct stopping s = {0};
    cfg.rate = 1.0 / 60;
    cfg.hold = stop_at_the_first;
    cfg.hold_ctx = &s;
    run_ok(&cfg, &s.stop, &result);
    assert_in_range(now_ms() - s.since, 0, 10000);
    assert_int_equal(result.events, 1);
}

/* Holds three times as soon as 1,000 events are out. */
static bool hold_a_while(void *ctx, uint64_t produced) {
    int *asked = ctx;
    return produced >= 1000 && (*asked)++ < 3;
}

static void hold_stops_it_for_a_while(void **state) {
    struct generator_config cfg = into(state, 2000);
    struct generator_result result;
    atomic_bool stop = false;
    int asked = 0;
    cfg.hold = hold_a_while;
    cfg.hold_ctx = &asked;
    run_ok(&cfg, &stop, &result);
    assert_int_equal(result.events, 2000);
    assert_true(asked >= 4);
}

static void an_unreachable_broker_is_an_error(void **state) {
    (void)state;
    struct generator_config cfg = {.bootstrap_servers = "127.0.0.1:1", .topic = "x", .events = 1};
    struct generator_result result;
    atomic_bool stop = false;
    struct error e = {0};
    int64_t began = now_ms();
    assert_int_equal(generator_run(&cfg, &stop, &result, &e), -1);
    assert_true(now_ms() - began < 14000);
    assert_int_equal(e.code, ERR_UNAVAILABLE);
    assert_non_null(strstr(e.text, "Connection refused"));
    assert_int_equal(result.events, 0);
}

int main(void) {
#define ON_A_CLUSTER(f) cmocka_unit_test_setup_teardown(f, cluster_up, cluster_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_makes_the_same_events),
        cmocka_unit_test(another_seed_makes_other_events),
        cmocka_unit_test(an_event_has_the_fields_of_the_job_that_it_feeds),
        cmocka_unit_test(late_events_lie_far_enough_back),
        cmocka_unit_test(malformed_events_are_and_others_are_not),
        cmocka_unit_test(few_users_do_much),
        ON_A_CLUSTER(every_event_arrives_with_its_simulated_time),
        ON_A_CLUSTER(a_rate_is_kept),
        ON_A_CLUSTER(it_ends_soon_after_stop),
        ON_A_CLUSTER(hold_stops_it_for_a_while),
        cmocka_unit_test(an_unreachable_broker_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
