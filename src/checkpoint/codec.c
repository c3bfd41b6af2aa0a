#include "checkpoint/codec.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/checksum.h"
#include "base/memory.h"

/* Encoding builds a tree of each member and lets jansson print it: a checkpoint a partition in 30 s is
 * nowhere near the hot path. Arrays go item by item, because with thousands of open windows a tree of
 * the whole takes tens of megabytes. JSON_COMPACT with insertion order makes the bytes a function of
 * the content. */

static json_t *checked(json_t *j) {
    if (!j) /* out of memory or not UTF-8; both inputs are ours */
        out_of_memory();
    return j;
}

static void put(json_t *object, const char *name, json_t *value) {
    if (json_object_set_new(object, name, checked(value)) != 0)
        out_of_memory();
}

static json_t *integer(int64_t v) {
    return json_integer((json_int_t)v);
}

static json_t *ts_or_null(int64_t ts) {
    return ts == TS_NONE ? json_null() : integer(ts);
}

static json_t *hex64(uint64_t v) {
    char text[17];
    (void)snprintf(text, sizeof text, "%016" PRIx64, v);
    return json_string(text);
}

static json_t *hex32(uint32_t v) {
    char text[9];
    (void)snprintf(text, sizeof text, "%08" PRIx32, v);
    return json_string(text);
}

static json_t *text(const char *s) {
    return json_string(s ? s : "");
}

static json_t *encode_totals(const struct totals totals[CLASS_COUNT]) {
    json_t *o = checked(json_object());
    for (int c = 0; c < CLASS_COUNT; c++) {
        json_t *t = checked(json_object());
        put(t, "events", integer((int64_t)totals[c].events));
        put(t, "hash", hex64(totals[c].hash));
        put(o, event_class_name((enum event_class)c), t);
    }
    return o;
}

static json_t *encode_identity(const struct identity *i) {
    json_t *o = checked(json_object());
    put(o, "cluster", text(i->cluster));
    put(o, "topic", text(i->topic));
    put(o, "partition", integer(i->partition));
    put(o, "output", text(i->output));
    put(o, "settings", text(i->settings));
    return o;
}

static json_t *encode_parts(const struct file_entry *f) {
    json_t *a = checked(json_array());
    for (size_t i = 0; i < f->n_parts; i++) {
        json_t *p = checked(json_object());
        put(p, "n", integer(f->parts[i].n));
        put(p, "etag", text(f->parts[i].etag));
        put(p, "bytes", integer((int64_t)f->parts[i].bytes));
        put(p, "crc32c", hex32(f->parts[i].crc32c));
        if (json_array_append_new(a, p) != 0)
            out_of_memory();
    }
    return a;
}

static json_t *encode_file(const struct file_entry *f, bool with_upload) {
    json_t *o = checked(json_object());
    put(o, "class", text(event_class_name(f->class)));
    put(o, "window", ts_or_null(f->window));
    put(o, "key", text(f->key));
    if (with_upload)
        put(o, "upload", text(f->upload));
    put(o, "first", integer(f->first));
    put(o, "first_max_ts", ts_or_null(f->first_max_ts));
    put(o, "last", integer(f->last));
    put(o, "events", integer((int64_t)f->count.events));
    put(o, "hash", hex64(f->count.hash));
    put(o, "bytes", integer((int64_t)f->bytes));
    put(o, "crc32c", hex32(f->crc32c));
    if (with_upload)
        put(o, "parts", encode_parts(f));
    return o;
}

static json_t *encode_unfinished(const void *files, size_t i) {
    return encode_file((const struct file_entry *)files + i, true);
}

static json_t *encode_published(const void *files, size_t i) {
    return encode_file((const struct file_entry *)files + i, false);
}

static json_t *encode_gap(const void *gaps, size_t i) {
    const struct gap *g = (const struct gap *)gaps + i;
    json_t *o = checked(json_object());
    put(o, "class", text(event_class_name(g->class)));
    put(o, "window", ts_or_null(g->window));
    put(o, "from", integer(g->from));
    put(o, "to", integer(g->to));
    put(o, "events", integer((int64_t)g->events));
    return o;
}

static json_t *encode_loss(const void *losses, size_t i) {
    const struct loss *l = (const struct loss *)losses + i;
    json_t *o = checked(json_object());
    put(o, "from", integer(l->from));
    put(o, "to", integer(l->to));
    put(o, "events", l->events < 0 ? json_null() : integer(l->events));
    return o;
}

static json_t *encode_writer(const struct checkpoint *c) {
    json_t *o = checked(json_object());
    put(o, "host", text(c->writer_host));
    put(o, "pid", integer(c->writer_pid));
    put(o, "version", text(c->writer_version));
    put(o, "time", text(c->writer_time));
    return o;
}

static json_t *encode_last(const struct checkpoint *c) {
    if (!c->has_last)
        return json_null();
    json_t *o = checked(json_object());
    put(o, "offset", integer(c->last_offset));
    put(o, "crc32c", hex32(c->last_crc32c));
    return o;
}

static int append(const char *data, size_t len, void *out) {
    (void)buffer_append(out, data, len); /* its overflow is looked at by who gave it */
    return 0;
}

/* Takes the tree. */
static void print(struct buffer *out, json_t *tree) {
    if (json_dump_callback(checked(tree), append, out,
                           JSON_COMPACT | JSON_ENSURE_ASCII | JSON_ENCODE_ANY) != 0)
        out_of_memory();
    json_decref(tree);
}

static void name(struct buffer *out, const char *of) {
    (void)buffer_printf(out, ",\"%s\":", of);
}

static void member(struct buffer *out, const char *of, json_t *value) {
    name(out, of);
    print(out, value);
}

/* A member that is an array of n items. */
static void array(struct buffer *out, const char *of, const void *items, size_t n,
                  json_t *(*encode)(const void *items, size_t i)) {
    name(out, of);
    (void)buffer_puts(out, "[");
    for (size_t i = 0; i < n; i++) {
        (void)buffer_puts(out, i > 0 ? "," : "");
        print(out, encode(items, i));
    }
    (void)buffer_puts(out, "]");
}

void checkpoint_encode(const struct checkpoint *c, struct buffer *out) {
    size_t start = out->len;
    (void)buffer_puts(out, "{\"v\":1");
    member(out, "number", integer((int64_t)c->number));
    member(out, "claim", json_boolean(c->claim));
    member(out, "claim_id", text(c->claim_id));
    member(out, "writer", encode_writer(c));
    member(out, "identity", encode_identity(&c->identity));
    member(out, "next", integer(c->next));
    member(out, "last", encode_last(c));
    member(out, "replay_from", integer(c->replay_from));
    member(out, "replay_max_ts", ts_or_null(c->replay_max_ts));
    array(out, "gaps", c->gaps, c->n_gaps, encode_gap);
    array(out, "files", c->files, c->n_files, encode_unfinished);
    array(out, "commits", c->commits, c->n_commits, encode_unfinished);
    if (c->n_losses)
        array(out, "losses", c->losses, c->n_losses, encode_loss);
    member(out, "read", encode_totals(c->read));
    member(out, "listed", encode_totals(c->listed));
    if (out->overflow)
        return;
    uint32_t crc = crc32c(0, out->data + start, out->len - start);
    (void)buffer_printf(out, ",\"crc32c\":\"%08" PRIx32 "\"}", crc);
}

void manifest_encode(const struct checkpoint *c, struct buffer *out) {
    (void)buffer_puts(out, "{\"v\":1");
    member(out, "checkpoint", integer((int64_t)c->number));
    member(out, "identity", encode_identity(&c->identity));
    array(out, "files", c->commits, c->n_commits, encode_published);
    member(out, "read", encode_totals(c->read));
    member(out, "listed", encode_totals(c->listed));
    member(out, "next", integer(c->next));
    (void)buffer_puts(out, "}");
}

/* Decoding. One reader carries the first trouble; every getter is a no-op after it, so that the code
 * reads like the format. */

struct reader {
    struct error *e;
    bool failed;
};

static void fail(struct reader *r, const char *field, const char *what) {
    if (r->failed)
        return;
    r->failed = true;
    (void)error_set(r->e, ERR_CORRUPT, "field \"%s\" %s", field, what);
}

static void other_version(struct reader *r) {
    if (r->failed)
        return;
    r->failed = true;
    (void)error_set(r->e, ERR_UNSUPPORTED,
                    "its format (field \"v\") is not 1: a newer tidemark wrote it; run that one");
}

static json_t *get(struct reader *r, json_t *o, const char *name) {
    json_t *v = r->failed ? NULL : json_object_get(o, name);
    if (!v)
        fail(r, name, "is missing");
    return v;
}

static int64_t get_int(struct reader *r, json_t *o, const char *name, int64_t min) {
    json_t *v = get(r, o, name);
    if (v && !json_is_integer(v))
        fail(r, name, "is not an integer");
    int64_t i = r->failed ? 0 : (int64_t)json_integer_value(v);
    if (!r->failed && i < min)
        fail(r, name, "is too small");
    return i;
}

static int32_t get_int32(struct reader *r, json_t *o, const char *name, int32_t min) {
    int64_t i = get_int(r, o, name, min);
    if (i > INT32_MAX)
        fail(r, name, "is too large");
    return r->failed ? 0 : (int32_t)i;
}

static bool get_bool(struct reader *r, json_t *o, const char *name) {
    json_t *v = get(r, o, name);
    if (v && !json_is_boolean(v))
        fail(r, name, "is not a boolean");
    return !r->failed && json_is_true(v);
}

static int64_t get_ts(struct reader *r, json_t *o, const char *name) {
    json_t *v = get(r, o, name);
    if (v && json_is_null(v))
        return TS_NONE;
    return get_int(r, o, name, INT64_MIN);
}

static const char *get_text(struct reader *r, json_t *o, const char *name) {
    json_t *v = get(r, o, name);
    if (v && !json_is_string(v))
        fail(r, name, "is not a string");
    return r->failed ? "" : json_string_value(v);
}

static uint64_t get_hex(struct reader *r, json_t *o, const char *name, size_t digits) {
    const char *s = get_text(r, o, name);
    if (r->failed)
        return 0;
    if (strlen(s) != digits || strspn(s, "0123456789abcdef") != digits) {
        fail(r, name, "is not hexadecimal of the right length");
        return 0;
    }
    return strtoull(s, NULL, 16);
}

static json_t *get_typed(struct reader *r, json_t *o, const char *name, bool array) {
    json_t *v = get(r, o, name);
    if (v && !(array ? json_is_array(v) : json_is_object(v)))
        fail(r, name, array ? "is not an array" : "is not an object");
    return r->failed ? NULL : v;
}

static void decode_totals(struct reader *r, json_t *o, const char *name,
                          struct totals totals[CLASS_COUNT]) {
    json_t *all = get_typed(r, o, name, false);
    for (int c = 0; c < CLASS_COUNT && !r->failed; c++) {
        json_t *t = get_typed(r, all, event_class_name((enum event_class)c), false);
        totals[c].events = (uint64_t)get_int(r, t, "events", 0);
        totals[c].hash = get_hex(r, t, "hash", 16);
    }
}

static void copy_hex_text(struct reader *r, json_t *o, const char *name, char *dst, size_t digits) {
    const char *s = get_text(r, o, name);
    if (!r->failed && strlen(s) != digits)
        fail(r, name, "has the wrong length");
    if (!r->failed)
        memcpy(dst, s, digits + 1);
}

static void decode_identity(struct reader *r, json_t *o, struct identity *i) {
    json_t *id = get_typed(r, o, "identity", false);
    i->cluster = xstrdup(get_text(r, id, "cluster"));
    i->topic = xstrdup(get_text(r, id, "topic"));
    i->partition = get_int32(r, id, "partition", 0);
    i->output = xstrdup(get_text(r, id, "output"));
    copy_hex_text(r, id, "settings", i->settings, 16);
}

static enum event_class decode_class(struct reader *r, json_t *o) {
    const char *s = get_text(r, o, "class");
    for (int c = 0; c < CLASS_NULL && !r->failed; c++)
        if (strcmp(s, event_class_name((enum event_class)c)) == 0)
            return (enum event_class)c;
    fail(r, "class", "is none of event, late, rejected");
    return CLASS_EVENT;
}

static void decode_parts(struct reader *r, json_t *o, struct file_entry *f) {
    json_t *a = get_typed(r, o, "parts", true);
    if (!a)
        return;
    f->parts = xcalloc(json_array_size(a), sizeof *f->parts);
    for (size_t i = 0; i < json_array_size(a) && !r->failed; i++) {
        json_t *p = json_array_get(a, i);
        struct store_part *part = &f->parts[f->n_parts++];
        part->n = get_int32(r, p, "n", 1);
        const char *etag = get_text(r, p, "etag");
        if (strlen(etag) >= sizeof part->etag)
            fail(r, "etag", "is too long");
        else
            memcpy(part->etag, etag, strlen(etag) + 1);
        part->bytes = (uint64_t)get_int(r, p, "bytes", 1);
        part->crc32c = (uint32_t)get_hex(r, p, "crc32c", 8);
    }
}

static void decode_file(struct reader *r, json_t *o, bool with_upload, struct file_entry *f) {
    f->class = decode_class(r, o);
    f->window = get_ts(r, o, "window");
    f->key = xstrdup(get_text(r, o, "key"));
    if (with_upload)
        f->upload = xstrdup(get_text(r, o, "upload"));
    f->first = get_int(r, o, "first", 0);
    f->first_max_ts = get_ts(r, o, "first_max_ts");
    f->last = get_int(r, o, "last", -1);
    f->count.events = (uint64_t)get_int(r, o, "events", 0);
    f->count.hash = get_hex(r, o, "hash", 16);
    f->bytes = (uint64_t)get_int(r, o, "bytes", 0);
    f->crc32c = (uint32_t)get_hex(r, o, "crc32c", 8);
    if (with_upload)
        decode_parts(r, o, f);
}

static void decode_files(struct reader *r, json_t *o, const char *name, bool with_upload,
                         struct file_entry **files, size_t *n) {
    json_t *a = get_typed(r, o, name, true);
    if (!a)
        return;
    *files = xcalloc(json_array_size(a), sizeof **files);
    for (size_t i = 0; i < json_array_size(a) && !r->failed; i++)
        decode_file(r, json_array_get(a, i), with_upload, &(*files)[(*n)++]);
}

static void decode_gaps(struct reader *r, json_t *o, struct checkpoint *c) {
    json_t *a = get_typed(r, o, "gaps", true);
    if (!a)
        return;
    c->gaps = xcalloc(json_array_size(a), sizeof *c->gaps);
    for (size_t i = 0; i < json_array_size(a) && !r->failed; i++) {
        json_t *g = json_array_get(a, i);
        struct gap *gap = &c->gaps[c->n_gaps++];
        gap->class = decode_class(r, g);
        gap->window = get_ts(r, g, "window");
        gap->from = get_int(r, g, "from", 0);
        gap->to = get_int(r, g, "to", gap->from);
        gap->events = (uint64_t)get_int(r, g, "events", 1);
    }
}

static void decode_losses(struct reader *r, json_t *o, struct checkpoint *c) {
    if (r->failed || !json_object_get(o, "losses"))
        return;
    json_t *a = get_typed(r, o, "losses", true);
    if (!a)
        return;
    c->losses = xcalloc(json_array_size(a), sizeof *c->losses);
    for (size_t i = 0; i < json_array_size(a) && !r->failed; i++) {
        json_t *l = json_array_get(a, i);
        struct loss *loss = &c->losses[c->n_losses++];
        loss->from = get_int(r, l, "from", 0);
        loss->to = get_int(r, l, "to", loss->from);
        json_t *events = get(r, l, "events");
        loss->events = events && json_is_null(events) ? -1 : get_int(r, l, "events", 0);
    }
}

static void decode_writer_and_last(struct reader *r, json_t *o, struct checkpoint *c) {
    json_t *w = get_typed(r, o, "writer", false);
    c->writer_host = xstrdup(get_text(r, w, "host"));
    c->writer_pid = get_int(r, w, "pid", 0);
    c->writer_version = xstrdup(get_text(r, w, "version"));
    c->writer_time = xstrdup(get_text(r, w, "time"));
    json_t *last = get(r, o, "last");
    c->has_last = last && !json_is_null(last);
    if (c->has_last) {
        c->last_offset = get_int(r, last, "offset", 0);
        c->last_crc32c = (uint32_t)get_hex(r, last, "crc32c", 8);
    }
}

static void decode_body(struct reader *r, json_t *o, struct checkpoint *c) {
    if (get_int(r, o, "v", 0) != 1)
        other_version(r);
    c->number = (uint64_t)get_int(r, o, "number", 1);
    c->claim = get_bool(r, o, "claim");
    copy_hex_text(r, o, "claim_id", c->claim_id, 32);
    decode_writer_and_last(r, o, c);
    decode_identity(r, o, &c->identity);
    c->next = get_int(r, o, "next", 0);
    c->replay_from = get_int(r, o, "replay_from", 0);
    c->replay_max_ts = get_ts(r, o, "replay_max_ts");
    decode_gaps(r, o, c);
    decode_files(r, o, "files", true, &c->files, &c->n_files);
    decode_files(r, o, "commits", true, &c->commits, &c->n_commits);
    decode_losses(r, o, c);
    decode_totals(r, o, "read", c->read);
    decode_totals(r, o, "listed", c->listed);
}

static json_t *parse(const char *data, size_t len, struct error *e) {
    json_error_t why;
    json_t *o = json_loadb(data, len, JSON_REJECT_DUPLICATES, &why);
    if (!o || !json_is_object(o)) {
        (void)error_set(e, ERR_CORRUPT, "not a JSON object%s%s", o ? "" : ": ", o ? "" : why.text);
        json_decref(o);
        return NULL;
    }
    return o;
}

/* Length of the bytes that the CRC covers, or 0. The CRC member is the last and of fixed length. */
static size_t crc_covers(const char *data, size_t len) {
    static const char member[] = ",\"crc32c\":\"";
    size_t tail = sizeof member - 1 + 8 + 2;
    if (len <= tail || memcmp(data + len - tail, member, sizeof member - 1) != 0)
        return 0;
    return len - tail;
}

int checkpoint_decode(const char *data, size_t len, struct checkpoint *c, struct error *e) {
    *c = (struct checkpoint){0};
    size_t covered = crc_covers(data, len);
    if (covered == 0)
        return error_set(e, ERR_CORRUPT, "does not end in a crc32c member (cut short?)");
    json_t *o = parse(data, len, e);
    if (!o)
        return -1;
    struct reader r = {.e = e};
    uint32_t want = (uint32_t)get_hex(&r, o, "crc32c", 8);
    uint32_t have = crc32c(0, data, covered);
    if (!r.failed && want != have) {
        r.failed = true;
        (void)error_set(e, ERR_CORRUPT, "CRC-32C is %08" PRIx32 ", it states %08" PRIx32, have,
                        want);
    }
    decode_body(&r, o, c);
    json_decref(o);
    if (!r.failed)
        return 0;
    checkpoint_clear(c);
    return -1;
}

int manifest_decode(const char *data, size_t len, struct manifest *m, struct error *e) {
    *m = (struct manifest){0};
    json_t *o = parse(data, len, e);
    if (!o)
        return -1;
    struct reader r = {.e = e};
    if (get_int(&r, o, "v", 0) != 1)
        other_version(&r);
    m->checkpoint = (uint64_t)get_int(&r, o, "checkpoint", 1);
    decode_identity(&r, o, &m->identity);
    decode_files(&r, o, "files", false, &m->files, &m->n_files);
    decode_totals(&r, o, "read", m->read);
    decode_totals(&r, o, "listed", m->listed);
    m->next = get_int(&r, o, "next", 0);
    json_decref(o);
    if (!r.failed)
        return 0;
    manifest_clear(m);
    return -1;
}

void manifest_clear(struct manifest *m) {
    identity_clear(&m->identity);
    for (size_t i = 0; i < m->n_files; i++)
        file_entry_clear(&m->files[i]);
    free(m->files);
    *m = (struct manifest){0};
}
