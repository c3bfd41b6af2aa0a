/* Flink's clients read a failure from an object in Java's serialization (Java Object Serialization
 * Specification, 6.4.2), beside which class and stack trace are only for people: without it they fail
 * with a NullPointerException instead of saying what went wrong. So here is one
 * org.apache.flink.util.SerializedThrowable, with no more fields than it needs. */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "control/rest_flink.h"

enum {
    STREAM_MAX = 64 * 1024,
    STRING_MAX = 4096,
    TC_NULL = 0x70,
    TC_CLASSDESC = 0x72,
    TC_OBJECT = 0x73,
    TC_STRING = 0x74,
    TC_ENDBLOCKDATA = 0x78,
    SC_SERIALIZABLE = 2
};

#define ORIGINAL_CLASS "org.apache.flink.runtime.checkpoint.CheckpointException"

static void put_byte(struct buffer *b, int byte) {
    (void)buffer_append(b, &(char){(char)byte}, 1);
}

static void put_number(struct buffer *b, uint64_t n, int bytes) {
    for (int i = bytes - 1; i >= 0; i--)
        put_byte(b, (int)(n >> 8 * i & 0xff));
}

/* Java's UTF-8 has no sequences of four bytes. */
static void put_utf(struct buffer *b, const char *text) {
    char copy[STRING_MAX];
    size_t len = strlen(text), n = 0;
    for (size_t i = 0; i < len && n + 4 < sizeof copy;) {
        size_t sequence = utf8_sequence(text + i, len - i);
        if (sequence == 0 || sequence == 4) {
            copy[n++] = '?';
        } else {
            memcpy(copy + n, text + i, sequence);
            n += sequence;
        }
        i += sequence ? sequence : 1;
    }
    put_number(b, n, 2);
    (void)buffer_append(b, copy, n);
}

static void put_string(struct buffer *b, const char *text) {
    put_byte(b, TC_STRING);
    put_utf(b, text);
}

static void put_class(struct buffer *b, const char *name, uint64_t version, int fields) {
    put_byte(b, TC_CLASSDESC);
    put_utf(b, name);
    put_number(b, version, 8);
    put_byte(b, SC_SERIALIZABLE);
    put_number(b, (uint64_t)fields, 2);
}

static void put_string_field(struct buffer *b, const char *name) {
    put_byte(b, 'L');
    put_utf(b, name);
    put_string(b, "Ljava/lang/String;");
}

static void put_throwable(struct buffer *b, const char *text) {
    put_number(b, 0xaced0005, 4);
    put_byte(b, TC_OBJECT);
    put_class(b, "org.apache.flink.util.SerializedThrowable", 7284183123441947635U, 2);
    put_string_field(b, "fullStringifiedStackTrace");
    put_string_field(b, "originalErrorClassName");
    put_byte(b, TC_ENDBLOCKDATA);
    put_class(b, "java.lang.Exception", 0xd0fd1f3e1a3b1cc4U, 0);
    put_byte(b, TC_ENDBLOCKDATA);
    put_class(b, "java.lang.Throwable", 0xd5c635273977b8cbU, 1);
    put_string_field(b, "detailMessage");
    put_byte(b, TC_ENDBLOCKDATA);
    put_byte(b, TC_NULL); /* Object */
    put_string(b, text);  /* Throwable's field, then SerializedThrowable's */
    put_string(b, text);
    put_string(b, ORIGINAL_CLASS);
}

json_t *flink_throwable(const char *text) {
    struct buffer b;
    buffer_init(&b, STREAM_MAX);
    put_throwable(&b, text);
    char *base64 = xmalloc((b.len + 2) / 3 * 4 + 1);
    (void)EVP_EncodeBlock((unsigned char *)base64, (const unsigned char *)b.data, (int)b.len);
    json_t *json = json_pack("{s:s, s:o, s:s}", "class", ORIGINAL_CLASS, "stack-trace",
                             json_text(text), "serialized-throwable", base64);
    free(base64);
    buffer_free(&b);
    return json;
}
