#include "lines.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/checksum.h"
#include "base/memory.h"
#include "checkpoint/codec.h"

#define WINDOW INT64_C(300000)
#define OUT_OF_ORDERNESS INT64_C(600000)
#define CHAIN "clickstream/clickstream/"
#define MANIFESTS "_manifests/clickstream/clickstream/"

enum { INSTANT_BYTES = 32 };

/* ---- Records ------------------------------------------------------------------------------------ */

static struct line *add(struct lines *l) {
    array_reserve(&l->list, &l->cap, (size_t)l->n + 1, sizeof *l->list);
    struct line *one = &l->list[l->n++];
    *one = (struct line){.class = CLASS_NULL};
    return one;
}

void lines_free(struct lines *l) {
    for (int64_t i = 0; i < l->n; i++) {
        free(l->list[i].value);
        free(l->list[i].begin);
        free(l->list[i].end);
    }
    free(l->list);
    *l = (struct lines){0};
}

void lines_skip(struct lines *l, int64_t n) {
    while (n-- > 0)
        add(l)->unseen = true;
}

const struct line *lines_add_null(struct lines *l, bool literal) {
    struct line *one = add(l);
    one->value = literal ? xstrdup(" null ") : NULL;
    return one;
}

const struct line *lines_add_rejected(struct lines *l, bool no_key, int64_t timestamp) {
    struct line *one = add(l);
    int64_t offset = l->n - 1;
    one->class = CLASS_REJECTED;
    one->value = xasprintf(no_key ? "{\"timestamp\":%" PRId64 "}" : "{ %" PRId64, timestamp);
    one->begin = xasprintf("\"offset\":%" PRId64 ",\"timestamp\":%" PRId64
                           ",\"key\":\"u\",\"reason\":\"%s\",\"detail\":\"",
                           offset, timestamp, no_key ? "no_key" : "invalid_json");
    one->end = xasprintf(no_key ? "\",\"value\":\"{\\\"timestamp\\\":%" PRId64 "}\"}"
                                : "\",\"value\":\"{ %" PRId64 "\"}",
                         timestamp);
    return one;
}

/* As Java's Instant.toString does it. */
static const char *instant(int64_t ms, char dst[INSTANT_BYTES]) {
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    size_t n = strftime(dst, INSTANT_BYTES, "%Y-%m-%dT%H:%M:%S", gmtime_r(&seconds, &tm));
    (void)snprintf(dst + n, INSTANT_BYTES - n, ms % 1000 ? ".%03dZ" : "Z", (int)(ms % 1000));
    return dst;
}

static void judge(struct lines *l, struct line *one, int64_t timestamp) {
    if (timestamp > l->max_ts)
        l->max_ts = timestamp;
    one->window = timestamp / WINDOW * WINDOW;
    bool late = one->window + WINDOW - 1 <= l->max_ts - OUT_OF_ORDERNESS - 1;
    one->class = late ? CLASS_LATE : CLASS_EVENT;
}

/* The same event with white space, with fields that are replaced, with what stands in its bytes. */
const struct line *lines_add_event(struct lines *l, struct random *r, int64_t timestamp) {
    static const char *const extra[] = {
        "1.50e+00", "\"\\u00e9\\n\"", "{\"a\":[1,{}],\"timestamp\":2}",
        "true",     "\"\xc3\xa9\"",   "123456789012345678901234567890"};
    const char *more = extra[random_below(r, 6)];
    const char *gap = random_below(r, 2) ? " \t" : "";
    const char *old = random_below(r, 3) ? "" : "\"event_timestamp_end\":\"x\",";
    struct line *one = add(l);
    int64_t offset = l->n - 1;
    char at[INSTANT_BYTES], start[INSTANT_BYTES], end[INSTANT_BYTES];
    judge(l, one, timestamp);
    one->value = xasprintf("{%s\"user_id\"%s:\"u\",%s\"timestamp\":%s%" PRId64
                           ",\"x\":%s%s,\"o\":%" PRId64 "%s}",
                           gap, gap, old, gap, timestamp, more, gap, offset, gap);
    one->begin = xasprintf("{\"user_id\":\"u\",\"timestamp\":%" PRId64
                           ",\"event_timestamp\":\"%s\",\"event_timestamp_start\":\"%s\","
                           "\"event_timestamp_end\":\"%s\",\"x\":%s,\"o\":%" PRId64 "}",
                           timestamp, instant(timestamp, at), instant(one->window, start),
                           instant(one->window + WINDOW, end), more, offset);
    one->end = xstrdup("");
    return one;
}

/* ---- What is visible ---------------------------------------------------------------------------- */

struct look {
    struct lines *all;
    int32_t partitions;
    const struct memory_world *store;
    char *why;
    size_t n;
};

#define WRONG(v, ...) ((void)snprintf((v)->why, (v)->n, __VA_ARGS__), -1)

static bool begins(const char *s, const char *prefix) {
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

static int64_t number_after(const char *line, size_t len, const char *word) {
    const char *at = memmem(line, len, word, strlen(word));
    char digits[24] = "";
    size_t n = 0;
    for (at = at ? at + strlen(word) : line + len; at < line + len && n < 20; at++, n++) {
        if (*at < '0' || *at > '9')
            break;
        digits[n] = *at;
    }
    return n ? (int64_t)strtoll(digits, NULL, 10) : -1;
}

static bool reads(const struct line *want, const char *line, size_t len, int32_t partition) {
    size_t begin = strlen(want->begin), end = strlen(want->end), skip = 0;
    if (want->class == CLASS_REJECTED) {
        char head[80];
        (void)snprintf(head, sizeof head, "{\"topic\":\"clickstream\",\"partition\":%" PRId32 ",",
                       partition);
        skip = strlen(head);
        if (len < skip || memcmp(line, head, skip) != 0)
            return false;
    }
    bool whole = want->class == CLASS_REJECTED ? len > skip + begin + end : len == begin;
    return whole && memcmp(line + skip, want->begin, begin) == 0 &&
           memcmp(line + len - end, want->end, end) == 0;
}

/* "dt=2024-10-22/hour=21/20241022T210000Z-p00002-o", "_late/p00002-o", ... */
static void file_begin(char dst[80], const struct line *want, int32_t partition) {
    if (want->class != CLASS_EVENT) {
        (void)snprintf(dst, 80, "_%s/p%05" PRId32 "-o",
                       want->class == CLASS_LATE ? "late" : "rejected", partition);
        return;
    }
    time_t seconds = (time_t)(want->window / 1000);
    struct tm tm;
    size_t n = strftime(dst, 80, "dt=%Y-%m-%d/hour=%H/%Y%m%dT%H%M%SZ-p", gmtime_r(&seconds, &tm));
    (void)snprintf(dst + n, 80 - n, "%05" PRId32 "-o", partition);
}

static int look_at_line(struct look *v, const char *key, int32_t partition, const char *line,
                        size_t len) {
    struct lines *l = &v->all[partition];
    bool rejected = begins(key, "_rejected/");
    int64_t offset =
        rejected ? number_after(line, len, "\"offset\":") : number_after(line, len, ",\"o\":");
    if (offset < 0 || offset >= l->n || l->list[offset].class == CLASS_NULL)
        return WRONG(v, "%s has a line of no record: %.*s", key, (int)(len < 200 ? len : 200),
                     line);
    struct line *want = &l->list[offset];
    char place[80];
    file_begin(place, want, partition);
    if (!begins(key, place))
        return WRONG(v, "offset %" PRId64 " stands in %s, not in %s...", offset, key, place);
    if (!reads(want, line, len, partition))
        return WRONG(v, "offset %" PRId64 " reads %.*s, must be %.200s", offset,
                     (int)(len < 200 ? len : 200), line, want->begin);
    if (++want->seen > 1)
        return WRONG(v, "offset %" PRId64 " of partition %" PRId32 " stands twice", offset,
                     partition);
    return 0;
}

static bool object_names(const struct look *v, const char *prefix, bool newest, const char *key) {
    size_t count = memory_world_count(v->store, prefix), len;
    for (size_t i = newest && count ? count - 1 : 0; i < count; i++) {
        const char *data =
            memory_world_object(v->store, memory_world_key(v->store, prefix, i), &len);
        if (memmem(data, len, key, strlen(key)))
            return true;
    }
    return false;
}

static bool is_listed(const struct look *v, const char *key, int32_t partition) {
    char chain[80], manifests[80];
    (void)snprintf(chain, sizeof chain, CHAIN "p%05" PRId32 "/chk-", partition);
    (void)snprintf(manifests, sizeof manifests, MANIFESTS "p%05" PRId32 "/chk-", partition);
    return object_names(v, chain, true, key) || object_names(v, manifests, false, key);
}

static int look_at_file(struct look *v, const char *key) {
    const char *p = strstr(key, begins(key, "dt=") ? "-p0" : "/p0");
    int32_t partition = p ? (int32_t)strtol(p + 2, NULL, 10) : -1;
    if (partition < 0 || partition >= v->partitions)
        return WRONG(v, "%s is of no partition", key);
    if (!is_listed(v, key, partition))
        return WRONG(v, "%s is visible, but no checkpoint or manifest lists it", key);
    size_t len;
    const char *at = memory_world_object(v->store, key, &len), *end = at + len, *nl;
    for (; at < end; at = nl + 1) {
        nl = memchr(at, '\n', (size_t)(end - at));
        if (!nl)
            return WRONG(v, "%s does not end with a line", key);
        if (look_at_line(v, key, partition, at, (size_t)(nl - at)) != 0)
            return -1;
    }
    return 0;
}

static uint64_t lines_in(const char *data, size_t len) {
    uint64_t n = 0;
    for (size_t i = 0; i < len; i++)
        n += data[i] == '\n';
    return n;
}

static int look_at_manifest(struct look *v, const char *key) {
    size_t len;
    const char *data = memory_world_object(v->store, key, &len);
    struct manifest m;
    struct error e;
    if (manifest_decode(data, len, &m, &e) != 0)
        return WRONG(v, "%s: %s", key, e.text);
    int rc = 0;
    for (size_t i = 0; i < m.n_files && rc == 0; i++) {
        const struct file_entry *f = &m.files[i];
        data = memory_world_object(v->store, f->key, &len);
        if (!data || len != f->bytes || lines_in(data, len) != f->count.events)
            rc = WRONG(v, "%s lists %s, which is not so", key, f->key);
    }
    manifest_clear(&m);
    return rc;
}

static int each(struct look *v, const char *prefix, int (*fn)(struct look *v, const char *key)) {
    const char *key;
    for (size_t i = 0; (key = memory_world_key(v->store, prefix, i)); i++)
        if (fn(v, key) != 0)
            return -1;
    return 0;
}

int lines_look(struct lines *all, int32_t partitions, const struct memory_world *store, char *why,
               size_t n) {
    struct look v = {all, partitions, store, why, n};
    for (int32_t p = 0; p < partitions; p++)
        for (int64_t i = 0; i < all[p].n; i++)
            all[p].list[i].seen = 0;
    return each(&v, "dt=", look_at_file) || each(&v, "_late/", look_at_file) ||
                   each(&v, "_rejected/", look_at_file) || each(&v, MANIFESTS, look_at_manifest)
               ? -1
               : 0;
}

int lines_check_below(const struct lines *l, int32_t partition, int64_t end, char *why, size_t n) {
    struct look v = {.why = why, .n = n};
    for (int64_t i = 0; i < end; i++)
        if (l->list[i].seen != (l->list[i].class != CLASS_NULL))
            return WRONG(&v, "offset %" PRId64 " of partition %" PRId32 " stands %d times", i,
                         partition, l->list[i].seen);
    return 0;
}

int lines_check_end(const struct lines *l, int32_t partition, const struct checkpoint *k, char *why,
                    size_t n) {
    struct look v = {.why = why, .n = n};
    struct totals want[CLASS_COUNT] = {{0}};
    if (lines_check_below(l, partition, l->n, why, n) != 0)
        return -1;
    for (int64_t i = 0; i < l->n; i++)
        if (!l->list[i].unseen)
            totals_add(&want[l->list[i].class], &(struct totals){1, offset_hash(i)});
    if (!checkpoint_is_clean(k) || k->next != l->n)
        return WRONG(&v, "partition %" PRId32 " is not at its end", partition);
    for (int c = 0; c < CLASS_COUNT; c++) {
        bool listed = c == CLASS_NULL ||
                      (k->listed[c].events == want[c].events && k->listed[c].hash == want[c].hash);
        if (k->read[c].events != want[c].events || k->read[c].hash != want[c].hash || !listed)
            return WRONG(&v, "partition %" PRId32 ": %" PRIu64 " %s read, must be %" PRIu64,
                         partition, k->read[c].events, event_class_name((enum event_class)c),
                         want[c].events);
    }
    return 0;
}
