/* /tidemark/files, /checkpoints, /errors, /samples and /settings. docs/rest.md. */
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/memory.h"
#include "control/rest.h"

size_t rest_limit(const struct http_request *r, size_t most) {
    const char *text = r->query(r, "limit");
    if (!text || *text < '0' || *text > '9')
        return most;
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    return *end || n == 0 || n > most ? most : (size_t)n;
}

/* ---- Files --------------------------------------------------------------------------------------- */

/* The watermark that seals a window's file. */
static int64_t closes_at(const struct job_info *info, const struct open_file_metrics *f) {
    return f->window_end == TS_NONE ? TS_NONE : f->window_end - 1 + info->allowed_lateness_ms;
}

static json_t *open_json(const struct job_info *info, const struct open_file_metrics *f) {
    return json_pack(
        "{s:i,s:s,s:o,s:o,s:o,s:s,s:o,s:o,s:o,s:o}", "partition", (int)f->partition, "class",
        event_class_name(f->class), "window_start", rest_time(f->window_start), "window_end",
        rest_time(f->window_end), "closes_at", rest_time(closes_at(info, f)), "state",
        file_state_name(f->state), "events", rest_count(f->events), "bytes", rest_count(f->bytes),
        "acknowledged_events", rest_count(f->acknowledged_events), "age_ms", rest_known(f->age_ms));
}

static json_t *published_json(const struct journal_file *f) {
    return json_pack("{s:o,s:o,s:i,s:s,s:o,s:o,s:o,s:o,s:o}", "id", rest_count(f->id), "at_ms",
                     rest_time(f->at_ms), "partition", (int)f->partition, "class",
                     event_class_name(f->class), "window_start", rest_time(f->window_start),
                     "visibility_ms", rest_known(f->visibility_ms), "events", rest_count(f->events),
                     "bytes", rest_count(f->bytes), "key", json_text(f->key));
}

/* Open files are listed only while somebody asks: the first call begins that. */
void tidemark_files(const struct http_request *r, struct http_answer *a) {
    const struct http_config *cfg = r->cfg;
    size_t most = rest_limit(r, JOURNAL_FILES);
    bool watched = metrics_watched(cfg->metrics);
    metrics_watch(cfg->metrics);
    struct job_metrics m;
    metrics_copy(cfg->metrics, &m);
    json_t *open = json_array(), *published = json_array();
    for (size_t i = 0; i < m.n_files; i++)
        (void)json_array_append_new(open, open_json(cfg->info, &m.files[i]));
    struct journal_file *files = xcalloc(most, sizeof *files);
    uint64_t ever;
    size_t n = journal_files(cfg->journal, files, most, &ever);
    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(published, published_json(&files[i]));
    answer_json(a, json_pack("{s:o,s:b,s:b,s:o,s:o}", "open", open, "cut", m.files_cut, "watched",
                             watched, "published", published, "published_ever", rest_count(ever)));
    free(files);
    job_metrics_free(&m);
}

/* ---- Checkpoints and errors ---------------------------------------------------------------------- */

static json_t *checkpoint_json(const struct journal_checkpoint *c) {
    json_t *why = c->failed ? json_text(c->why) : json_null();
    return json_pack("{s:o,s:o,s:i,s:o,s:b,s:b,s:o,s:o,s:o,s:i,s:i,s:i,s:o}", "id",
                     rest_count(c->id), "at_ms", rest_time(c->at_ms), "partition",
                     (int)c->partition, "number", c->failed ? json_null() : rest_count(c->number),
                     "failed", c->failed, "savepoint", c->savepoint, "duration_ms",
                     rest_known(c->duration_ms), "bytes", rest_count(c->bytes), "next",
                     rest_known(c->next), "gaps", (int)c->gaps, "open_files", (int)c->open_files,
                     "commits", (int)c->commits, "why", why);
}

void tidemark_checkpoints(const struct http_request *r, struct http_answer *a) {
    size_t most = rest_limit(r, JOURNAL_CHECKPOINTS);
    struct journal_checkpoint *list = xcalloc(most, sizeof *list);
    uint64_t ever;
    size_t n = journal_checkpoints(r->cfg->journal, list, most, &ever);
    json_t *checkpoints = json_array();
    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(checkpoints, checkpoint_json(&list[i]));
    answer_json(a, json_pack("{s:o,s:o}", "checkpoints", checkpoints, "ever", rest_count(ever)));
    free(list);
}

static json_t *error_json(const struct journal_error *e) {
    return json_pack("{s:o,s:o,s:o,s:o,s:o}", "id", rest_count(e->id), "at_ms", rest_time(e->at_ms),
                     "partition", rest_partition(e->partition), "kind", json_text(e->kind), "text",
                     json_text(e->text));
}

void tidemark_errors(const struct http_request *r, struct http_answer *a) {
    size_t most = rest_limit(r, JOURNAL_ERRORS);
    struct journal_error *list = xcalloc(most, sizeof *list);
    uint64_t ever;
    size_t n = journal_errors(r->cfg->journal, list, most, &ever);
    json_t *errors = json_array();
    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(errors, error_json(&list[i]));
    answer_json(a, json_pack("{s:o,s:o}", "errors", errors, "ever", rest_count(ever)));
    free(list);
}

/* ---- Samples ------------------------------------------------------------------------------------- */

/* How many bytes a character that begins so has; 1 where none does. */
static size_t sequence_of(unsigned char lead) {
    if (lead < 0xc2 || lead > 0xf4)
        return 1;
    return lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

/* Where the value was cut, it may have been within a character, which is left out then. */
static size_t whole_characters(const char *text, size_t len, bool cut) {
    size_t n = len;
    while (cut && n > 0 && len - n < 3 && ((unsigned char)text[n - 1] & 0xc0) == 0x80)
        n--; /* n - 1 is where the last character begins */
    return cut && n > 0 && sequence_of((unsigned char)text[n - 1]) > len - (n - 1) ? n - 1 : len;
}

static void set_value(json_t *o, const struct journal_sample *s) {
    size_t len = whole_characters(s->value, s->kept, s->kept < s->value_len);
    json_t *text = json_stringn(s->value, len); /* NULL where it is no UTF-8 */
    if (text) {
        (void)json_object_set_new(o, "value", text);
    } else {
        struct buffer b;
        buffer_init(&b, 2L * JOURNAL_VALUE_MAX);
        (void)base64_append(&b, s->value, s->kept);
        (void)json_object_set_new(o, "value_base64", json_string(buffer_text(&b)));
        buffer_free(&b);
    }
    (void)json_object_set_new(o, "value_len", rest_count(s->value_len));
    (void)json_object_set_new(o, "cut", json_boolean(s->kept < s->value_len));
}

static json_t *sample_json(const struct journal_sample *s, bool late) {
    json_t *o = json_pack("{s:o,s:o,s:i,s:I,s:o}", "id", rest_count(s->id), "at_ms",
                          rest_time(s->at_ms), "partition", (int)s->partition, "offset",
                          (json_int_t)s->offset, "record_ts", rest_time(s->record_ts));
    if (late) {
        (void)json_object_set_new(o, "ts", rest_time(s->ts));
        (void)json_object_set_new(o, "window_start", rest_time(s->window_start));
        (void)json_object_set_new(o, "watermark", rest_time(s->watermark));
    } else {
        (void)json_object_set_new(o, "reason", json_text(s->reason));
        (void)json_object_set_new(o, "detail", json_text(s->detail));
    }
    set_value(o, s);
    return o;
}

static json_t *samples_json(const struct http_request *r, bool late, uint64_t *ever) {
    struct journal_sample *list = xcalloc(JOURNAL_SAMPLES, sizeof *list);
    size_t n = journal_samples(r->cfg->journal, late, list, rest_limit(r, JOURNAL_SAMPLES), ever);
    json_t *json = json_array();
    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(json, sample_json(&list[i], late));
    free(list);
    return json;
}

void tidemark_samples(const struct http_request *r, struct http_answer *a) {
    uint64_t late_ever, rejected_ever;
    json_t *late = samples_json(r, true, &late_ever);
    json_t *rejected = samples_json(r, false, &rejected_ever);
    answer_json(a, json_pack("{s:o,s:o,s:o,s:o}", "late", late, "rejected", rejected, "late_ever",
                             rest_count(late_ever), "rejected_ever", rest_count(rejected_ever)));
}

/* ---- Settings ------------------------------------------------------------------------------------ */

void tidemark_settings(const struct http_request *r, struct http_answer *a) {
    const struct job_info *info = r->cfg->info;
    json_t *settings = json_array();
    for (size_t i = 0; i < info->n_settings; i++) {
        const struct info_setting *s = &info->settings[i];
        (void)json_array_append_new(settings,
                                    json_pack("{s:o,s:o,s:o}", "key", json_text(s->key), "value",
                                              json_text(s->value), "origin", json_text(s->origin)));
    }
    answer_json(a, json_pack("{s:o}", "settings", settings));
}
