#include "support/control_world.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static struct job_info some_info(struct control_world *w) {
    static char place[] = "s3://b/chk/clicks/events/", host[] = "h";
    static char keys[][16] = {"name", "s3.secret_key"}, values[][16] = {"clicks", "***"};
    static char origins[][16] = {"job.yaml:1", "environment"};
    for (size_t i = 0; i < 2; i++)
        w->settings[i] = (struct info_setting){keys[i], values[i], origins[i]};
    return (struct job_info){.id = CONTROL_JOB_ID,
                             .name = "clicks",
                             .topic = "events",
                             .group_id = "g",
                             .brokers = "localhost:9092",
                             .output = "s3://b/out/",
                             .checkpoints = place,
                             .version = "1.2.3",
                             .host = host,
                             .pid = 42,
                             .window_size_ms = 300000,
                             .out_of_orderness_ms = 60000,
                             .checkpoint_interval_ms = 30000,
                             .checkpoint_min_pause_ms = 5000,
                             .checkpoint_timeout_ms = 60000,
                             .tolerable_failures = 3,
                             .parallelism = 1,
                             .settings = w->settings,
                             .n_settings = 2};
}

struct control_world *control_world_new(void) {
    struct control_world *w = xcalloc(1, sizeof *w);
    fake_clock_init(&w->clock);
    w->info = some_info(w);
    w->metrics = metrics_new(&w->clock.clock);
    w->journal = journal_new(&w->clock.clock);
    w->requests = requests_new(&w->command, CONTROL_STOP, CONTROL_DRAIN);
    w->cfg = (struct http_config){.host = "127.0.0.1",
                                  .info = &w->info,
                                  .metrics = w->metrics,
                                  .journal = w->journal,
                                  .requests = w->requests};
    w->guard = (struct guard){.host = "127.0.0.1", .machine = "h", .loopback = true};
    w->headers = (struct guard_headers){.host = "127.0.0.1:8081"};
    return w;
}

void control_world_free(struct control_world *w) {
    requests_free(w->requests);
    journal_free(w->journal);
    metrics_free(w->metrics);
    free(w);
}

struct control_answer control_ask(struct control_world *w, const char *method, const char *uri,
                                  const char *body) {
    struct dispatch *d = xcalloc(1, sizeof *d);
    dispatch_init(d, &w->cfg, &w->guard);
    if (dispatch_begin(d, method, uri, &w->headers))
        dispatch_run(d, body, strlen(body));
    struct control_answer a = {.status = d->answer.status, .type = d->answer.type};
    a.text = d->answer.fixed ? xstrndup(d->answer.fixed, d->answer.fixed_len)
                             : xstrdup(buffer_text(&d->answer.body));
    a.json = json_loads(a.text, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    dispatch_free(d);
    free(d);
    return a;
}

void control_answer_free(struct control_answer *a) {
    free(a->text);
    json_decref(a->json);
}
