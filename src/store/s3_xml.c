#include "store/s3_xml.h"

#include <errno.h>
#include <expat.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { DEPTH_MAX = 16 };

/* Depth 1 is the root, depth 2 its fields or one <Contents> / <Upload>, depth 3 an entry's fields. */
struct parser {
    XML_Parser expat;
    struct s3_xml *out;
    struct buffer text; /* of the innermost element */
    int depth;
    bool in_entry;
    bool entry_size_seen, entry_time_seen;
    struct store_entry entry;
    bool url_encoded; /* the server took encoding-type=url */
    const char *trouble;
};

static void stop(struct parser *p, const char *trouble) {
    if (!p->trouble)
        p->trouble = trouble;
    (void)XML_StopParser(p->expat, XML_FALSE);
}

/* The copy of at most size - 1 bytes of a server's words that is safe on a terminal and in a log. */
static void copy_words(char *dst, size_t size, const char *src) {
    size_t n = strlen(src);
    if (n > size - 1) {
        n = size - 1;
        while (n && ((unsigned char)src[n] & 0xc0) == 0x80) /* not in the middle of a character */
            n--;
    }
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)src[i];
        dst[i] = (char)(c < 0x20 || c == 0x7f ? ' ' : c);
    }
    dst[n] = '\0';
}

static void replace(char **field, const char *value) {
    free(*field);
    *field = xstrdup(value);
}

static bool read_size(const char *s, uint64_t *size) {
    char *end = NULL;
    errno = 0;
    if (*s < '0' || *s > '9')
        return false;
    *size = strtoull(s, &end, 10);
    return errno == 0 && *end == '\0';
}

static void free_entry(struct store_entry *entry) {
    free(entry->key);
    free(entry->upload);
    *entry = (struct store_entry){0};
}

static enum s3_root root_of(const char *name) {
    static const struct {
        const char *name;
        enum s3_root root;
    } roots[] = {
        {"Error", S3_ROOT_ERROR},
        {"ListBucketResult", S3_ROOT_LIST},
        {"ListMultipartUploadsResult", S3_ROOT_UPLOADS},
        {"InitiateMultipartUploadResult", S3_ROOT_CREATED},
        {"CompleteMultipartUploadResult", S3_ROOT_COMPLETED},
    };
    for (size_t i = 0; i < sizeof roots / sizeof *roots; i++)
        if (strcmp(name, roots[i].name) == 0)
            return roots[i].root;
    return S3_ROOT_OTHER;
}

static const char *local_name(const char *name) {
    const char *colon = strrchr(name, ':');
    return colon ? colon + 1 : name;
}

static bool is_entry(const struct s3_xml *x, const char *name) {
    return (x->root == S3_ROOT_LIST && strcmp(name, "Contents") == 0) ||
           (x->root == S3_ROOT_UPLOADS && strcmp(name, "Upload") == 0);
}

static void on_start(void *data, const char *qualified, const char **attributes) {
    (void)attributes;
    struct parser *p = data;
    const char *name = local_name(qualified);
    if (++p->depth > DEPTH_MAX) {
        stop(p, "elements are nested too deeply");
        return;
    }
    if (p->depth == 1)
        p->out->root = root_of(name);
    if (p->depth == 2 && is_entry(p->out, name)) {
        p->in_entry = true;
        p->entry_size_seen = p->entry_time_seen = false;
    }
    buffer_reset(&p->text);
}

static void on_text(void *data, const char *s, int len) {
    struct parser *p = data;
    if (p->depth <= 3 && buffer_append(&p->text, s, (size_t)len))
        stop(p, "an element is too long");
}

static void end_entry_field(struct parser *p, const char *name, const char *value) {
    struct store_entry *entry = &p->entry;
    if (strcmp(name, "Key") == 0) {
        replace(&entry->key, value);
    } else if (strcmp(name, "UploadId") == 0) {
        replace(&entry->upload, value);
    } else if (strcmp(name, "Size") == 0) {
        p->entry_size_seen = true;
        if (!read_size(value, &entry->size))
            stop(p, "a size is not a number");
    } else if (strcmp(name, "LastModified") == 0 || strcmp(name, "Initiated") == 0) {
        p->entry_time_seen = true;
        if (!s3_xml_time(value, &entry->modified))
            stop(p, "a time is not ISO 8601");
    }
}

static void end_entry(struct parser *p) {
    struct s3_xml *x = p->out;
    p->in_entry = false;
    bool whole = p->entry.key && p->entry_time_seen &&
                 (x->root == S3_ROOT_UPLOADS ? p->entry.upload != NULL : p->entry_size_seen);
    if (!whole) {
        stop(p, "an entry lacks its key, size, time or upload");
        return;
    }
    array_reserve(&x->entries, &x->entries_cap, x->n_entries + 1, sizeof *x->entries);
    x->entries[x->n_entries++] = p->entry;
    p->entry = (struct store_entry){0};
}

static void end_error_field(struct s3_xml *x, const char *name, const char *value) {
    if (strcmp(name, "Code") == 0)
        copy_words(x->code, sizeof x->code, value);
    else if (strcmp(name, "Message") == 0)
        copy_words(x->message, sizeof x->message, value);
    else if (strcmp(name, "Region") == 0)
        copy_words(x->region, sizeof x->region, value);
}

static void end_field(struct parser *p, const char *name, const char *value) {
    struct s3_xml *x = p->out;
    if (x->root == S3_ROOT_ERROR)
        end_error_field(x, name, value);
    else if (strcmp(name, "UploadId") == 0)
        replace(&x->upload_id, value);
    else if (strcmp(name, "ETag") == 0)
        s3_etag_copy(x->etag, value, strlen(value));
    else if (strcmp(name, "IsTruncated") == 0)
        x->truncated = strcmp(value, "true") == 0;
    else if (strcmp(name, "EncodingType") == 0)
        p->url_encoded = strcmp(value, "url") == 0;
    else if (strcmp(name, "NextContinuationToken") == 0)
        replace(&x->next_token, value);
    else if (strcmp(name, "NextKeyMarker") == 0)
        replace(&x->next_key_marker, value);
    else if (strcmp(name, "NextUploadIdMarker") == 0)
        replace(&x->next_upload_marker, value);
}

static void on_end(void *data, const char *qualified) {
    struct parser *p = data;
    const char *name = local_name(qualified);
    if (p->in_entry && p->depth == 3)
        end_entry_field(p, name, buffer_text(&p->text));
    else if (p->in_entry && p->depth == 2)
        end_entry(p);
    else if (p->depth == 2)
        end_field(p, name, buffer_text(&p->text));
    p->depth--;
    buffer_reset(&p->text);
}

/* S3 never sends a DTD; without one there are no entities that could expand. */
static void on_doctype(void *data, const char *name, const char *system_id, const char *public_id,
                       int has_internal_subset) {
    (void)name, (void)system_id, (void)public_id, (void)has_internal_subset;
    stop(data, "it has a DTD");
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Undoes encoding-type=url in place; S3 and MinIO write a space as '+', as HTML forms do. */
static bool url_decode(char *s) {
    char *to = s;
    for (; *s; s++, to++) {
        *to = (char)(*s == '+' ? ' ' : *s);
        if (*s != '%')
            continue;
        int high = hex_digit(s[1]);
        int low = high < 0 ? -1 : hex_digit(s[2]);
        if (low < 0 || (high == 0 && low == 0))
            return false;
        *to = (char)(high << 4 | low);
        s += 2;
    }
    *to = '\0';
    return true;
}

static bool decode_keys(struct s3_xml *x) {
    for (size_t i = 0; i < x->n_entries; i++)
        if (!url_decode(x->entries[i].key))
            return false;
    return !x->next_key_marker || url_decode(x->next_key_marker);
}

static int run(struct parser *p, const char *data, size_t len) {
    XML_SetUserData(p->expat, p);
    XML_SetElementHandler(p->expat, on_start, on_end);
    XML_SetCharacterDataHandler(p->expat, on_text);
    XML_SetStartDoctypeDeclHandler(p->expat, on_doctype);
    bool well_formed = XML_Parse(p->expat, data, (int)len, XML_TRUE) == XML_STATUS_OK;
    if (!well_formed && !p->trouble)
        p->trouble = XML_ErrorString(XML_GetErrorCode(p->expat));
    if (!p->trouble && p->url_encoded && !decode_keys(p->out))
        p->trouble = "a key's percent-encoding is broken";
    return p->trouble ? -1 : 0;
}

int s3_xml_parse(const char *data, size_t len, struct s3_xml *x, struct error *e) {
    static const XML_Memory_Handling_Suite memory = {xmalloc, xrealloc, free};
    *x = (struct s3_xml){0};
    /* While it completes an upload, S3 sends white space to keep the connection alive. */
    while (len && (*data == ' ' || *data == '\n' || *data == '\r' || *data == '\t')) {
        data++;
        len--;
    }
    if (!len)
        return error_set(e, ERR_CORRUPT, "the answer is empty where XML is expected");
    struct parser p = {.out = x, .expat = XML_ParserCreate_MM(NULL, &memory, NULL)};
    buffer_init(&p.text, S3_XML_TEXT_MAX);
    int rc = len <= INT32_MAX ? run(&p, data, len) : -1;
    if (rc)
        (void)error_set(e, ERR_CORRUPT, "the answer is not S3's XML: %s",
                        p.trouble ? p.trouble : "it is too long");
    XML_ParserFree(p.expat);
    buffer_free(&p.text);
    free_entry(&p.entry);
    return rc;
}

void s3_xml_free(struct s3_xml *x) {
    for (size_t i = 0; i < x->n_entries; i++)
        free_entry(&x->entries[i]);
    free(x->entries);
    free(x->upload_id);
    free(x->next_token);
    free(x->next_key_marker);
    free(x->next_upload_marker);
    *x = (struct s3_xml){0};
}

/* Reads exactly n digits. */
static bool digits(const char **s, int n, int *value) {
    *value = 0;
    for (; n > 0; n--, (*s)++) {
        if (**s < '0' || **s > '9')
            return false;
        *value = *value * 10 + (**s - '0');
    }
    return true;
}

static bool literal(const char **s, char c) {
    return *(*s)++ == c;
}

/* Howard Hinnant, http://howardhinnant.github.io/date_algorithms.html#days_from_civil */
static int64_t days_from_civil(int y, int m, int d) {
    y -= m <= 2;
    int era = y / 400; /* years here are not negative, but year 0's January belongs to -1 */
    if (y < 0)
        era = -1;
    int year_of_era = y - era * 400;
    int day_of_year = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    int day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return (int64_t)era * 146097 + day_of_era - 719468;
}

bool s3_xml_time(const char *s, int64_t *epoch_ms) {
    int year, month, day, hour, minute, second, ms = 0;
    if (!(digits(&s, 4, &year) && literal(&s, '-') && digits(&s, 2, &month) && literal(&s, '-') &&
          digits(&s, 2, &day) && literal(&s, 'T') && digits(&s, 2, &hour) && literal(&s, ':') &&
          digits(&s, 2, &minute) && literal(&s, ':') && digits(&s, 2, &second)))
        return false;
    if (*s == '.') { /* any number of digits; those after the third do not count */
        int place = 100;
        for (s++; *s >= '0' && *s <= '9'; s++, place /= 10)
            ms += (*s - '0') * place;
    }
    if (strcmp(s, "Z") != 0 || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 ||
        minute > 59 || second > 60)
        return false;
    int64_t seconds =
        days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
    *epoch_ms = seconds * 1000 + ms;
    return true;
}

void s3_etag_copy(char dst[STORE_ETAG_MAX], const char *src, size_t len) {
    if (len >= 2 && src[0] == '"' && src[len - 1] == '"') {
        src++;
        len -= 2;
    }
    if (len >= STORE_ETAG_MAX)
        len = 0;
    memcpy(dst, src, len);
    dst[len] = '\0';
}

int s3_xml_escape(struct buffer *b, const char *s) {
    for (; *s; s++) {
        const char *reference = *s == '&'    ? "&amp;"
                                : *s == '<'  ? "&lt;"
                                : *s == '>'  ? "&gt;"
                                : *s == '"'  ? "&quot;"
                                : *s == '\'' ? "&apos;"
                                             : NULL;
        if (reference ? buffer_puts(b, reference) : buffer_append(b, s, 1))
            return -1;
    }
    return 0;
}
