"""Who fetches: the program itself, or librdkafka where that is at a loss. Both read the same.

Each test ends with a bounded run, the oracle's comparison and the program's own verification.
"""

import random

import pytest
from harness.processes import wait_until
from harness.scenario import AT, QUICK, STREAM, Feeder, alive, fetching, finish, records, verify
from harness.segment import Segment

FETCHERS = ["direct", "librdkafka"]
CODECS = ["none", "gzip", "lz4", "zstd", "snappy"]
SETTINGS = {"kafka.assignment": "all", "log.level": "debug"}


def straight(partitions):
    return f"{partitions} partitions are read straight from 1 brokers"


def on_each(partitions, batch):
    return [(*r[:3], p) for r in batch for p in range(partitions)]


def bounded(j):
    """Run to the end, which has to be right. Returns what the log says of who fetches, and the
    oracle's report."""
    done = j.bounded()
    report = j.compare()
    verified = verify(j, "--deep")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    return fetching(done.stderr), report


# ---- Codecs -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fetcher", [pytest.param("direct", marks=pytest.mark.sanitized), "librdkafka"]
)
def test_batches_of_all_codecs(kafka, make_job, directory_store, fetcher):
    topic = kafka.create_topic(partitions=3)
    j = make_job(directory_store, topic, {**SETTINGS, "kafka.fetcher": fetcher})
    reads = [straight(3)] if fetcher == "direct" else []
    sent = 0

    def produce(*codecs):
        nonlocal sent
        for i, codec in enumerate(codecs):
            batch = records(100, sent, pad=i * 200)
            kafka.produce(topic, on_each(3, batch), compression_type=codec)
            sent += 100

    produce("none", "gzip", "lz4", "zstd", "gzip", "none", "zstd", "lz4")
    said, _ = bounded(j)
    assert said == reads
    # Snappy amid others: once it is met, librdkafka goes on to the end.
    produce("lz4", "none", "snappy", "zstd", "gzip")
    for partition in range(3):
        batches = Segment(kafka, topic, partition).batches()
        assert {batch.codec for batch in batches} == set(CODECS)
    said, _ = bounded(j)
    assert said[: len(reads)] == reads and len(said) == 2 * len(reads), said
    assert all("snappy" in s and s.endswith("librdkafka reads on from there") for s in said[1:])
    # The next run starts behind it.
    produce("gzip")
    said, report = bounded(j)
    assert said == reads and len(report.expected) == 3 * sent


@pytest.mark.parametrize("codec", CODECS[1:])
def test_a_broker_that_compresses_itself(kafka, make_job, directory_store, codec):
    """By Java's libraries, which write other frames than librdkafka's."""
    topic = kafka.create_topic(compression_type=codec)
    # Nothing repeats itself in the padding of half of them, so that frames have many blocks.
    dice = random.Random(7)
    for turn in range(4):
        batch = [
            (key, value[:-2] + dice.randbytes(500).hex().encode() + b'"}', ts)
            for key, value, ts, _ in records(300, 300 * turn)
        ]
        batch += records(300, 300 * turn, pad=1000)
        kafka.produce(topic, batch, compression_type="none", linger_ms=100)
    batches = Segment(kafka, topic).batches()
    assert {batch.codec for batch in batches} == {codec}
    assert max(batch.size for batch in batches) > 150_000, "the test has to see frames of blocks"
    j = make_job(directory_store, topic, SETTINGS)
    said, _ = bounded(j)
    assert said[0] == straight(1)
    assert len(said) == 1 if codec != "snappy" else "snappy" in said[1]


# ---- Transactions -------------------------------------------------------------------------------


@pytest.mark.parametrize("fetcher", FETCHERS)
def test_committed_and_aborted_transactions(kafka, make_job, directory_store, fetcher):
    topic = kafka.create_topic()
    dice = random.Random(3)
    sent, kept = 0, 0

    def batch(count, pad=0):
        nonlocal sent
        sent += count
        return list(records(count, sent - count, pad))

    def plain(count):
        nonlocal kept
        kept += count
        kafka.produce(topic, batch(count))

    producers = [kafka.transaction(compression_type=codec) for codec in ("none", "lz4", "zstd")]
    for turn in range(12):
        written = dict.fromkeys(producers, 0)
        for producer in dice.choices(producers, k=6):
            producer.produce(topic, batch(10))
            written[producer] += 10
            plain(1)
        # Each has both outcomes in turn, in each order; where it has written nothing as well.
        for i, producer in enumerate(dice.sample(producers, 3)):
            if (turn + i) % 2:
                producer.commit()
                kept += written[producer]
            else:
                producer.abort()
            producer.begin()
    # Of more bytes than one fetch brings, with others amid it.
    aborted, committed, last = producers
    for _ in range(30):
        aborted.produce(topic, batch(20, pad=2000))
        committed.produce(topic, batch(2))
        plain(1)
    aborted.abort()
    committed.commit()
    kept += 60
    bound = kept
    # The end that a run may go to.
    last.produce(topic, batch(20))
    plain(10)
    j = make_job(directory_store, topic, {**SETTINGS, "kafka.fetcher": fetcher})
    reads = [straight(1)] if fetcher == "direct" else []
    said, report = bounded(j)
    assert said == reads and len(report.expected) == bound
    last.commit()
    said, report = bounded(j)
    assert said == reads and len(report.expected) == kept + 20


# ---- Brokers that go away -----------------------------------------------------------------------


def test_the_broker_dies_and_is_read_from_straight_again(kafka, make_job, directory_store):
    topic = kafka.create_topic(partitions=3)
    j = make_job(directory_store, topic, {**QUICK, **SETTINGS})
    generator = j.start_generator(rate=500, **STREAM)
    process = j.start()
    wait_until(j.files, "the first files")
    assert fetching(process.stderr()) == [straight(3)]
    kafka.kill()
    process.wait_for_log("librdkafka reads on from there")
    kafka.start()
    wait_until(lambda: fetching(process.stderr())[-1] == straight(3), "reading straight again", 60)
    ends = {p: end for p, (_, end) in kafka.bounds(topic).items()}
    wait_until(
        lambda: all(j.checkpoint(p)["next"] > end for p, end in ends.items()), "more records", 60
    )
    alive(process, generator)
    said = fetching(process.stderr())
    assert said[-1] == straight(3) and sum("reads on from there" in s for s in said) == 1, said
    assert generator.stop() == 143
    assert process.stop(10) == 143
    assert finish(j).count("event") > 1000


# ---- Records of all sizes -----------------------------------------------------------------------

LARGEST = 1_048_588  # max.message.bytes


@pytest.mark.parametrize("time", ["CreateTime", "LogAppendTime"])
def test_records_of_all_sizes_keys_and_headers(kafka, make_job, directory_store, time):
    topic = kafka.create_topic(partitions=4, message_timestamp_type=time)
    keys = [b"u", None, b"", b"k" * 200]
    headers = [None, [("h", b"v")], [("none", None), ("", b""), ("h" * 200, b"v" * 300)]]
    sizes = [n + d for n in (2**k for k in range(1, 20)) for d in (-1, 0, 1)]
    values = [b"x" * size for size in sizes[:30]]
    values += [b'{"user_id":"u","timestamp":%d,"pad":"%s"}' % (AT, b"x" * n) for n in sizes]
    values += [b'{"user_id":"u","timestamp":%d,"pad":"%s"}' % (AT, b"x" * (LARGEST - 1000))]
    values += [None, b""]
    several = [
        (keys[i % 4], value, AT - 1 + i, i % 3, headers[i % 3]) for i, value in enumerate(values)
    ]
    # The last of each partition, which the next run looks at again.
    several += [(key, b"x", AT, p, headers[1]) for p, key in enumerate(keys)]
    # Together larger than what is asked for.
    large = list(records(880, pad=950, partition=3))
    config = {"batch_size": 900_000, "linger_ms": 1000, "message_max_bytes": LARGEST}
    kafka.produce(topic, several + large, compression_type="none", **config)
    kafka.produce(topic, several, message_max_bytes=LARGEST)
    assert max(batch.size for batch in Segment(kafka, topic, 3).batches()) > 800_000
    assert max(batch.size for batch in Segment(kafka, topic, 0).batches()) > 1_000_000
    j = make_job(directory_store, topic, SETTINGS)
    said, report = bounded(j)
    assert said == [straight(4)]
    assert len(report.expected) == 2 * len(several) + len(large)
    assert report.count("null") == 4 and report.count("rejected") > 60
    j.bounded()  # looks again at each partition's last record


def test_many_partitions_of_which_few_have_records(kafka, make_job, directory_store):
    topic = kafka.create_topic(partitions=60)
    kafka.produce(topic, [(*r[:3], p) for r in records(200, pad=3000) for p in (7, 31, 59)])
    j = make_job(directory_store, topic, SETTINGS)
    said, report = bounded(j)
    assert said == [straight(60)] and len(report.expected) == 600
    assert {p: j.checkpoint(p)["next"] for p in (0, 7, 8, 59)} == {0: 0, 7: 200, 8: 0, 59: 200}


# ---- The log's start ----------------------------------------------------------------------------


def test_the_logs_start_moves_up_to_the_position(kafka, make_job, directory_store):
    topic = kafka.create_topic()
    j = make_job(directory_store, topic, {**QUICK, **SETTINGS})
    feeder = Feeder(kafka, topic)
    process = j.start()

    def read():
        ends = kafka.bounds(topic)
        wait_until(
            lambda: 0 in j.newest() and j.checkpoint(0)["next"] == ends[0][1], f"{ends} to be read"
        )

    feeder.feed()
    read()
    consumed = kafka.consume(topic)
    kafka.delete_records(topic, {0: feeder.sent})
    feeder.feed()
    read()
    assert fetching(process.stderr()) == [straight(1)]
    assert process.stop(10) == 143
    j.bounded()
    compare(j, consumed + kafka.consume(topic), 2 * 30)


@pytest.mark.parametrize("fetcher", FETCHERS)
def test_the_logs_start_moves_past_the_position(kafka, make_job, directory_store, fetcher):
    topic = kafka.create_topic()
    settings = {**QUICK, **SETTINGS, "kafka.fetcher": fetcher}
    j = make_job(directory_store, topic, settings)
    feeder = Feeder(kafka, topic)
    process = j.start()
    feeder.feed()
    wait_until(lambda: 0 in j.newest() and j.checkpoint(0)["next"] == 30, "30 records")
    consumed = kafka.consume(topic)
    process.sigstop()
    # What it has asked for may be answered by the first of these.
    for _ in range(3):
        feeder.feed()
    kafka.delete_records(topic, {0: 110})
    process.sigcont()
    assert process.wait(60) == 1
    [error] = [line["message"] for line in process.log() if line["level"] == "error"]
    assert "partition 0: offsets" in error and "begins at 110" in error, error
    if fetcher == "direct":
        assert fetching(process.stderr())[1].endswith("librdkafka reads on from there")
    j.bounded("--allow-data-loss")
    compare(j, consumed + kafka.consume(topic), 30 + 10)


def compare(j, consumed, count):
    """With records that Kafka no longer has, too."""
    import oracle

    report = oracle.compare(
        consumed, j.settings, j.output, j.checkpoints, {0: j.kafka.bounds(j.topic)[0][1]}
    )
    assert len(report.expected) == count


# ---- Properties ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "properties, said",
    [
        ({"security.protocol": "PLAINTEXT", "client.id": "me"}, straight(1)),
        ({"fetch.min.bytes": 1}, "librdkafka reads, for kafka.properties.fetch.min.bytes is set"),
    ],
    ids=["harmless", "about fetching"],
)
def test_properties_about_fetching_are_librdkafkas(
    kafka, make_job, directory_store, properties, said
):
    topic = kafka.create_topic()
    kafka.produce(topic, records(50))
    more = {f"kafka.properties.{name}": value for name, value in properties.items()}
    j = make_job(directory_store, topic, {**SETTINGS, **more})
    assert bounded(j)[0] == [said]
