"""The job as most people run it: records in, files out, compared with the oracle."""

import signal

import pytest
from harness.job import sanitized_on_s3
from harness.processes import wait_until

START = "2024-10-22T20:30:00Z"
AT = 1729629000000  # the same
MINUTE = 60_000
ALL = {"kafka.assignment": "all"}


def events(count, at=AT, step=1000, user="u", pad=0, first=0):
    """Records with events `step` ms apart, stamped with their time."""
    for i in range(first, first + count):
        ts = at + i * step
        value = f'{{"user_id":"{user}{i % 7}","timestamp":{ts},"n":{i},"pad":"{"x" * pad}"}}'
        yield f"{user}{i % 7}".encode(), value.encode(), ts


def on(partition, records):
    return [(key, value, ts, partition) for key, value, ts in records]


# ---- Bounded runs -------------------------------------------------------------------------------


@sanitized_on_s3
def test_generated_events_of_all_classes(kafka, job):
    topic = kafka.create_topic(partitions=3, compression_type="lz4")
    j = job(topic)
    j.generate(
        events=15000, rate=10000, speed=3600, start=START, late="1%", malformed="1%", disorder="8m"
    )
    j.bounded()
    report = j.compare()
    assert len(report.expected) == 15000
    assert report.count("late") > 50 and report.count("rejected") > 50
    assert len(report.windows()) > 12
    # One file for a window and partition, where nothing had to roll.
    windows = [(file.partition, file.window) for file in report.files.values() if file.window]
    assert len(windows) == len(set(windows))


def test_bounded_runs_continue_where_the_last_one_ended(kafka, job):
    topic = kafka.create_topic(partitions=2)
    j = job(topic, ALL)
    j.bounded()  # an empty topic is no error
    assert j.compare().files == {}
    for run in range(3):
        kafka.produce(topic, events(500, first=500 * run))
        j.bounded()
        report = j.compare()
    assert len(report.expected) == 1500
    files = set(report.files)
    j.bounded()
    assert set(j.compare().files) == files


def test_an_open_transaction_bounds_the_run(kafka, job):
    topic = kafka.create_topic()
    j = job(topic)
    kafka.produce(topic, events(10))
    aborted = kafka.transaction()
    aborted.produce(topic, events(10, user="aborted", first=100))
    aborted.abort()
    open_one = kafka.transaction()
    open_one.produce(topic, events(10, user="later", first=200))
    kafka.produce(topic, events(10, first=300))
    j.bounded()
    assert len(j.compare().expected) == 10
    open_one.commit()
    j.bounded()
    assert len(j.compare().expected) == 30
    # Nothing but aborted records and markers: a run still gets to the end.
    aborted = kafka.transaction()
    aborted.produce(topic, events(10, user="aborted", first=400))
    aborted.abort()
    j.bounded()
    assert len(j.compare().expected) == 30


def test_a_list_of_partitions_is_a_share_of_the_work(kafka, job):
    topic = kafka.create_topic(partitions=3)
    kafka.produce(topic, events(900))
    j = job(topic)
    j.bounded(kafka__assignment="0,2")
    assert sorted(j.newest()) == [0, 2]
    j.bounded(kafka__assignment="1")
    j.compare()


@pytest.mark.parametrize("start", ["latest", "2024-10-22T20:35:00Z"])
def test_a_first_start_need_not_begin_at_the_beginning(kafka, make_job, directory_store, start):
    topic = kafka.create_topic()
    kafka.produce(topic, events(600))  # ten minutes
    j = make_job(directory_store, topic, {"kafka.start": start})
    j.bounded()
    kafka.produce(topic, events(100, first=600))
    j.bounded(kafka__start="earliest")  # counts only where no checkpoint exists
    first = 600 if start == "latest" else 300
    kafka.delete_records(topic, {0: first})  # so that the oracle sees what the job saw
    assert len(j.compare().expected) == 700 - first


def test_a_partition_without_a_record_of_the_start_begins_at_its_end(
    kafka, make_job, directory_store
):
    topic = kafka.create_topic(partitions=3)
    kafka.produce(topic, [*on(0, events(60)), *on(1, events(600))])
    j = make_job(directory_store, topic, {"kafka.start": "2024-10-22T20:35:00Z"})
    j.bounded()
    kafka.delete_records(topic, {0: 60, 1: 300})
    assert len(j.compare().expected) == 300
    assert {p: j.checkpoint(p)["next"] for p in j.newest()} == {0: 60, 1: 600, 2: 0}


# ---- Records ------------------------------------------------------------------------------------


def event(i, ts=AT, more=""):
    return f'{{"user_id":"u","timestamp":{ts},"i":{i}{more}}}'.encode()


ODD_VALUES = [
    None,
    b"",
    b"null",
    b" ",
    b"nul",
    b"{}",
    b"[]",
    b"17",
    b'"text"',
    b"true",
    b'{"user_id":"u","timestamp":1729629000000',
    b'{"user_id":"u","timestamp":1729629000000}}',
    b'{"user_id":"u","timestamp":1729629000000,}',
    b"{'user_id':'u'}",
    b'\xef\xbb\xbf{"user_id":"u","timestamp":1729629000000}',
    b'{"user_id":"u","timestamp":1729629000000,"x":NaN}',
    b'{"user_id":"u","timestamp":1729629000000,"x":01}',
    b'{"user_id":"u","timestamp":1729629000000,"x":1.}',
    b'{"user_id":"u","timestamp":1729629000000,"x":"\x01"}',
    b'{"user_id":"u","timestamp":1729629000000,"x":"\\q"}',
    b'{"user_id":"u","timestamp":1729629000000,"x":"\xc3"}',
    b'{"user_id":"u","timestamp":1729629000000,"x":"\xc0\xaf"}',
    b'{"user_id":"u","timestamp":1729629000000,"x":"\xed\xa0\x80"}',
    b'{"user_id":"u","timestamp":1729629000000,"x":"\xf4\x90\x80\x80"}',
    b"\x00\x01\x02\xff binary \x80",
    b'{"user_id":"u"}',
    b'{"timestamp":1729629000000}',
    b'{"user_id":null,"timestamp":1729629000000}',
    b'{"user_id":"","timestamp":1729629000000}',
    b'{"user_id":1.0,"timestamp":1729629000000}',
    b'{"user_id":1e2,"timestamp":1729629000000}',
    b'{"user_id":true,"timestamp":1729629000000}',
    b'{"user_id":["u"],"timestamp":1729629000000}',
    b'{"user_id":{},"timestamp":1729629000000}',
    b'{"user_id":"u","timestamp":null}',
    b'{"user_id":"u","timestamp":"1729629000000"}',
    b'{"user_id":"u","timestamp":1729629000000.5}',
    b'{"user_id":"u","timestamp":true}',
    b'{"user_id":"u","timestamp":{}}',
    b'{"user_id":"u","timestamp":1e30}',
    b'{"user_id":"u","timestamp":-1e30}',
    b'{"user_id":"u","timestamp":1e99999999999999999999}',
    b'{"user_id":"u","timestamp":1e-99999999999999999999}',
    b'{"user_id":"u","timestamp":9223372036854775808}',
    b'{"user_id":"u","timestamp":18446744073709551616}',
    b'{"user_id":"u","timestamp":-9223372036854775809}',
    b'{"user_id":"u","timestamp":1,"user_id":"v"}',
    b'{"user_id":"u","timestamp":1,"timestamp":1}',
    b'{"user_id":"u","timestamp":1,"\\u0074imestamp":1}',
    b'{"user_id":"u","timestamp":1,"user\\u005fid":1}',
    b'{"x":' + b"[" * 1024 + b"]" * 1024 + b"}",
    # Accepted, and passed through byte for byte.
    b'{"user\\u005fid":"u","time\\u0073tamp":1729629000001}',
    b'{"user_id":-12345678901234567890123,"timestamp":1729629000002}',
    b'{"user_id":0,"timestamp":1.729629000003e12}',
    b'{"user_id":"u","timestamp":1729629000004.000}',
    b'{"user_id":"u","timestamp":17296290000050e-1}',
    b'{"user_id":"\\ud800","timestamp":1729629000006}',
    b'{"user_id":"\xf0\x9f\x8c\x8a","timestamp":1729629000007,"\xc3\xbc":"\xe2\x82\xac"}',
    b' \t\r\n{ "user_id" :\n"u" , "timestamp"\t: 1729629000008 , "a" : [ 1 , { } , [ ] ] } \n',
    b'{"user_id":"u","timestamp":1729629000009,"n":[1e400,-0,0.10,1E+2,'
    + b"9" * 500
    + b",0."
    + b"3" * 500
    + b"]}",
    b'{"event_timestamp":1,"user_id":"u","event_timestamp_start":[{}],"timestamp":1729629000010,'
    b'"event_timestamp_end":"x","event\\u005ftimestamp":2,"z":{"event_timestamp":3}}',
    b'{"user_id":"u","timestamp":1729629000011,"event_timestamp":null}',
    b'{"timestamp":1729629000012,"user_id":"u"}',
    b'{"a":1,"a":2,"user_id":"u","a":3,"timestamp":1729629000013}',
    b'{"user_id":"u","timestamp":1729629000014,"x":' + b"[" * 1023 + b"]" * 1023 + b"}",
    b'{"user_id":"u","timestamp":1729629000015,"x":"\\u0000\\/\\"\\\\ \x7f"}',
    b'{"user_id":"u","timestamp":1729629000016,"":"","user_id ":1,"User_id":2}',
    b'{"user_id":"u","timestamp":1729629000017,"x":{"user_id":1,"timestamp":2}}',
    b'{"user_id":"u","timestamp":-0}',
    b'{"user_id":"u","timestamp":-1}',
    b'{"user_id":"u","timestamp":-62135596800000}',
    b'{"user_id":"u","timestamp":-62135596800001}',
    b'{"user_id":"u","timestamp":-59011459200000}',
]


def test_odd_records(kafka, job):
    topic = kafka.create_topic(max_message_bytes=8_000_000)
    j = job(topic, {"window.out_of_orderness": "30d"})
    keys = [b"u", None, b"", b"other", b"\xff\xfe"]
    odd = [(keys[i % 5], value, AT) for i, value in enumerate(ODD_VALUES)]
    letters = bytes(range(33, 34)) + bytes(range(35, 92)) + bytes(range(93, 127))
    large = (letters * 30000)[:2_500_000]
    kafka.produce(
        topic,
        odd
        + [
            (b"u", event(1, more=f',"large":"{large.decode()}"'), AT),
            (b"u", large, AT),
            (b"u", event(2, AT + 60 * MINUTE), AT),
            (b"u", event(3, AT + 60 * MINUTE + 1), AT),
            (b"u", event(4, AT + 10**10), AT),
            (b"u", event(5), AT),
        ],
        message_max_bytes=8_000_000,
    )
    j.bounded()
    report = j.compare()
    assert set(report.reasons()) == {
        "invalid_json",
        "not_object",
        "duplicate_field",
        "no_key",
        "no_timestamp",
        "bad_timestamp",
        "future",
    }
    assert report.count("null") == 3
    assert report.count("event") >= 15 and report.count("late") >= 3


def test_a_record_without_a_timestamp_is_never_from_the_future(kafka, make_job, directory_store):
    # The broker stamps these itself; what is far behind that is accepted, what is ahead is not.
    topic = kafka.create_topic(message_timestamp_type="LogAppendTime")
    j = make_job(directory_store, topic)
    kafka.produce(topic, [(b"u", event(1)), (b"u", event(2, 4_000_000_000_000)), (b"u", event(3))])
    j.bounded()
    assert j.compare().reasons() == {"future": 1}


# ---- Settings of events and windows -------------------------------------------------------------


@pytest.mark.parametrize(
    "size, offset, more",
    [
        ("7m", "90s", {}),
        ("7m", "-90s", {"window.allowed_lateness": "3m"}),
        ("3s", "1s", {"window.out_of_orderness": "0s", "output.partition_by": "day=%j"}),
        ("1d", "-5h", {"output.partition_by": "%Y/%m/%d/%H-%M-%S"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_windows(kafka, make_job, directory_store, size, offset, more):
    topic = kafka.create_topic(partitions=2)
    settings = {"window.size": size, "window.offset": offset, **more}
    j = make_job(directory_store, topic, settings)
    records = list(events(1500, step=1777))
    # Out of order by up to 20 minutes, the same way each time.
    for i in range(0, len(records), 7):
        records.insert((i * 37) % len(records), records.pop(i))
    kafka.produce(topic, records + [(b"u", event(-1, -1)), (b"u", event(-2, 59_999))])
    j.bounded()
    assert j.compare().count("event") > 30


@pytest.mark.parametrize("form", ["epoch_s", "iso8601"])
def test_other_fields_and_formats_of_timestamps(kafka, make_job, directory_store, form):
    topic = kafka.create_topic()
    if form == "epoch_s":
        texts = ["1729629000", "1.729629001e9", "1729629002.0", '"1729629000"', "1e15", "-1"]
    else:
        texts = [
            '"2024-10-22T20:30:00Z"',
            '"2024-10-22T20:30:01.5Z"',
            '"2024-10-22T20:30:01.25Z"',
            '"2024-10-22T22:30:02.123+02:00"',
            '"2024-10-22T15:00:03-05:30"',
            '"2024-10-22T20:30:0\\u0034Z"',
            '"2024-02-29T00:00:00Z"',
            '"0001-01-01T00:00:00Z"',
            '"2024-10-22T20:30:00.1234Z"',
            '"2024-10-22T20:30:00"',
            '"2024-10-22 20:30"',
            '"2023-02-29T00:00:00Z"',
            '"2024-10-22T25:00:00Z"',
            '"2024-13-22T20:30:00Z"',
            '"0000-12-31T00:00:00Z"',
            '""',
            "1729629000000",
            "[]",
        ]
    texts.append("null")
    values = [f'{{"who":{i},"when":{text},"timestamp":{i}}}' for i, text in enumerate(texts)]
    values.append('{"user_id":"u","timestamp":1729629000000}')
    kafka.produce(topic, [(b"k", value.encode(), AT) for value in values])
    settings = {
        "event.key_field": "who",
        "event.timestamp_field": "when",
        "event.timestamp_format": form,
        "window.out_of_orderness": "366d",
    }
    j = make_job(directory_store, topic, settings)
    j.bounded()
    report = j.compare()
    assert set(report.reasons()) == {"bad_timestamp", "no_timestamp", "no_key"}
    assert report.count("event") + report.count("late") >= 4


# ---- Files --------------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_compressed_files_decompress_to_the_same_lines(kafka, job, compression):
    topic = kafka.create_topic()
    j = job(topic, {"output.compression": compression})
    j.generate(events=12000, rate=0, speed=10, start=START, malformed="1%")
    j.bounded()
    report = j.compare()
    marks = {"gzip": b"\x1f\x8b\x08", "zstd": b"\x28\xb5\x2f\xfd"}
    members = 0
    for key, file in report.files.items():
        stored = j.output.read(key)
        members = max(members, stored.count(marks[compression]))
        assert file.size < sum(map(len, file.lines)) / 3
    assert members > 1, "the test has to see files of several members or frames"


def test_files_roll_by_size(kafka, job):
    topic = kafka.create_topic()
    j = job(topic, {"output.max_file_size": "64KiB"})
    kafka.produce(topic, events(1000, step=100, pad=1000))
    j.bounded()
    report = j.compare()
    assert len(report.windows()) == 1
    assert len(report.files) >= 16
    assert max(file.size for file in report.files.values()) < 64 * 1024 + 1500


def test_large_files_are_uploaded_in_parts(kafka, minio, make_job, minio_store):
    topic = kafka.create_topic()
    j = make_job(minio_store, topic, {"output.part_size": "5MiB"})
    kafka.produce(topic, events(1500, step=10, pad=10_000))
    j.bounded()
    report = j.compare()
    [key] = report.files
    head = minio.client.head_object(Bucket=j.output.bucket, Key=j.output.prefix + key)
    assert head["ContentLength"] > 14 << 20
    assert head["ETag"].strip('"').endswith("-3")
    assert minio.uploads(j.output.bucket, j.output.prefix + key) == []


def test_many_windows_stay_within_the_memory_limit(kafka, make_job, minio_store):
    topic = kafka.create_topic()
    settings = {
        "memory.limit": "64MiB",
        "window.out_of_orderness": "30d",
        "output.part_size": "5MiB",
    }
    j = make_job(minio_store, topic, settings)
    # 200 windows are open at once, all of them grow, and none reaches a part's size by itself.
    shuffled = (
        (key, value.replace(b"172962", b"17%04d" % (2962 + i % 200), 1), None)
        for i, (key, value, _) in enumerate(events(10_000, step=1, pad=9_000))
    )
    # Not compressed: a client has to take in what one fetch decompresses to, whatever that is.
    kafka.produce(topic, shuffled, compression_type="none")
    process = j.start("--bounded")
    peak = [0]

    def ended():
        if process.returncode is None:
            peak[0] = max(peak[0], process.rss_bytes())
        return process.returncode is not None

    wait_until(ended, "the bounded run", timeout=120, interval=0.02)
    assert process.returncode == 0, process.stderr()[-4000:]
    report = j.compare()
    assert len(report.windows()) == 200
    print(f"peak {peak[0] / 2**20:.1f} MiB, {len(report.files)} files")
    assert peak[0] < 100 << 20


# ---- Continuous runs ----------------------------------------------------------------------------


def test_files_appear_when_their_windows_close(kafka, job):
    topic = kafka.create_topic(partitions=2)
    j = job(topic, ALL)
    process = j.start()
    for partition in (0, 1):
        kafka.produce(topic, on(partition, events(300)))
    j.wait_for_checkpoints(1, (0, 1), process)
    assert j.files() == []
    # The watermark reaches the first window's last millisecond, in one partition only.
    kafka.produce(topic, on(0, events(1, first=5 * 60 + 10 * 60)))
    [key] = wait_until(j.files, "the window's file")
    assert key.startswith("dt=2024-10-22/hour=20/20241022T203000Z-p00000-o")
    assert len(j.output.lines(key)) == 300
    assert process.stop(10) == 143
    # What is open stays open; nothing visible is wrong.
    assert j.compare(complete=False).files.keys() == {key}
    kafka.produce(topic, events(100, first=1000))
    j.bounded()
    j.compare()


def test_emit_at_checkpoints_publishes_open_windows(kafka, job):
    topic = kafka.create_topic()
    j = job(topic, {"output.emit": "checkpoint", "checkpoint.interval": "200ms"})
    process = j.start()
    for n in range(3):
        kafka.produce(topic, events(20, first=20 * n))
        wait_until(lambda n=n: len(j.files()) > n, "one more file of the open window")
    assert process.stop(10) == 143
    j.compare(complete=False)
    j.bounded()
    assert len(j.compare().windows()) == 1


def test_idle_partitions_are_flushed_and_nothing_is_late_by_it(kafka, job):
    topic = kafka.create_topic()
    j = job(topic, {"window.idle_flush": "1s"})
    process = j.start()
    bad = [(b"u", b"not json", AT), (b"u", event(9, AT - 30 * MINUTE), AT)]
    for n in range(2):
        kafka.produce(topic, [*events(10, first=10 * n), *bad])
        wait_until(lambda n=n: len(j.files()) > n, "the idle window's file")
    wait_until(lambda: len(j.output.keys("_late/")) == 2, "late files")
    wait_until(lambda: len(j.output.keys("_rejected/")) == 2, "rejected files")
    assert process.stop(10) == 143
    j.bounded()
    report = j.compare()
    assert report.count("late") == 2 and report.count("rejected") == 2
    assert len(report.files) == 6


def test_files_are_published_at_their_age(kafka, job):
    topic = kafka.create_topic()
    j = job(topic, {"output.max_file_age": "1s", "window.idle_flush": "1h"})
    process = j.start()
    sent = [0]

    def old_enough():
        kafka.produce(topic, events(5, step=10, first=sent[0]))
        sent[0] += 5
        return len(j.files()) >= 2

    wait_until(old_enough, "two files of the open window", interval=0.1)
    assert process.stop(10) == 143
    j.bounded()
    assert len(j.compare().windows()) == 1


@pytest.mark.parametrize("assignment", ["all", "group"])
def test_partitions_are_added_live(kafka, make_job, directory_store, assignment):
    topic = kafka.create_topic(partitions=1)
    settings = {
        "kafka.assignment": assignment,
        "kafka.properties.topic.metadata.refresh.interval.ms": 500,
        "kafka.start": "latest",
    }
    j = make_job(directory_store, topic, settings)
    process = j.start()
    j.wait_for_checkpoints(1, [0], process)
    kafka.produce(topic, events(50))
    kafka.add_partitions(topic, 3)
    # At once, before the job can know: partitions that appear later are read from their start.
    kafka.produce(topic, on(2, events(50, first=50)))
    kafka.produce(topic, on(1, events(50, first=100)))
    j.wait_for_checkpoints(1, [1, 2], process)
    assert process.stop(10) == 143
    j.bounded()
    assert len(j.compare().expected) == 150


@sanitized_on_s3
def test_two_processes_of_a_group_share_the_partitions(kafka, job):
    topic = kafka.create_topic(partitions=4)
    j = job(topic, {"checkpoint.interval": "200ms"})
    generator = j.start_generator(rate=1000, speed=60, start=START, late="1%")
    one = j.start()
    j.wait_for_checkpoints(2, range(4), one)
    two = j.start()
    # It claims what it is given: its checkpoints name it as their writer.

    def shared():
        writers = {j.checkpoint(p)["writer"]["pid"] for p in range(4)}
        return writers == {one.pid, two.pid}

    wait_until(shared, "both to own partitions", timeout=60, interval=0.2)
    assert one.stop(10) == 143
    wait_until(
        lambda: {j.checkpoint(p)["writer"]["pid"] for p in range(4)} == {two.pid},
        "the second to own all partitions",
        timeout=60,
        interval=0.2,
    )
    assert generator.stop() == 143
    assert two.stop(10) == 143
    j.bounded()
    j.compare()


@pytest.mark.parametrize(
    "number, status",
    [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.sanitized)],
)
def test_an_orderly_stop_keeps_files_open_in_a_last_checkpoint(kafka, job, number, status):
    topic = kafka.create_topic()
    j = job(topic, {"checkpoint.interval": "1h", "checkpoint.min_pause": "1h"})
    process = j.start()
    j.wait_for_checkpoints(1, [0], process)  # the claim
    kafka.produce(topic, events(100))
    wait_until(lambda: events_read(process) == 100, "100 records read")
    process.signal(number)
    assert process.wait(10) == status
    checkpoint = j.checkpoint(0)
    assert checkpoint["claim"] is False
    assert checkpoint["next"] == 100 and checkpoint["read"]["event"]["events"] == 100
    assert j.files() == []
    j.bounded()
    assert len(j.compare().files) == 1


def events_read(process):
    """By its own account: nothing else tells before there is a checkpoint."""
    try:
        lines = process.http_get("/metrics")[1].splitlines()
    except OSError:
        return 0
    counts = [line for line in lines if line.startswith("tidemark_records_total{")]
    return sum(int(line.rsplit(" ", 1)[1]) for line in counts if 'class="event"' in line)


def test_the_oracle_notices(kafka, make_job, directory_store):
    """All of this would go unnoticed with an oracle that compares nothing."""
    topic = kafka.create_topic()
    kafka.produce(topic, [*events(600), (b"u", b"bad", AT), (b"u", event(1, AT - 10**7), AT)])
    j = make_job(directory_store, topic)
    j.bounded()
    report = j.compare()
    directory = j.output.directory
    one, another = [directory / key for key in report.files if key[0] != "_"][:2]
    [manifest] = [directory / key for key in report.manifests]
    [late] = (directory / "_late").iterdir()
    [rejected] = (directory / "_rejected").iterdir()
    newest = j.checkpoints.directory / max(j.chain())

    def notices(path, change, what):
        before = path.read_bytes()
        try:
            change(path)
            with pytest.raises(AssertionError, match=what):
                j.compare()
        finally:
            path.write_bytes(before)

    def rewrite(old, new):
        return lambda path: path.write_bytes(path.read_bytes().replace(old, new, 1))

    notices(one, lambda path: path.unlink(), "stands 0 times")
    notices(one, rewrite(b'"n":1,', b'"n":01,'), "a line that no record gives")
    notices(one, lambda path: path.write_bytes(another.read_bytes()), "stands 0 times")
    notices(one, lambda path: path.write_bytes(path.read_bytes() * 2), "stands 2 times")
    notices(late, lambda path: path.unlink(), "which is not there")
    notices(rejected, rewrite(b"invalid_json", b"not_object"), "a line that no record gives")
    notices(manifest, rewrite(b'"bytes":', b'"bytes":1'), "bytes is")
    notices(manifest, rewrite(b'"crc32c":"', b'"crc32c":"0'), "crc32c is")
    notices(manifest, lambda path: path.unlink(), "in no manifest")
    notices(newest, rewrite(b'"next":', b'"next":1'), "does not match its bytes")
    notices(newest, lambda path: path.unlink(), "commits left")
    stray = late.with_name(late.name.replace("-o0", "-o1"))
    stray.write_bytes(late.read_bytes())
    with pytest.raises(AssertionError, match="in no manifest"):
        j.compare()
    stray.unlink()
    j.compare()
