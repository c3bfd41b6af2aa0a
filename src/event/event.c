/* Which class a record is of, and why: the tests of docs/semantics.md in their order. */
#include "event/event_parser.h"

#include <stdlib.h>

#include "base/memory.h"
#include "event/json_string.h"

static const char *const added_fields[ADDED_FIELDS] = {ADDED_TIMESTAMP, ADDED_START, ADDED_END};

static int check_names(const struct event_rules *rules, struct error *e) {
    if (strcmp(rules->key_field, rules->timestamp_field) == 0)
        return error_set(e, ERR_USAGE,
                         "event.key_field and event.timestamp_field are both \"%s\"; they must be "
                         "two fields",
                         rules->key_field);
    for (size_t i = 0; i < ADDED_FIELDS; i++) {
        bool key = strcmp(rules->key_field, added_fields[i]) == 0;
        if (key || strcmp(rules->timestamp_field, added_fields[i]) == 0)
            return error_set(e, ERR_USAGE,
                             "event.%s is \"%s\", a field that is added to every event; name "
                             "another",
                             key ? "key_field" : "timestamp_field", added_fields[i]);
    }
    return 0;
}

struct event_parser *event_parser_new(const struct event_rules *rules, struct error *e) {
    if (check_names(rules, e) != 0)
        return NULL;
    struct event_parser *p = xcalloc(1, sizeof *p);
    p->rules = *rules;
    p->rules.key_field = xstrdup(rules->key_field);
    p->rules.timestamp_field = xstrdup(rules->timestamp_field);
    json_scanner_init(&p->json, json_simd_best());
    json_scanner_watch(&p->json, p->rules.key_field, false);
    json_scanner_watch(&p->json, p->rules.timestamp_field, false);
    for (size_t i = 0; i < ADDED_FIELDS; i++)
        json_scanner_watch(&p->json, added_fields[i], true);
    return p;
}

void event_parser_free(struct event_parser *p) {
    if (!p)
        return;
    json_scanner_free(&p->json);
    free((char *)(uintptr_t)p->rules.key_field);
    free((char *)(uintptr_t)p->rules.timestamp_field);
    free(p);
}

static struct excerpt field_name(const char *name) {
    return excerpt(name, strlen(name));
}

static bool is_plain_integer(const struct json_found *f) {
    for (size_t i = f->text[0] == '-'; i < f->len; i++)
        if (f->text[i] < '0' || f->text[i] > '9')
            return false;
    return true;
}

static void check_duplicates(const struct event_parser *p, struct event *ev) {
    for (size_t i = WATCH_KEY; i <= WATCH_TIMESTAMP; i++)
        if (p->json.found[i].count > 1) {
            reject(ev, REJECT_DUPLICATE_FIELD, "field \"%s\" stands %zu times",
                   field_name(p->json.watch[i].name).text, p->json.found[i].count);
            return;
        }
}

static void check_key(const struct event_parser *p, struct event *ev) {
    const struct json_found *f = &p->json.found[WATCH_KEY];
    const char *why = NULL;
    if (f->count == 0)
        why = "absent";
    else if (f->type == JSON_TYPE_STRING)
        why = f->len == 0 ? "an empty string" : NULL;
    else if (f->type != JSON_TYPE_NUMBER)
        why = json_type_name(f->type);
    else if (!is_plain_integer(f))
        why = "a number with a fraction or an exponent";
    if (why)
        reject(ev, REJECT_NO_KEY, "field \"%s\" is %s; it must be a string or an integer",
               field_name(p->rules.key_field).text, why);
}

static void check_timestamp(const struct event_parser *p, struct event *ev) {
    const struct json_found *f = &p->json.found[WATCH_TIMESTAMP];
    if (f->count == 0 || f->type == JSON_TYPE_NULL)
        reject(ev, REJECT_NO_TIMESTAMP, "field \"%s\" is %s",
               field_name(p->rules.timestamp_field).text, f->count == 0 ? "absent" : "null");
    else
        timestamp_read(&p->rules, f, ev);
}

static void check_future(const struct event_parser *p, const struct record *r, struct event *ev) {
    int64_t limit;
    if (r->timestamp == RECORD_NO_TIMESTAMP ||
        __builtin_add_overflow(r->timestamp, p->rules.max_future_ms, &limit) ||
        ev->timestamp <= limit)
        return;
    char text[INSTANT_MAX];
    size_t n = instant_format(ev->timestamp, text);
    reject(ev, REJECT_FUTURE, "%.*s is more than %lld ms after the record's own timestamp, %lld",
           (int)n, text, (long long)p->rules.max_future_ms, (long long)r->timestamp);
}

static bool key_differs(const struct event_parser *p, const struct record *r) {
    const struct json_found *f = &p->json.found[WATCH_KEY];
    if (!r->key)
        return false;
    if (f->escaped)
        return !json_string_equals(f->text, f->len, r->key, r->key_len);
    return r->key_len != f->len || memcmp(r->key, f->text, f->len) != 0;
}

/* What the three members take at most: ,"name":"instant" each. */
static size_t added_max(void) {
    size_t n = 0;
    for (size_t i = 0; i < ADDED_FIELDS; i++)
        n += strlen(added_fields[i]) + INSTANT_MAX + 6;
    return n;
}

static void classify(struct event_parser *p, const struct record *r, struct event *ev) {
    if (!r->value || r->value_len == 0) {
        ev->null = true;
        return;
    }
    if (!json_scan(&p->json, r->value, r->value_len)) {
        reject_invalid_json(ev, &p->json, r);
        return;
    }
    if (p->json.type == JSON_TYPE_NULL) {
        ev->null = true;
        return;
    }
    if (p->json.type != JSON_TYPE_OBJECT) {
        reject(ev, REJECT_NOT_OBJECT, "the value is %s; an event is an object",
               json_type_name(p->json.type));
        return;
    }
    check_duplicates(p, ev);
    if (ev->reason == REJECT_NONE)
        check_key(p, ev);
    if (ev->reason == REJECT_NONE)
        check_timestamp(p, ev);
    if (ev->reason == REJECT_NONE)
        check_future(p, r, ev);
}

void event_parse(struct event_parser *p, const struct record *r, struct event *ev) {
    ev->null = false;
    ev->reason = REJECT_NONE;
    ev->detail[0] = '\0';
    ev->timestamp = 0;
    ev->key_mismatch = false;
    ev->line_max = 0;
    classify(p, r, ev);
    if (ev->null || ev->reason != REJECT_NONE)
        return;
    ev->key_mismatch = key_differs(p, r);
    ev->line_max = r->value_len + added_max() + 1 + JSON_PACK_SLACK;
    p->timestamp = ev->timestamp;
}
