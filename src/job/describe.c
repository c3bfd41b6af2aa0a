#include "job/describe.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"

enum { HOST_MAX = 256, ID_BYTES = 16 };

/* Every process of a job, and each of its restarts, must come to the same. */
static void make_id(const struct settings *s, char id[2 * ID_BYTES + 1]) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    char *text = xasprintf("%s\n%s\n%s", s->name, s->kafka.topic, s->output.path);
    if (EVP_Digest(text, strlen(text), digest, NULL, EVP_sha256(), NULL) != 1)
        out_of_memory();
    for (size_t i = 0; i < ID_BYTES; i++)
        (void)snprintf(id + 2 * i, 3, "%02x", digest[i]);
    free(text);
}

struct collected {
    struct info_setting *list;
    size_t n, cap;
};

static void collect(void *ctx, const char *key, const char *value, const char *origin) {
    struct collected *c = ctx;
    array_reserve(&c->list, &c->cap, c->n + 1, sizeof *c->list);
    c->list[c->n++] = (struct info_setting){xstrdup(key), xstrdup(value), xstrdup(origin)};
}

void job_describe(const struct settings *s, bool bounded, bool embedded, struct job_info *out) {
    struct collected c = {0};
    char host[HOST_MAX] = "unknown";
    (void)gethostname(host, sizeof host - 1);
    settings_visit(s, collect, &c);
    *out = (struct job_info){
        .name = s->name,
        .topic = s->kafka.topic,
        .group_id = s->kafka.group_id,
        .brokers = s->kafka.bootstrap_servers,
        .output = s->output.path,
        .checkpoints = xasprintf("%s%s/%s/", s->checkpoint.path, s->name, s->kafka.topic),
        .version = TIDEMARK_VERSION,
        .host = xstrdup(host),
        .pid = getpid(),
        .bounded = bounded,
        .embedded = embedded,
        .window_size_ms = s->window.size,
        .out_of_orderness_ms = s->window.out_of_orderness,
        .allowed_lateness_ms = s->window.allowed_lateness,
        .checkpoint_interval_ms = s->checkpoint.interval,
        .checkpoint_min_pause_ms = s->checkpoint.min_pause,
        .checkpoint_timeout_ms = s->checkpoint.timeout,
        .tolerable_failures = s->checkpoint.tolerable_failures,
        .parallelism = s->parallelism,
        .settings = c.list,
        .n_settings = c.n,
    };
    make_id(s, out->id);
}

void job_undescribe(struct job_info *info) {
    for (size_t i = 0; i < info->n_settings; i++) {
        free(info->settings[i].key);
        free(info->settings[i].value);
        free(info->settings[i].origin);
    }
    free(info->settings);
    free(info->checkpoints);
    free(info->host);
    *info = (struct job_info){0};
}
