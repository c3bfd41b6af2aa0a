#include "store/open.h"

#include <string.h>

#include "store/directory.h"
#include "store/retry.h"
#include "store/s3.h"

bool store_path_is_s3(const char *path) {
    return strncmp(path, "s3://", 5) == 0;
}

struct store *store_open(const char *path, const struct s3_config *cfg, struct clock *clock,
                         struct random *random, struct error *e) {
    struct store *inner;
    if (store_path_is_s3(path)) {
        inner = s3_open(path, cfg, clock, e);
    } else if (!*path || strstr(path, "://")) {
        /* s3a:// and file:// come from Flink's and Spark's configurations. */
        (void)error_set(e, ERR_USAGE,
                        "'%.300s' is no store: write s3://bucket/prefix/ or a directory's path",
                        path);
        return NULL;
    } else {
        inner = store_directory_open(path, clock, random, e);
    }
    return inner ? store_retry_new(inner, clock, random) : NULL;
}
