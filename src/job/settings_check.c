/* What no setting can tell by itself: defaults that follow from others, and what must not go
 * together. */
#include "job/settings_layers.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "job/settings_table.h"

enum { S3_PARTS_MAX = 10000, MEMORY_PARTS_MIN = 4 };
#define S3_PART_MIN (UINT64_C(5) << 20)

/* ---- Derived defaults ---------------------------------------------------------------------- */

static void end_with_slash(char **path) {
    size_t n = strlen(*path);
    if (n > 0 && (*path)[n - 1] == '/')
        return;
    char *longer = xasprintf("%s/", *path);
    free(*path);
    *path = longer;
}

static void derive_paths(struct settings *s) {
    end_with_slash(&s->output.path);
    if (settings_is_default(s, "checkpoint.path") && !store_path_is_s3(s->output.path)) {
        free(s->checkpoint.path);
        s->checkpoint.path = xasprintf("%s_checkpoints/", s->output.path);
    }
    end_with_slash(&s->checkpoint.path);
}

static void derive_s3(struct settings *s) {
    char *endpoint = s->s3.endpoint;
    if (endpoint && endpoint[strlen(endpoint) - 1] == '/')
        endpoint[strlen(endpoint) - 1] = '\0';
    if (settings_is_default(s, "s3.path_style"))
        s->s3.path_style = endpoint != NULL;
}

void settings_derive(struct settings *s, bool terminal) {
    if (!s->kafka.group_id)
        s->kafka.group_id = xasprintf("tidemark-%s", s->name);
    if (settings_is_default(s, "window.idle_flush"))
        s->window.idle_flush = s->window.size + s->window.out_of_orderness;
    derive_paths(s);
    derive_s3(s);
    if (settings_is_default(s, "log.format"))
        s->log.format = terminal ? LOG_TEXT : LOG_JSON;
}

/* ---- What must not be ---------------------------------------------------------------------- */

/* Names the source of a or, where a is a default, of b: the one that somebody wrote. */
static int refuse(const struct settings *s, const char *a, const char *b, struct error *e,
                  const char *why) {
    const char *blamed = b && settings_is_default(s, a) ? b : a;
    return error_set(e, ERR_USAGE, "%s: %s: %s", settings_origin(s, blamed), blamed, why);
}

static bool is_added_field(const char *name) {
    return strcmp(name, "event_timestamp") == 0 || strcmp(name, "event_timestamp_start") == 0 ||
           strcmp(name, "event_timestamp_end") == 0;
}

static int check_event(const struct settings *s, struct error *e) {
    const char *key = "event.key_field", *timestamp = "event.timestamp_field";
    if (strcmp(s->event.key_field, s->event.timestamp_field) == 0)
        return refuse(s, key, timestamp, e,
                      "event.key_field and event.timestamp_field name the same field");
    if (is_added_field(s->event.key_field))
        return refuse(s, key, NULL, e, "this field is added to each event, so it cannot be read");
    if (is_added_field(s->event.timestamp_field))
        return refuse(s, timestamp, NULL, e,
                      "this field is added to each event, so it cannot be read");
    if (s->window.offset >= s->window.size || s->window.offset <= -s->window.size)
        return refuse(s, "window.offset", "window.size", e,
                      "window.offset must be smaller than window.size");
    return 0;
}

static int check_sizes(const struct settings *s, struct error *e) {
    const char *part = "output.part_size", *file = "output.max_file_size";
    if (s->output.part_size > s->memory.limit / MEMORY_PARTS_MIN)
        return refuse(s, part, "memory.limit", e,
                      "output.part_size must not be more than a quarter of memory.limit, because "
                      "parts are held in memory until the store has them");
    if (!store_path_is_s3(s->output.path))
        return 0;
    if (s->output.part_size < S3_PART_MIN)
        return refuse(s, part, NULL, e, "S3 takes no parts smaller than 5MiB");
    if (s->output.max_file_size / S3_PARTS_MAX > s->output.part_size ||
        s->output.max_file_size > s->output.part_size * S3_PARTS_MAX)
        return refuse(s, file, part, e,
                      "output.max_file_size needs more than 10,000 parts of output.part_size, "
                      "and S3 takes no more");
    return 0;
}

/* Below output.path only names that readers skip, and none of ours, may hold checkpoints: they
 * would be read as data. */
static int check_paths(const struct settings *s, struct error *e) {
    static const char *const ours[] = {"_late/", "_rejected/", "_manifests/"};
    size_t n = strlen(s->output.path);
    if (strncmp(s->checkpoint.path, s->output.path, n) != 0)
        return 0;
    const char *below = s->checkpoint.path + n;
    bool skipped = *below == '_' || *below == '.';
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (strncmp(below, ours[i], strlen(ours[i])) == 0)
            skipped = false;
    if (skipped)
        return 0;
    return refuse(s, "checkpoint.path", "output.path", e,
                  "checkpoint.path lies where readers look for data; below output.path it must "
                  "begin with '_', such as _checkpoints/");
}

static int check_credentials(const struct settings *s, struct error *e) {
    if (s->s3.access_key && !s->s3.secret_key)
        return refuse(s, "s3.access_key", NULL, e, "s3.secret_key is missing");
    if (s->s3.secret_key && !s->s3.access_key)
        return refuse(s, "s3.secret_key", NULL, e, "s3.access_key is missing");
    if (s->s3.session_token && !s->s3.access_key)
        return refuse(s, "s3.session_token", NULL, e,
                      "s3.access_key and s3.secret_key are missing");
    return 0;
}

int settings_check(const struct settings *s, struct error *e) {
    if (check_event(s, e) != 0 || check_sizes(s, e) != 0 || check_paths(s, e) != 0 ||
        check_credentials(s, e) != 0)
        return -1;
    return 0;
}
