/* tidemark verify: is the output complete and without duplicates? */
#include "cli/cli.h"

#include <string.h>

#include "event/instant.h"
#include "job/stores.h"
#include "job/verify.h"

enum { KAFKA_PATIENCE_MS = 30000 };

static const struct cli_option options[] = {
    {"deep", NULL,
     "read every file back (lines, CRC), and compare all with Kafka where it retains the log from "
     "the job's start"},
    {"since", "TIME",
     "check only what was listed since then, such as 2024-10-22T21:00:00Z; earlier manifests are "
     "taken as verified"},
    {"allow-removed", NULL, "missing files are no problem: consumers take them away"},
    {0},
};

static const struct cli_spec spec = {
    .name = "verify",
    .summary = "Reconciles checkpoints, manifests and files: everything read is listed or still "
               "waiting, every listed file is there, and no file is there that is not listed. "
               "Only reads; the job may be running. Exit code 0 only where the output is complete "
               "and without duplicates.",
    .config = true,
    .options = options,
};

/* Assigned by hand, nothing happens but what is asked for. */
static void on_assigned(void *ctx, const int32_t *partitions, size_t n) {
    (void)ctx, (void)partitions, (void)n;
}

static void on_revoked(void *ctx) {
    (void)ctx;
}

static void on_failed(void *ctx, const struct error *e) {
    *(struct error *)ctx = *e;
}

static int since(const struct cli_args *args, struct verify_config *cfg, struct error *e) {
    const char *value = cli_value(args, "since");
    if (!value)
        return 0;
    cfg->has_since = true;
    if (instant_parse(value, strlen(value), &cfg->since_ms) == 0)
        return 0;
    return error_set(e, ERR_USAGE,
                     "--since: \"%s\" is not a time with a zone, such as 2024-10-22T21:00:00Z",
                     value);
}

static struct source *open_kafka(const struct settings *s, struct error *failed, struct error *e) {
    struct kafka_config cfg;
    struct source_handler handler = {
        .ctx = failed, .assigned = on_assigned, .revoked = on_revoked, .failed = on_failed};
    settings_kafka_config(s, &cfg);
    cfg.use_group = false; /* looking on must not move partitions of a running job */
    cfg.all = true;
    return rdkafka_source_new(&cfg, &handler, e);
}

static int verify(const struct settings *s, const struct verify_config *asked, struct error *e) {
    struct verify_config cfg = *asked;
    struct stores stores;
    struct event_rules rules;
    struct error failed = {0};
    char settings[17];
    size_t problems = 0;
    if (stores_open(s, &stores, e) != 0)
        return -1;
    settings_event_rules(s, &rules);
    settings_hash(s, settings);
    cfg.checkpoints = stores.checkpoints;
    cfg.output = stores.output;
    cfg.name = s->name;
    cfg.topic = s->kafka.topic;
    cfg.output_path = s->output.path;
    cfg.out = stdout;
    cfg.rules = &rules;
    cfg.settings = settings;
    cfg.clock = clock_system();
    cfg.patience_ms = KAFKA_PATIENCE_MS;
    int rc = 0;
    if (cfg.deep) {
        cfg.source = open_kafka(s, &failed, e);
        rc = cfg.source ? 0 : -1;
    }
    if (rc == 0)
        rc = verify_run(&cfg, &problems, e);
    if (rc != 0 && failed.code != ERR_NONE)
        *e = failed; /* "authentication failed" tells more than the time-out that follows */
    if (cfg.source)
        cfg.source->ops->free(cfg.source);
    stores_close(&stores);
    return rc != 0 ? -1 : problems > 0;
}

int cli_verify(int argc, char **argv) {
    struct cli_args args;
    struct settings s;
    struct error e = {0};
    int code;
    if (!cli_parse(&spec, argc, argv, &args, &code))
        return code;
    struct verify_config cfg = {.deep = cli_given(&args, "deep"),
                                .allow_removed = cli_given(&args, "allow-removed")};
    if (since(&args, &cfg, &e) != 0) {
        code = cli_fail(spec.name, &e);
    } else if (cli_settings(&args, &s, &code)) {
        int rc = verify(&s, &cfg, &e);
        code = rc < 0 ? cli_fail(spec.name, &e) : rc > 0 ? EXIT_FAILED : EXIT_DONE;
        settings_free(&s);
    }
    cli_args_free(&args);
    return code;
}
