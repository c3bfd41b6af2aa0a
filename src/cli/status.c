/* tidemark status: is it healthy, and if not, where does it hang? */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "cli/client.h"
#include "cli/text.h"

enum { WATCH_MS = 1000, VIEW_MAX = 1024 * 1024 };

static const struct cli_option options[] = {
    CLIENT_OPTION_URL,
    {"watch", NULL, "renew it every second, until the job or Ctrl-C ends it"},
    {"json", NULL, "the interface's own answer; with --watch a line a second"},
    {0}};

static const struct cli_spec spec = {
    .name = "status",
    .summary = "Says whether the job is healthy and, if not, where it hangs and what to do; then "
               "its speed, memory, partitions and checkpoints.",
    .options = options};

/* ---- The view ----------------------------------------------------------------------------------- */

static int64_t time_of(const json_t *object, const char *name) {
    return json_is_integer(json_object_get(object, name)) ? client_number(object, name) : INT64_MIN;
}

static void view_findings(struct buffer *b, const json_t *health) {
    size_t i;
    json_t *finding;
    const char *summary = client_text(health, "summary");
    (void)buffer_printf(b, "%s: %s\n", client_text(health, "level"), summary);
    json_array_foreach(json_object_get(health, "findings"), i, finding) {
        const char *text = client_text(finding, "text"), *advice = client_text(finding, "advice");
        if (strcmp(text, summary) != 0) /* else it has been said */
            (void)buffer_printf(b, "%s: %s\n", client_text(finding, "level"), text);
        if (*advice)
            (void)buffer_printf(b, "  -> %s\n", advice);
    }
}

static void view_job(struct buffer *b, const json_t *job) {
    char since[TEXT_MAX], up[TEXT_MAX];
    int64_t now = client_number(job, "now_ms");
    (void)buffer_printf(b, "\njob %s (%s) %s for %s, process %s:%" PRId64 " up %s, tidemark %s\n",
                        client_text(job, "name"), client_text(job, "id"), client_text(job, "state"),
                        text_duration(now - client_number(job, "since_ms"), since),
                        client_text(job, "host"), client_number(job, "pid"),
                        text_duration(now - client_number(job, "started_ms"), up),
                        client_text(job, "version"));
    (void)buffer_printf(b, "  topic %s at %s\n  output %s\n  checkpoints %s\n",
                        client_text(job, "topic"), client_text(job, "brokers"),
                        client_text(job, "output"), client_text(job, "checkpoints"));
}

static void view_progress(struct buffer *b, const json_t *progress) {
    char left[TEXT_MAX], todo[TEXT_MAX];
    const json_t *share = json_object_get(progress, "share");
    int64_t seconds = client_number(progress, "seconds_left");
    if (!json_is_number(share))
        return;
    (void)buffer_printf(b, "  progress     %.1f %%, %s records to go, %s left\n",
                        json_number_value(share) * 100,
                        text_count(client_number(progress, "todo"), todo),
                        seconds < 0 ? "unknown time" : text_duration(seconds * 1000, left));
}

static void view_speed(struct buffer *b, const json_t *status) {
    const json_t *rates = json_object_get(status, "rates"), *w = json_object_get(status, "worker");
    const json_t *stores = json_object_get(status, "stores"),
                 *output = json_object_get(stores, "output"),
                 *memory = json_object_get(status, "memory");
    char n[4][TEXT_MAX];
    (void)buffer_printf(b, "\n  speed        %s records/s, %s/s in, %s/s out\n",
                        text_count(client_number(rates, "records"), n[0]),
                        text_bytes(client_number(rates, "bytes_in"), n[1]),
                        text_bytes(client_number(rates, "bytes_out"), n[2]));
    (void)buffer_printf(
        b, "  worker       busy %.0f %%, waits for the store %.0f %%, idle %.0f %%\n",
        (double)client_number(w, "busy") / 10, (double)client_number(w, "backpressured") / 10,
        (double)client_number(w, "idle") / 10);
    (void)buffer_printf(b, "  store        busy %.0f %%, %s requests, %s errors, %s retries\n",
                        (double)client_number(output, "busy") / 10,
                        text_count(client_number(output, "requests"), n[0]),
                        text_count(client_number(output, "errors"), n[1]),
                        text_count(client_number(output, "retries"), n[2]));
    (void)buffer_printf(b, "  memory       %s of %s (most ever %s)\n",
                        text_bytes(client_number(memory, "used"), n[0]),
                        text_bytes(client_number(memory, "limit"), n[1]),
                        text_bytes(client_number(memory, "peak"), n[2]));
    view_progress(b, json_object_get(status, "progress"));
}

static void view_partition(struct buffer *b, const json_t *p) {
    const json_t *events = json_object_get(p, "events"), *k = json_object_get(p, "checkpoint");
    char n[8][TEXT_MAX];
    (void)buffer_printf(
        b, "%5" PRId64 "  %-8s %15s %12s %9s  %-20s %7" PRId64 " %10s %8s %9s\n",
        client_number(p, "partition"), client_text(p, "state"),
        text_count(client_number(p, "position"), n[0]), text_count(client_number(p, "lag"), n[1]),
        text_duration(client_number(p, "lag_seconds") < 0 ? -1
                                                          : client_number(p, "lag_seconds") * 1000,
                      n[2]),
        text_time(time_of(p, "watermark"), n[3]), client_number(p, "open_windows"),
        text_count(client_number(events, "late"), n[4]),
        text_count(client_number(events, "rejected"), n[5]),
        text_duration(client_number(k, "age_ms"), n[6]));
}

static void view(struct buffer *b, const json_t *status) {
    size_t i;
    json_t *partition;
    view_findings(b, json_object_get(status, "health"));
    view_job(b, json_object_get(status, "job"));
    view_speed(b, status);
    (void)buffer_printf(b, "\n%5s  %-8s %15s %12s %9s  %-20s %7s %10s %8s %9s\n", "PART", "STATE",
                        "POSITION", "LAG", "BEHIND", "WATERMARK", "WINDOWS", "LATE", "REJECTED",
                        "CHK AGE");
    json_array_foreach(json_object_get(status, "partitions"), i, partition)
        view_partition(b, partition);
}

/* ---- Once, or again and again --------------------------------------------------------------------- */

static int show(struct client *c, bool json, bool watch, struct error *e) {
    json_t *status = client_get(c, e, "/tidemark/status");
    if (!status)
        return -1;
    if (json && watch) {
        (void)json_dumpf(status, stdout, JSON_COMPACT);
        (void)fputc('\n', stdout);
    } else if (json) {
        text_json(stdout, status);
    } else {
        struct buffer b;
        buffer_init(&b, VIEW_MAX);
        view(&b, status);
        if (watch && isatty(STDOUT_FILENO))
            (void)fputs("\033[H\033[2J", stdout);
        (void)fwrite(b.data, 1, b.len, stdout);
        buffer_free(&b);
    }
    json_decref(status);
    return 0;
}

static int show_status(struct client *c, const struct cli_args *args, struct error *e) {
    bool json = cli_given(args, "json"), watch = cli_given(args, "watch");
    int rc = show(c, json, watch, e);
    /* Until nobody looks on any more, too; cli_main says so. */
    while (watch && rc == 0 && fflush(stdout) == 0) {
        clock_sleep(WATCH_MS);
        rc = show(c, json, watch, e);
        if (rc != 0 && e->code == ERR_UNAVAILABLE) {
            (void)fprintf(stderr, "the job at %s has ended\n", client_url(c));
            return 0;
        }
    }
    return rc;
}

int cli_status(int argc, char **argv) {
    return client_command(&spec, argc, argv, show_status);
}
