/* CRC-32C against RFC 3720's examples and a CRC of one bit at a time; splitmix64; a record's CRC. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "base/checksum.h"
#include "base/record.h"

static uint32_t bit_by_bit(uint32_t crc, const unsigned char *p, size_t n) {
    crc = ~crc;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0x82f63b78u : crc >> 1;
    }
    return ~crc;
}

static void fill(unsigned char *p, size_t n) {
    for (size_t i = 0; i < n; i++)
        p[i] = (unsigned char)splitmix64(i);
}

static void known_values(void **state) {
    (void)state;
    unsigned char p[32];
    assert_int_equal(crc32c(0, "", 0), 0);
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283u);
    memset(p, 0, sizeof p);
    assert_int_equal(crc32c(0, p, sizeof p), 0x8a9136aau);
    memset(p, 0xff, sizeof p);
    assert_int_equal(crc32c(0, p, sizeof p), 0x62a8ab43u);
    for (unsigned i = 0; i < 32; i++)
        p[i] = (unsigned char)i;
    assert_int_equal(crc32c(0, p, sizeof p), 0x46dd794eu);
    for (unsigned i = 0; i < 32; i++)
        p[i] = (unsigned char)(31 - i);
    assert_int_equal(crc32c(0, p, sizeof p), 0x113fdb5cu);
}

static void an_iscsi_command(void **state) {
    (void)state;
    unsigned char p[48] = {0x01, 0xc0};
    p[16] = 0x14;
    p[22] = 0x04;
    p[27] = 0x14;
    p[31] = 0x18;
    p[32] = 0x28;
    p[40] = 0x02;
    assert_int_equal(crc32c(0, p, sizeof p), 0xd9963a56u);
}

static void every_length(void **state) {
    (void)state;
    unsigned char p[1100];
    fill(p, sizeof p);
    for (size_t n = 0; n < sizeof p - 16; n++)
        assert_int_equal(crc32c(7, p + n % 16, n), bit_by_bit(7, p + n % 16, n));
}

static void in_pieces(void **state) {
    (void)state;
    unsigned char p[600];
    fill(p, sizeof p);
    uint32_t whole = crc32c(0, p, sizeof p);
    for (size_t cut = 0; cut <= sizeof p; cut++)
        assert_int_equal(crc32c(crc32c(0, p, cut), p + cut, sizeof p - cut), whole);
}

static void combined(void **state) {
    (void)state;
    unsigned char p[600];
    fill(p, sizeof p);
    uint32_t whole = crc32c(0, p, sizeof p);
    for (size_t cut = 0; cut <= sizeof p; cut++) {
        uint32_t a = crc32c(0, p, cut), b = crc32c(0, p + cut, sizeof p - cut);
        assert_int_equal(crc32c_combine(a, b, sizeof p - cut), whole);
    }
    assert_int_equal(crc32c_combine(whole, 0, 0), whole);
    assert_int_equal(crc32c_combine(0, whole, sizeof p), whole);
}

static void combined_over_large_lengths(void **state) {
    (void)state;
    static unsigned char zeros[1 << 20];
    uint32_t a = crc32c(0, "abc", 3), z = crc32c(0, zeros, sizeof zeros);
    uint32_t long_way = a;
    for (int i = 0; i < 64; i++)
        long_way = crc32c(long_way, zeros, sizeof zeros);
    uint64_t len = sizeof zeros;
    for (int i = 0; i < 6; i++, len *= 2) /* z: the CRC of len zeros */
        z = crc32c_combine(z, z, len);
    assert_int_equal(crc32c_combine(a, z, len), long_way);
    /* Associative also where nobody could read the bytes. */
    uint64_t huge = UINT64_C(1) << 40;
    assert_int_equal(crc32c_combine(crc32c_combine(a, 5, huge), 9, huge + 3),
                     crc32c_combine(a, crc32c_combine(5, 9, huge + 3), huge + huge + 3));
}

/* The generator's published first outputs for the seed 0 are the hash at multiples of its step. */
static void splitmix64_known_values(void **state) {
    (void)state;
    assert_true(splitmix64(0) == UINT64_C(0xe220a8397b1dcdaf));
    assert_true(splitmix64(UINT64_C(0x9e3779b97f4a7c15)) == UINT64_C(0x6e789e6aa1b965f4));
    assert_true(splitmix64(UINT64_C(0x3c6ef372fe94f82a)) == UINT64_C(0x06c45d188009454f));
    assert_true(offset_hash(0) == splitmix64(0));
    assert_true(offset_hash(-1) == splitmix64(UINT64_MAX));
}

static void records(void **state) {
    (void)state;
    struct record r = {.timestamp = 1, .key = "k", .key_len = 1, .value = "v", .value_len = 1};
    const unsigned char bytes[] = {1, 0, 0, 0,   0, 0, 0, 0, 1, 0, 0, 0, 0,
                                   0, 0, 0, 'k', 1, 0, 0, 0, 0, 0, 0, 0, 'v'};
    uint32_t crc = record_crc32c(&r);
    assert_int_equal(crc, crc32c(0, bytes, sizeof bytes));
    r.offset = 99;
    assert_int_equal(record_crc32c(&r), crc);
    r.timestamp = 2;
    assert_int_not_equal(record_crc32c(&r), crc);
}

static void nothing_and_empty_differ(void **state) {
    (void)state;
    struct record none = {.timestamp = 1}, key = none, value = none, both = none;
    key.key = value.value = both.key = both.value = "";
    const uint32_t crcs[] = {record_crc32c(&none), record_crc32c(&key), record_crc32c(&value),
                             record_crc32c(&both)};
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < i; j++)
            assert_int_not_equal(crcs[i], crcs[j]);
}

static void a_byte_belongs_to_key_or_value(void **state) {
    (void)state;
    struct record a = {.timestamp = 1, .key = "ab", .key_len = 2, .value = "c", .value_len = 1};
    struct record b = {.timestamp = 1, .key = "a", .key_len = 1, .value = "bc", .value_len = 2};
    assert_int_not_equal(record_crc32c(&a), record_crc32c(&b));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_values),
        cmocka_unit_test(an_iscsi_command),
        cmocka_unit_test(every_length),
        cmocka_unit_test(in_pieces),
        cmocka_unit_test(combined),
        cmocka_unit_test(combined_over_large_lengths),
        cmocka_unit_test(splitmix64_known_values),
        cmocka_unit_test(records),
        cmocka_unit_test(nothing_and_empty_differ),
        cmocka_unit_test(a_byte_belongs_to_key_or_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
