/* Which word was meant: optimal string alignment distance (an insertion, a deletion, a replacement
 * or a swap of neighbours costs 1). */
#include "job/settings_table.h"

#include <assert.h>
#include <string.h>

enum { WORD_MAX = 80, KEYS_MAX = 128 };

static unsigned smallest(unsigned a, unsigned b, unsigned c) {
    unsigned m = a < b ? a : b;
    return m < c ? m : c;
}

static bool swapped(const char *a, const char *b, size_t i, size_t j) {
    return i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
}

/* Of the first WORD_MAX characters of each. */
static unsigned distance(const char *a, const char *b) {
    unsigned rows[3][WORD_MAX + 1];
    unsigned *before = rows[0], *last = rows[1], *now = rows[2];
    size_t n = strnlen(a, WORD_MAX), m = strnlen(b, WORD_MAX);
    for (size_t j = 0; j <= m; j++)
        before[j] = last[j] = (unsigned)j;
    for (size_t i = 1; i <= n; i++) {
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= m; j++) {
            unsigned differs = a[i - 1] != b[j - 1];
            now[j] = smallest(last[j] + 1, now[j - 1] + 1, last[j - 1] + differs);
            if (swapped(a, b, i, j) && before[j - 2] + 1 < now[j])
                now[j] = before[j - 2] + 1;
        }
        unsigned *oldest = before;
        before = last;
        last = now;
        now = oldest;
    }
    return last[m];
}

const char *nearest_word(const char *word, const char *const *words, size_t n) {
    const char *best = NULL;
    unsigned best_distance = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned d = distance(word, words[i]);
        /* "topic" for kafka.topic, "window_size" being nearer to window.size anyway. */
        const char *dot = strrchr(words[i], '.');
        unsigned tail = dot ? distance(word, dot + 1) + 1 : d;
        if (tail < d)
            d = tail;
        if (!best || d < best_distance) {
            best = words[i];
            best_distance = d;
        }
    }
    return best;
}

/* A section's name may be what is misspelt: "windwo: {size: 1m}". */
static const char *const sections[] = {
    "kafka", "kafka.properties", "event", "window", "output", "checkpoint", "restart",
    "s3",    "memory",           "http",  "log"};
enum { N_SECTIONS = sizeof sections / sizeof *sections };

const char *nearest_key(const char *key) {
    const char *keys[KEYS_MAX];
    size_t n = 0;
    assert(settings_rows + N_SECTIONS <= KEYS_MAX);
    for (; n < settings_rows; n++)
        keys[n] = settings_table[n].key;
    for (size_t i = 0; i < N_SECTIONS; i++)
        keys[n++] = sections[i];
    return nearest_word(key, keys, n);
}
