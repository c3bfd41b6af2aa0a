#include "checkpoint/checkpoint.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

const char *event_class_name(enum event_class c) {
    static const char *const names[] = {"event", "late", "rejected", "null"};
    return names[c];
}

static void *copy_array(const void *src, size_t n, size_t size) {
    if (n == 0)
        return NULL;
    void *dst = xmalloc(n * size);
    memcpy(dst, src, n * size);
    return dst;
}

static char *copy_text(const char *s) {
    return s ? xstrdup(s) : NULL;
}

void file_entry_clear(struct file_entry *f) {
    free(f->key);
    free(f->upload);
    free(f->parts);
    *f = (struct file_entry){0};
}

void file_entry_copy(struct file_entry *dst, const struct file_entry *src) {
    *dst = *src;
    dst->key = copy_text(src->key);
    dst->upload = copy_text(src->upload);
    dst->parts = copy_array(src->parts, src->n_parts, sizeof *src->parts);
}

static void clear_files(struct file_entry *files, size_t n) {
    for (size_t i = 0; i < n; i++)
        file_entry_clear(&files[i]);
    free(files);
}

static struct file_entry *copy_files(const struct file_entry *src, size_t n) {
    struct file_entry *dst = copy_array(src, n, sizeof *src);
    for (size_t i = 0; i < n; i++)
        file_entry_copy(&dst[i], &src[i]);
    return dst;
}

void identity_clear(struct identity *i) {
    free(i->cluster);
    free(i->topic);
    free(i->output);
    *i = (struct identity){0};
}

void identity_copy(struct identity *dst, const struct identity *src) {
    *dst = *src;
    dst->cluster = copy_text(src->cluster);
    dst->topic = copy_text(src->topic);
    dst->output = copy_text(src->output);
}

void checkpoint_clear(struct checkpoint *c) {
    if (!c)
        return;
    free(c->writer_host);
    free(c->writer_version);
    free(c->writer_time);
    identity_clear(&c->identity);
    free(c->gaps);
    free(c->losses);
    clear_files(c->files, c->n_files);
    clear_files(c->commits, c->n_commits);
    *c = (struct checkpoint){0};
}

void checkpoint_copy(struct checkpoint *dst, const struct checkpoint *src) {
    *dst = *src;
    dst->writer_host = copy_text(src->writer_host);
    dst->writer_version = copy_text(src->writer_version);
    dst->writer_time = copy_text(src->writer_time);
    identity_copy(&dst->identity, &src->identity);
    dst->gaps = copy_array(src->gaps, src->n_gaps, sizeof *src->gaps);
    dst->losses = copy_array(src->losses, src->n_losses, sizeof *src->losses);
    dst->files = copy_files(src->files, src->n_files);
    dst->commits = copy_files(src->commits, src->n_commits);
}

bool checkpoint_is_clean(const struct checkpoint *c) {
    return c->n_gaps == 0 && c->n_files == 0 && c->n_commits == 0;
}

static bool all_behind(const struct file_entry *list, size_t n, int64_t end) {
    for (size_t i = 0; i < n; i++)
        if (list[i].first < end)
            return false;
    return true;
}

bool checkpoint_has_published(const struct checkpoint *c, int64_t end) {
    for (size_t i = 0; i < c->n_gaps; i++)
        if (c->gaps[i].from < end)
            return false;
    return c->next >= end && all_behind(c->files, c->n_files, end) &&
           all_behind(c->commits, c->n_commits, end);
}
