/* S3's XML answers, read with expat. What a server sends is not trusted: no DTDs, so no entities that
 * expand; declared caps; every number and escape checked. */
#ifndef TIDEMARK_STORE_S3_XML_H
#define TIDEMARK_STORE_S3_XML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "store/store.h"

enum s3_root {
    S3_ROOT_OTHER,
    S3_ROOT_ERROR,     /* <Error> */
    S3_ROOT_LIST,      /* <ListBucketResult> */
    S3_ROOT_UPLOADS,   /* <ListMultipartUploadsResult> */
    S3_ROOT_CREATED,   /* <InitiateMultipartUploadResult> */
    S3_ROOT_COMPLETED, /* <CompleteMultipartUploadResult> */
};

enum { S3_XML_TEXT_MAX = 16 * 1024, S3_CODE_SIZE = 64, S3_MESSAGE_SIZE = 256, S3_REGION_SIZE = 64 };

struct s3_xml {
    enum s3_root root;
    char code[S3_CODE_SIZE]; /* of an error; "" where there is none */
    char message[S3_MESSAGE_SIZE];
    char region[S3_REGION_SIZE]; /* an error about the region names the right one */
    char etag[STORE_ETAG_MAX];   /* without quotes */
    char *upload_id;
    /* Lists. Keys are whole (with the store's prefix) and decoded. */
    struct store_entry *entries;
    size_t n_entries, entries_cap;
    bool truncated;
    char *next_token;                           /* ListObjectsV2 */
    char *next_key_marker, *next_upload_marker; /* ListMultipartUploads */
};

/* Parses one whole answer; white space may stand before it. 0, or -1 with ERR_CORRUPT. *x needs
 * s3_xml_free in both cases. */
int s3_xml_parse(const char *data, size_t len, struct s3_xml *x, struct error *e);
void s3_xml_free(struct s3_xml *x);

/* "2024-10-22T21:00:00.000Z" to epoch milliseconds; false where it is none. */
bool s3_xml_time(const char *s, int64_t *epoch_ms);

/* Copies an ETag without its quotes ("" where it does not fit). */
void s3_etag_copy(char dst[STORE_ETAG_MAX], const char *src, size_t len);

/* Appends s with the five special characters as references. 0, or -1 when b is full. */
int s3_xml_escape(struct buffer *b, const char *s);

#endif
