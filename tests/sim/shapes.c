#include "shapes.h"
#include "support/sim_process.h"

const struct shape shapes[] = {
    {.name = "mixed", .log = LOG_MIXED, .records = 36, .batch = 5},
    {.name = "windows close", .log = LOG_ORDERED, .records = 26, .batch = 3},
    {.name = "late and rejected", .log = LOG_LATE, .records = 30, .batch = 4},
    {.name = "size rolls", .log = LOG_ONE, .records = 30, .batch = 4, .max_file_size = 90},
    {.name = "many parts", .log = LOG_ONE, .records = 30, .batch = 3, .part_size = 24},
    {.name = "emit checkpoint", .log = LOG_MIXED, .records = 30, .batch = 5, .emit = true},
    {.name = "newest first", .log = LOG_MIXED, .records = 30, .batch = 6, .newest_first = true},
    {.name = "few large chunks",
     .log = LOG_MIXED,
     .records = 30,
     .batch = 4,
     .small_reserve = true},
    {.name = "short replay", .log = LOG_MIXED, .records = 34, .batch = 2, .max_replay = 8},
    {.name = "holes", .log = LOG_HOLES, .records = 30, .batch = 4, .interval_ms = 300},
    {.name = "taken away", .log = LOG_ORDERED, .records = 18, .batch = 3, .consumer = true},
};
const size_t n_shapes = sizeof shapes / sizeof *shapes;

static const int64_t t0 = INT64_C(1729630800000);

static void add_ordered(struct sim_log *log, int64_t step) {
    sim_log_add(log, RECORD_EVENT, t0 + log->n * step);
}

static void add_late(struct sim_log *log, struct random *r) {
    int64_t t = t0 + log->n * 400;
    uint64_t dice = random_below(r, 6);
    if (dice == 0)
        sim_log_add(log, RECORD_REJECTED, 0);
    else
        sim_log_add(log, RECORD_EVENT, dice < 3 ? t - 4000 : t);
}

static void add_sparse(struct sim_log *log, struct random *r, int64_t records) {
    uint64_t dice = random_below(r, 5);
    if (log->n + 3 >= records || dice < 2)
        sim_log_add_hole(log);
    else if (dice == 2)
        sim_log_add(log, RECORD_NULL, 0);
    else
        sim_log_add(log, RECORD_EVENT, t0 + log->n * 200);
}

void fill_log(struct sim_log *log, enum log_kind kind, int64_t records, struct random *r) {
    if (kind == LOG_MIXED)
        sim_log_generate(log, r, records);
    while (log->n < records) {
        if (kind == LOG_LATE)
            add_late(log, r);
        else if (kind == LOG_HOLES)
            add_sparse(log, r, records);
        else
            add_ordered(log, kind == LOG_ONE ? 10 : 350);
    }
}

void shape_log(const struct shape *s, struct sim_log *log, uint64_t seed) {
    struct fake_random r;
    fake_random_init(&r, seed);
    sim_log_init(log, &sim_rules);
    fill_log(log, s->log, s->records, &r.random);
}

struct rules shape_rules(const struct shape *s) {
    struct rules r = player_rules();
    r.config.emit_checkpoint = s->emit;
    if (s->max_file_size)
        r.config.max_file_size = s->max_file_size;
    if (s->part_size)
        r.config.part_size = s->part_size;
    if (s->max_replay)
        r.config.max_replay = s->max_replay;
    if (s->interval_ms)
        r.config.interval_ms = s->interval_ms;
    if (s->small_reserve)
        r.reserve = 1;
    return r;
}
