/* --deep: reads the log a second time, from where the job began to the newest checkpoint's `next`, and
 * decides by the rules of docs/semantics.md what each record is. Totals by class must be what the
 * checkpoint has read, and each file must hold exactly the lines of its class and window between its
 * first and last offset: a file's events are all of that kind in its range (docs/exactly-once.md).
 *
 * The watermark is a function of the log from the start, so it can be done only where Kafka retains
 * all of it and the rules have never changed. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/memory.h"
#include "job/verify_internal.h"

enum { BATCH = 1000, POLL_MS = 200, LINE_BYTES_MAX = 512 * 1024 * 1024, ID_MAX = 128 };

struct expected {
    struct known_file *file;
    struct totals count;
    uint64_t content;
};

struct replaying {
    struct verify *v;
    struct part *part;
    struct event_parser *parser;
    struct expected *files; /* by class, window, first */
    size_t n_files, hint;
    struct totals read[CLASS_COUNT];
    int64_t position, max_ts;
    bool ended, last_seen;
    struct buffer line;
    struct error error;
};

/* ---- Which file a record belongs to ------------------------------------------------------------- */

static int order(const struct file_entry *f, enum event_class class, int64_t window,
                 int64_t offset) {
    if (f->class != class)
        return f->class < class ? -1 : 1;
    if (f->window != window)
        return f->window < window ? -1 : 1;
    return f->first < offset ? -1 : f->first > offset;
}

static int compare(const void *pa, const void *pb) {
    const struct file_entry *a = &((const struct expected *)pa)->file->entry,
                            *b = &((const struct expected *)pb)->file->entry;
    return order(a, b->class, b->window, b->first);
}

static bool covers(const struct expected *x, enum event_class class, int64_t window,
                   int64_t offset) {
    const struct file_entry *f = &x->file->entry;
    return f->class == class && f->window == window && f->first <= offset && offset <= f->last;
}

/* NULL: it is in no listed file (yet). */
static struct expected *file_of(struct replaying *r, enum event_class class, int64_t window,
                                int64_t offset) {
    if (r->hint < r->n_files && covers(&r->files[r->hint], class, window, offset))
        return &r->files[r->hint];
    size_t low = 0, high = r->n_files; /* the first file behind (class, window, offset) */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (order(&r->files[middle].file->entry, class, window, offset) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || !covers(&r->files[low - 1], class, window, offset))
        return NULL;
    r->hint = low - 1;
    return &r->files[r->hint];
}

static void collect_files(struct replaying *r) {
    const struct file_set *set = &r->v->files;
    r->files = xcalloc(set->n + 1, sizeof *r->files);
    for (size_t i = 0; i < set->n; i++)
        if (set->files[i].counted && set->files[i].partition == r->part->chain->partition)
            r->files[r->n_files++].file = &set->files[i];
    qsort(r->files, r->n_files, sizeof *r->files, compare);
}

/* ---- A record ------------------------------------------------------------------------------------ */

/* Section "Watermark" and "late" of the rules, apart from window/partition.c on purpose. */
static bool is_late(struct replaying *r, int64_t timestamp, int64_t end) {
    const struct window_rules *w = &r->v->cfg->rules->window;
    if (r->max_ts == TS_NONE || timestamp > r->max_ts)
        r->max_ts = timestamp;
    int64_t watermark = r->max_ts - w->out_of_orderness - 1;
    return end - 1 + w->allowed_lateness <= watermark;
}

static int render(struct replaying *r, const struct record *rec, const struct event *ev,
                  int64_t start, int64_t end) {
    buffer_reset(&r->line);
    if (ev->reason) {
        if (event_rejected_line(rec, r->v->cfg->topic, r->part->chain->partition, ev->reason,
                                ev->detail, &r->line) == 0)
            return 0;
    } else {
        char *dst = buffer_reserve(&r->line, ev->line_max);
        if (dst) {
            r->line.len += event_write_line(r->parser, start, end, dst);
            return 0;
        }
    }
    return error_set(&r->error, ERR_LIMIT, "offset %" PRId64 ": its line is too long", rec->offset);
}

static int classify(struct replaying *r, const struct record *rec) {
    struct event ev;
    event_parse(r->parser, rec, &ev);
    enum event_class class = CLASS_NULL;
    int64_t start = 0, end = 0;
    if (ev.reason) {
        class = CLASS_REJECTED;
    } else if (!ev.null) {
        start = window_start(&r->v->cfg->rules->window, ev.timestamp);
        end = start + r->v->cfg->rules->window.size;
        class = is_late(r, ev.timestamp, end) ? CLASS_LATE : CLASS_EVENT;
    }
    struct totals one = {1, offset_hash(rec->offset)};
    totals_add(&r->read[class], &one);
    if (class == CLASS_NULL)
        return 0;
    struct expected *x = file_of(r, class, class == CLASS_EVENT ? start : TS_NONE, rec->offset);
    if (!x)
        return 0;
    totals_add(&x->count, &one);
    if (!x->file->has_content)
        return 0;
    if (render(r, rec, &ev, start, end) != 0)
        return -1;
    x->content += line_hash(crc32c(0, r->line.data, r->line.len), r->line.len);
    return 0;
}

static int on_record(void *ctx, const struct record *rec) {
    struct replaying *r = ctx;
    const struct checkpoint *k = r->part->newest;
    if (rec->offset >= k->next) {
        r->ended = true;
        return 1;
    }
    r->position = rec->offset + 1;
    r->ended = r->position == k->next;
    if (k->has_last && rec->offset == k->last_offset)
        r->last_seen = record_crc32c(rec) == k->last_crc32c;
    return classify(r, rec) != 0 || r->ended;
}

static int on_eof(void *ctx, int64_t offset) {
    struct replaying *r = ctx;
    r->ended |= offset >= r->part->newest->next;
    return r->ended;
}

static int on_error(void *ctx, int64_t offset, const struct error *e) {
    (void)offset;
    ((struct replaying *)ctx)->error = *e;
    return -1;
}

/* ---- A partition --------------------------------------------------------------------------------- */

static int consume(struct replaying *r, struct error *e) {
    const struct verify_config *cfg = r->v->cfg;
    const struct source_ops *ops = cfg->source->ops;
    struct source_sink sink = {.ctx = r, .record = on_record, .eof = on_eof, .error = on_error};
    struct source_position at = {r->part->chain->partition, r->position};
    int64_t heard = clock_monotonic(cfg->clock);
    if (r->position >= r->part->newest->next)
        return 0;
    if (ops->assign(cfg->source, &at, 1, e) != 0)
        return -1;
    while (!r->ended && r->error.code == ERR_NONE) {
        int64_t now = clock_monotonic(cfg->clock);
        if (ops->fetch(cfg->source, at.partition, BATCH, &sink) > 0)
            heard = now;
        else if (now - heard > cfg->patience_ms)
            return error_set(e, ERR_UNAVAILABLE,
                             "Kafka gave nothing for %" PRId64 " s at offset %" PRId64,
                             cfg->patience_ms / 1000, r->position);
        else if (ops->poll(cfg->source, POLL_MS, e) != 0)
            return -1;
    }
    *e = r->error;
    int rc = r->error.code == ERR_NONE ? 0 : -1;
    struct error ignored;
    return ops->assign(cfg->source, NULL, 0, rc ? &ignored : e) != 0 ? -1 : rc;
}

static void compare_totals(struct replaying *r) {
    const struct checkpoint *k = r->part->newest;
    for (int c = 0; c < CLASS_COUNT; c++) {
        const struct totals *want = &r->read[c], *have = &k->read[c];
        if (want->events == have->events && want->hash == have->hash)
            continue;
        verify_problem(r->v, PROBLEM_KAFKA,
                       "%s class %s: Kafka has %" PRIu64 " records, the job has read %" PRIu64 "%s",
                       r->part->chain->prefix, event_class_name((enum event_class)c), want->events,
                       have->events, want->events == have->events ? ", but others" : "");
    }
    if (k->has_last && !r->last_seen)
        verify_problem(r->v, PROBLEM_KAFKA,
                       "%s: the record at offset %" PRId64
                       " is another one than the job has read: was the topic recreated?",
                       r->part->chain->prefix, k->last_offset);
}

static void compare_files(struct replaying *r) {
    for (size_t i = 0; i < r->n_files; i++) {
        const struct expected *x = &r->files[i];
        const struct file_entry *f = &x->file->entry;
        if (x->count.events != f->count.events || x->count.hash != f->count.hash)
            verify_problem(r->v, PROBLEM_KAFKA,
                           "%s should hold the %" PRIu64 " events of its kind from offset %" PRId64
                           " to %" PRId64 " in Kafka, but it is listed with %" PRIu64 "%s",
                           f->key, x->count.events, f->first, f->last, f->count.events,
                           x->count.events == f->count.events ? " others" : "");
        else if (x->file->has_content && x->content != x->file->content)
            verify_problem(r->v, PROBLEM_KAFKA,
                           "%s holds other lines than Kafka's records give (offsets %" PRId64
                           " to %" PRId64 ")",
                           f->key, f->first, f->last);
    }
}

/* 1: compare; 0: cannot be compared, p->note says why; -1: *e. */
static int comparable(struct verify *v, struct part *p, struct error *e) {
    struct checkpoint *list;
    size_t n;
    int64_t start, end;
    p->note[0] = '\0';
    if (!p->has_start) {
        (void)snprintf(p->note, sizeof p->note,
                       "not compared with Kafka: the chain's first claim is missing");
        return 0;
    }
    if (survey_history(v->cfg->checkpoints, p->chain->prefix, &list, &n, e) != 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i].identity.settings, v->cfg->settings) != 0)
            (void)snprintf(p->note, sizeof p->note,
                           "not compared with Kafka: checkpoint %" PRIu64
                           " has other event.* or window.* settings",
                           list[i].number);
    survey_history_free(list, n);
    if (p->note[0])
        return 0;
    const struct source_ops *ops = v->cfg->source->ops;
    if (ops->bounds(v->cfg->source, p->chain->partition, (int)v->cfg->patience_ms, &start, &end,
                    e) != 0)
        return -1;
    if (end < p->newest->next) {
        verify_problem(v, PROBLEM_KAFKA,
                       "%s: the job has read up to offset %" PRId64 ", but Kafka ends at %" PRId64
                       ": the topic was truncated or recreated",
                       p->chain->prefix, p->newest->next, end);
        (void)snprintf(p->note, sizeof p->note, "not compared with Kafka: it ends too soon");
        return 0;
    }
    if (start <= p->start)
        return 1;
    (void)snprintf(p->note, sizeof p->note,
                   "not compared with Kafka: its log begins at offset %" PRId64
                   ", the job began at %" PRId64,
                   start, p->start);
    return 0;
}

static int compare_partition(struct verify *v, struct part *p, struct error *e) {
    int rc = comparable(v, p, e);
    if (rc <= 0)
        return rc;
    struct replaying r = {.v = v, .part = p, .position = p->start, .max_ts = TS_NONE};
    r.parser = event_parser_new(v->cfg->rules, e);
    if (!r.parser)
        return -1;
    buffer_init(&r.line, LINE_BYTES_MAX);
    collect_files(&r);
    rc = consume(&r, e);
    if (rc == 0) {
        compare_totals(&r);
        compare_files(&r);
        (void)snprintf(p->note, sizeof p->note,
                       "compared with Kafka: offsets %" PRId64 " to %" PRId64, p->start,
                       p->newest->next - 1);
    }
    event_parser_free(r.parser);
    buffer_free(&r.line);
    free(r.files);
    return rc;
}

int verify_kafka(struct verify *v, struct error *e) {
    char cluster[ID_MAX];
    if (v->cfg->source->ops->cluster_id(v->cfg->source, (int)v->cfg->patience_ms, cluster,
                                        sizeof cluster, e) != 0)
        return error_wrap(e, "cannot compare with Kafka");
    for (size_t i = 0; i < v->n_parts; i++) {
        struct part *p = &v->parts[i];
        bool demo = strcmp(p->newest->identity.cluster, "embedded") == 0; /* its ids vary */
        if (!demo && strcmp(cluster, p->newest->identity.cluster) != 0)
            return error_set(e, ERR_MISMATCH,
                             "cannot compare with Kafka: %s belongs to cluster %s, this is %s",
                             p->chain->prefix, p->newest->identity.cluster, cluster);
        if (compare_partition(v, p, e) != 0)
            return error_wrap(e, "cannot compare %s with Kafka", p->chain->prefix);
    }
    return 0;
}
