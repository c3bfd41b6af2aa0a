/* The set of files that manifests and checkpoints list, by key: a file that stands in several
 * manifests is one file. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/memory.h"
#include "job/verify_internal.h"

enum { SLOTS_MIN = 64 };

/* The slot that holds the key, or the free one where it belongs. n_slots is a power of two and never
 * full. */
static uint32_t *slot_of(const struct file_set *set, const char *key) {
    size_t mask = set->n_slots - 1;
    size_t i = splitmix64(crc32c(0, key, strlen(key))) & mask;
    while (set->slots[i] && strcmp(set->files[set->slots[i] - 1].entry.key, key) != 0)
        i = (i + 1) & mask;
    return &set->slots[i];
}

static void grow(struct file_set *set) {
    size_t n = set->n_slots ? set->n_slots * 2 : SLOTS_MIN;
    assert(set->n == 0 || set->files);
    free(set->slots);
    set->slots = xcalloc(n, sizeof *set->slots);
    set->n_slots = n;
    for (size_t i = 0; i < set->n; i++)
        *slot_of(set, set->files[i].entry.key) = (uint32_t)i + 1;
}

struct known_file *file_set_find(const struct file_set *set, const char *key) {
    uint32_t at = set->n_slots ? *slot_of(set, key) : 0;
    return at ? &set->files[at - 1] : NULL;
}

struct known_file *file_set_add(struct file_set *set, int32_t partition,
                                const struct file_entry *entry, bool *added) {
    struct known_file *f = file_set_find(set, entry->key);
    *added = f == NULL;
    if (f)
        return f;
    if (set->n + 1 > set->n_slots / 2)
        grow(set);
    array_reserve(&set->files, &set->cap, set->n + 1, sizeof *set->files);
    f = &set->files[set->n];
    *f = (struct known_file){.entry = *entry, .partition = partition};
    f->entry.key = xstrdup(entry->key);
    f->entry.upload = NULL;
    f->entry.parts = NULL;
    f->entry.n_parts = 0;
    *slot_of(set, f->entry.key) = (uint32_t)++set->n;
    return f;
}

void file_set_free(struct file_set *set) {
    for (size_t i = 0; i < set->n; i++)
        file_entry_clear(&set->files[i].entry);
    free(set->files);
    free(set->slots);
    *set = (struct file_set){0};
}
