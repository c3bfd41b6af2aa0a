/* Builds events from precomputed pieces: at 250,000/s there is no time for snprintf. */
#include "kafka/events.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/memory.h"

enum {
    USER_TABLE = 1 << 18, /* the skewed distribution, sampled */
    LATE_SPREAD_MS = 60000,
    N_PRODUCTS = 5000,
};

/* ---- Malformed events, in turn ---- */

enum flaw {
    FLAW_NONE,
    FLAW_TRUNCATED,
    FLAW_NO_TIMESTAMP,
    FLAW_STRING_TIMESTAMP,
    FLAW_NO_USER,
    FLAW_ARRAY,
    FLAW_BAD_UTF8,
    N_FLAWS
};

struct events {
    struct events_config cfg;
    uint64_t s[2];
    uint32_t *users;
    /* A draw of 53 random bits below these makes an event late or malformed. */
    uint64_t malformed_below, late_below;
    enum flaw flaw;
};

/* ---- Random numbers ---- */

/* Vigna: xorshift128+; its state is seeded through splitmix64. */
static inline uint64_t draw(struct events *g) {
    uint64_t a = g->s[0], b = g->s[1];
    g->s[0] = b;
    a ^= a << 23;
    g->s[1] = a ^ b ^ (a >> 17) ^ (b >> 26);
    return g->s[1] + b;
}

/* Uniform in [0, n) for small n, from 32 random bits; Lemire's multiplication without a rejection. */
static inline uint32_t pick(uint32_t bits, uint32_t n) {
    return (uint32_t)(((uint64_t)bits * n) >> 32);
}

static inline int64_t draw_ms(struct events *g, int64_t n) {
    return n <= 0 ? 0 : (int64_t)(draw(g) % (uint64_t)n);
}

/* ---- Pieces ---- */

struct piece {
    const char *text;
    size_t len;
};
#define PIECE(s) \
    { s, sizeof(s) - 1 }
#define PICK(array, bits) (&(array)[pick(bits, sizeof(array) / sizeof(array)[0])])

struct type {
    struct piece name;
    uint32_t most_cents; /* 0: no price */
};

/* Repeated entries are more likely. */
static const struct type types[] = {{PIECE("page_view"), 0},       {PIECE("page_view"), 0},
                                    {PIECE("page_view"), 0},       {PIECE("page_view"), 0},
                                    {PIECE("click"), 0},           {PIECE("click"), 0},
                                    {PIECE("add_to_cart"), 50000}, {PIECE("search"), 0},
                                    {PIECE("purchase"), 100000},   {PIECE("remove_from_cart"), 0}};
static const struct piece pages[] = {PIECE("/home"),
                                     PIECE("/products"),
                                     PIECE("/products/electronics"),
                                     PIECE("/products/detail"),
                                     PIECE("/cart"),
                                     PIECE("/checkout"),
                                     PIECE("/search?q=shoes&sort=price"),
                                     PIECE("/account/orders"),
                                     PIECE("/blog/2025/how-to-choose"),
                                     PIECE("/help")};
static const struct piece agents[] = {
    PIECE("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36"),
    PIECE("Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X)"),
    PIECE("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Safari/605.1.15"),
    PIECE("Mozilla/5.0 (Linux; Android 14; Pixel 8) Chrome/124.0")};
static const struct piece referrers[] = {PIECE("https://google.com"), PIECE("https://facebook.com"),
                                         PIECE("direct"), PIECE("https://twitter.com"),
                                         PIECE("https://bing.com/search")};
static const struct piece countries[] = {PIECE("US"), PIECE("UK"), PIECE("DE"), PIECE("FR"),
                                         PIECE("IN"), PIECE("BR"), PIECE("JP"), PIECE("CA")};
static const struct piece devices[] = {PIECE("desktop"), PIECE("mobile"), PIECE("tablet")};

static inline char *put(char *p, const char *s, size_t n) {
    memcpy(p, s, n);
    return p + n;
}
#define PUT(p, literal) put(p, literal, sizeof(literal) - 1)

static inline char *put_piece(char *p, const struct piece *s) {
    return put(p, s->text, s->len);
}

static inline char *put_hex(char *p, uint64_t v, int digits) {
    static const char hex[] = "0123456789abcdef";
    for (int i = digits - 1; i >= 0; i--)
        *p++ = hex[(v >> (4 * i)) & 15];
    return p;
}

/* Decimal, at least `width` digits. */
static inline char *put_number(char *p, uint64_t v, int width) {
    char digits[20];
    int n = 0;
    while (v > 0 || n < width) {
        digits[n++] = (char)('0' + v % 10);
        v /= 10;
    }
    while (n > 0)
        *p++ = digits[--n];
    return p;
}

static inline char *put_signed(char *p, int64_t v) {
    if (v < 0)
        *p++ = '-';
    return put_number(p, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, 1);
}

static char *put_ip(char *p, uint32_t bits) {
    for (int i = 0; i < 4; i++) {
        if (i > 0)
            *p++ = '.';
        p = put_number(p, (bits >> (8 * i)) & 255, 1);
    }
    return p;
}

/* A random UUID: version 4, variant 1. */
static char *put_uuid(char *p, uint64_t a, uint64_t b) {
    p = put_hex(p, a >> 32, 8);
    *p++ = '-';
    p = put_hex(p, a >> 16, 4);
    p = PUT(p, "-4");
    p = put_hex(p, a, 3);
    *p++ = '-';
    p = put_hex(p, 8 | (b >> 62), 1);
    p = put_hex(p, b >> 48, 3);
    *p++ = '-';
    return put_hex(p, b, 12);
}

static char *put_price(char *p, const struct type *type, uint32_t bits) {
    if (type->most_cents == 0)
        return PUT(p, "null");
    uint32_t cents = 100 + pick(bits, type->most_cents - 100);
    p = put_number(p, cents / 100, 1);
    *p++ = '.';
    return put_number(p, cents % 100, 2);
}

/* ---- One event ---- */

static char *put_head(struct events *g, char *p, const struct made_event *ev, uint32_t user,
                      int64_t now_ms, enum flaw flaw) {
    uint64_t b = draw(g), a = draw(g); /* in this order, whatever compiler */
    p = PUT(p, "{\"event_id\": \"");
    p = put_uuid(p, a, b);
    if (flaw != FLAW_NO_USER) {
        p = PUT(p, "\", \"user_id\": \"");
        p = put(p, ev->key, ev->key_len);
    }
    p = PUT(p, "\", \"session_id\": \"sess_");
    /* A user's session changes twice an hour. */
    return put_hex(p, splitmix64(user + ((uint64_t)(now_ms / 1800000) << 32)), 8);
}

static char *put_timestamp(char *p, int64_t ts, enum flaw flaw) {
    if (flaw == FLAW_NO_TIMESTAMP)
        return p;
    p = PUT(p, ", \"timestamp\": ");
    if (flaw == FLAW_STRING_TIMESTAMP)
        *p++ = '"';
    p = put_signed(p, ts);
    if (flaw == FLAW_STRING_TIMESTAMP)
        *p++ = '"';
    return p;
}

static char *put_rest(char *p, const struct type *type, uint64_t a, uint64_t b, int64_t now_ms) {
    p = PUT(p, ", \"ip_address\": \"");
    p = put_ip(p, (uint32_t)(a >> 32));
    p = PUT(p, "\", \"user_agent\": \"");
    p = put_piece(p, PICK(agents, (uint32_t)a));
    p = PUT(p, "\", \"referrer\": \"");
    p = put_piece(p, PICK(referrers, (uint32_t)b));
    p = PUT(p, "\", \"country\": \"");
    p = put_piece(p, PICK(countries, (uint32_t)(b >> 32)));
    p = PUT(p, "\", \"device_type\": \"");
    p = put_piece(p, PICK(devices, (uint32_t)(a >> 16)));
    p = PUT(p, "\", \"product_id\": \"prod_");
    p = put_number(p, pick((uint32_t)(b >> 16), N_PRODUCTS), 1);
    p = PUT(p, "\", \"price\": ");
    p = put_price(p, type, (uint32_t)(a + b));
    p = PUT(p, ", \"processing_time\": ");
    p = put_signed(p, now_ms);
    *p++ = '}';
    return p;
}

static void build(struct events *g, struct made_event *ev, uint32_t user, int64_t ts,
                  int64_t now_ms, enum flaw flaw) {
    char *p = ev->value;
    if (flaw == FLAW_ARRAY)
        *p++ = '[';
    p = put_head(g, p, ev, user, now_ms, flaw);
    uint64_t bits = draw(g);
    const struct type *type = PICK(types, (uint32_t)bits);
    p = PUT(p, "\", \"event_type\": \"");
    p = put_piece(p, &type->name);
    p = PUT(p, "\", \"page_url\": \"");
    p = put_piece(p, PICK(pages, (uint32_t)(bits >> 32)));
    if (flaw == FLAW_BAD_UTF8)
        p = PUT(p, "/\xc3\x28");
    *p++ = '"';
    p = put_timestamp(p, ts, flaw);
    uint64_t b = draw(g), a = draw(g);
    p = put_rest(p, type, a, b, now_ms);
    if (flaw == FLAW_ARRAY)
        *p++ = ']';
    ev->value_len = (size_t)(p - ev->value);
    if (flaw == FLAW_TRUNCATED)
        ev->value_len /= 2;
}

void events_next(struct events *g, int64_t now_ms, struct made_event *ev) {
    uint64_t luck = draw(g) >> 11;
    uint32_t user = g->users[draw(g) & (USER_TABLE - 1)];
    int64_t ts = now_ms - draw_ms(g, g->cfg.disorder_ms + 1);
    enum flaw flaw = FLAW_NONE;
    ev->kind = EVENT_GOOD;
    if (luck < g->malformed_below) {
        ev->kind = EVENT_MALFORMED;
        flaw = g->flaw = g->flaw + 1 < N_FLAWS ? g->flaw + 1 : FLAW_TRUNCATED;
    } else if (luck < g->late_below) {
        ev->kind = EVENT_LATE;
        /* Others of its partition may lie behind by the disorder. */
        ts = now_ms - g->cfg.disorder_ms - g->cfg.late_by_ms - 1 - draw_ms(g, LATE_SPREAD_MS);
    }
    char *k = PUT(ev->key, "user_");
    k = put_number(k, user, 5);
    ev->key_len = (size_t)(k - ev->key);
    build(g, ev, user, ts, now_ms, flaw);
}

/* ---- Making it ---- */

/* Few users do much: weights 1/(i+10)^0.9, sampled into a table. */
static uint32_t *user_table(uint32_t users) {
    double *upto = xcalloc(users, sizeof *upto);
    double sum = 0;
    for (uint32_t i = 0; i < users; i++)
        upto[i] = sum += 1.0 / pow(i + 10.0, 0.9);
    uint32_t *table = xcalloc(USER_TABLE, sizeof *table);
    for (uint32_t i = 0, u = 0; i < USER_TABLE; i++) {
        while (u + 1 < users && upto[u] < (i + 0.5) / USER_TABLE * sum)
            u++;
        table[i] = u;
    }
    free(upto);
    return table;
}

static uint64_t threshold(double share) {
    double clamped = share < 0 ? 0 : share > 1 ? 1 : share;
    return (uint64_t)(clamped * 0x1p53);
}

struct events *events_new(const struct events_config *cfg) {
    struct events *g = xcalloc(1, sizeof *g);
    g->cfg = *cfg;
    if (g->cfg.users == 0)
        g->cfg.users = 1;
    if (g->cfg.disorder_ms < 0)
        g->cfg.disorder_ms = 0;
    g->s[0] = splitmix64(cfg->seed);
    g->s[1] = splitmix64(g->s[0]) | 1; /* never all zero */
    g->users = user_table(g->cfg.users);
    g->malformed_below = threshold(cfg->malformed);
    g->late_below = g->malformed_below + threshold(cfg->late);
    return g;
}

void events_free(struct events *g) {
    if (!g)
        return;
    free(g->users);
    free(g);
}
