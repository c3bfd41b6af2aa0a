#include "job/settings_text.h"

#include <ctype.h>
#include <string.h>

#include "base/utf8.h"
#include "job/settings_values.h"

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"
#define NAME_CHARACTERS LETTERS DIGITS "._-"

enum {
    NAME_LENGTH = 100,
    TOPIC_LENGTH = 249, /* Kafka's own limit */
    FIELD_LENGTH = 200,
    PATH_LENGTH = 500,      /* an S3 key has at most 1,024 bytes, and ours add some 500 */
    PARTITION_LENGTH = 200, /* below a file name's 255, should it have one segment */
};

static bool has_control(const char *text) {
    for (; *text; text++)
        if (iscntrl((unsigned char)*text))
            return true;
    return false;
}

/* Ends in files, keys and messages, so control characters and broken UTF-8 have no place in it. */
const char *accept_printable(const char *text) {
    if (has_control(text))
        return "has a control character in it";
    return utf8_valid(text, strlen(text)) ? NULL : "is not valid UTF-8";
}

const char *accept_secret(const char *text) {
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f)
            return "has a character in it that is not printable ASCII";
    return NULL;
}

const char *accept_name(const char *text) {
    if (strlen(text) > NAME_LENGTH)
        return "is longer than 100 characters";
    if (text[strspn(text, NAME_CHARACTERS)])
        return "has a character other than A-Z a-z 0-9 . _ - in it";
    if (*text == '.' || *text == '_')
        return "begins with '.' or '_'";
    return NULL;
}

const char *accept_topic(const char *text) {
    if (strlen(text) > TOPIC_LENGTH)
        return "is longer than 249 characters";
    if (text[strspn(text, NAME_CHARACTERS)] || strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
        return "is not a topic's name (A-Z a-z 0-9 . _ - only)";
    return NULL;
}

const char *accept_servers(const char *text) {
    const char *why = accept_printable(text);
    if (why)
        return why;
    if (strchr(text, ' '))
        return "has a space in it (write host:port,host:port)";
    if (*text == ',' || text[strlen(text) - 1] == ',' || strstr(text, ",,"))
        return "has an empty entry (write host:port,host:port)";
    return NULL;
}

const char *accept_field(const char *text) {
    if (strlen(text) > FIELD_LENGTH)
        return "is longer than 200 bytes";
    return accept_printable(text);
}

/* ---- Paths --------------------------------------------------------------------------------- */

static const char *accept_s3_path(const char *bucket) {
    size_t n = strspn(bucket, NAME_CHARACTERS);
    if (n == 0 || (bucket[n] && bucket[n] != '/') || *bucket == '.' || *bucket == '-')
        return "does not name a bucket (write s3://bucket/prefix/)";
    if (strstr(bucket, "//"))
        return "has an empty segment in it (two slashes in a row)";
    for (const char *p = strchr(bucket, '/'); p; p = strchr(p + 1, '/'))
        if (strcmp(p, "/.") == 0 || strcmp(p, "/..") == 0 || strncmp(p, "/./", 3) == 0 ||
            strncmp(p, "/../", 4) == 0)
            return "has a segment . or .. in it";
    return NULL;
}

const char *accept_path(const char *text) {
    if (strlen(text) > PATH_LENGTH)
        return "is longer than 500 bytes";
    const char *why = accept_printable(text);
    if (why)
        return why;
    if (strncmp(text, "s3://", 5) == 0)
        return accept_s3_path(text + 5);
    if (strstr(text, "://"))
        return "is neither s3://bucket/prefix/ nor a directory";
    return NULL;
}

/* Bytes that %c can take at most, or 0 where it is not to be used: names must sort by time and be
 * the same in every locale. */
static size_t conversion_length(char c) {
    if (c == 'Y')
        return 4;
    if (c == 'j')
        return 3;
    return c && strchr("mdHMS", c) ? 2 : 0;
}

const char *accept_partition_by(const char *text) {
    const char *why = accept_printable(text);
    if (why)
        return why;
    size_t length = 0;
    const char *segment = text;
    for (const char *p = text;; p++) {
        if (*p == '/' || *p == '\0') {
            if (p == segment)
                return "has an empty segment in it (no '/' first, last or twice in a row)";
            if (*segment == '.' || *segment == '_')
                return "has a segment that begins with '.' or '_', which readers skip";
            segment = p + 1;
        }
        if (*p == '\0')
            break;
        if (*p == '\\')
            return "has a backslash in it";
        if (*p == '%' && conversion_length(*++p) == 0)
            return "has a conversion other than %Y %m %d %H %M %S %j in it";
        length += p > text && p[-1] == '%' ? conversion_length(*p) : 1;
    }
    return length < PARTITION_LENGTH ? NULL : "makes names of 200 bytes or more";
}

/* ---- Addresses ----------------------------------------------------------------------------- */

int split_listen(const char *text, char *host, size_t cap, uint16_t *port) {
    const char *end, *begin = text;
    if (*text == '[') {
        begin++;
        end = strchr(text, ']');
        if (!end || end[1] != ':')
            return -1;
    } else {
        end = strchr(text, ':');
    }
    if (!end || end == begin || (size_t)(end - begin) >= cap)
        return -1;
    int64_t number;
    if (parse_count(end + (*text == '[') + 1, &number) != 0 || number < 0 || number > 65535)
        return -1;
    memcpy(host, begin, (size_t)(end - begin));
    host[end - begin] = '\0';
    *port = (uint16_t)number;
    const char *set = *text == '[' ? "0123456789abcdefABCDEF:." : NAME_CHARACTERS;
    return host[strspn(host, set)] ? -1 : 0;
}

const char *accept_listen(const char *text) {
    char host[256];
    uint16_t port;
    return split_listen(text, host, sizeof host, &port) == 0
               ? NULL
               : "is not host:port (write 127.0.0.1:8081 or [::1]:8081)";
}

const char *accept_endpoint(const char *text) {
    size_t scheme = strncmp(text, "http://", 7) == 0    ? 7
                    : strncmp(text, "https://", 8) == 0 ? 8
                                                        : 0;
    const char *host = text + scheme;
    if (scheme == 0 || *host == '\0')
        return "is not an address (write http://host:port or https://host)";
    if (strchr(host, '@'))
        return "holds a user (use s3.access_key and s3.secret_key)";
    size_t n = strspn(host, NAME_CHARACTERS "[]:");
    if (n == 0 || (host[n] && strcmp(host + n, "/") != 0))
        return "is more than an address (write http://host:port or https://host)";
    return NULL;
}
