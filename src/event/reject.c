/* Records that are no events: the reason in words, and the line that keeps them. */
#include "event/event_parser.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/base64.h"
#include "base/utf8.h"
#include "event/json_string.h"

const char *reject_reason_name(enum reject_reason reason) {
    static const char *const names[REJECT_COUNT] = {
        [REJECT_NONE] = "none",
        [REJECT_INVALID_JSON] = "invalid_json",
        [REJECT_NOT_OBJECT] = "not_object",
        [REJECT_DUPLICATE_FIELD] = "duplicate_field",
        [REJECT_NO_KEY] = "no_key",
        [REJECT_NO_TIMESTAMP] = "no_timestamp",
        [REJECT_BAD_TIMESTAMP] = "bad_timestamp",
        [REJECT_FUTURE] = "future",
    };
    return names[reason];
}

const char *timestamp_format_name(enum timestamp_format format) {
    static const char *const names[] = {"epoch_ms", "epoch_s", "iso8601"};
    return names[format];
}

const char *json_type_name(enum json_type type) {
    static const char *const names[] = {"null",     "a boolean", "a number",
                                        "a string", "an array",  "an object"};
    return names[type];
}

struct excerpt excerpt(const char *text, size_t len) {
    struct excerpt e;
    const size_t room = sizeof e.text - 4; /* for "..." and the NUL */
    size_t n = 0;
    while (n < len) {
        size_t step = utf8_sequence(text + n, len - n);
        if (n + (step ? step : 1) > room)
            break;
        unsigned char c = (unsigned char)text[n];
        if (step > 1)
            memcpy(e.text + n, text + n, step);
        else
            e.text[n] = (char)(step == 0 || c < 0x20 || c == 0x7f ? '?' : c);
        n += step ? step : 1;
    }
    memcpy(e.text + n, n < len ? "..." : "", n < len ? 4 : 1);
    return e;
}

void reject(struct event *ev, enum reject_reason reason, const char *fmt, ...) {
    ev->reason = reason;
    va_list ap;
    va_start(ap, fmt);
    if (vsnprintf(ev->detail, sizeof ev->detail, fmt, ap) < 0)
        ev->detail[0] = '\0';
    va_end(ap);
    /* Where it did not fit, it may have been cut within a character. */
    size_t len = strlen(ev->detail);
    if (len == sizeof ev->detail - 1) {
        size_t n = len;
        while (n > 0 && ((unsigned char)ev->detail[n - 1] & 0xc0) == 0x80)
            n--;
        if (n > 0 && !utf8_valid(ev->detail + n - 1, len - (n - 1)))
            ev->detail[n - 1] = '\0';
    }
}

void reject_invalid_json(struct event *ev, const struct json_scanner *s, const struct record *r) {
    char found[32] = "the end";
    if (s->error_at < r->value_len) {
        unsigned char c = (unsigned char)r->value[s->error_at];
        if (c >= 0x20 && c < 0x7f)
            (void)snprintf(found, sizeof found, "'%c'", c);
        else
            (void)snprintf(found, sizeof found, "0x%02X", c);
    }
    reject(ev, REJECT_INVALID_JSON, "byte %zu: %s, found %s", s->error_at,
           json_error_text(s->error), found);
}

/* ,"name":"text", or ,"name_base64":"..." where the bytes are not text, or ,"name":null. */
static int append_bytes(struct buffer *out, const char *name, const char *text, size_t len) {
    if (!text)
        return buffer_printf(out, ",\"%s\":null", name);
    if (utf8_valid(text, len))
        return buffer_printf(out, ",\"%s\":", name) != 0 ? -1 : json_append_string(out, text, len);
    if (buffer_printf(out, ",\"%s_base64\":\"", name) != 0 || base64_append(out, text, len) != 0)
        return -1;
    return buffer_append(out, "\"", 1);
}

static int append_timestamp(struct buffer *out, int64_t ms) {
    if (ms == RECORD_NO_TIMESTAMP)
        return buffer_puts(out, "null");
    return buffer_printf(out, "%lld", (long long)ms);
}

static int append_line(const struct record *r, const char *topic, int32_t partition,
                       enum reject_reason reason, const char *detail, struct buffer *out) {
    if (buffer_puts(out, "{\"topic\":") != 0 ||
        json_append_string(out, topic, strlen(topic)) != 0 ||
        buffer_printf(out, ",\"partition\":%d,\"offset\":%lld,\"timestamp\":", (int)partition,
                      (long long)r->offset) != 0 ||
        append_timestamp(out, r->timestamp) != 0 ||
        append_bytes(out, "key", r->key, r->key_len) != 0 ||
        buffer_printf(out, ",\"reason\":\"%s\",\"detail\":", reject_reason_name(reason)) != 0 ||
        json_append_string(out, detail, strlen(detail)) != 0 ||
        append_bytes(out, "value", r->value, r->value_len) != 0)
        return -1;
    return buffer_puts(out, "}\n");
}

int event_rejected_line(const struct record *r, const char *topic, int32_t partition,
                        enum reject_reason reason, const char *detail, struct buffer *out) {
    size_t before = out->len;
    if (append_line(r, topic, partition, reason, detail, out) == 0)
        return 0;
    out->len = before; /* half a line must never be written */
    if (out->data)
        out->data[before] = '\0';
    return -1;
}
