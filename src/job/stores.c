#include "job/stores.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/random.h"
#include "store/open.h"

struct store *stores_open_one(const struct settings *s, const char *path, struct error *e) {
    struct stat st;
    struct s3_config cfg;
    if (!store_path_is_s3(path) && stat(path, &st) != 0) {
        (void)error_errno(e, errno, "cannot open %s", path);
        return NULL;
    }
    settings_s3_config(s, &cfg);
    return store_open(path, &cfg, clock_system(), random_system(), e);
}

int stores_open(const struct settings *s, struct stores *stores, struct error *e) {
    *stores = (struct stores){.checkpoints = stores_open_one(s, s->checkpoint.path, e)};
    if (!stores->checkpoints)
        return error_wrap(e, "checkpoint.path");
    stores->output = stores_open_one(s, s->output.path, e);
    if (stores->output)
        return 0;
    stores_close(stores);
    return error_wrap(e, "output.path");
}

void stores_close(struct stores *stores) {
    store_free(stores->checkpoints);
    store_free(stores->output);
    *stores = (struct stores){0};
}
