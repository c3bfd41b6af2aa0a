/* Random partitions, read in random pieces while they grow, by one fetcher after the other: what is told
 * is what a reader of committed records must see, each record once, and ends where ends are. A seed that
 * fails is printed; FETCHER_FIRST=n begins there, and FETCHER_SEEDS=n plays so many. */
#include "fetcher_fixture.h"
#include "support/fake_random.h"

#ifdef SIM_SHORT
enum { SEEDS = 60 };
#else
enum { SEEDS = 250 };
#endif
enum { BATCHES = 40 /* of a partition */, PRODUCERS = 3, RECORDS_MAX = BATCHES * 20 };
enum { FIRST_PRODUCER = 1000 };
#define CHANGED INT64_MIN /* among the events: another fetcher reads on */

/* What a partition holds, and what of it is to be told. */
struct model {
    struct made {
        char *bytes;
        size_t n;
    } batches[BATCHES + 1];
    size_t n_batches, n_appended;
    int64_t end;
    int64_t offsets[RECORDS_MAX];
    int writer[RECORDS_MAX]; /* the producer whose transaction is open, or one of: */
    size_t n_records;
    bool open[PRODUCERS];
    int64_t ends[BATCHES + 2]; /* all that were, rising */
    size_t n_ends;
};
enum { COMMITTED = -1, ABORTED = -2 };

struct game {
    struct fake_random dice;
    struct world *w;
    struct model models[PARTS_MAX];
    size_t n_parts;
};

static int64_t below(struct game *g, int64_t n) {
    return (int64_t)random_below(&g->dice.random, (uint64_t)n);
}

static bool one_in(struct game *g, int64_t n) {
    return below(g, n) == 0;
}

/* ---- Making partitions ---- */

static void store(struct model *m, struct batch_maker *maker) {
    struct made *b = &m->batches[m->n_batches++];
    m->end = maker->base_offset + maker->last_offset_delta + 1;
    batch_compress(maker);
    b->bytes = batch_end(maker, &b->n);
}

static void make_data(struct game *g, size_t p) {
    static const int codecs[] = {CODEC_NONE, CODEC_NONE, CODEC_GZIP, CODEC_LZ4, CODEC_ZSTD};
    struct model *m = &g->models[p];
    struct batch_maker maker;
    int producer = (int)below(g, PRODUCERS), attributes = codecs[below(g, 5)];
    bool transactional = below(g, 3) > 0, beginning = transactional && !m->open[producer];
    bool gaps = one_in(g, 5);
    /* Where a transaction begins behind a gap, nobody would ever come to the last stable offset. */
    int64_t base = m->end + (one_in(g, 10) && !beginning ? below(g, 30) : 0);
    begin_batch_at(&maker, base, transactional ? attributes | BATCH_TRANSACTIONAL : attributes,
                   one_in(g, 3) && !transactional ? NOBODY : FIRST_PRODUCER + producer);
    for (int64_t n = one_in(g, 20) ? 0 : 1 + below(g, 19), offset = base; n > 0; n--, offset++) {
        offset += gaps ? below(g, 3) : 0;
        add_record(&maker, (int32_t)p, offset);
        m->writer[m->n_records] = transactional ? producer : COMMITTED;
        m->offsets[m->n_records++] = offset;
    }
    if (maker.count == 0)
        maker.attributes &= ~7;
    maker.last_offset_delta += (int32_t)(gaps ? below(g, 4) : 0);
    m->open[producer] |= transactional;
    store(m, &maker);
}

static void make_marker(struct game *g, size_t p) {
    struct model *m = &g->models[p];
    struct batch_maker maker;
    int producer = (int)below(g, PRODUCERS);
    bool commits = one_in(g, 2);
    begin_batch_at(&maker, m->end, BATCH_TRANSACTIONAL | BATCH_CONTROL, FIRST_PRODUCER + producer);
    batch_add_marker(&maker, 0, commits);
    for (size_t i = 0; i < m->n_records; i++)
        if (m->writer[i] == producer)
            m->writer[i] = commits ? COMMITTED : ABORTED;
    m->open[producer] = false;
    store(m, &maker);
}

static void make_partition(struct game *g, size_t p) {
    for (int64_t n = below(g, BATCHES + 1); n > 0; n--)
        if (one_in(g, 4))
            make_marker(g, p);
        else
            make_data(g, p);
}

static void append_next(struct game *g, size_t p) {
    struct model *m = &g->models[p];
    const struct made *b = &m->batches[m->n_appended];
    struct fake_kafka *broker = broker_of(g->w, (int32_t)p);
    if (m->n_appended == m->n_batches)
        return;
    m->n_appended++;
    fake_kafka_append(broker, (int32_t)p, b->bytes, b->n);
    m->ends[m->n_ends++] = fake_kafka_stable(broker, (int32_t)p);
}

static void make_world(struct game *g) {
    g->w = world_up(1 + (size_t)below(g, BROKERS_MAX));
    g->n_parts = g->w->n_brokers + (size_t)below(g, 4);
    for (size_t i = 0; i < g->w->n_brokers; i++)
        fake_kafka_limit(g->w->brokers[i], (int32_t)below(g, one_in(g, 2) ? 20000 : 3000),
                         (int32_t)below(g, one_in(g, 2) ? 20000 : 1000));
    for (size_t p = 0; p < g->n_parts; p++) {
        struct model *m = &g->models[p];
        m->ends[m->n_ends++] = 0;
        make_partition(g, p);
        for (int64_t n = below(g, (int64_t)m->n_batches + 1); n > 0; n--)
            append_next(g, p);
        g->w->parts[p].from = below(g, m->ends[m->n_ends - 1] + 1);
    }
}

/* ---- Reading ---- */

/* From the positions that the fetcher gives, and from where the sink has stopped. */
static void change_fetchers(struct game *g) {
    for (size_t p = 0; p < g->n_parts; p++) {
        struct part *part = &g->w->parts[p];
        int64_t at = position(g->w, (int32_t)p);
        part->from = part->left ? part->refused : at;
        part->refused = NOTHING;
        keep(part, CHANGED);
    }
    fetcher_free(g->w->fetcher);
    begin_reading(g->w, g->n_parts);
}

static void disturb(struct game *g) {
    struct fake_kafka *broker = g->w->brokers[below(g, (int64_t)g->w->n_brokers)];
    struct part *part = &g->w->parts[below(g, (int64_t)g->n_parts)];
    switch (below(g, 5)) {
    case 0:
        change_fetchers(g);
        break;
    case 1:
        fake_kafka_cut(broker, fake_kafka_requests(broker) + (size_t)below(g, 3),
                       (size_t)below(g, 3000));
        break;
    case 2:
        fake_kafka_refuse(broker, part->id, 6);
        break;
    default:
        if (!part->left)
            part->refused = position(g->w, part->id) + below(g, 10);
    }
}

static bool at_end(struct game *g, size_t p) {
    const struct model *m = &g->models[p];
    const struct part *part = &g->w->parts[p];
    return m->n_appended == m->n_batches && !part->left && part->n > 0 &&
           part->events[part->n - 1] == ~m->ends[m->n_ends - 1];
}

static bool done(struct game *g) {
    for (size_t p = 0; p < g->n_parts; p++)
        if (!at_end(g, p))
            return false;
    return true;
}

static bool any_left(const struct game *g) {
    for (size_t p = 0; p < g->n_parts; p++)
        if (g->w->parts[p].left)
            return true;
    return false;
}

static void play(struct game *g) {
    int64_t until = clock_monotonic(clock_system()) + 20000;
    int disturbances = (int)below(g, 8);
    begin_reading(g->w, g->n_parts);
    while (!done(g)) {
        assert_true(clock_monotonic(clock_system()) < until);
        g->w->max = 1 + (size_t)below(g, one_in(g, 2) ? 3 : 60);
        for (int64_t n = below(g, 4); n > 0; n--)
            append_next(g, (size_t)below(g, (int64_t)g->n_parts));
        if (disturbances > 0 && one_in(g, 5)) {
            disturb(g);
            disturbances--;
        }
        step(g->w);
        if (g->w->failed && (g->w->e.code != ERR_UNAVAILABLE || !g->w->e.retriable))
            fail_msg("%s", g->w->e.text);
        if (g->w->failed || (any_left(g) && one_in(g, 3)))
            change_fetchers(g);
    }
}

/* ---- Looking at what was told ---- */

static bool was_an_end(const struct model *m, int64_t offset) {
    for (size_t i = 0; i < m->n_ends; i++)
        if (m->ends[i] == offset)
            return true;
    return false;
}

/* The first of the records from i on that is to be told. */
static size_t committed_from(const struct model *m, size_t i) {
    while (i < m->n_records && m->writer[i] != COMMITTED)
        i++;
    return i;
}

static void check_partition(const struct game *g, size_t p, int64_t from) {
    const struct model *m = &g->models[p];
    const struct part *part = &g->w->parts[p];
    size_t next = 0;
    int64_t end_before = -1;
    while (next < m->n_records && m->offsets[next] < from)
        next++;
    for (size_t i = 0; i < part->n; i++) {
        int64_t event = part->events[i];
        next = committed_from(m, next);
        if (event == CHANGED) {
            end_before--; /* the same end may be told again */
        } else if (event >= 0) {
            assert_true(next < m->n_records);
            assert_int_equal(event, m->offsets[next++]);
        } else {
            assert_true(was_an_end(m, ~event));
            assert_true(next == m->n_records || m->offsets[next] >= ~event);
            assert_true(~event > end_before);
            end_before = ~event;
        }
    }
    next = committed_from(m, next);
    assert_true(next == m->n_records || m->offsets[next] >= m->ends[m->n_ends - 1]);
}

static void play_seed(uint64_t seed) {
    static struct game g;
    int64_t from[PARTS_MAX];
    memset(&g, 0, sizeof g);
    fake_random_init(&g.dice, seed);
    make_world(&g);
    for (size_t p = 0; p < g.n_parts; p++)
        from[p] = g.w->parts[p].from;
    play(&g);
    for (size_t p = 0; p < g.n_parts; p++)
        check_partition(&g, p, from[p]);
    world_down(g.w);
}

static uint64_t seed_under_way;

static void test_random(void **state) {
    (void)state;
    const char *first = getenv("FETCHER_FIRST"), *seeds = getenv("FETCHER_SEEDS");
    seed_under_way = first ? strtoull(first, NULL, 10) : 1;
    uint64_t behind = seed_under_way + (seeds ? strtoull(seeds, NULL, 10) : SEEDS);
    for (; seed_under_way < behind; seed_under_way++)
        play_seed(seed_under_way);
    seed_under_way = 0;
}

static int tell_seed(void **state) {
    (void)state;
    if (seed_under_way)
        print_error("FETCHER_FIRST=%llu FETCHER_SEEDS=1\n", (unsigned long long)seed_under_way);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_random, tell_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
