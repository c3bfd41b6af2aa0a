/* Times one stage: event_parse + event_write_line over generated click events of about 450 bytes.
 *
 *   make && gcc -O2 -D_GNU_SOURCE -Isrc -o build/stage_event bench/stage_event.c \
 *       build/release/libtidemark.a -lisal && build/stage_event
 *
 *   stage_event [min|spaced] [rounds]     "spaced" has a blank behind every colon and comma
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/checksum.h"
#include "base/memory.h"
#include "event/event.h"

/* So many that no branch predictor learns them by heart, so few that they stay in the L2 cache, where
 * the Kafka client's decompression leaves them as well. */
enum { EVENTS = 1500, EVENT_MAX = 512 };

struct sample {
    size_t len, key_len;
    char key[16];
    char value[EVENT_MAX];
};

static uint64_t seed;

static unsigned below(unsigned n) {
    return (unsigned)(splitmix64(seed++) >> 33) % n;
}

static const char *const event_types[] = {"page_view", "click",    "add_to_cart",
                                          "search",    "purchase", "remove_from_cart"};
static const char *const pages[] = {"/home",
                                    "/products",
                                    "/products/electronics",
                                    "/cart",
                                    "/checkout",
                                    "/search?q=shoes&sort=price",
                                    "/account/orders",
                                    "/blog/2025/how-to-choose"};
static const char *const agents[] = {
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X)",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Safari/605.1.15",
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) Chrome/124.0"};
static const char *const referrers[] = {"https://google.com", "https://facebook.com", "direct",
                                        "https://twitter.com", "https://bing.com/search"};
static const char *const countries[] = {"US", "UK", "DE", "FR", "IN", "BR", "JP", "CA"};
static const char *const devices[] = {"desktop", "mobile", "tablet"};
#define PICK(list) (list)[below(sizeof(list) / sizeof *(list))]

/* A member whose value is written by fmt; `gap` goes behind the colon and in front of the name. */
#define MEMBER(name, fmt, ...)                                                    \
    n += (size_t)snprintf(s->value + n, EVENT_MAX - n, "%s%s\"" name "\":%s" fmt, \
                          n > 1 ? "," : "", n > 1 ? gap : "", gap, __VA_ARGS__)

static void generate(struct sample *s, unsigned i, const char *gap) {
    size_t n = 1;
    s->value[0] = '{';
    s->key_len = (size_t)snprintf(s->key, sizeof s->key, "user_%05u", below(100000));
    char price[16] = "null";
    if (below(5) == 0)
        (void)snprintf(price, sizeof price, "%u.%02u", 1 + below(999), below(100));
    MEMBER("event_id", "\"%08x-%04x-4%03x-a%03x-%012x\"", below(~0u), below(65536), below(4096),
           below(4096), below(~0u));
    MEMBER("user_id", "\"%s\"", s->key);
    MEMBER("session_id", "\"sess_%08x\"", below(~0u));
    MEMBER("event_type", "\"%s\"", PICK(event_types));
    MEMBER("page_url", "\"%s\"", PICK(pages));
    MEMBER("timestamp", "%lld", 1729630800000LL + i * 20LL + below(60000));
    MEMBER("ip_address", "\"%u.%u.%u.%u\"", below(256), below(256), below(256), below(256));
    MEMBER("user_agent", "\"%s\"", PICK(agents));
    MEMBER("referrer", "\"%s\"", PICK(referrers));
    MEMBER("country", "\"%s\"", PICK(countries));
    MEMBER("device_type", "\"%s\"", PICK(devices));
    MEMBER("product_id", "\"prod_%u\"", below(5000));
    MEMBER("price", "%s", price);
    MEMBER("processing_time", "%lld", 1732000000000LL + i / 100);
    s->value[n++] = '}';
    s->len = n;
}

static double now_ns(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Returns nanoseconds an event; `lines` counts the bytes written. */
static double one_round(struct event_parser *p, const struct event_rules *rules,
                        const struct sample *samples, size_t *lines) {
    static char line[2 * EVENT_MAX];
    double begin = now_ns();
    for (unsigned i = 0; i < EVENTS; i++) {
        const struct sample *s = &samples[i];
        struct record r = {.offset = i,
                           .timestamp = 1729630800000LL + i * 20LL,
                           .key = s->key,
                           .key_len = s->key_len,
                           .value = s->value,
                           .value_len = s->len};
        struct event ev;
        event_parse(p, &r, &ev);
        if (ev.reason != REJECT_NONE || ev.key_mismatch) {
            (void)fprintf(stderr, "event %u: %s\n", i, ev.detail);
            exit(1);
        }
        int64_t start = window_start(&rules->window, ev.timestamp);
        *lines += event_write_line(p, start, start + rules->window.size, line);
    }
    return (now_ns() - begin) / EVENTS;
}

int main(int argc, char **argv) {
    const char *gap = argc > 1 && strcmp(argv[1], "min") == 0 ? "" : " ";
    int rounds = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 500;
    struct event_rules rules = {.key_field = "user_id",
                                .timestamp_field = "timestamp",
                                .max_future_ms = 3600000,
                                .window = {.size = 300000, .out_of_orderness = 600000}};
    struct error e;
    struct event_parser *p = event_parser_new(&rules, &e);
    struct sample *samples = xcalloc(EVENTS, sizeof *samples);
    size_t bytes = 0, lines = 0;
    for (unsigned i = 0; i < EVENTS; i++) {
        generate(&samples[i], i, gap);
        bytes += samples[i].len;
    }
    double best = 1e9, sum = 0;
    for (int i = 0; i < rounds; i++) {
        double ns = one_round(p, &rules, samples, &lines);
        sum += ns;
        best = ns < best ? ns : best;
    }
    (void)printf("%d events of %zu bytes, lines of %zu: best %.0f ns, mean %.0f ns an event\n",
                 EVENTS, bytes / EVENTS, lines / EVENTS / (size_t)rounds, best, sum / rounds);
    free(samples);
    event_parser_free(p);
    return 0;
}
