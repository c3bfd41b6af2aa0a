/* Every allocation in turn fails, ours and those of libraries, once or from then on: what was begun
 * then succeeds as if nothing had been, or ends in an error that says so, or the process ends with 1
 * and the one line of base/memory.h. It never crashes, hangs or goes on with half of something.
 *
 * This program's malloc stands in the C library's place. Each try is a process of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <lz4frame.h>
#include <netinet/in.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zstd.h>

#include "base/clock.h"
#include "base/checksum.h"
#include "base/compress.h"
#include "base/log.h"
#include "base/memory.h"
#include "checkpoint/checkpoint_samples.h"
#include "checkpoint/codec.h"
#include "checkpoint/start.h"
#include "cli/cli.h"
#include "event/event_testing.h"
#include "job/settings.h"
#include "job/unpack.h"
#include "kafka/decompress.h"
#include "store/s3.h"
#include "store/s3_xml.h"
#include "support/control_world.h"
#include "support/directory_fixture.h"
#include "support/fake_http.h"
#include "support/memory_store.h"

/* ---- The failing allocator ------------------------------------------------------------------------ */

#ifdef __SANITIZE_ADDRESS__
#define REAL(name) __interceptor_##name
enum { TRIES = 40, TRIES_OF_RUN = 3, SECONDS = 200 };
#else
#define REAL(name) __libc_##name
enum { TRIES = 250, TRIES_OF_RUN = 16, SECONDS = 100 };
#endif

void *REAL(malloc)(size_t n);
void *REAL(calloc)(size_t count, size_t size);
void *REAL(realloc)(void *p, size_t n);

static bool armed; /* in the child only */
/* Only our own calls fail: librdkafka asserts that it has memory, and so does AddressSanitizer when a
 * thread starts. */
static bool ours_only;
static bool for_ever; /* not only the nth allocation fails, but all from then on */
static long nth;      /* 0: none fails */

/* Shared with the child, which may end at any point. */
static _Atomic long *asked_for;

/* What some flows talk to, a thread of the parent, in which nothing fails; NULL for most. */
static struct fake_http *server;
static char endpoint[64]; /* its */

#ifndef __SANITIZE_THREAD__ /* whose allocator cannot be replaced */
extern const char __executable_start, etext;

static bool is_ours(const void *caller) {
    return (const char *)caller >= &__executable_start && (const char *)caller < &etext;
}

static bool fails(const void *caller) {
    if (!armed || (ours_only && !is_ours(caller)))
        return false;
    long n = ++*asked_for;
    return n == nth || (for_ever && nth && n > nth);
}

static void *no_memory(void) {
    errno = ENOMEM;
    return NULL;
}

/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name) */
void *malloc(size_t n) {
    return fails(__builtin_return_address(0)) ? no_memory() : REAL(malloc)(n);
}

void *calloc(size_t count, size_t size) {
    return fails(__builtin_return_address(0)) ? no_memory() : REAL(calloc)(count, size);
}

void *realloc(void *p, size_t n) {
    return fails(__builtin_return_address(0)) ? no_memory() : REAL(realloc)(p, n);
}

char *strdup(const char *s) {
    size_t n = strlen(s) + 1;
    char *copy = fails(__builtin_return_address(0)) ? no_memory() : REAL(malloc)(n);
    return copy ? memcpy(copy, s, n) : NULL;
}

char *strndup(const char *s, size_t max) {
    size_t n = strnlen(s, max);
    char *copy = fails(__builtin_return_address(0)) ? no_memory() : REAL(malloc)(n + 1);
    if (copy) {
        memcpy(copy, s, n);
        copy[n] = '\0';
    }
    return copy;
}
/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */
#endif

/* ---- Trials --------------------------------------------------------------------------------------- */

enum outcome { DONE, OUT_OF_MEMORY, REFUSED, WRONG };

/* Does something and returns DONE, REFUSED with an error printed, or WRONG. Called in a process of its
 * own, in an empty directory. */
typedef enum outcome flow_fn(void);

static const char line[] = "tidemark: out of memory: ";

static enum outcome refused(const struct error *e) {
    (void)fprintf(stderr, "%s\n", e->text);
    return e->code == ERR_NO_MEMORY || strstr(e->text, "thread") ? REFUSED : WRONG;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static void run_child(flow_fn *flow, const char *directory, int output) {
    if (chdir(directory) != 0 || dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0)
        _exit(99);
    static const int caught_by_cmocka[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    for (size_t i = 0; i < sizeof caught_by_cmocka / sizeof *caught_by_cmocka; i++)
        (void)signal(caught_by_cmocka[i], SIG_DFL);
    (void)alarm(SECONDS);
    armed = true;
    enum outcome outcome = flow();
    armed = false;
    /* Not exit(): the parent's cmocka would report twice. Status 1 belongs to out_of_memory. */
    _exit(outcome == DONE ? 0 : 10 + (int)outcome);
}

static size_t count_of(const char *text, const char *what) {
    size_t n = 0;
    for (const char *p = text; (p = strstr(p, what)) != NULL; p++)
        n++;
    return n;
}

static enum outcome judge(int status, const char *output) {
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return DONE;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 1 && count_of(output, line) == 1)
        return OUT_OF_MEMORY;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 10 + REFUSED)
        return REFUSED;
    return WRONG;
}

static enum outcome try(flow_fn *flow, long which, bool and_all_later) {
    char directory[] = "/tmp/tidemark-memory-XXXXXX", output[4096] = "";
    assert_non_null(mkdtemp(directory));
    int fd = memfd_create("output", 0);
    assert_true(fd >= 0);
    nth = which;
    for_ever = and_all_later;
    *asked_for = 0;
    (void)fflush(NULL); /* else the child would print it again */
    pid_t child = server ? fake_http_fork(server) : fork();
    assert_true(child >= 0);
    if (child == 0)
        run_child(flow, directory, fd);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(pread(fd, output, sizeof output - 1, 0) >= 0);
    (void)close(fd);
    (void)nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    enum outcome outcome = judge(status, output);
    if (outcome == WRONG)
        fail_msg("allocation %ld%s: %s %d: %s", nth, for_ever ? " and all later" : "",
                 WIFSIGNALED(status) ? "signal" : "status",
                 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), output);
    return outcome;
}

/* The first allocations of the flow one by one, then as many all over the rest. */
static void try_each(flow_fn *flow, long tries) {
#ifdef __SANITIZE_THREAD__
    skip();
#endif
    long counts[WRONG + 1] = {0};
    assert_int_equal(try(flow, 0, false), DONE);
    long total = *asked_for;
    assert_true(total > 0);
    for (long n = 1; n <= total; n += n < tries ? 1 : total / tries + 1) {
        counts[try(flow, n, false)]++;
        counts[try(flow, n, true)]++;
    }
    print_message("# %ld allocations; done %ld, out of memory %ld, refused %ld\n", total,
                  counts[DONE], counts[OUT_OF_MEMORY], counts[REFUSED]);
    assert_true(counts[OUT_OF_MEMORY] > 0);
}

/* ---- Flows ---------------------------------------------------------------------------------------- */

static enum outcome load_settings(void) {
    static const char yaml[] = "name: a\nwindow:\n  size: 1m\nkafka:\n  assignment: [0, 2]\n"
                               "  properties: {sasl.password: x}\noutput.path: out\n";
    static const char *const sets[] = {"s3.endpoint=http://h:9000", "event.key_field=id"};
    static char topic[] = "KAFKA_TOPIC=clicks";
    static char *environment[] = {topic, NULL};
    int fd = open("job.yaml", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, yaml, sizeof yaml - 1) != (ssize_t)sizeof yaml - 1)
        return WRONG;
    (void)close(fd);
    struct settings_source src = {
        .yaml = "job.yaml", .sets = sets, .n_sets = 2, .environment = environment};
    struct settings s;
    struct error e;
    char hex[17];
    if (settings_load(&s, &src, &e) != 0)
        return refused(&e);
    settings_hash(&s, hex);
    bool right = s.window.size == 60000 && s.kafka.assignment.n_partitions == 2 &&
                 s.kafka.n_properties == 1 && strcmp(s.kafka.topic, "clicks") == 0 &&
                 strcmp(s.event.key_field, "id") == 0;
    settings_free(&s);
    return right ? DONE : WRONG;
}

static enum outcome code_checkpoint(void) {
    struct checkpoint c, again;
    struct buffer first, second;
    struct error e;
    sample_checkpoint(&c);
    buffer_init(&first, CHECKPOINT_BYTES_MAX);
    buffer_init(&second, CHECKPOINT_BYTES_MAX);
    checkpoint_encode(&c, &first);
    if (checkpoint_decode(first.data, first.len, &again, &e) != 0)
        return refused(&e);
    checkpoint_encode(&again, &second);
    bool same = first.len == second.len && memcmp(first.data, second.data, first.len) == 0;
    manifest_encode(&again, &second);
    checkpoint_clear(&c);
    checkpoint_clear(&again);
    buffer_free(&first);
    buffer_free(&second);
    return same ? DONE : WRONG;
}

static enum outcome first_start(void) {
    int64_t numbers[] = {0, 1234567890123456789, 5, 6, 7, 8, 9, 10, INT64_MAX};
    struct start_offsets offsets = {.n = 9, .offset = numbers}, read;
    struct error e;
    bool found;
    struct memory_world *w = memory_world_new(&memory_like_s3, NULL);
    struct store *s = memory_store_open(w);
    if (start_put(s, "a/", "cluster", "clicks", "earliest", &offsets, &e) != 0 ||
        start_read(s, "a/", "cluster", "clicks", &read, &found, &e) != 0)
        return refused(&e);
    bool same = found && read.n == 9 && memcmp(read.offset, numbers, sizeof numbers) == 0;
    start_offsets_free(&read);
    store_free(s);
    memory_world_free(w);
    return same ? DONE : WRONG;
}

static enum outcome parse_events(void) {
    static const struct event_rules rules = DEFAULT_RULES;
    static char value[100 * 1024];
    int n =
        snprintf(value, sizeof value, "{\"user_id\":\"u\",\"timestamp\":1729630800000,\"x\":\"");
    memset(value + n, 'x', sizeof value - (size_t)n - 2);
    memcpy(value + sizeof value - 2, "\"}", 2);
    struct event_parser *p = event_parser_new(&rules, NULL);
    struct record r = {.value = "{}", .value_len = 2, .timestamp = RECORD_NO_TIMESTAMP};
    struct event ev;
    struct buffer rejected;
    buffer_init(&rejected, 1 << 20);
    event_parse(p, &r, &ev);
    bool right = ev.reason == REJECT_NO_KEY &&
                 event_rejected_line(&r, "t", 0, ev.reason, ev.detail, &rejected) == 0;
    r.value = value;
    r.value_len = sizeof value;
    event_parse(p, &r, &ev);
    char *text = xmalloc(ev.line_max);
    size_t len = event_write_line(p, 1729630800000, 1729631100000, text);
    right = right && ev.reason == REJECT_NONE && len > sizeof value && text[len - 1] == '\n';
    free(text);
    buffer_free(&rejected);
    event_parser_free(p);
    return right ? DONE : WRONG;
}

/* Requests of a store, one after another. */
static enum outcome asked(struct store *s, struct store_op *op) {
    if (store_call(s, op) == 0)
        return DONE;
    enum outcome outcome = refused(&op->error);
    if (op->error.retriable) /* the attempt may be repeated: libcurl or OpenSSL had no memory */
        outcome = REFUSED;
    return outcome;
}

static enum outcome upload(struct store *s, const char *key) {
    struct budget budget;
    budget_init(&budget, 0);
    struct chunk *chunk = chunk_new(&budget, 5);
    memcpy(chunk->data, "line\n", 5);
    chunk->len = 5;
    struct store_op op = {.kind = STORE_UPLOAD_CREATE, .key = key};
    enum outcome outcome = asked(s, &op);
    char *id = op.upload_id;
    struct store_part part = {.n = 1, .bytes = 5, .crc32c = crc32c(0, "line\n", 5)};
    if (outcome == DONE) {
        op = (struct store_op){.kind = STORE_UPLOAD_PART,
                               .key = key,
                               .upload = id,
                               .part = 1,
                               .chunks = chunk,
                               .bytes = 5,
                               .crc32c = part.crc32c};
        outcome = asked(s, &op);
        memcpy(part.etag, op.etag, sizeof part.etag);
    }
    if (outcome == DONE && s->sync_parts) {
        op = (struct store_op){.kind = STORE_UPLOAD_SYNC, .key = key, .upload = id};
        outcome = asked(s, &op);
    }
    if (outcome == DONE) {
        op = (struct store_op){.kind = STORE_UPLOAD_COMPLETE,
                               .key = key,
                               .upload = id,
                               .parts = &part,
                               .n_parts = 1,
                               .bytes = 5};
        outcome = asked(s, &op);
    }
    chunk_free(chunk);
    free(id);
    return outcome;
}

static enum outcome put_and_list(struct store *s, size_t keys) {
    struct store_op op = {
        .kind = STORE_PUT_IF_ABSENT, .key = "a/b/put", .body = "bytes", .body_len = 5};
    enum outcome outcome = asked(s, &op);
    if (outcome == DONE)
        outcome = upload(s, "dt=1/upload");
    op = (struct store_op){.kind = STORE_GET, .key = "a/b/put", .max_bytes = 100};
    if (outcome == DONE)
        outcome = asked(s, &op);
    if (outcome == DONE && strcmp(buffer_text(&op.answer), "bytes") != 0)
        outcome = WRONG;
    store_op_clear(&op);
    op = (struct store_op){.kind = STORE_LIST, .key = ""};
    if (outcome == DONE)
        outcome = asked(s, &op);
    if (outcome == DONE && op.n_entries != keys)
        outcome = WRONG;
    store_op_clear(&op);
    return outcome;
}

/* What lies there after a failure is whole or not there at all. */
static bool is_whole(struct store *s, const char *key, const char *bytes) {
    struct store_op op = {.kind = STORE_GET, .key = key, .max_bytes = 100};
    bool whole = store_call(s, &op) == 0 ? strcmp(buffer_text(&op.answer), bytes) == 0
                                         : op.error.code == ERR_NOT_FOUND;
    store_op_clear(&op);
    return whole;
}

static enum outcome use_directory(void) {
    struct error e;
    struct store *s = store_directory_open("out", clock_system(), random_system(), &e);
    if (!s)
        return refused(&e);
    enum outcome outcome = put_and_list(s, 2);
    store_free(s);
    armed = false;
    s = store_directory_open("out", clock_system(), random_system(), &e);
    if (!s || !is_whole(s, "a/b/put", "bytes") || !is_whole(s, "dt=1/upload", "line\n"))
        outcome = WRONG;
    store_free(s);
    return outcome;
}

static enum outcome use_s3(void) {
    struct error e;
    struct s3_config cfg = {.endpoint = endpoint,
                            .region = "us-east-1",
                            .path_style = true,
                            .access_key = "AKID",
                            .secret_key = "SECRET"};
    struct store *s = s3_open("s3://bucket/p/", &cfg, clock_system(), &e);
    if (!s)
        return refused(&e);
    struct store_op op = {
        .kind = STORE_PUT_IF_ABSENT, .key = "put", .body = "bytes", .body_len = 5};
    enum outcome outcome = asked(s, &op);
    store_op_clear(&op);
    op = (struct store_op){.kind = STORE_LIST, .key = "dt="};
    if (outcome == DONE)
        outcome = asked(s, &op);
    if (outcome == DONE && op.n_entries != 1)
        outcome = WRONG;
    store_op_clear(&op);
    store_free(s);
    return outcome;
}

static void add(void *ctx, const char *data, size_t len) {
    (void)data;
    *(size_t *)ctx += len;
}

static enum outcome pack(enum compression kind) {
    struct budget budget;
    struct error e;
    size_t got = 0;
    budget_init(&budget, 0);
    struct chunk *raw = chunk_new(&budget, 100000);
    memset(raw->data, 'x', 100000);
    raw->len = 100000;
    struct compressor *c = compressor_new(kind);
    struct chunk *packed = compressor_run(c, raw, &budget);
    struct unpack *u = unpack_new(kind, add, &got);
    if (unpack_feed(u, packed->data, packed->len, &e) != 0 || unpack_end(u, &e) != 0)
        return refused(&e);
    unpack_free(u);
    compressor_free(c);
    chunk_free(packed);
    chunk_free(raw);
    return got == 100000 ? DONE : WRONG;
}

static enum outcome pack_gzip(void) {
    return pack(COMPRESSION_GZIP);
}

static enum outcome pack_zstd(void) {
    return pack(COMPRESSION_ZSTD);
}

/* What lies in the world, so that every list of an answer has something in it. */
static void fill(struct control_world *w) {
    static const char *const reasons[] = {"none", "invalid_json"};
    struct partition_metrics p = {.partition = 1, .state = "running", .end = 9};
    struct open_file_metrics f = {.partition = 1};
    struct job_metrics now = {.running = true,
                              .reasons = reasons,
                              .n_reasons = 2,
                              .partitions = &p,
                              .n_partitions = 1,
                              .files = &f,
                              .n_files = 1};
    struct journal_sample sample = {.kept = 1, .value_len = 1, .value = "\xff"};
    metrics_publish(w->metrics, &now);
    metrics_set_state(w->metrics, JOB_RUNNING);
    journal_add_error(w->journal, -1, "job_restarting", "why \xff");
    journal_add_file(w->journal, &(struct journal_file){.key = "a"});
    journal_add_checkpoint(w->journal, &(struct journal_checkpoint){.failed = true});
    journal_add_sample(w->journal, true, &sample);
}

/* 200 or 202 for what is served; the connection may also be closed without a word. */
static enum outcome ask(const struct http_server *http, const char *what) {
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(http_server_port(http)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char request[256], answer[512] = "", rest[512];
    int n = snprintf(request, sizeof request,
                     "%s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n"
                     "Content-Type: application/json\r\nConnection: close\r\n\r\n{}",
                     what);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ssize_t got = 0;
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0 &&
        send(fd, request, (size_t)n, MSG_NOSIGNAL) == n)
        got = recv(fd, answer, sizeof answer - 1, 0);
    while (got > 0 && recv(fd, rest, sizeof rest, 0) > 0)
        ;
    (void)close(fd);
    if (got <= 0)
        return REFUSED;
    return strstr(answer, "HTTP/1.1 200 ") || strstr(answer, "HTTP/1.1 202 ") ? DONE : WRONG;
}

static enum outcome serve(const char *const *what) {
    struct error e;
    struct control_world *w = control_world_new();
    fill(w);
    struct http_server *http = http_server_start(&w->cfg, &e);
    if (!http) {
        (void)fprintf(stderr, "%s\n", e.text);
        return e.code == ERR_IO || e.code == ERR_NO_MEMORY ? REFUSED : WRONG;
    }
    enum outcome outcome = DONE;
    for (; *what && outcome == DONE; what++)
        outcome = ask(http, *what);
    http_server_stop(http);
    control_world_free(w);
    return outcome;
}

static enum outcome serve_http(void) {
    static const char *const what[] = {"GET /metrics",
                                       "GET /tidemark/status?x=%20",
                                       "GET /tidemark/files",
                                       "GET /tidemark/errors",
                                       "GET /tidemark/checkpoints",
                                       "GET /tidemark/settings",
                                       "GET /tidemark/samples",
                                       NULL};
    return serve(what);
}

#define JOB "/jobs/" CONTROL_JOB_ID
static enum outcome serve_flink(void) {
    static const char *const what[] = {"GET /v1/jobs/overview",
                                       "GET " JOB,
                                       "GET " JOB "/plan",
                                       "GET " JOB "/checkpoints",
                                       "GET " JOB "/exceptions",
                                       "GET " JOB "/checkpoints/config",
                                       "GET " JOB "/config",
                                       "GET " JOB "/metrics",
                                       "POST " JOB "/savepoints",
                                       "GET /overview",
                                       "GET /config",
                                       "GET /jobs",
                                       "PATCH " JOB "?mode=cancel",
                                       NULL};
    return serve(what);
}

/* The commands to a running job; that is the parent's. */
static enum outcome command(int (*run)(int argc, char **argv), const char *option) {
    char url[96], *words = xstrdup(option);
    (void)snprintf(url, sizeof url, "--url=%s", endpoint);
    char *argv[] = {url, words, NULL};
    int code = run(*option ? 2 : 1, argv);
    free(words);
    return code == 0 ? DONE : code == 1 ? REFUSED : WRONG;
}

static enum outcome stop_drained(void) {
    return command(cli_stop, "--drain");
}

static enum outcome ask_for_status(void) {
    return command(cli_status, "");
}

static enum outcome cancel(void) {
    return command(cli_cancel, "");
}

/* The whole job in one process, over librdkafka's mock cluster. */
static enum outcome run_embedded(void) {
    static char words[][32] = {"--embedded", "--bounded", "--set=http.listen=127.0.0.1:0"};
    char *argv[] = {words[0], words[1], words[2], NULL};
    int code = cli_run(3, argv);
    return code == 0 ? DONE : code == 1 ? REFUSED : WRONG;
}

/* What producers have packed; made in the parent. */
enum { PLAIN_BYTES = 100000, PACKED_MAX = 2 * PLAIN_BYTES };
static struct {
    char bytes[PACKED_MAX];
    size_t len;
} batches[CODEC_ZSTD + 1];

static void make_batches(void) {
    static char plain[PLAIN_BYTES];
    memset(plain, 'x', sizeof plain);
    batches[CODEC_LZ4].len =
        LZ4F_compressFrame(batches[CODEC_LZ4].bytes, PACKED_MAX, plain, sizeof plain, NULL);
    batches[CODEC_ZSTD].len =
        ZSTD_compress(batches[CODEC_ZSTD].bytes, PACKED_MAX, plain, sizeof plain, 1);
}

static enum outcome decompress_batches(void) {
    struct decompressor *d = decompressor_new();
    struct buffer out;
    struct error e;
    bool right = true;
    buffer_init(&out, PLAIN_BYTES);
    for (enum codec codec = CODEC_LZ4; codec <= CODEC_ZSTD; codec++) {
        if (decompress(d, codec, batches[codec].bytes, batches[codec].len, &out, &e) != 0)
            return refused(&e);
        right = right && out.len == PLAIN_BYTES;
    }
    buffer_free(&out);
    decompressor_free(d);
    return right ? DONE : WRONG;
}

/* ---- Tests ---------------------------------------------------------------------------------------- */

#define TORTURE(flow)                       \
    static void test_##flow(void **state) { \
        (void)state;                        \
        try_each(flow, TRIES);              \
    }

TORTURE(load_settings)
TORTURE(code_checkpoint)
TORTURE(first_start)
TORTURE(parse_events)
TORTURE(pack_gzip)
TORTURE(pack_zstd)
TORTURE(use_directory)
TORTURE(serve_http)
TORTURE(serve_flink)

static void test_decompress_batches(void **state) {
    (void)state;
    make_batches();
    try_each(decompress_batches, TRIES);
}

/* In the parent, so that its thousands of allocations are none of the flows'. */
static void init_openssl(void) {
    assert_int_equal(
        OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG | OPENSSL_INIT_LOAD_CRYPTO_STRINGS |
                                OPENSSL_INIT_ADD_ALL_CIPHERS | OPENSSL_INIT_ADD_ALL_DIGESTS,
                            NULL),
        1);
}

static void start_server(void) {
    server = fake_http_start();
    (void)snprintf(endpoint, sizeof endpoint, "%s", fake_http_endpoint(server));
    init_openssl();
}

static void stop_server(void) {
    fake_http_stop(server);
    server = NULL;
}

static void test_use_s3(void **state) {
    (void)state;
    start_server();
    static const char list[] =
        "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>p/dt=1/a</Key>"
        "<LastModified>2024-10-22T21:00:00.000Z</LastModified><Size>5</Size></Contents>"
        "</ListBucketResult>";
    char reply[512];
    (void)snprintf(reply, sizeof reply,
                   "HTTP/1.1 200 OK\r\nDate: Tue, 22 Oct 2024 21:00:00 GMT\r\nETag: \"a\"\r\n"
                   "Content-Length: %zu\r\n\r\n%s",
                   sizeof list - 1, list);
    fake_http_reply_always(server, reply);
    try_each(use_s3, TRIES);
    stop_server();
}

/* One answer for all that commands ask. */
static void start_job(void) {
    static const char body[] =
        "{\"jobs\":[{\"jid\":\"0123456789abcdef0123456789abcdef\"}],\"request-id\":\"r\","
        "\"state\":\"CANCELED\",\"status\":{\"id\":\"COMPLETED\"},"
        "\"operation\":{\"location\":\"s3://b/chk/\"},\"partitions\":[{}]}";
    char reply[512];
    start_server();
    (void)snprintf(reply, sizeof reply, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
                   sizeof body - 1, body);
    fake_http_reply_always(server, reply);
    (void)setenv("TIDEMARK_HTTP_TOKEN", "sesame", 1);
}

/* A request that lost a part for want of memory would ask for something else. */
static void whole_requests(const char *method, const char *body) {
    size_t of_method = 0;
    for (size_t i = 0; *fake_http_request(server, i); i++) {
        const char *request = fake_http_request(server, i);
        bool get = strncmp(request, "GET ", 4) == 0;
        assert_true(get || strncmp(request, method, strlen(method)) == 0);
        assert_non_null(strstr(request, "\r\nAuthorization: Bearer sesame\r\n"));
        if (get)
            continue;
        of_method++;
        assert_string_equal(strstr(request, "\r\n\r\n") + 4, body);
    }
    assert_true(of_method > 0 || strcmp(method, "GET ") == 0);
}

static void test_stop_drained(void **state) {
    (void)state;
    start_job();
    try_each(stop_drained, TRIES);
    whole_requests("POST ", "{\"drain\":true}");
    stop_server();
}

static void test_cancel(void **state) {
    (void)state;
    start_job();
    try_each(cancel, TRIES);
    whole_requests("PATCH ", "");
    stop_server();
}

static void test_ask_for_status(void **state) {
    (void)state;
    start_job();
    try_each(ask_for_status, TRIES);
    whole_requests("GET ", "");
    stop_server();
}

static void test_run_embedded(void **state) {
    (void)state;
    ours_only = true;
    try_each(run_embedded, TRIES_OF_RUN);
}

int main(void) {
#ifdef __SANITIZE_ADDRESS__
    ours_only = true;
#endif
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_load_settings),
        cmocka_unit_test(test_code_checkpoint),
        cmocka_unit_test(test_first_start),
        cmocka_unit_test(test_parse_events),
        cmocka_unit_test(test_pack_gzip),
        cmocka_unit_test(test_pack_zstd),
        cmocka_unit_test(test_decompress_batches),
        cmocka_unit_test(test_use_directory),
        cmocka_unit_test(test_use_s3),
        cmocka_unit_test(test_serve_http),
        cmocka_unit_test(test_serve_flink),
        cmocka_unit_test(test_stop_drained),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_ask_for_status),
        cmocka_unit_test(test_run_embedded),
    };
    asked_for =
        mmap(NULL, sizeof *asked_for, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (asked_for == MAP_FAILED)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
