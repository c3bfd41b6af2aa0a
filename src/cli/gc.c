/* tidemark gc: removes uploads that crashes have left behind (rule 10). */
#include "cli/cli.h"
#include "job/gc.h"
#include "job/stores.h"

static const struct cli_option options[] = {
    {"dry-run", NULL, "only say what would be removed"},
    {0},
};

static const struct cli_spec spec = {
    .name = "gc",
    .summary = "Removes unfinished uploads below output.path that no newest checkpoint lists and "
               "that were begun more than 24 hours ago by the store's clock. Nothing that readers "
               "see is touched; the job may be running.",
    .config = true,
    .options = options,
};

int cli_gc(int argc, char **argv) {
    struct cli_args args;
    struct settings s;
    struct stores stores;
    struct error e = {0};
    int code;
    if (!cli_parse(&spec, argc, argv, &args, &code))
        return code;
    if (cli_settings(&args, &s, &code)) {
        struct gc_config cfg = {.dry_run = cli_given(&args, "dry-run"), .out = stdout};
        int rc = stores_open(&s, &stores, &e);
        if (rc == 0) {
            cfg.checkpoints = stores.checkpoints;
            cfg.output = stores.output;
            rc = gc_run(&cfg, &e);
            stores_close(&stores);
        }
        code = rc == 0 ? EXIT_DONE : cli_fail(spec.name, &e);
        settings_free(&s);
    }
    cli_args_free(&args);
    return code;
}
