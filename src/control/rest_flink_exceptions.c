#include <stdlib.h>

#include "base/memory.h"
#include "control/rest_flink.h"

/* The subtask's name where trouble is a partition's; NULL where it is the job's. */
static char *task_of(const struct job_info *info, const struct journal_error *e) {
    if (e->partition < 0)
        return NULL;
    char *vertex = flink_vertex_name(info, VERTEX_WORKER);
    char *name = xasprintf("%s (partition %d)", vertex, (int)e->partition);
    free(vertex);
    return name;
}

/* Flink leaves out the task and its place where a failure is the job's. */
static json_t *history_entry(const struct job_info *info, const struct journal_error *e) {
    json_t *json = json_pack("{s:o, s:o, s:I, s:{}, s:[]}", "exceptionName", json_text(e->kind),
                             "stacktrace", json_text(e->text), "timestamp", (json_int_t)e->at_ms,
                             "failureLabels", "concurrentExceptions");
    char *task = task_of(info, e);
    if (task) {
        (void)json_object_set_new(json, "taskName", json_text(task));
        (void)json_object_set_new(json, "location", flink_place(info));
        (void)json_object_set_new(json, "taskManagerId", flink_place(info));
    }
    free(task);
    return json;
}

/* The older list, of tasks' failures only. */
static void add_task_exception(json_t *list, const struct job_info *info,
                               const struct journal_error *e) {
    char *task = task_of(info, e);
    if (!task)
        return;
    (void)json_array_append_new(
        list, json_pack("{s:o, s:o, s:o, s:I, s:o}", "exception", json_text(e->text), "task",
                        json_text(task), "location", flink_place(info), "timestamp",
                        (json_int_t)e->at_ms, "taskManagerId", flink_place(info)));
    free(task);
}

/* ?maxExceptions=N; Flink's default is 20, ours is all that there are. */
static size_t limit(const struct http_request *r) {
    const char *text = r->query(r, "maxExceptions");
    unsigned long n = text ? strtoul(text, NULL, 10) : JOURNAL_ERRORS;
    return n < JOURNAL_ERRORS ? n : JOURNAL_ERRORS;
}

void flink_exceptions(const struct http_request *r, struct http_answer *a) {
    if (!answer_for_job(r, a))
        return;
    const struct job_info *info = r->cfg->info;
    struct journal_error *list = xcalloc(JOURNAL_ERRORS, sizeof *list);
    uint64_t ever;
    size_t n = journal_errors(r->cfg->journal, list, JOURNAL_ERRORS, &ever);
    size_t shown = n < limit(r) ? n : limit(r);
    json_t *history = json_array(), *all = json_array();
    for (size_t i = 0; i < shown; i++) {
        (void)json_array_append_new(history, history_entry(info, &list[i]));
        add_task_exception(all, info, &list[i]);
    }
    answer_json(a, json_pack("{s:o, s:o, s:o, s:b, s:{s:o, s:b}}", "root-exception",
                             json_text(n ? list[0].text : NULL), "timestamp",
                             n ? json_integer(list[0].at_ms) : json_null(), "all-exceptions", all,
                             "truncated", ever > shown, "exceptionHistory", "entries", history,
                             "truncated", ever > shown));
    free(list);
}
