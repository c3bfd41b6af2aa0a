#include "job/verify.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "checkpoint/chain.h"
#include "job/fetch.h"
#include "job/verify_internal.h"

enum { NAMED_MAX = 20 };

static const char *const problem_names[PROBLEM_COUNT] = {
    [PROBLEM_IDENTITY] = "things that do not belong here",
    [PROBLEM_MANIFEST] = "damaged manifests",
    [PROBLEM_FILE] = "files listed wrongly",
    [PROBLEM_TOTALS] = "wrong totals",
    [PROBLEM_MISSING] = "missing objects",
    [PROBLEM_SIZE] = "objects of the wrong size",
    [PROBLEM_UNLISTED] = "unlisted objects",
    [PROBLEM_CONTENT] = "files with wrong contents",
    [PROBLEM_KAFKA] = "differences from Kafka",
};

void verify_problem(struct verify *v, enum problem kind, const char *fmt, ...) {
    if (v->problems[kind]++ >= NAMED_MAX)
        return;
    char text[ERROR_TEXT_MAX * 2];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    array_reserve(&v->texts, &v->cap_texts, v->n_texts + 1, sizeof *v->texts);
    v->texts[v->n_texts++] = xstrdup(text);
}

struct part *verify_part(struct verify *v, int32_t partition) {
    for (size_t i = 0; i < v->n_parts; i++)
        if (v->parts[i].chain->partition == partition)
            return &v->parts[i];
    return NULL;
}

/* ---- What the checkpoints say --------------------------------------------------------------------- */

static void check_identity(struct verify *v, const struct part *p) {
    const struct identity *i = &p->newest->identity, *first = &v->parts[0].newest->identity;
    if (strcmp(i->topic, v->cfg->topic) != 0)
        verify_problem(v, PROBLEM_IDENTITY, "%s: its checkpoint is of topic %s", p->chain->prefix,
                       i->topic);
    if (strcmp(i->output, v->cfg->output_path) != 0)
        verify_problem(v, PROBLEM_IDENTITY, "%s: its checkpoint writes to %s, output.path is %s",
                       p->chain->prefix, i->output, v->cfg->output_path);
    if (strcmp(i->cluster, first->cluster) != 0)
        verify_problem(v, PROBLEM_IDENTITY,
                       "%s: its checkpoint is of Kafka cluster %s, that of %s of cluster %s",
                       p->chain->prefix, i->cluster, v->parts[0].chain->prefix, first->cluster);
}

struct starts {
    struct verify *v;
    char **keys;
};

static int take_start(void *ctx, size_t index, const char *data, size_t len, struct error *e) {
    struct starts *s = ctx;
    struct part *p = &s->v->parts[index];
    struct checkpoint k;
    if (!data) /* a claim, so never removed; not needed for everything */
        return 0;
    if (checkpoint_decode(data, len, &k, e) != 0)
        return error_wrap(e, "%s%s", s->v->cfg->checkpoints->path, s->keys[index]);
    p->has_start = true;
    p->start = k.next;
    checkpoint_clear(&k);
    return 0;
}

/* The first claim's `next` is where the job began. */
static int read_starts(struct verify *v, struct error *e) {
    struct starts s = {.v = v, .keys = xcalloc(v->n_parts, sizeof *s.keys)};
    char name[32];
    chain_name(1, name);
    for (size_t i = 0; i < v->n_parts; i++)
        s.keys[i] = xasprintf("%s%s", v->parts[i].chain->prefix, name);
    int rc =
        fetch_all(v->cfg->checkpoints, s.keys, v->n_parts, CHECKPOINT_BYTES_MAX, take_start, &s, e);
    for (size_t i = 0; i < v->n_parts; i++)
        free(s.keys[i]);
    free(s.keys);
    return rc;
}

static int survey(struct verify *v, struct error *e) {
    if (survey_read(v->cfg->checkpoints, v->job, &v->survey, e) != 0)
        return -1;
    if (v->survey.n == 0)
        return error_set(e, ERR_NOT_FOUND,
                         "no checkpoint below %s%s: has the job run, and are name, kafka.topic and "
                         "checkpoint.path right?",
                         v->cfg->checkpoints->path, v->job);
    v->n_parts = v->survey.n;
    v->parts = xcalloc(v->n_parts, sizeof *v->parts);
    for (size_t i = 0; i < v->n_parts; i++) {
        v->parts[i].chain = &v->survey.chains[i];
        v->parts[i].newest = &v->survey.chains[i].newest;
    }
    for (size_t i = 0; i < v->n_parts; i++)
        check_identity(v, &v->parts[i]);
    return read_starts(v, e);
}

/* ---- Output -------------------------------------------------------------------------------------- */

static void print_class(const struct verify *v, const struct part *p, int c) {
    const struct checkpoint *k = p->newest;
    uint64_t open = 0, waiting = 0;
    for (size_t i = 0; i < k->n_files; i++)
        open += (int)k->files[i].class == c ? k->files[i].count.events : 0;
    for (size_t i = 0; i < k->n_gaps; i++)
        waiting += (int)k->gaps[i].class == c ? k->gaps[i].events : 0;
    (void)fprintf(v->cfg->out, "p%05" PRId32 "  %-8s  read %-12" PRIu64, p->chain->partition,
                  event_class_name((enum event_class)c), k->read[c].events);
    if (c != CLASS_NULL)
        (void)fprintf(v->cfg->out,
                      "  listed %-12" PRIu64 "  open %-10" PRIu64 "  waiting %-10" PRIu64
                      "  files %zu",
                      k->listed[c].events, open, waiting, p->n_files[c]);
    (void)fputc('\n', v->cfg->out);
}

static void print_part(const struct verify *v, const struct part *p) {
    FILE *out = v->cfg->out;
    for (int c = 0; c < CLASS_COUNT; c++)
        print_class(v, p, c);
    if (p->base.number)
        (void)fprintf(out, "p%05" PRId32 "  only what was listed after checkpoint %" PRIu64 "\n",
                      p->chain->partition, p->base.number);
    for (size_t i = 0; i < p->newest->n_losses; i++) {
        const struct loss *l = &p->newest->losses[i];
        (void)fprintf(out,
                      "p%05" PRId32 "  LOST     offsets %" PRId64 " to %" PRId64
                      " were gone from Kafka (--allow-data-loss)",
                      p->chain->partition, l->from, l->to);
        if (l->events >= 0)
            (void)fprintf(out, ", with %" PRId64 " events", l->events);
        (void)fputc('\n', out);
    }
    if (p->note[0])
        (void)fprintf(out, "p%05" PRId32 "  %s\n", p->chain->partition, p->note);
}

static size_t print_problems(const struct verify *v) {
    size_t all = 0;
    for (size_t i = 0; i < v->n_texts; i++)
        (void)fprintf(v->cfg->out, "problem: %s\n", v->texts[i]);
    for (int k = 0; k < PROBLEM_COUNT; k++) {
        all += v->problems[k];
        if (v->problems[k] > NAMED_MAX)
            (void)fprintf(v->cfg->out, "problem: ... and %zu more %s (%zu in all)\n",
                          v->problems[k] - NAMED_MAX, problem_names[k], v->problems[k]);
    }
    return all;
}

static void print_verdict(const struct verify *v, size_t problems) {
    FILE *out = v->cfg->out;
    size_t files = 0;
    uint64_t events = 0;
    for (size_t i = 0; i < v->n_parts; i++)
        for (int c = 0; c < CLASS_NULL; c++) {
            files += v->parts[i].n_files[c];
            events += v->parts[i].files[c].events;
        }
    if (v->under_way)
        (void)fprintf(out, "%zu files are being published\n", v->under_way);
    if (v->removed)
        (void)fprintf(out, "%zu files have been removed since (--allow-removed)\n", v->removed);
    if (problems)
        (void)fprintf(out, "NOT verified: %zu problem%s\n", problems, problems == 1 ? "" : "s");
    else
        (void)fprintf(out,
                      "verified: %zu files, %" PRIu64
                      " events, %zu partitions, complete and without duplicates\n",
                      files, events, v->n_parts);
}

/* ---- Everything ---------------------------------------------------------------------------------- */

static int check(struct verify *v, struct error *e) {
    if (survey(v, e) != 0 || verify_load(v, e) != 0 || verify_totals(v, e) != 0 ||
        verify_objects(v, e) != 0)
        return -1;
    if (!v->cfg->deep)
        return 0;
    if (verify_content(v, e) != 0)
        return -1;
    return v->cfg->source ? verify_kafka(v, e) : 0;
}

static void verify_free(struct verify *v) {
    for (size_t i = 0; i < v->n_texts; i++)
        free(v->texts[i]);
    free(v->texts);
    free(v->parts);
    free(v->job);
    manifest_list_free(&v->manifests);
    file_set_free(&v->files);
    survey_free(&v->survey);
}

int verify_run(const struct verify_config *cfg, size_t *problems, struct error *e) {
    struct verify v = {.cfg = cfg, .job = xasprintf("%s/%s/", cfg->name, cfg->topic)};
    int rc = check(&v, e);
    for (size_t i = 0; i < v.n_parts; i++)
        print_part(&v, &v.parts[i]);
    *problems = print_problems(&v);
    if (rc == 0)
        print_verdict(&v, *problems);
    verify_free(&v);
    return rc;
}
