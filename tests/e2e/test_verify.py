"""verify, inspect and gc over what real runs leave behind."""

import json
import os
import time

import pytest
from harness.job import sanitized_on_s3

START = "2024-10-22T20:30:00Z"
AT = 1729629000000  # the same


def records(count, first=0, user="u"):
    for i in range(first, first + count):
        ts = AT + i * 1000
        yield (
            f"{user}{i % 7}".encode(),
            f'{{"user_id":"{user}{i % 7}","timestamp":{ts}}}'.encode(),
            ts,
        )


def run(job, *words, **changes):
    settings = {**job.settings, **{key.replace("__", "."): value for key, value in changes.items()}}
    return job.tidemark.run(list(words), settings)


def must_verify(job, *options):
    done = run(job, "verify", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "complete and without duplicates" in done.stdout
    return done.stdout


def must_not_verify(job, *options):
    done = run(job, "verify", *options)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "NOT verified" in done.stdout, done.stdout + done.stderr
    return done.stdout


# ---- What is right ------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_verify_compares_every_line_with_kafka(kafka, job, compression):
    topic = kafka.create_topic(partitions=3)
    j = job(topic, {"output.compression": compression})
    j.generate(
        events=20000, rate=0, speed=3600, start=START, late="1%", malformed="1%", disorder="8m"
    )
    j.bounded()
    report = j.compare()
    out = must_verify(j, "--deep")
    assert out.count("compared with Kafka: offsets 0 to") == 3
    assert f"verified: {len(report.files)} files, 20000 events, 3 partitions" in out
    assert "problem" not in must_verify(j)


def test_verify_passes_over_control_records(kafka, job):
    topic = kafka.create_topic()
    j = job(topic)
    kafka.produce(topic, records(100))
    aborted = kafka.transaction()
    aborted.produce(topic, records(50, user="aborted"))
    aborted.abort()
    committed = kafka.transaction()
    committed.produce(topic, records(50, first=100))
    committed.commit()
    j.bounded()
    assert "read 150" in must_verify(j, "--deep")


@sanitized_on_s3
def test_verify_while_the_job_runs_and_dies(kafka, job):
    """No false alarm, whenever it looks; and with open files nothing is missing."""
    topic = kafka.create_topic(partitions=2)
    # In a group, one that was killed would keep its share for a while.
    windows = {"window.size": "1m", "window.out_of_orderness": "1m"}
    j = job(topic, {**windows, "kafka.assignment": "all"})
    # Not without end: where all is slow, verify would never be done with what comes meanwhile.
    generator = j.start_generator(
        events=50000, rate=4000, speed=600, start=START, late="1%", malformed="1%"
    )
    for _ in range(4):
        before, process = j.newest(), j.start()
        for partition in (0, 1):
            j.wait_for_checkpoints(before.get(partition, 0) + 1, [partition], process)
        until, looked = time.monotonic() + 3, 0
        while time.monotonic() < until or looked < 2:
            must_verify(j, *(["--deep"] if looked % 2 else []))
            looked += 1
        process.kill9()
        must_verify(j, "--deep")
    generator.kill9()
    j.bounded()
    must_verify(j, "--deep")
    j.compare()


# ---- What is wrong ------------------------------------------------------------------------------


def finished(kafka, make_job, store, **settings):
    topic = kafka.create_topic()
    j = make_job(store, topic, settings)
    kafka.produce(topic, records(2000))
    j.bounded()
    must_verify(j)
    return j


def test_verify_finds_each_fault(kafka, make_job, directory_store):
    j = finished(kafka, make_job, directory_store)
    key = j.files()[0]
    path = j.output.directory / key
    data = path.read_bytes()

    path.unlink()
    assert f"{key} is missing" in must_not_verify(j)
    assert "1 files have been removed since" in must_verify(j, "--allow-removed")

    path.write_bytes(data[:-1])
    assert "somebody has changed it" in must_not_verify(j)

    path.write_bytes(data[:100] + bytes([data[100] ^ 1]) + data[101:])
    must_verify(j)
    assert "has CRC-32C" in must_not_verify(j, "--deep")

    path.write_bytes(data)
    copy = path.with_name("copy.jsonl")
    copy.write_bytes(data)
    assert "copy.jsonl (" in must_not_verify(j)
    copy.unlink()

    manifest = j.output.directory / j.output.keys("_manifests/")[0]
    kept = manifest.read_bytes()
    manifest.unlink()
    assert "there is no manifest at all" in must_not_verify(j)
    manifest.write_bytes(kept)
    must_verify(j, "--deep")


def test_verify_says_what_kafka_no_longer_retains(kafka, make_job, directory_store):
    j = finished(kafka, make_job, directory_store)
    kafka.produce(j.topic, records(100, first=2000))
    j.bounded()
    must_verify(j, "--deep")
    kafka.delete_records(j.topic, {0: 10})
    assert "not compared with Kafka: its log begins at offset 10" in must_verify(j, "--deep")


def test_verify_since(kafka, make_job, directory_store):
    j = finished(kafka, make_job, directory_store)
    time.sleep(1.1)
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    old = j.files()[0]
    (j.output.directory / old).unlink()
    kafka.produce(j.topic, records(3000, first=2000))
    j.bounded()
    assert old in must_not_verify(j)
    assert "3000 events" in must_verify(j, "--since", since, "--deep")
    assert run(j, "verify", "--since", "yesterday").returncode == 2


def test_verify_needs_checkpoints(kafka, make_job, directory_store):
    j = make_job(directory_store, kafka.create_topic(), {})
    done = run(j, "verify")
    assert done.returncode == 1 and "cannot open" in done.stderr
    assert not j.output.directory.exists(), "looking must not create anything"
    j.bounded()
    done = run(j, "verify", name="another")
    assert done.returncode == 1
    assert "no checkpoint below" in done.stderr


# ---- inspect ------------------------------------------------------------------------------------


@sanitized_on_s3
def test_inspect(kafka, job):
    topic = kafka.create_topic(partitions=2)
    j = job(topic)
    kafka.produce(topic, records(1500))
    process = j.start()
    j.wait_for_checkpoints(2, [0, 1], process)
    process.stop()
    done = run(j, "inspect")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("every record below is accounted for") == 2
    assert "open files" in done.stdout

    stored = json.loads(run(j, "inspect", "--json").stdout)
    assert stored == [j.checkpoint(0), j.checkpoint(1)]

    number = j.newest()[1]
    for key in [
        f"p00001/{number}",
        f"p00001/chk-{number:020}",
        f"clickstream/{topic}/p00001/chk-{number:020}.json",
        f"{j.checkpoints.path}clickstream/{topic}/p00001/chk-{number:020}.json",
    ]:
        done = run(j, "inspect", key)
        assert done.returncode == 0, done.stderr
        assert f"checkpoint   {number}" in done.stdout and "partition 1" in done.stdout

    manifest = j.output.keys("_manifests/")[-1]
    for key in [manifest, j.output.path + manifest]:
        done = run(j, "inspect", key, "--json")
        assert json.loads(done.stdout) == json.loads(j.output.read(manifest))
        assert "manifest     of checkpoint" in run(j, "inspect", key).stdout

    done = run(j, "inspect", "p00001/99999")
    assert done.returncode == 1 and "nothing is stored as p00001/99999" in done.stderr
    done = run(j, "inspect", name="another")
    assert done.returncode == 1 and "no checkpoint below" in done.stderr


def test_inspect_finds_damage(kafka, make_job, directory_store):
    j = finished(kafka, make_job, directory_store)
    path = j.checkpoints.directory / j.chain()[-1]
    path.write_bytes(path.read_bytes().replace(b'"next":2', b'"next":3'))
    for words in [["inspect"], ["inspect", str(path)], ["verify"]]:
        done = run(j, *words)
        assert done.returncode == 1
        assert "CRC-32C is" in done.stderr


# ---- gc -----------------------------------------------------------------------------------------


@pytest.mark.sanitized
def test_gc_removes_only_what_nobody_lists(kafka, make_job, directory_store):
    """Uploads are files; their age is that of their last write."""
    topic = kafka.create_topic()
    j = make_job(directory_store, topic, {})
    kafka.produce(topic, records(1500))
    process = j.start()
    j.wait_for_checkpoints(3, [0], process)
    process.stop()
    uploads = j.output.directory / ".uploads"
    listed = set(os.listdir(uploads))
    assert listed
    orphan = uploads / f"{'ab' * 8}-dt=x%2Fy.jsonl"
    young = uploads / f"{'cd' * 8}-dt=x%2Fz.jsonl"
    orphan.write_bytes(b"x")
    young.write_bytes(b"x")
    day_ago = time.time() - 25 * 3600
    for name in [*listed, orphan.name]:
        os.utime(uploads / name, (day_ago, day_ago))

    done = run(j, "gc", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "would remove" in done.stdout and orphan.exists()
    done = run(j, "gc")
    assert done.returncode == 0, done.stderr
    assert f"{len(listed)} in use, 1 not in use but younger than 24 h, 1 removed" in done.stdout
    assert set(os.listdir(uploads)) == listed | {young.name}

    done = run(j, "gc", checkpoint__path=str(j.output.directory.parent) + "/")
    assert done.returncode == 1, done.stdout
    j.bounded()
    j.compare()
    must_verify(j, "--deep")


def test_gc_on_s3(kafka, job):
    topic = kafka.create_topic()
    j = job(topic)
    kafka.produce(topic, records(1500))
    j.bounded()
    done = run(j, "gc")
    assert done.returncode == 0, done.stderr
    assert "0 removed" in done.stdout
