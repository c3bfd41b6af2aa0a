#include "control/uri.h"

#include <stdbool.h>
#include <string.h>

static int hex(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The character at *at, which moves on; negative where it is none. */
static int decoded(const char **at) {
    int c = (unsigned char)*(*at)++;
    if (c == '%') {
        int high = hex((*at)[0]), low = high < 0 ? -1 : hex((*at)[1]);
        if (low < 0)
            return -1;
        c = high << 4 | low;
        *at += 2;
    }
    return c < 0x20 || c == 0x7f ? -1 : c;
}

static const char *parse_path(struct uri *u, const char *raw, const char *end) {
    size_t n = 0;
    while (raw < end) {
        bool plain = *raw != '%';
        int c = decoded(&raw);
        if (c < 0)
            return "the path holds a bad %-sequence or a control character";
        if (!plain && c == '/')
            return "the path holds an encoded slash";
        u->path[n++] = (char)c;
    }
    u->path[n] = '\0';
    if (strncmp(u->path, "/v1/", 4) == 0)
        memmove(u->path, u->path + 3, n - 3 + 1);
    return NULL;
}

/* One argument of the query into dst; returns the place behind it, or NULL where it is malformed. */
static char *parse_arg(struct uri_arg *a, const char **raw, char *dst) {
    a->name = dst;
    a->value = NULL;
    while (**raw && **raw != '&') {
        bool plain = **raw != '%';
        int c = decoded(raw);
        if (c < 0)
            return NULL;
        if (plain && c == '=' && !a->value) {
            *dst++ = '\0';
            a->value = dst;
        } else {
            *dst++ = (char)(plain && c == '+' ? ' ' : c);
        }
    }
    *dst = '\0';
    if (!a->value)
        a->value = dst;
    return dst + 1;
}

static const char *parse_query(struct uri *u, const char *raw) {
    char *dst = u->query;
    for (;; raw++) {
        if (u->n_args == URI_ARGS_MAX)
            return "the query holds too many arguments";
        dst = parse_arg(&u->args[u->n_args++], &raw, dst);
        if (!dst)
            return "the query holds a bad %-sequence or a control character";
        if (*raw == '\0')
            return NULL;
    }
}

const char *uri_parse(struct uri *u, const char *raw) {
    u->path[0] = u->query[0] = '\0';
    u->n_args = 0;
    if (*raw != '/')
        return "the path does not begin with a slash";
    if (strlen(raw) >= URI_MAX)
        return "the address is too long";
    const char *end = raw + strcspn(raw, "?");
    const char *why = parse_path(u, raw, end);
    if (!why && *end == '?' && end[1])
        why = parse_query(u, end + 1);
    return why;
}

const char *uri_arg(const struct uri *u, const char *name) {
    for (size_t i = 0; i < u->n_args; i++)
        if (strcmp(u->args[i].name, name) == 0)
            return u->args[i].value;
    return NULL;
}
