#include "cli/inspect_print.h"

#include <inttypes.h>
#include <string.h>

#include <jansson.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "event/instant.h"
#include "job/settings_values.h"
#include "window/window.h"

enum { AGE_TEXT_MAX = 64 };

struct instant_text {
    char text[INSTANT_MAX + 24];
};

static struct instant_text instant(int64_t ms) {
    struct instant_text t = {"-"};
    if (ms >= TIME_MIN_MS && ms < TIME_END_MS)
        t.text[instant_format(ms, t.text)] = '\0';
    else if (ms != TS_NONE)
        (void)snprintf(t.text, sizeof t.text, "%" PRId64, ms);
    return t;
}

static const char *plural(size_t n) {
    return n == 1 ? "" : "s";
}

static void print_identity(FILE *out, const struct identity *i) {
    (void)fprintf(out,
                  "  of           topic %s, partition %" PRId32 ", Kafka cluster %s\n"
                  "  output       %s\n"
                  "  settings     %s\n",
                  i->topic, i->partition, i->cluster, i->output, i->settings);
}

static void print_totals(FILE *out, const struct totals *read, const struct totals *listed) {
    (void)fprintf(out, "  totals       %-8s  %14s  %-16s  %14s  %-16s\n", "class", "read", "hash",
                  "listed", "hash");
    for (int c = 0; c < CLASS_COUNT; c++)
        (void)fprintf(out,
                      "               %-8s  %14" PRIu64 "  %016" PRIx64 "  %14" PRIu64
                      "  %016" PRIx64 "\n",
                      event_class_name((enum event_class)c), read[c].events, read[c].hash,
                      listed[c].events, listed[c].hash);
}

static void print_gaps(FILE *out, const struct checkpoint *c) {
    (void)fprintf(out, "  gaps         %zu%s\n", c->n_gaps,
                  c->n_gaps ? ": events that are not stored yet, to be read again after a crash"
                            : "");
    for (size_t i = 0; i < c->n_gaps; i++)
        (void)fprintf(out,
                      "               %-8s  %-24s  offsets %" PRId64 " to %" PRId64 ", %" PRIu64
                      " event%s\n",
                      event_class_name(c->gaps[i].class), instant(c->gaps[i].window).text,
                      c->gaps[i].from, c->gaps[i].to, c->gaps[i].events, plural(c->gaps[i].events));
}

static void print_files(FILE *out, const char *title, const char *meaning,
                        const struct file_entry *files, size_t n) {
    (void)fprintf(out, "  %-11s  %zu%s%s\n", title, n, n ? ": " : "", n ? meaning : "");
    for (size_t i = 0; i < n; i++) {
        const struct file_entry *f = &files[i];
        (void)fprintf(out,
                      "               %-8s  %-24s  %" PRIu64 " event%s, offsets %" PRId64
                      " to %" PRId64 ", %" PRIu64 " bytes, crc32c %08" PRIx32 "\n"
                      "                 %s\n",
                      event_class_name(f->class), instant(f->window).text, f->count.events,
                      plural(f->count.events), f->first, f->last, f->bytes, f->crc32c, f->key);
        if (f->upload)
            (void)fprintf(out, "                 upload %s, %zu part%s\n", f->upload, f->n_parts,
                          plural(f->n_parts));
    }
}

static void print_losses(FILE *out, const struct checkpoint *c) {
    for (size_t i = 0; i < c->n_losses; i++) {
        const struct loss *l = &c->losses[i];
        (void)fprintf(out,
                      "  LOST         offsets %" PRId64 " to %" PRId64
                      " were gone from Kafka (--allow-data-loss), with ",
                      l->from, l->to);
        if (l->events < 0)
            (void)fputs("nobody knows how many events\n", out);
        else
            (void)fprintf(out, "%" PRId64 " event%s\n", l->events, plural((size_t)l->events));
    }
}

static void print_writer(FILE *out, const struct checkpoint *c, int64_t age_ms) {
    (void)fprintf(out, "  written      %s by %s, process %" PRId64 ", version %s", c->writer_time,
                  c->writer_host, c->writer_pid, c->writer_version);
    if (age_ms >= 0) {
        struct buffer age;
        buffer_init(&age, AGE_TEXT_MAX);
        format_duration(age_ms / 1000 * 1000, &age);
        (void)fprintf(out, " (%s ago)", buffer_text(&age));
        buffer_free(&age);
    }
    (void)fprintf(out, "\n  claim id     %s\n", c->claim_id);
}

static void print_progress(FILE *out, const struct checkpoint *c) {
    (void)fprintf(out, "  next         %" PRId64 ": every record below is accounted for\n",
                  c->next);
    if (c->has_last)
        (void)fprintf(out, "  last         offset %" PRId64 ", crc32c %08" PRIx32 "\n",
                      c->last_offset, c->last_crc32c);
    else
        (void)fputs("  last         no record yet\n", out);
    (void)fprintf(out,
                  "  replay from  %" PRId64 " (%" PRId64
                  " offsets to read again after a crash; greatest timestamp before: %s)\n",
                  c->replay_from, c->next - c->replay_from, instant(c->replay_max_ts).text);
}

void inspect_print_checkpoint(FILE *out, const char *where, int64_t age_ms,
                              const struct checkpoint *c) {
    (void)fprintf(out, "%s\n  checkpoint   %" PRIu64 "%s\n", where, c->number,
                  c->claim ? ", a claim" : "");
    print_writer(out, c, age_ms);
    print_identity(out, &c->identity);
    print_progress(out, c);
    print_gaps(out, c);
    print_files(out, "open files", "their stored parts, visible to nobody yet", c->files,
                c->n_files);
    print_files(out, "commits", "finished, about to be visible and in a manifest", c->commits,
                c->n_commits);
    print_losses(out, c);
    print_totals(out, c->read, c->listed);
}

void inspect_print_manifest(FILE *out, const char *where, const struct manifest *m) {
    (void)fprintf(out, "%s\n  manifest     of checkpoint %" PRIu64 "\n", where, m->checkpoint);
    print_identity(out, &m->identity);
    (void)fprintf(out, "  next         %" PRId64 "\n", m->next);
    print_files(out, "files", "visible", m->files, m->n_files);
    print_totals(out, m->read, m->listed);
}

int inspect_print_json(FILE *out, const char *data, size_t len, struct error *e) {
    json_error_t why;
    json_t *o = json_loadb(data, len, JSON_REJECT_DUPLICATES, &why);
    if (!o)
        return error_set(e, ERR_CORRUPT, "it is no JSON: %s", why.text);
    int rc = json_dumpf(o, out, JSON_INDENT(2));
    (void)fputc('\n', out);
    json_decref(o);
    return rc == 0 ? 0 : error_set(e, ERR_IO, "cannot write to standard output");
}
