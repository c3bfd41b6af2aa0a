/* The scanner against others: each vector variant against one that goes byte by byte, minifying
 * against a minifier of a few lines, and what is JSON against jansson, over random mutations. */
#include "event/json_testing.h"

#include <jansson.h>

#include "base/checksum.h"

static uint64_t seed;

static size_t below(size_t n) {
    return (size_t)(splitmix64(seed++) >> 11) % n;
}

/* ---- The index ---------------------------------------------------------------------------------- */

enum { INDEX_ROUNDS = 2000, BYTES = JSON_WINDOW_BLOCKS * JSON_BLOCK };

struct indexed {
    size_t stops;
    uint16_t positions[2 * JSON_STOPS_ROOM]; /* of a window and of the next ones */
    uint64_t keep[JSON_WINDOW_BLOCKS];
};

static void index_one_by_one(const char *text, size_t n, struct indexed *x) {
    bool in_string = false, escape = false;
    memset(x, 0, sizeof *x);
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        bool quote = c == '"' && !escape;
        escape = c == '\\' && !escape;
        if (quote)
            in_string = !in_string;
        if (quote ? !in_string : in_string && (c < 0x20 || c >= 0x80 || c == '\\'))
            x->positions[x->stops++] = (uint16_t)i;
        if (quote || in_string || c > 0x20)
            x->keep[i / JSON_BLOCK] |= UINT64_C(1) << i % JSON_BLOCK;
    }
}

/* In pieces, so that one leaves something to the next; some have their last block copied already. */
static void index_in_pieces(json_index_fn *index, const char *text, size_t n, struct indexed *x) {
    struct json_carry carry = {0};
    char copy[BYTES];
    size_t blocks = n / JSON_BLOCK, piece;
    memset(x, 0, sizeof *x);
    for (size_t i = 0; i < blocks; i += piece) {
        piece = 1 + below(blocks - i);
        bool rest = below(2) == 0;
        size_t begin = i * JSON_BLOCK, last = begin + (piece - 1) * JSON_BLOCK;
        memcpy(copy + last, rest ? text + last : "", rest ? JSON_BLOCK : 0);
        uint16_t *stops = x->positions + x->stops;
        uint16_t *end =
            index(&carry, text + begin, piece - rest, rest, copy + begin, stops, x->keep + i);
        x->stops += (size_t)(end - stops);
        for (; stops < end; stops++)
            *stops = (uint16_t)(*stops + begin);
    }
    assert_memory_equal(copy, text, n);
}

static void assert_same_index(const char *text, size_t n, json_index_fn *index) {
    static struct indexed got, want;
    index_one_by_one(text, n, &want);
    index_in_pieces(index, text, n, &got);
    assert_int_equal(got.stops, want.stops);
    assert_memory_equal(got.positions, want.positions, want.stops * sizeof *want.positions);
    assert_memory_equal(got.keep, want.keep, n / JSON_BLOCK * sizeof *want.keep);
}

/* Text in which one byte in `rarity` is any byte at all, or one that means something. */
static char *random_text(size_t n, size_t rarity) {
    static const char meaning[] = "\"\"\\\\ \t";
    char *text = xmalloc(n);
    for (size_t i = 0; i < n; i++)
        text[i] = (char)(below(rarity) != 0 ? 'a' + below(26)
                         : below(2) == 0    ? below(256)
                                            : (size_t)meaning[below(sizeof meaning - 1)]);
    return text;
}

static const size_t rarities[] = {1, 2, 5, 20, 200};

static void indexes_as_byte_by_byte(void **state) {
    (void)state;
    for (int simd = JSON_PLAIN; simd < JSON_SIMD_COUNT; simd++) {
        const struct json_vectors *vectors = json_vectors_for((enum json_simd)simd);
        for (int round = 0; vectors && round < INDEX_ROUNDS; round++) {
            size_t n = JSON_BLOCK * (1 + below(JSON_WINDOW_BLOCKS));
            char *text = random_text(n, rarities[round % 5]);
            assert_same_index(text, n, vectors->index);
            free(text);
        }
    }
}

/* Outside a string and within one. */
static void indexes_each_byte(void **state) {
    (void)state;
    for (int simd = JSON_PLAIN; simd < JSON_SIMD_COUNT; simd++) {
        const struct json_vectors *vectors = json_vectors_for((enum json_simd)simd);
        for (int c = 0; vectors && c < 256; c++) {
            char text[2 * JSON_BLOCK];
            memset(text, c, sizeof text);
            assert_same_index(text, sizeof text, vectors->index);
            text[0] = '"';
            assert_same_index(text, sizeof text, vectors->index);
        }
    }
}

static size_t pack_one_by_one(const char *text, const uint64_t *keep, size_t from, size_t to,
                              char *dst) {
    size_t n = 0;
    for (size_t i = from; i < to; i++)
        if (keep[i / JSON_BLOCK] >> i % JSON_BLOCK & 1)
            dst[n++] = text[i];
    return n;
}

static void packs_what_is_kept(void **state) {
    (void)state;
    static char got[BYTES + JSON_PACK_SLACK], want[BYTES];
    static uint64_t keep[JSON_WINDOW_BLOCKS + 1];
    char *text = random_text(BYTES + JSON_BLOCK, 2);
    for (int simd = JSON_PLAIN; simd < JSON_SIMD_COUNT; simd++) {
        const struct json_vectors *vectors = json_vectors_for((enum json_simd)simd);
        for (int round = 0; vectors && round < INDEX_ROUNDS; round++) {
            for (size_t i = 0; i < JSON_WINDOW_BLOCKS; i++) {
                keep[i] = splitmix64(seed++);
                for (size_t more = below(4); more > 0; more--) /* few runs, none, or one */
                    keep[i] =
                        round % 2 ? keep[i] | splitmix64(seed++) : keep[i] & splitmix64(seed++);
                if (below(8) == 0)
                    keep[i] = round % 2 ? ~UINT64_C(0) : 0;
            }
            size_t from = below(BYTES + 1), to = from + below(BYTES - from + 1);
            size_t n = pack_one_by_one(text, keep, from, to, want);
            memset(got, 0x5a, sizeof got);
            assert_ptr_equal(vectors->pack(text, keep, from, to, got), got + n);
            assert_memory_equal(got, want, n);
            for (size_t i = n + JSON_PACK_SLACK; i < sizeof got; i++)
                assert_int_equal(got[i], 0x5a);
        }
    }
    free(text);
}

static void the_best_can_be_run(void **state) {
    (void)state;
    assert_non_null(json_vectors_for(json_simd_best()));
    assert_null(json_vectors_for(JSON_SIMD_COUNT));
}

/* ---- Mutations ---------------------------------------------------------------------------------- */

static const char *const documents[] = {
    "{\"event_id\": \"1f7ed1c0-0000-4000-a000-000000000000\", \"user_id\": \"user_00042\", "
    "\"page_url\": \"/search?q=shoes&sort=price\", \"timestamp\": 1729630800000, \"price\": null}",
    "{\"a\":[1,-2.5e+3,0.1,true,false,null,{\"b\":{}},[]],\"c\":\"\\u00e9\\n\\\"\\ud83d\\ude00\"}",
    "[\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\", \"\\\\\", 0, -0, 1e5, [[[[]]]], "
    "{\"x\":{\"y\":[]}}]",
    " { \"k\" : \"v\" , \"l\" : [ 1 , 2 ] } ",
    "\"just a string with \\t escapes\"",
    "-12.5E-3",
};

static const char alphabet[] = "{}[]:,\"\\ \n\t0123456789.eE+-truefalsnud\x01\x7f\x80\xbf\xc3\xe2"
                               "\xed\xf0\xff/b";

struct text {
    char bytes[1024];
    size_t len;
};

static void mutate(struct text *t) {
    size_t at = below(t->len + 1);
    char c = alphabet[below(sizeof alphabet - 1)];
    size_t n = 1 + below(8);
    switch (below(5)) {
    case 0: /* another byte */
        if (at < t->len)
            t->bytes[at] = c;
        break;
    case 1: /* one more */
        if (t->len == sizeof t->bytes)
            break;
        memmove(t->bytes + at + 1, t->bytes + at, t->len - at);
        t->bytes[at] = c;
        t->len++;
        break;
    case 2: /* some less */
        if (n > t->len - at)
            n = t->len - at;
        memmove(t->bytes + at, t->bytes + at + n, t->len - at - n);
        t->len -= n;
        break;
    case 3: /* a piece twice */
        if (n > t->len - at || t->len + n > sizeof t->bytes)
            break;
        memmove(t->bytes + at + n, t->bytes + at, t->len - at);
        t->len += n;
        break;
    default: /* cut off */
        if (below(8) == 0)
            t->len = at;
        break;
    }
}

static struct text mutant(void) {
    struct text t;
    const char *document = documents[below(sizeof documents / sizeof *documents)];
    t.len = strlen(document);
    memcpy(t.bytes, document, t.len);
    for (size_t n = below(4); n > 0; n--)
        mutate(&t);
    return t;
}

/* Removes white space outside strings from JSON. */
static size_t minify(const char *text, size_t len, char *out) {
    size_t n = 0;
    bool in_string = false;
    for (size_t i = 0; i < len; i++) {
        if (!in_string && strchr(" \t\r\n", text[i]))
            continue;
        out[n++] = text[i];
        if (in_string && text[i] == '\\')
            out[n++] = text[++i];
        else if (text[i] == '"')
            in_string = !in_string;
    }
    return n;
}

static void mutants_are_minified_alike(void **state) {
    (void)state;
    seed = 1;
    for (int i = 0; i < 60000; i++) {
        struct text t = mutant();
        struct outcome o = scan_all(t.bytes, t.len);
        if (o.ok) {
            char want[sizeof t.bytes];
            assert_int_equal(o.out_len, minify(t.bytes, t.len, want));
            assert_memory_equal(o.out, want, o.out_len);
        }
        outcome_free(&o);
    }
}

/* jansson refuses numbers that do not fit, half a surrogate pair, and \u0000 in names. */
static bool known_difference(const json_error_t *e) {
    switch (json_error_code(e)) {
    case json_error_numeric_overflow:
    case json_error_null_character:
    case json_error_null_byte_in_key:
        return true;
    default:
        return strncmp(e->text, "invalid Unicode", strlen("invalid Unicode")) == 0;
    }
}

static void mutants_are_json_to_both(void **state) {
    (void)state;
    size_t accepted = 0, refused = 0;
    seed = 1000000;
    for (int i = 0; i < 60000; i++) {
        struct text t = mutant();
        json_error_t e;
        json_t *j = json_loadb(t.bytes, t.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &e);
        bool ok = parses(t.bytes, t.len);
        if (j ? !ok : ok && !known_difference(&e))
            fail_msg("%s to jansson (%s): %.*s", j ? "JSON" : "no JSON", j ? "" : e.text,
                     (int)t.len, t.bytes);
        accepted += ok;
        refused += !ok;
        json_decref(j);
    }
    assert_true(accepted > 10000); /* so that both sides were tried */
    assert_true(refused > 10000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(indexes_as_byte_by_byte),    cmocka_unit_test(indexes_each_byte),
        cmocka_unit_test(packs_what_is_kept),         cmocka_unit_test(the_best_can_be_run),
        cmocka_unit_test(mutants_are_minified_alike), cmocka_unit_test(mutants_are_json_to_both),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
