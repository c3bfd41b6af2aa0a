/* Checkpoints and manifests as bytes: what was written is read back, anything else is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/checksum.h"
#include "checkpoint/checkpoint_samples.h"
#include "checkpoint/codec.h"

struct fixture {
    struct checkpoint sample, decoded;
    struct buffer bytes, again;
    struct error error;
};

static struct fixture f;

static int set_up(void **state) {
    (void)state;
    f = (struct fixture){0};
    buffer_init(&f.bytes, CHECKPOINT_BYTES_MAX);
    buffer_init(&f.again, CHECKPOINT_BYTES_MAX);
    sample_checkpoint(&f.sample);
    checkpoint_encode(&f.sample, &f.bytes);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    checkpoint_clear(&f.sample);
    checkpoint_clear(&f.decoded);
    buffer_free(&f.bytes);
    buffer_free(&f.again);
    return 0;
}

static int decode(const char *data, size_t len) {
    return checkpoint_decode(data, len, &f.decoded, &f.error);
}

static void must_not_decode(const char *data, size_t len) {
    f.error = (struct error){0};
    assert_int_equal(decode(data, len), -1);
    assert_int_equal(f.error.code, ERR_CORRUPT);
    assert_null(f.decoded.gaps); /* it is empty then */
}

/* The sample's text with one piece replaced, and a CRC that fits. */
static void replace(const char *old, const char *new) {
    const char *at = strstr(f.bytes.data, old);
    assert_non_null(at);
    buffer_reset(&f.again);
    (void)buffer_append(&f.again, f.bytes.data, (size_t)(at - f.bytes.data));
    (void)buffer_puts(&f.again, new);
    (void)buffer_puts(&f.again, at + strlen(old));
    f.again.len -= strlen(",\"crc32c\":\"00000000\"}");
    (void)buffer_printf(&f.again, ",\"crc32c\":\"%08x\"}", crc32c(0, f.again.data, f.again.len));
}

static void must_not_decode_with(const char *old, const char *new) {
    replace(old, new);
    must_not_decode(f.again.data, f.again.len);
}

static void test_round_trip_gives_the_same_bytes(void **state) {
    (void)state;
    if (decode(f.bytes.data, f.bytes.len) != 0)
        fail_msg("%s", f.error.text);
    checkpoint_encode(&f.decoded, &f.again);
    assert_string_equal(f.again.data, f.bytes.data);
}

static void test_round_trip_gives_the_same_values(void **state) {
    (void)state;
    assert_int_equal(decode(f.bytes.data, f.bytes.len), 0);
    const struct checkpoint *c = &f.decoded;
    assert_int_equal(c->number, 17);
    assert_false(c->claim);
    assert_string_equal(c->writer_host, f.sample.writer_host);
    assert_int_equal(c->identity.partition, 2);
    assert_true(c->next == INT64_MAX);
    assert_int_equal(c->last_crc32c, 0xffffffff);
    assert_true(c->replay_max_ts == -62135596800000);
    assert_int_equal(c->gaps[0].window, -1000);
    assert_true(c->gaps[1].window == TS_NONE);
    assert_int_equal(c->gaps[1].class, CLASS_LATE);
    assert_int_equal(c->files[0].n_parts, 2);
    assert_string_equal(c->files[0].parts[1].etag, "etag-1");
    assert_true(c->files[0].count.hash == 0xfedcba9876543210u);
    assert_int_equal(c->files[1].last, -1);
    assert_int_equal(c->losses[0].events, -1);
    assert_int_equal(c->losses[1].events, 1);
    assert_true(c->read[CLASS_NULL].hash == UINT64_MAX - CLASS_NULL);
}

static void test_claim_and_absent_last(void **state) {
    (void)state;
    f.sample.claim = true;
    f.sample.has_last = false;
    checkpoint_encode(&f.sample, &f.again);
    assert_int_equal(decode(f.again.data, f.again.len), 0);
    assert_true(f.decoded.claim);
    assert_false(f.decoded.has_last);
}

static void test_every_flipped_bit_is_noticed(void **state) {
    (void)state;
    for (size_t i = 0; i < f.bytes.len; i++)
        for (int bit = 0; bit < 8; bit++) {
            f.bytes.data[i] ^= (char)(1 << bit);
            must_not_decode(f.bytes.data, f.bytes.len);
            f.bytes.data[i] ^= (char)(1 << bit);
        }
}

static void test_every_truncation_is_noticed(void **state) {
    (void)state;
    for (size_t len = 0; len < f.bytes.len; len++) {
        char *copy = xmalloc(len + 1); /* so that a read behind it is seen */
        memcpy(copy, f.bytes.data, len);
        copy = xrealloc(copy, len ? len : 1);
        must_not_decode(copy, len);
        free(copy);
    }
}

static void test_bytes_behind_or_before_are_noticed(void **state) {
    (void)state;
    (void)buffer_puts(&f.bytes, "\n");
    must_not_decode(f.bytes.data, f.bytes.len);
    (void)buffer_puts(&f.again, " ");
    (void)buffer_append(&f.again, f.bytes.data, f.bytes.len - 1);
    must_not_decode(f.again.data, f.again.len);
}

static void test_a_newer_format_is_not_called_corrupt(void **state) {
    (void)state;
    replace("\"v\":1", "\"v\":2");
    assert_int_equal(decode(f.again.data, f.again.len), -1);
    assert_int_equal(f.error.code, ERR_UNSUPPORTED);
}

static void test_nothing_else_is_tolerated(void **state) {
    (void)state;
    must_not_decode_with("\"number\":17", "\"number\":0");
    must_not_decode_with("\"number\":17", "\"number\":\"17\"");
    must_not_decode_with("\"number\":17,", "");
    must_not_decode_with("\"number\":17", "\"number\":17,\"number\":17");
    must_not_decode_with("\"claim\":false", "\"claim\":0");
    must_not_decode_with("\"partition\":2", "\"partition\":-1");
    must_not_decode_with("\"partition\":2", "\"partition\":4294967298");
    must_not_decode_with("\"class\":\"event\"", "\"class\":\"null\"");
    must_not_decode_with("\"class\":\"event\"", "\"class\":\"Event\"");
    must_not_decode_with("\"to\":999", "\"to\":499");
    must_not_decode_with("\"events\":12", "\"events\":0");
    must_not_decode_with("\"hash\":\"fedcba9876543210\"", "\"hash\":\"FEDCBA9876543210\"");
    must_not_decode_with("\"hash\":\"fedcba9876543210\"", "\"hash\":\"0\"");
    must_not_decode_with("\"settings\":\"0123456789abcdef\"", "\"settings\":\"\"");
    must_not_decode_with("\"n\":1", "\"n\":0");
    must_not_decode_with("\"gaps\":[", "\"gaps\":{},\"x\":[");
    must_not_decode_with("\"parts\":[", "\"parts\":null,\"x\":[");
}

static void test_an_etag_that_is_too_long_is_refused(void **state) {
    (void)state;
    char long_one[STORE_ETAG_MAX + 1], with[STORE_ETAG_MAX + 20];
    memset(long_one, 'e', sizeof long_one - 1);
    long_one[sizeof long_one - 1] = '\0';
    (void)snprintf(with, sizeof with, "\"etag\":\"%s\"", long_one);
    must_not_decode_with("\"etag\":\"etag-0\"", with);
}

static void test_a_cap_too_small_is_an_overflow(void **state) {
    (void)state;
    struct buffer small;
    buffer_init(&small, 100);
    checkpoint_encode(&f.sample, &small);
    assert_true(small.overflow);
    buffer_free(&small);
}

static void test_manifest_lists_commits_without_upload_and_parts(void **state) {
    (void)state;
    manifest_encode(&f.sample, &f.again);
    assert_null(strstr(f.again.data, "upload"));
    assert_null(strstr(f.again.data, "parts"));
    struct manifest m;
    assert_int_equal(manifest_decode(f.again.data, f.again.len, &m, &f.error), 0);
    assert_int_equal(m.checkpoint, 17);
    assert_int_equal(m.n_files, 1);
    assert_string_equal(m.files[0].key, "_rejected/p");
    assert_int_equal(m.files[0].class, CLASS_REJECTED);
    assert_true(m.next == INT64_MAX);
    assert_int_equal(m.listed[CLASS_EVENT].events, 10);
    manifest_clear(&m);
    assert_int_equal(manifest_decode("{\"v\":1}", 7, &m, &f.error), -1);
    assert_int_equal(manifest_decode("[]", 2, &m, &f.error), -1);
    assert_int_equal(f.error.code, ERR_CORRUPT);
    char *v = strstr(f.again.data, "\"v\":1");
    assert_non_null(v);
    v[4] = '2';
    assert_int_equal(manifest_decode(f.again.data, f.again.len, &m, &f.error), -1);
    assert_int_equal(f.error.code, ERR_UNSUPPORTED);
}

static void test_manifest_is_a_function_of_the_checkpoint_alone(void **state) {
    (void)state;
    manifest_encode(&f.sample, &f.again);
    char *first = xstrdup(f.again.data);
    f.sample.writer_pid++; /* whoever put it */
    buffer_reset(&f.again);
    manifest_encode(&f.sample, &f.again);
    assert_string_equal(first, f.again.data);
    free(first);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip_gives_the_same_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_round_trip_gives_the_same_values, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_claim_and_absent_last, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_every_flipped_bit_is_noticed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_every_truncation_is_noticed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bytes_behind_or_before_are_noticed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_newer_format_is_not_called_corrupt, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_nothing_else_is_tolerated, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_etag_that_is_too_long_is_refused, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_cap_too_small_is_an_overflow, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_manifest_lists_commits_without_upload_and_parts,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_manifest_is_a_function_of_the_checkpoint_alone, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
