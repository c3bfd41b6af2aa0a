/* tidemark generate: click events into kafka.topic. */
#include "cli/cli.h"

#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "event/instant.h"
#include "job/settings_values.h"
#include "kafka/generator.h"

#define DEFAULT_RATE 1000.0
#define RATE_MAX 1e9
#define SPEED_MAX 1e9

enum { PROGRESS_MS = 500, DEFAULT_USERS = 1000, DEFAULT_DISORDER_MS = 60000 };

static const struct cli_option options[] = {
    {"events", "N", "stop after so many (default: go on until Ctrl-C)"},
    {"rate", "R", "events per second; 0: as fast as it goes (default: 0 with --events, else 1000)"},
    {"users", "N", "number of different users (default: 1000)"},
    {"disorder", "DURATION",
     "how far events may lie behind the simulated time (default: 1m, but no more than "
     "window.out_of_orderness)"},
    {"late", "SHARE", "share of events that are too late, as 0.01 or 1% (default: 0)"},
    {"malformed", "SHARE", "share of records to be rejected, as 0.01 or 1% (default: 0)"},
    {"speed", "X", "seconds of event time for each second by the clock (default: 1)"},
    {"start", "TIME", "time of the first event, such as 2024-10-22T21:00:00Z (default: now)"},
    {"seed", "S", "equal seeds make equal events (default: 1)"},
    {0},
};

static const struct cli_spec spec = {
    .name = "generate",
    .summary = "Writes click events into kafka.topic, keyed by user_id, each record stamped with "
               "its simulated time. For demonstrations, tests and benchmarks.",
    .config = true,
    .options = options,
};

/* ---- Options ------------------------------------------------------------------------------- */

static int refuse(struct error *e, const char *option, const char *value, const char *expected) {
    return error_set(e, ERR_USAGE, "--%s: \"%s\" is not %s", option, value, expected);
}

static int read_count(const struct cli_args *args, const char *option, int64_t min, int64_t max,
                      int64_t *n, struct error *e) {
    const char *value = cli_value(args, option);
    if (!value || (parse_count(value, n) == 0 && *n >= min && *n <= max))
        return 0;
    char expected[80];
    (void)snprintf(expected, sizeof expected, "a whole number from %" PRId64 " to %" PRId64, min,
                   max);
    return refuse(e, option, value, expected);
}

static int read_number(const struct cli_args *args, const char *option, double max, double *n,
                       struct error *e) {
    const char *value = cli_value(args, option);
    if (!value || (parse_decimal(value, n) == 0 && *n <= max))
        return 0;
    return refuse(e, option, value, "a number such as 1000 or 0.5, at most 1000000000");
}

/* "0.01" or "1%". */
static int read_share(const struct cli_args *args, const char *option, double *share,
                      struct error *e) {
    const char *value = cli_value(args, option);
    if (!value)
        return 0;
    char number[32];
    size_t n = strlen(value);
    bool percent = n > 0 && value[n - 1] == '%';
    if (n < sizeof number) {
        memcpy(number, value, n + 1);
        number[n - percent] = '\0';
        if (parse_decimal(number, share) == 0) {
            *share /= percent ? 100 : 1;
            if (*share <= 1)
                return 0;
        }
    }
    return refuse(e, option, value, "a share (write 0.01 or 1%, at most 1 or 100%)");
}

static int read_times(const struct cli_args *args, struct generator_config *cfg, struct error *e) {
    const char *value = cli_value(args, "disorder");
    if (value && (parse_duration(value, &cfg->disorder_ms) != 0 || cfg->disorder_ms < 0))
        return refuse(e, "disorder", value, "a duration (write 500ms, 30s or 5m)");
    value = cli_value(args, "start");
    if (value && (instant_parse(value, strlen(value), &cfg->start_ms) != 0 || cfg->start_ms <= 0))
        return refuse(e, "start", value, "a time after 1970 (write 2024-10-22T21:00:00Z)");
    return 0;
}

static int read_options(const struct cli_args *args, struct generator_config *cfg,
                        struct error *e) {
    int64_t events = 0, users = DEFAULT_USERS, seed = 1;
    cfg->speed = 1;
    cfg->rate = cli_given(args, "events") ? 0 : DEFAULT_RATE;
    if (read_count(args, "events", 1, INT64_MAX, &events, e) != 0 ||
        read_count(args, "users", 1, UINT32_MAX, &users, e) != 0 ||
        read_count(args, "seed", 0, INT64_MAX, &seed, e) != 0 ||
        read_number(args, "rate", RATE_MAX, &cfg->rate, e) != 0 ||
        read_number(args, "speed", SPEED_MAX, &cfg->speed, e) != 0 ||
        read_share(args, "late", &cfg->late, e) != 0 ||
        read_share(args, "malformed", &cfg->malformed, e) != 0 || read_times(args, cfg, e) != 0)
        return -1;
    if (cfg->speed <= 0)
        return error_set(e, ERR_USAGE, "--speed: it must be more than 0");
    if (cfg->late + cfg->malformed > 1)
        return error_set(e, ERR_USAGE, "--late and --malformed are more than all events");
    cfg->events = (uint64_t)events;
    cfg->users = (uint32_t)users;
    cfg->seed = (uint64_t)seed;
    return 0;
}

static int configure(const struct cli_args *args, const struct settings *s,
                     struct generator_config *cfg, struct error *e) {
    int64_t most = s->window.out_of_orderness;
    *cfg = (struct generator_config){
        .bootstrap_servers = s->kafka.bootstrap_servers,
        .topic = s->kafka.topic,
        .properties = s->kafka.properties,
        .n_properties = s->kafka.n_properties,
        .disorder_ms = most < DEFAULT_DISORDER_MS ? most : DEFAULT_DISORDER_MS,
        .late_by_ms = s->window.out_of_orderness + s->window.size + s->window.allowed_lateness,
    };
    return read_options(args, cfg, e);
}

/* ---- Running ------------------------------------------------------------------------------- */

static atomic_bool stop;
static atomic_int stop_signal;

static void on_signal(int number) {
    atomic_store(&stop_signal, number);
    atomic_store(&stop, true);
}

static void catch_signals(void) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

struct progress {
    bool terminal;
    int64_t begun, shown;
    uint64_t produced; /* when shown */
};

/* The generator asks now and then whether to wait; the answer is no. */
static bool show_progress(void *ctx, uint64_t produced) {
    struct progress *p = ctx;
    int64_t now = clock_monotonic(clock_system());
    if (!p->terminal || now - p->shown < PROGRESS_MS)
        return false;
    double rate = (double)(produced - p->produced) * 1000 / (double)(now - p->shown);
    (void)fprintf(stderr, "\r\033[K%" PRIu64 " events, %.0f/s", produced, rate);
    p->shown = now;
    p->produced = produced;
    return false;
}

static void summarize(const struct generator_result *r, int64_t ms) {
    double seconds = ms > 0 ? (double)ms / 1000 : 0.001;
    (void)printf("%" PRIu64 " events (%" PRIu64 " late, %" PRIu64 " malformed), %.1f MB in %.1f s: "
                 "%.0f events/s\n",
                 r->events, r->late, r->malformed, (double)r->bytes / 1e6, seconds,
                 (double)r->events / seconds);
}

static int generate(struct generator_config *cfg) {
    struct error e = {0};
    struct generator_result result = {0};
    int64_t now = clock_monotonic(clock_system());
    struct progress progress = {.terminal = isatty(STDERR_FILENO) == 1, .begun = now, .shown = now};
    cfg->hold = show_progress;
    cfg->hold_ctx = &progress;
    catch_signals();
    int rc = generator_run(cfg, &stop, &result, &e);
    if (progress.terminal)
        (void)fputs("\r\033[K", stderr);
    summarize(&result, clock_monotonic(clock_system()) - progress.begun);
    int number = atomic_load(&stop_signal);
    if (rc != 0 && e.code != ERR_INTERRUPTED)
        return cli_fail(spec.name, &e);
    if (result.failed > 0) {
        (void)error_set(&e, ERR_IO, "%" PRIu64 " records were not delivered", result.failed);
        return cli_fail(spec.name, &e);
    }
    return number ? 128 + number : EXIT_DONE;
}

int cli_generate(int argc, char **argv) {
    struct cli_args args;
    struct settings s;
    struct generator_config cfg;
    struct error e = {0};
    int code;
    if (!cli_parse(&spec, argc, argv, &args, &code))
        return code;
    if (cli_settings(&args, &s, &code)) {
        code = configure(&args, &s, &cfg, &e) == 0 ? generate(&cfg) : cli_fail(spec.name, &e);
        settings_free(&s);
    }
    cli_args_free(&args);
    return code;
}
