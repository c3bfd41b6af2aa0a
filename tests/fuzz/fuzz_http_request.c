/* Requests without sockets: target, guard, routes, handlers. The first lines of the input are which
 * server it is asked of, the method, the target, and the headers Host, Origin, Sec-Fetch-Site and
 * Authorization ("-": none); the rest is the body. Every answer is what its type says, and nobody
 * changes anything who may not. */
#include "fuzz.h"

#include <strings.h>

#include "support/control_world.h"

#define TOKEN "s3cret"

static struct control_world *world;

static void fill(void) {
    static const char *const reasons[] = {"none", "invalid_json"};
    struct partition_metrics p = {.partition = 2, .state = "running", .max_ts = TS_NONE, .end = 9};
    struct open_file_metrics f = {.partition = 2};
    struct job_metrics now = {.running = true,
                              .reasons = reasons,
                              .n_reasons = 2,
                              .partitions = &p,
                              .n_partitions = 1,
                              .files = &f,
                              .n_files = 1};
    struct journal_sample sample = {.kept = 3, .value_len = 9, .value = "a\xff\xc3"};
    world = control_world_new();
    metrics_publish(world->metrics, &now);
    metrics_set_state(world->metrics, JOB_RUNNING);
    journal_add_error(world->journal, -1, "job_restarting", "why");
    journal_add_file(world->journal, &(struct journal_file){.key = "a"});
    journal_add_checkpoint(world->journal, &(struct journal_checkpoint){.number = 1});
    journal_add_sample(world->journal, true, &sample);
}

static void choose_server(const char *which) {
    bool wide = strchr(which, 'w'), token = strchr(which, 't');
    world->guard = (struct guard){.host = wide ? "0.0.0.0" : "127.0.0.1",
                                  .machine = "box",
                                  .token = token ? TOKEN : NULL,
                                  .loopback = !wide};
}

static bool has_token(void) {
    const char *a = world->headers.authorization;
    return a && world->guard.token && strncasecmp(a, "Bearer ", 7) == 0 && strstr(a, TOKEN);
}

/* Told in other words than guard.c's. */
static bool may_change(void) {
    const struct guard_headers *h = &world->headers;
    if (h->origin && (!h->host || strlen(h->origin) < strlen(h->host) + 7 ||
                      strcasecmp(h->origin + strlen(h->origin) - strlen(h->host), h->host) != 0))
        return false;
    if (h->fetch_site && strcasestr(h->fetch_site, "site"))
        return false;
    return world->guard.token ? has_token() : world->guard.loopback;
}

static bool is_foreign(const char *host) {
    static const char domain[] = ".example";
    size_t n = host ? strcspn(host, ":") : 0;
    return n >= sizeof domain &&
           strncasecmp(host + n - (sizeof domain - 1), domain, sizeof domain - 1) == 0;
}

static void check(const struct control_answer *a) {
    bool changed = atomic_load(&world->command) != 0 || requests_savepoints(world->requests) != 0;
    CHECK(a->status >= 200 && a->status < 600);
    CHECK(strcmp(a->type, "application/json") != 0 || json_is_object(a->json));
    CHECK(strncmp(a->type, "text/", 5) == 0 || a->json);
    CHECK(!changed || may_change());
    CHECK(!is_foreign(world->headers.host) || has_token() || a->status == 403);
}

/* Takes the next line out of *text. */
static char *line(char **text) {
    char *begin = *text, *end = strchr(begin, '\n');
    if (end)
        *end = '\0';
    *text = end ? end + 1 : begin + strlen(begin);
    return begin;
}

static const char *header(char **text) {
    const char *value = line(text);
    return strcmp(value, "-") == 0 ? NULL : value;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!world)
        fill();
    char *text = text_of(data, size), *rest = text;
    choose_server(line(&rest));
    const char *method = line(&rest), *target = line(&rest);
    world->headers.host = header(&rest);
    world->headers.origin = header(&rest);
    world->headers.fetch_site = header(&rest);
    world->headers.authorization = header(&rest);
    struct control_answer a = control_ask(world, method, target, rest);
    check(&a);
    bool changed = atomic_load(&world->command) != 0 || requests_savepoints(world->requests) != 0;
    control_answer_free(&a);
    free(text);
    if (changed) { /* a world in which nothing has been asked for */
        control_world_free(world);
        world = NULL;
    }
    return 0;
}
