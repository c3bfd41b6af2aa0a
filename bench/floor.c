/* The floor that tidemark is measured against: what reading a topic with librdkafka costs when next to
 * nothing is done with its events. Reads every partition from its first offset to its end.
 *
 *   floor BROKERS TOPIC count                adds up the bytes of the values
 *   floor BROKERS TOPIC write FILE [BYTES]   copies 430 bytes an event, or so many, and writes them
 *
 * A line of 430 bytes is what an event of 450 becomes without its blanks. Prints how many events it
 * read and how many bytes it wrote. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <librdkafka/rdkafka.h>

enum {
    BATCH = 1000,
    LINE = 430,
    LINE_MAX = 1 << 16,
    BLOCK = 1 << 20, /* bytes of a write */
    PATIENCE_MS = 30000
};

struct floor {
    rd_kafka_t *rk;
    const char *topic;
    uint64_t left, events, bytes, written;
    int fd;
    size_t line, filled;
    char block[BLOCK + LINE_MAX];
};

static _Noreturn void fail(const char *what, const char *why) {
    (void)fprintf(stderr, "floor: %s: %s\n", what, why);
    exit(1);
}

static void check(const char *what, rd_kafka_resp_err_t err) {
    if (err)
        fail(what, rd_kafka_err2str(err));
}

/* What has proved the quickest: a queue that stays small and large answers. */
static const char *const properties[][2] = {
    {"group.id", "floor"},
    {"enable.auto.commit", "false"},
    {"enable.auto.offset.store", "false"},
    {"auto.offset.reset", "error"},
    {"queued.min.messages", "100000"},
    {"queued.max.messages.kbytes", "32768"},
    {"fetch.message.max.bytes", "4194304"},
};

static void set(rd_kafka_conf_t *conf, const char *name, const char *value) {
    char why[256];
    if (rd_kafka_conf_set(conf, name, value, why, sizeof why) != RD_KAFKA_CONF_OK)
        fail(name, why);
}

static void connect_to(struct floor *f, const char *brokers) {
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", brokers);
    for (size_t i = 0; i < sizeof properties / sizeof properties[0]; i++)
        set(conf, properties[i][0], properties[i][1]);
    f->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
    if (!f->rk)
        fail(brokers, why);
}

static int partition_count(const struct floor *f) {
    const struct rd_kafka_metadata *found;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(f->rk, f->topic, NULL);
    check(f->topic, rd_kafka_metadata(f->rk, 0, topic, &found, PATIENCE_MS));
    int count = found->topics[0].partition_cnt;
    rd_kafka_metadata_destroy(found);
    rd_kafka_topic_destroy(topic);
    return count;
}

static void assign_all(struct floor *f) {
    (void)rd_kafka_poll_set_consumer(f->rk);
    int count = partition_count(f);
    rd_kafka_topic_partition_list_t *all = rd_kafka_topic_partition_list_new(count);
    for (int i = 0; i < count; i++) {
        int64_t first, end;
        check(f->topic,
              rd_kafka_query_watermark_offsets(f->rk, f->topic, i, &first, &end, PATIENCE_MS));
        rd_kafka_topic_partition_list_add(all, f->topic, i)->offset = first;
        f->left += (uint64_t)(end - first);
    }
    check(f->topic, rd_kafka_assign(f->rk, all));
    rd_kafka_topic_partition_list_destroy(all);
}

static void flush(struct floor *f, size_t n) {
    const char *p = f->block;
    for (size_t left = n; left > 0;) {
        ssize_t k = write(f->fd, p, left);
        if (k < 0 && errno != EINTR)
            fail("write", strerror(errno));
        if (k > 0) {
            p += k;
            left -= (size_t)k;
        }
    }
    f->written += n;
    f->filled -= n;
    memmove(f->block, f->block + n, f->filled);
}

static void copy(struct floor *f, const rd_kafka_message_t *m) {
    size_t n = m->len < f->line ? m->len : f->line;
    char *line = f->block + f->filled;
    memcpy(line, m->payload, n);
    memset(line + n, ' ', f->line - n);
    f->filled += f->line;
    if (f->filled >= BLOCK)
        flush(f, BLOCK);
}

static void take(struct floor *f, const rd_kafka_message_t *m) {
    if (m->err)
        fail(f->topic, rd_kafka_message_errstr(m));
    f->events++;
    f->left--;
    f->bytes += m->len;
    if (f->fd >= 0)
        copy(f, m);
}

static void read_all(struct floor *f) {
    rd_kafka_message_t *batch[BATCH];
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(f->rk);
    while (f->left > 0) {
        ssize_t n = rd_kafka_consume_batch_queue(queue, PATIENCE_MS, batch, BATCH);
        if (n <= 0)
            fail(f->topic, "no events for 30 s");
        for (ssize_t i = 0; i < n; i++) {
            take(f, batch[i]);
            rd_kafka_message_destroy(batch[i]);
        }
    }
    if (f->filled > 0)
        flush(f, f->filled);
    rd_kafka_queue_destroy(queue);
}

int main(int argc, char **argv) {
    static struct floor f = {.fd = -1, .line = LINE};
    const char *mode = argc > 3 ? argv[3] : "";
    bool writes = strcmp(mode, "write") == 0;
    bool counts = argc == 4 && strcmp(mode, "count") == 0;
    if (writes && argc == 6)
        f.line = strtoul(argv[5], NULL, 10);
    if (!(counts || (writes && (argc == 5 || argc == 6))) || f.line == 0 || f.line > LINE_MAX) {
        (void)fputs("usage: floor BROKERS TOPIC count | write FILE [BYTES]\n", stderr);
        return 2;
    }
    f.topic = argv[2];
    connect_to(&f, argv[1]);
    if (writes)
        f.fd = open(argv[4], O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0666);
    if (writes && f.fd < 0)
        fail(argv[4], strerror(errno));
    assign_all(&f);
    read_all(&f);
    (void)printf("%" PRIu64 " events of %" PRIu64 " bytes, %" PRIu64 " bytes written\n", f.events,
                 f.bytes, f.written);
    (void)fflush(stdout);
    _exit(0); /* an orderly end of the client is no part of the floor */
}
