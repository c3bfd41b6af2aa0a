#include "support/worker_world.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "checkpoint/codec.h"

static int64_t monotonic(struct clock *c) {
    struct worker_world *w = (struct worker_world *)c;
    fake_clock_advance(&w->fake, w->creep_ms);
    return clock_monotonic(&w->fake.clock);
}

static int64_t monotonic_us(struct clock *c) {
    return clock_monotonic_us(&((struct worker_world *)c)->fake.clock);
}

static int64_t wall(struct clock *c) {
    return clock_wall(&((struct worker_world *)c)->fake.clock);
}

void worker_world_init(struct worker_world *w, const struct memory_traits *traits,
                       int32_t partitions) {
    *w = (struct worker_world){.clock = {monotonic, wall, monotonic_us}, .seed = 1};
    fake_clock_init(&w->fake);
    w->store = memory_world_new(traits, &w->fake.clock);
    w->topic = fake_topic_new(partitions);
}

void worker_world_free(struct worker_world *w) {
    memory_world_free(w->store);
    fake_topic_free(w->topic);
}

/* ---- Events in, lines out ------------------------------------------------------------------------ */

int64_t worker_world_add(struct worker_world *w, int32_t partition, int64_t timestamp) {
    char value[160];
    (void)snprintf(value, sizeof value,
                   "{\"user_id\":\"u\",\"timestamp\":%" PRId64 ",\"p\":%" PRId32 ",\"o\":%" PRId64
                   ",\"end\":1}",
                   timestamp, partition, fake_topic_end(w->topic, partition));
    return fake_topic_add(w->topic, partition, timestamp, "u", value);
}

void worker_world_add_many(struct worker_world *w, int32_t partition, int n, int64_t first_ts,
                           int64_t step_ms) {
    for (int i = 0; i < n; i++)
        (void)worker_world_add(w, partition, first_ts + i * step_ms);
}

/* Calls fn for each line of each visible file below the prefix. */
static void each_line(const struct worker_world *w, const char *prefix,
                      void (*fn)(void *ctx, const char *line, size_t len), void *ctx) {
    size_t len;
    const char *key;
    for (size_t i = 0; (key = memory_world_key(w->store, prefix, i)) != NULL; i++) {
        const char *at = memory_world_object(w->store, key, &len), *end = at + len, *nl;
        for (; at < end && (nl = memchr(at, '\n', (size_t)(end - at))) != NULL; at = nl + 1)
            fn(ctx, at, (size_t)(nl - at));
        if (at < end)
            fail_msg("%s does not end in a newline", key);
    }
}

static void count_line(void *ctx, const char *line, size_t len) {
    (void)line;
    (void)len;
    ++*(int *)ctx;
}

int worker_world_lines(const struct worker_world *w, const char *prefix) {
    int n = 0;
    each_line(w, prefix, count_line, &n);
    return n;
}

struct marks {
    int32_t partition;
    int64_t end;
    unsigned char *seen; /* how often, by offset */
};

static size_t digits_at(const char *at, const char *end) {
    size_t n = 0;
    while (at + n < end && n < 20 && at[n] >= '0' && at[n] <= '9')
        n++;
    return n;
}

static void mark(void *ctx, const char *line, size_t len) {
    struct marks *m = ctx;
    char what[32];
    int n = snprintf(what, sizeof what, "\"p\":%" PRId32 ",\"o\":", m->partition);
    const char *at = memmem(line, len, what, (size_t)n);
    if (!at)
        return;
    /* Not strtoll on the object itself: AddressSanitizer looks for the end of the whole of it. */
    char number[24] = "";
    memcpy(number, at + n, digits_at(at + n, line + len));
    int64_t offset = strtoll(number, NULL, 10);
    assert_in_range(offset, 0, m->end - 1);
    m->seen[offset]++;
}

static struct marks look(const struct worker_world *w, int32_t partition) {
    int64_t end = fake_topic_end(w->topic, partition);
    struct marks m = {partition, end, xcalloc((size_t)end, 1)};
    each_line(w, "dt=", mark, &m);
    each_line(w, "_late/", mark, &m);
    return m;
}

int worker_world_count(const struct worker_world *w, int32_t partition, int64_t offset) {
    struct marks m = look(w, partition);
    int n = m.seen[offset];
    free(m.seen);
    return n;
}

int worker_world_most(const struct worker_world *w, int32_t partition) {
    struct marks m = look(w, partition);
    int most = 0;
    for (int64_t i = 0; i < m.end; i++)
        most = m.seen[i] > most ? m.seen[i] : most;
    free(m.seen);
    return most;
}

void worker_world_check_all(const struct worker_world *w, int32_t partition) {
    struct marks m = look(w, partition);
    for (int64_t i = 0; i < m.end; i++)
        if (m.seen[i] != 1)
            fail_msg("partition %" PRId32 " offset %" PRId64 " stands %d times", partition, i,
                     m.seen[i]);
    free(m.seen);
}

char *worker_world_chain_key(int32_t partition, uint64_t number) {
    char name[32];
    chain_name(number, name);
    return xasprintf("clickstream/clickstream/p%05" PRId32 "/%s", partition, name);
}

struct checkpoint worker_world_newest(const struct worker_world *w, int32_t partition) {
    char *prefix = xasprintf("clickstream/clickstream/p%05" PRId32 "/chk-", partition);
    size_t n = memory_world_count(w->store, prefix), len;
    if (n == 0)
        fail_msg("there is no checkpoint below %s", prefix);
    const char *data =
        memory_world_object(w->store, memory_world_key(w->store, prefix, n - 1), &len);
    struct checkpoint k;
    struct error e;
    if (checkpoint_decode(data, len, &k, &e) != 0)
        fail_msg("%s", e.text);
    free(prefix);
    return k;
}

/* ---- Processes ----------------------------------------------------------------------------------- */

static void load(struct settings *s, const struct process_options *o) {
    const char *sets[PROCESS_SETS_MAX + 1] = {"output.path=s3://memory/"};
    size_t n = 1;
    for (size_t i = 0; i < PROCESS_SETS_MAX && o->sets[i]; i++)
        sets[n++] = o->sets[i];
    struct error e;
    if (settings_load(s, &(struct settings_source){.sets = sets, .n_sets = n}, &e) != 0)
        fail_msg("%s", e.text);
}

static void keep_last(void *ctx, const struct job_metrics *now) {
    ((struct process *)ctx)->last = *now;
}

static struct worker *make_worker(struct process *p) {
    const struct process_options *o = &p->options;
    return worker_new(&(struct worker_config){.settings = &p->settings,
                                              .output = p->output,
                                              .checkpoints = p->checkpoints,
                                              .clock = &p->world->clock,
                                              .random = &p->random.random,
                                              .bounded = o->bounded,
                                              .accept_changes = o->accept_changes,
                                              .allow_data_loss = o->allow_data_loss,
                                              .lost = o->lost,
                                              .host = "test",
                                              .pid = 1,
                                              .restart = &p->restart,
                                              .bounds = &p->bounds,
                                              .command = &p->command,
                                              .ledger = &p->ledger,
                                              .metrics = o->metrics,
                                              .journal = o->journal,
                                              .requests = o->requests,
                                              .consumed = &p->consumed,
                                              .progress = keep_last,
                                              .progress_ctx = p});
}

static void wake_source(void *ctx) {
    struct source *s = ctx;
    s->ops->wake(s);
}

/* What one try owns, as in job.c. */
static void open_try(struct process *p) {
    p->output = memory_store_open(p->world->store);
    p->checkpoints = memory_store_open(p->world->store);
    p->worker = make_worker(p);
    struct source_handler handler = worker_handler(p->worker);
    p->source = fake_source_new(p->world->topic, &p->world->fake, &handler);
    worker_use_source(p->worker, &p->source->base);
    p->output->ops->set_wake(p->output, wake_source, &p->source->base);
    p->checkpoints->ops->set_wake(p->checkpoints, wake_source, &p->source->base);
    int32_t n = 0;
    (void)p->source->base.ops->partition_count(&p->source->base, 0, &n, &p->error);
    fake_source_give(p->source, p->options.partitions ? p->options.partitions : n);
}

static void close_try(struct process *p) {
    store_free(p->output);
    store_free(p->checkpoints);
    worker_free(p->worker);
    p->source->base.ops->free(&p->source->base);
}

struct process *process_new(struct worker_world *w, const struct process_options *o) {
    struct process *p = xcalloc(1, sizeof *p);
    p->world = w;
    p->options = *o;
    load(&p->settings, o);
    fake_random_init(&p->random, w->seed++);
    p->restart.attempts = p->settings.restart.attempts;
    open_try(p);
    return p;
}

void process_restart(struct process *p) {
    close_try(p);
    p->last = (struct job_metrics){0};
    open_try(p);
}

void process_on_poll(struct process *p, void (*fn)(void *process, int n)) {
    p->source->on_poll = fn;
    p->source->on_poll_ctx = p;
}

enum worker_end process_run(struct process *p) {
    return worker_run(p->worker, &p->ran, &p->error);
}

void process_free(struct process *p) {
    close_try(p);
    bounds_free(&p->bounds);
    ledger_free(&p->ledger);
    settings_free(&p->settings);
    free(p);
}

void process_must_end(struct worker_world *w, const struct process_options *o,
                      enum worker_end end) {
    struct process *p = process_new(w, o);
    if (process_run(p) != end)
        fail_msg("another end than %d; error: %s", end, p->error.text);
    process_free(p);
}

void process_must_fail(struct worker_world *w, const struct process_options *o,
                       enum error_code code, ...) {
    struct process *p = process_new(w, o);
    assert_int_equal(process_run(p), WORKER_FAILED);
    va_list ap;
    va_start(ap, code);
    for (const char *word; (word = va_arg(ap, const char *)) != NULL;)
        if (!strstr(p->error.text, word))
            fail_msg("\"%s\" is not in: %s", word, p->error.text);
    va_end(ap);
    if (p->error.code != code)
        fail_msg("it is %s: %s", error_name(p->error.code), p->error.text);
    process_free(p);
}

void process_always_outrun(void *process, int n) {
    struct process *p = process;
    struct worker_world *w = p->world;
    (void)n;
    const struct store_op *op = memory_store_pending_op(p->checkpoints, 0);
    bool puts_checkpoint = op && op->kind == STORE_PUT_IF_ABSENT && strstr(op->key, "/chk-");
    if (!puts_checkpoint || (p->test && strstr(op->key, "0001.json")))
        return;
    struct checkpoint k = {0};
    if (memory_world_count(w->store, "clickstream/clickstream/p00000/chk-") > 0)
        k = worker_world_newest(w, 0);
    struct buffer bytes;
    buffer_init(&bytes, 1 << 20);
    if (k.number == 0) { /* what is being put, but for the claim's id */
        buffer_append(&bytes, op->body, op->body_len);
        struct error e;
        assert_int_equal(checkpoint_decode(bytes.data, bytes.len, &k, &e), 0);
        k.number = 0;
    }
    buffer_reset(&bytes);
    k.number++;
    k.claim = true;
    memset(k.claim_id, 'f', 32);
    checkpoint_encode(&k, &bytes);
    memory_world_plant(w->store, op->key, bytes.data, bytes.len);
    buffer_free(&bytes);
    checkpoint_clear(&k);
}
