#include "cli/outside.h"

#include "base/log.h"
#include "job/describe.h"

enum { TELL_PATIENCE_MS = 5000 };

static int serve(struct outside *o, const struct settings *s, struct error *e) {
    struct http_config cfg = {.host = o->host,
                              .token = s->http.token,
                              .info = &o->info,
                              .metrics = o->metrics,
                              .journal = o->journal,
                              .requests = o->requests};
    if (settings_listen(s, o->host, sizeof o->host, &cfg.port) != 0)
        return error_set(e, ERR_USAGE, "http.listen: %s is too long", s->http.listen);
    o->server = http_server_start(&cfg, e);
    if (!o->server)
        return -1;
    log_info("http_listening", "http://%s:%u: the page; /metrics; Flink's REST", o->host,
             http_server_port(o->server));
    return 0;
}

int outside_open(struct outside *o, const struct settings *s, struct job_config *job,
                 struct error *e) {
    job_describe(s, job->bounded, job->embedded, &o->info);
    job->metrics = o->metrics = metrics_new(clock_system());
    job->journal = o->journal = journal_new(clock_system());
    job->requests = o->requests = requests_new(job->command, JOB_STOP, JOB_DRAIN);
    o->server = NULL;
    return serve(o, s, e);
}

void outside_ended(struct outside *o, enum worker_end end, bool drained, const struct error *e) {
    enum job_state state = end == WORKER_FAILED            ? JOB_FAILED
                           : end == WORKER_DONE || drained ? JOB_FINISHED
                                                           : JOB_CANCELED;
    metrics_set_state(o->metrics, state);
    requests_ended(o->requests, end != WORKER_FAILED,
                   end == WORKER_FAILED ? e->text : o->info.checkpoints);
    for (int64_t ms = 0; ms < TELL_PATIENCE_MS && requests_untold(o->requests); ms += 20)
        clock_sleep(20);
}

void outside_close(struct outside *o) {
    http_server_stop(o->server);
    requests_free(o->requests);
    journal_free(o->journal);
    metrics_free(o->metrics);
    job_undescribe(&o->info);
}
