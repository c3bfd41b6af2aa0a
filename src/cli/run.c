#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "cli/cli.h"
#include "cli/embedded_demo.h"
#include "cli/outside.h"
#include "job/job.h"
#include "job/progress.h"

static const struct cli_option options[] = {
    {"bounded", NULL, "end at the offsets that the topic has now, publish everything, exit 0"},
    {"embedded", NULL, "a demo: Kafka and a generator of click events inside the process"},
    {"accept-changes", NULL,
     "take changed event.* or window.* settings or output.path, after a drained or bounded end"},
    {"allow-data-loss", NULL, "go on although Kafka no longer has all that is needed; records it"},
    {"lost", "WHAT",
     "an upload that vanished after it may have been published: rebuild it, or take it as removed "
     "by a consumer"},
    {0}};

static const struct cli_spec spec = {
    .name = "run",
    .summary = "Runs the job in the foreground until it is stopped. SIGINT and SIGTERM end it in "
               "order: a last checkpoint is put, and the next run publishes what open files hold "
               "and goes on from there.",
    .config = true,
    .options = options};

static _Atomic int command = JOB_RUN;
static volatile sig_atomic_t signalled;
static time_t signalled_at;

/* The worker looks at `command` some twenty times a second. A second signal ends at once: nothing is
 * lost by that, the next run reads from the last checkpoint. Within two seconds it is taken for the
 * same one, though: timeout(1) and terminals send theirs to the process and to its group. */
static void on_signal(int number) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    if (signalled && now.tv_sec - signalled_at >= 2)
        _exit(128 + number);
    if (signalled)
        return;
    signalled_at = now.tv_sec;
    signalled = number;
    atomic_store(&command, JOB_STOP);
}

static void catch_signals(void) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

static bool parse_lost(const struct cli_args *args, enum lost_policy *lost, struct error *e) {
    const char *text = cli_value(args, "lost");
    *lost = LOST_STOP;
    if (!text)
        return true;
    if (strcmp(text, "rebuild") == 0)
        *lost = LOST_REBUILD;
    else if (strcmp(text, "removed") == 0)
        *lost = LOST_REMOVED;
    else
        (void)error_set(e, ERR_USAGE, "--lost=%s: it is rebuild or removed", text);
    return *lost != LOST_STOP;
}

static void say_what_runs(const struct settings *s, const struct job_config *job) {
    log_info("starting",
             "tidemark %s, job %s: topic %s at %s to %s (windows of %" PRId64
             " s), checkpoints every %" PRId64 " s at %s%s",
             TIDEMARK_VERSION, s->name, s->kafka.topic, s->kafka.bootstrap_servers, s->output.path,
             s->window.size / 1000, s->checkpoint.interval / 1000, s->checkpoint.path,
             job->bounded ? "; ends at the topic's present end" : "");
}

static int exit_code(enum worker_end end, const struct error *e) {
    switch (end) {
    case WORKER_DONE:
        log_info("done", "everything up to the topic's end is published");
        return EXIT_DONE;
    case WORKER_STOPPED:
        log_info("stopped", "stopped in order; the next run goes on from here");
        return signalled ? 128 + (int)signalled : EXIT_DONE;
    case WORKER_FAILED:
        break;
    }
    if (signalled) { /* it was on its way out anyway, but it must not look like an orderly end */
        log_error("job_failed", "while stopping: %s", e->text);
        return EXIT_FAILED;
    }
    log_error("job_failed", "%s", e->text);
    return e->code == ERR_USAGE ? EXIT_USAGE : EXIT_FAILED;
}

static int run(struct job_config *job, struct outside *o, struct error *e) {
    struct progress progress;
    progress_init(&progress, isatty(STDERR_FILENO));
    job->progress = progress_show;
    job->progress_ctx = &progress;
    enum worker_end end = job_run(job, e);
    progress_end(&progress);
    int code = exit_code(end, e);
    log_flush(true);
    outside_ended(o, end, atomic_load(&command) == JOB_DRAIN, e);
    return code;
}

/* The port comes before demo/: where it is taken, another demo may be running in this directory. */
static int run_served(struct job_config *job, const struct settings *s, struct embedded_demo *demo,
                      struct error *e) {
    struct outside outside;
    int code;
    if (outside_open(&outside, s, job, e) != 0) {
        code = exit_code(WORKER_FAILED, e);
    } else if (demo && embedded_demo_start(demo, e) != 0) {
        code = cli_fail("run", e);
    } else {
        say_what_runs(s, job);
        code = run(job, &outside, e);
    }
    outside_close(&outside);
    return code;
}

/* The demo's settings come before all else, because what is shown of the job borrows them. */
static int run_demo(struct job_config *job, struct settings *s, struct error *e) {
    static _Atomic uint64_t consumed;
    job->consumed = &consumed;
    struct embedded_demo *demo = embedded_demo_new(s, &consumed, e);
    if (!demo)
        return cli_fail("run", e);
    int code = run_served(job, s, demo, e);
    embedded_demo_stop(demo);
    return code;
}

static int run_with_settings(const struct cli_args *args, struct settings *s) {
    struct error e;
    struct job_config job = {.settings = s,
                             .bounded = cli_given(args, "bounded"),
                             .accept_changes = cli_given(args, "accept-changes"),
                             .allow_data_loss = cli_given(args, "allow-data-loss"),
                             .embedded = cli_given(args, "embedded"),
                             .command = &command};
    if (!parse_lost(args, &job.lost, &e))
        return cli_fail("run", &e);
    log_set_job(s->name);
    catch_signals();
    return job.embedded ? run_demo(&job, s, &e) : run_served(&job, s, NULL, &e);
}

int cli_run(int argc, char **argv) {
    struct cli_args args;
    struct settings s;
    int code;
    if (!cli_parse(&spec, argc, argv, &args, &code))
        return code;
    if (cli_settings(&args, &s, &code)) {
        code = run_with_settings(&args, &s);
        settings_free(&s);
    }
    cli_args_free(&args);
    return code;
}
