"""Servers, networks, disks, clocks and neighbours that fail: nothing is lost, nothing stands twice.

Each test ends with a bounded run, the oracle's comparison and the program's own verification.
"""

import glob
import json
import os
import random
import re
import subprocess
import time

import pytest
from harness.job import Store
from harness.processes import wait_until
from harness.proxy import answer
from harness.scenario import (
    AT,
    GROUP,
    QUICK,
    STREAM,
    Feeder,
    alive,
    dotless,
    finish,
    goes_on,
    owners,
    records,
    verify,
)

# Requests as they pass the proxy.
CHECKPOINT = r"^PUT /[^/]+/job/\S+/chk-[0-9]+\.json "
MANIFEST = r"^PUT /[^/]+/events/_manifests/"
CREATE = r"^POST \S+\?uploads"
PART = r"^PUT \S+[?&]partNumber="
COMPLETE = r"^POST \S+\?uploadId="


# ---- Servers ------------------------------------------------------------------------------------


def test_the_broker_is_restarted_while_events_come(kafka, make_job, directory_store):
    topic = kafka.create_topic(partitions=3)
    j = make_job(directory_store, topic, GROUP)
    generator = j.start_generator(rate=800, **STREAM)
    process = j.start()
    wait_until(j.files, "the first files")
    for end in (kafka.stop, kafka.kill):
        end()
        kafka.start()
        read = sum(j.checkpoint(p)["next"] for p in range(3))
        wait_until(
            lambda read=read: sum(j.checkpoint(p)["next"] for p in range(3)) > read + 1000,
            "records after that",
            60,
            interval=0.2,
        )
        alive(process, generator)
    assert generator.stop() == 143
    assert process.stop(10) == 143
    assert finish(j).count("event") > 3000


@pytest.mark.parametrize("patience", ["waits", "restarts"])
def test_the_store_is_killed_and_comes_back(kafka, minio, make_job, minio_store, patience):
    topic = kafka.create_topic(partitions=2)
    impatient = {"checkpoint.timeout": "1s", "checkpoint.tolerable_failures": 0}
    j = make_job(minio_store, topic, {**QUICK, **(impatient if patience == "restarts" else {})})
    generator = j.start_generator(rate=500, **STREAM)
    process = j.start()
    wait_until(j.files, "the first files")
    for end in (minio.kill, minio.stop):
        end()
        seen = len(process.stderr())
        wanted = "job_restarting" if patience == "restarts" else "store_retry|_unsure|_retry"
        wait_until(lambda seen=seen, w=wanted: any_of(w, process.stderr()[seen:]), wanted, 30)
        minio.start()
        goes_on(j, process)
        alive(process)
        if patience == "restarts":
            break
    assert ("job_restarting" in process.stderr()) == (patience == "restarts")
    assert generator.stop() == 143
    assert process.stop(10) == 143
    assert finish(j).count("event") > 500


def any_of(names, text):
    return any(name in text for name in names.split("|"))


# ---- The network to the store -------------------------------------------------------------------


def test_each_request_to_the_store_fails_in_each_way(kafka, make_job, minio_store, store_proxy):
    topic = kafka.create_topic()
    settings = {"s3.endpoint": store_proxy.endpoint, "output.part_size": "5MiB"}
    j = make_job(minio_store, topic, {**QUICK, **settings})
    feeder = Feeder(kafka, topic)
    process = j.start()
    feeder.until(j.files, "the first file")
    conflict = answer(409, "ConditionalRequestConflict")
    script = [
        (CHECKPOINT, ["lose", "tear", "cut", answer(503, "SlowDown"), conflict, "lose"]),
        (CREATE, ["lose", "tear", "cut", answer(500, "InternalError")]),
        (PART, ["lose", "tear", "cut", answer(503, "SlowDown"), "lose"]),
        (MANIFEST, ["lose", "tear", answer(503)]),
        # An answer that was lost, then NoSuchUpload to the repetition: there is one object.
        (COMPLETE, ["lose"]),
        (COMPLETE, [answer(200, "InternalError"), "tear", "cut", answer(503, "SlowDown"), "lose"]),
    ]
    for pattern, actions in script:
        # The first request meets the first, its repetition the next one.
        faults = [store_proxy.fault(pattern, action, after=25) for action in actions]
        feeder.until(lambda f=faults: all(one.hits for one in f), f"{actions} of {pattern}")
        goes_on_with = len(j.files()) + 2
        feeder.until(lambda n=goes_on_with: len(j.files()) >= n, "files after that")
        alive(process)
    assert [
        s for line, s in store_proxy.answers if "uploadId=" in line and "POST" in line and s == 404
    ]
    # A part that is not the last of its upload.
    lost = store_proxy.fault(PART + "1&", "lose", times=2)
    feeder.until(lambda: lost.hits == 2, "large parts", pad=300_000, count=10)
    assert process.stop(10) == 143
    for bad in ("restart", "lost", "claim "):
        assert f"partition_{bad}" not in process.stderr() and f"job_{bad}" not in process.stderr()
    store_proxy.heal()
    finish(j)


def test_the_client_of_a_complete_vanishes(kafka, make_job, minio_store, store_proxy):
    """What MinIO leaves behind then is neither lost nor published twice."""
    topic = kafka.create_topic()
    j = make_job(minio_store, topic, {**QUICK, "s3.endpoint": store_proxy.endpoint})
    feeder = Feeder(kafka, topic)
    process = j.start()
    feeder.until(j.files, "the first file")

    def refused():
        return [s for line, s in store_proxy.answers if s == 400 and line.startswith("POST ")]

    for after in range(40):
        left = store_proxy.fault(COMPLETE, "leave", after=after % 8 / 2)
        feeder.until(lambda f=left: f.hits, "a Complete to leave", count=20)
        if refused():
            break
    wait_until(refused, "an upload that MinIO has broken", 10)
    alive(process)
    process.kill9()
    store_proxy.heal()
    finish(j)


def test_the_network_to_the_store_is_bad_all_the_time(kafka, make_job, minio_store, store_proxy):
    topic = kafka.create_topic(partitions=2)
    j = make_job(minio_store, topic, {**QUICK, "s3.endpoint": store_proxy.endpoint})
    generator = j.start_generator(rate=500, **STREAM)
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    process = j.start()
    wait_until(j.files, "the first files")

    def sometimes():
        return dice.random() < 0.04

    actions = ["lose", "tear", "cut", answer(503, "SlowDown"), answer(500, "InternalError")]
    faults = [
        store_proxy.fault(r".", action, after=30, times=1 << 30, chance=sometimes)
        for action in actions
    ]
    for kill in range(3):
        store_proxy.reset()
        store_proxy.delay = 0.005 * kill
        goes_on(j, process, by=6)
        store_proxy.refusing = True
        time.sleep(0.5)
        store_proxy.refusing = False
        store_proxy.silent = True
        time.sleep(0.5)
        process.kill9()
        store_proxy.silent = False
        process = j.start()
        j.wait_for_checkpoints(max(j.newest().values()) + 1, (0, 1), process)
    # Less than a checkpoint would never get through, and one grows by 3 kB a second while a file
    # that MinIO has broken holds up what comes after it (10 s).
    wait_until(
        lambda: all(len(j.checkpoint(p)["commits"]) < 40 for p in (0, 1)), "files that wait", 60
    )
    store_proxy.limit_up = store_proxy.limit_down = 150_000
    goes_on(j, process, by=10)
    alive(process)
    assert all(fault.hits for fault in faults)
    assert generator.stop() == 143
    process.kill9()
    store_proxy.heal()
    finish(j)


# ---- The network to the broker ------------------------------------------------------------------


def test_the_network_to_the_broker_breaks(proxied_kafka, tidemark, directory_store, make_job):
    kafka, proxy = proxied_kafka, proxied_kafka.proxy
    topic = kafka.create_topic(partitions=3)
    settings = {**GROUP, **kafka.settings(topic)}
    j = make_job(directory_store, topic, settings)
    j.kafka = kafka
    generator = j.start_generator(rate=800, **STREAM)
    process = j.start(**dotless(kafka.proxied_settings()))
    wait_until(j.files, "the first files")
    j.wait_for_checkpoints(3, range(3), process)

    def more(count):
        read = {p: j.checkpoint(p)["next"] for p in range(3)}

        def reached():
            alive(process)
            return all(j.checkpoint(p)["next"] > read[p] + count for p in range(3))

        wait_until(reached, f"{count} more records", 60, interval=0.2)

    for _ in range(10):
        proxy.reset()
        time.sleep(0.1)
    more(100)
    # Answers are cut in their middle, at other places each time, and then requests.
    for limit in (3000, 7001, 20_011):
        proxy.limit_down = limit
        proxy.reset()
        time.sleep(0.7)
    proxy.limit_down = None
    more(100)
    for limit in (20, 150, 801):
        proxy.limit_up = limit
        proxy.reset()
        time.sleep(0.4)
    proxy.limit_up = None
    more(100)
    proxy.delay = 0.05
    more(100)
    proxy.delay = 0.0
    proxy.refusing = True
    proxy.reset()
    time.sleep(1)
    proxy.refusing = False
    more(100)
    # Longer than the session: the group takes the partitions away from it.
    proxy.silent = True
    time.sleep(8)
    proxy.silent = False
    more(100)
    assert generator.stop() == 143
    assert process.stop(10) == 143
    finish(j)


# ---- What the topic does ------------------------------------------------------------------------


@pytest.mark.parametrize("fetcher", ["direct", "librdkafka"])
def test_transactions_commit_and_abort_while_the_job_is_killed(
    kafka, make_job, directory_store, fetcher
):
    topic = kafka.create_topic(partitions=2)
    j = make_job(directory_store, topic, {**QUICK, "kafka.fetcher": fetcher})
    dice = random.Random(5)
    process = j.start()
    j.wait_for_checkpoints(1, (0, 1), process)
    sent = 0
    for turn in range(9):
        one, two = kafka.transaction(), kafka.transaction()
        for transaction in (one, two, one):
            batch = [(*r[:3], dice.randrange(2)) for r in records(60, sent)]
            sent += 60
            transaction.produce(topic, batch)
            kafka.produce(topic, [(b"k", b"not json", AT, 0), (b"k", None, AT, 1)])
        if turn % 3 == 1:
            # While both are open: what was behind the last stable offset is read again.
            process.kill9()
            process = j.start()
        for transaction in dice.sample((one, two), 2):
            transaction.commit() if dice.random() < 0.5 else transaction.abort()
        if turn % 3 == 2:
            ends = {p: end for p, (_, end) in kafka.bounds(topic).items()}
            wait_until(
                lambda ends=ends: all(j.checkpoint(p)["next"] >= end for p, end in ends.items()),
                lambda ends=ends: f"checkpoints at {ends}",
                60,
            )
            process.kill9()
            before, process = j.newest(), j.start()
    for partition, number in before.items():
        j.wait_for_checkpoints(number + 1, [partition], process)  # its claim, if nothing else
    process.kill9()
    report = finish(j)
    accepted = report.count("event") + report.count("late")
    assert 0 < accepted < sent, "the test has to see both outcomes"
    assert report.count("null") == report.count("rejected") == 27


@pytest.mark.parametrize("assignment", ["all", "group"])
def test_partitions_are_added_between_kills(kafka, make_job, directory_store, assignment):
    topic = kafka.create_topic(partitions=1)
    settings = {
        **GROUP,
        "kafka.assignment": assignment,
        "kafka.properties.session.timeout.ms": 1500,
        "kafka.properties.topic.metadata.refresh.interval.ms": 300,
        "kafka.start": "latest",
    }
    j = make_job(directory_store, topic, settings)
    process = j.start()
    j.wait_for_checkpoints(1, [0], process)
    sent = 0
    for total, pause in ((2, 0.0), (3, 0.4), (5, 0.8), (6, None)):
        kafka.add_partitions(topic, total)
        # At once, before the job can know of it.
        kafka.produce(topic, [(*r[:3], p) for r in records(60, sent) for p in range(total)])
        sent += 60
        if pause is None:
            j.wait_for_checkpoints(1, range(total), process)
        else:
            time.sleep(pause)  # before, at, or after the claims of the new ones
        process.kill9()
        process = j.start()
    j.wait_for_checkpoints(2, range(6), process)
    process.kill9()
    # Two kills follow each other without a checkpoint.
    process = j.start()
    process.kill9()
    report = finish(j)
    assert len(report.expected) == 60 * (2 + 3 + 5 + 6)


# ---- The disk -----------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path):
    """small_disk(size) mounts an empty file system there; small_disk.grow(size)."""
    directory = tmp_path / "disk"
    directory.mkdir()

    def mount(options):
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", directory],
            stderr=subprocess.PIPE,
            text=True,
        )
        if done.returncode != 0:
            pytest.skip(f"may not mount a file system here: {done.stderr.strip()}")
        return directory

    def disk(size):
        return mount(f"size={size}")

    disk.grow = lambda size: mount(f"remount,size={size}")
    yield disk
    subprocess.run(["umount", directory], stderr=subprocess.DEVNULL)


@pytest.mark.parametrize("full", ["everything", "checkpoints"])
def test_the_disk_is_full(kafka, make_job, small_disk, tmp_path, full):
    topic = kafka.create_topic(partitions=2)
    if full == "everything":
        disk = small_disk("6m")
        store = Store.directory(disk / "out")
    else:
        disk = small_disk("48k")  # a file takes 4 KiB of it
        store = Store.directory(tmp_path / "out")
        store.settings["checkpoint.path"] = str(disk) + "/"
        store.checkpoints.__init__(disk)
    j = make_job(store, topic, QUICK)
    feeder = Feeder(kafka, topic, partitions=2)
    process = j.start()
    feeder.until(lambda: process.returncode is not None, "the disk to be full", pad=1000)
    assert process.returncode == 1, process.stderr()[-4000:]
    errors = [line for line in process.log() if line["level"] == "error"]
    assert len(errors) == 1, errors
    assert "space" in errors[0]["message"] and str(disk) in errors[0]["message"], errors
    # The same again, and again: it does no harm, and says the same.
    refused = j.run("--bounded")
    assert refused.returncode == 1 and "space" in refused.stderr, refused.stderr
    j.compare(complete=False)
    small_disk.grow("200m")
    feeder.feed()
    finish(j)


# ---- Neighbours that take things away -----------------------------------------------------------


def open_uploads(j):
    """{key: upload id} that the newest checkpoints list with parts in them."""
    files = [f for p in j.newest() for f in j.checkpoint(p)["files"]]
    return {f["key"]: f["upload"] for f in files if f["parts"]}


def abort(minio, j, uploads):
    for key, upload in uploads.items():
        minio.client.abort_multipart_upload(
            Bucket=j.output.bucket, Key=j.output.prefix + key, UploadId=upload
        )


@pytest.mark.parametrize("when", ["running", "dead"])
def test_an_open_upload_is_aborted_by_somebody(kafka, minio, make_job, minio_store, when):
    topic = kafka.create_topic(partitions=2)
    settings = {"output.part_size": "5MiB", "window.size": "1h"}
    j = make_job(minio_store, topic, {**QUICK, **settings})
    for partition in (0, 1):
        kafka.produce(topic, records(700, pad=10_000, partition=partition))
    process = j.start()
    uploads = wait_until(
        lambda: (u := open_uploads(j)) and len(u) == 2 and u, "parts of two uploads", 60
    )
    # That of partition 1 stays as it is.
    taken = {key: upload for key, upload in uploads.items() if "-p00000-" in key}
    if when == "dead":
        process.kill9()
        abort(minio, j, taken)
        process = j.start()
    else:
        abort(minio, j, taken)
        # Its next part finds out.
        kafka.produce(topic, records(700, first=700, pad=10_000, partition=0))
    process.wait_for_log("upload_lost", 60)
    again = "-p00000-o" + "0" * 20
    wait_until(
        lambda: [
            k for k in {**open_uploads(j), **j.output.list()} if again in k and k not in taken
        ],
        "another file of the same events",
        60,
    )
    alive(process)
    assert process.stop(10) == 143
    report = finish(j)
    assert not set(taken) & set(report.files)
    assert len(report.expected) == (1400 if when == "dead" else 2100)


def test_a_listed_upload_is_aborted_before_its_publication(
    kafka, minio, make_job, minio_store, store_proxy
):
    """A commit that another claim listed: only a person can tell whether it was published."""
    topic = kafka.create_topic()
    j = make_job(minio_store, topic, QUICK)
    refuse = store_proxy.fault(COMPLETE, answer(503, "SlowDown"), times=1 << 30)
    kafka.produce(topic, records(60))
    process = j.start(s3__endpoint=store_proxy.endpoint)
    wait_until(
        lambda: refuse.hits and len(j.checkpoint(0)["commits"]) >= 3, "files to be published"
    )
    process.kill9()
    commits = j.checkpoint(0)["commits"]
    abort(minio, j, {commits[0]["key"]: commits[0]["upload"]})
    process = j.start()
    # It publishes the others, and neither rebuilds nor forgets this one by itself.
    wait_until(lambda: len(j.files()) >= len(commits) - 1, "the others")
    process.wait_for_log(f"upload_missing.*{re.escape(commits[0]['key'])}")
    time.sleep(1)
    alive(process)
    assert j.checkpoint(0)["commits"], "it has to stand in the checkpoints until it is settled"
    process.kill9()
    report = finish(j, "--lost=rebuild")
    assert commits[0]["key"] not in report.files and len(report.expected) == 60


@pytest.mark.parametrize("end", ["stopped", "killed"])
def test_a_consumer_takes_files_away(kafka, make_job, minio, minio_store, end):
    topic = kafka.create_topic()
    j = make_job(minio_store, topic, QUICK)
    feeder = Feeder(kafka, topic)
    process = j.start()
    feeder.until(lambda: len(j.files()) >= 3, "files")
    taken = {}

    def take():
        listed = [f["key"] for key in j.output.keys("_manifests/") for f in manifest(j, key)]
        for key in listed:
            if key not in taken:
                taken[key] = j.output.read(key)
                minio.client.delete_object(Bucket=j.output.bucket, Key=j.output.prefix + key)
        return len(taken) >= 6

    feeder.until(take, "six files to take")
    if end == "killed":
        process.kill9()
    else:
        assert process.stop(10) == 143
    take()
    # The newest checkpoint may still hold what a manifest has listed since: the manifest tells.
    j.bounded()
    plain = verify(j)
    assert plain.returncode == 1 and f"{next(iter(taken))} is missing" in plain.stdout
    allowed = verify(j, "--allow-removed", "--deep")
    assert allowed.returncode == 0, allowed.stdout + allowed.stderr
    assert f"{len(taken)} files have been removed" in allowed.stdout
    for key, data in taken.items():
        minio.client.put_object(Bucket=j.output.bucket, Key=j.output.prefix + key, Body=data)
    finish(j)


def manifest(j, key):
    return json.loads(j.output.read(key))["files"]


# ---- Zombies ------------------------------------------------------------------------------------


@pytest.mark.parametrize("late", ["complete", "checkpoint"])
def test_a_zombie_with_a_request_on_its_way(kafka, make_job, minio_store, store_proxy, late):
    """Frozen for longer than the take-over; the request arrives before it wakes up."""
    topic = kafka.create_topic(partitions=2)
    j = make_job(minio_store, topic, {**GROUP, "kafka.properties.session.timeout.ms": 2000})
    generator = j.start_generator(rate=500, **STREAM)
    zombie = j.start(s3__endpoint=store_proxy.endpoint)
    wait_until(j.files, "the first files")
    held = store_proxy.fault(
        {"complete": COMPLETE, "checkpoint": CHECKPOINT}[late], "hold", times=4
    )
    wait_until(lambda: held.hits, "a request to hold")
    zombie.sigstop()
    second = j.start()
    wait_until(lambda: owners(j, (0, 1)) == {second.pid}, "the second to own all", 60)
    # Further than old checkpoints are kept, so that only the claim stands in the zombie's way.
    goes_on(j, second, by=14)
    asked = len(store_proxy.answers)
    held.release()
    pattern = {"complete": "POST", "checkpoint": "/chk-"}[late]
    wait_until(
        lambda: [s for line, s in store_proxy.answers[asked:] if pattern in line],
        "the late request's answer",
    )
    zombie.sigcont()
    # The group takes it in again.
    wait_until(
        lambda: owners(j, (0, 1)) == {zombie.pid, second.pid}, "both to own a partition again", 60
    )
    alive(zombie, second)
    if late == "checkpoint":
        assert "partition_lost" in zombie.stderr()
    assert generator.stop() == 143
    assert zombie.stop(10) == 143 and second.stop(10) == 143
    finish(j)


# ---- Clocks -------------------------------------------------------------------------------------


def test_the_clock_is_set_by_an_hour(kafka, make_job, minio_store, tmp_path):
    library = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    if not library:
        pytest.skip("Debian's package faketime is not installed")
    topic = kafka.create_topic()
    j = make_job(minio_store, topic, {**QUICK, "window.idle_flush": "1s"})
    clock = tmp_path / "clock"
    environment = {
        "LD_PRELOAD": library[0],
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }

    def set_clock(offset):
        new = tmp_path / "new"
        new.write_text(f"{offset}\n")
        os.replace(new, clock)

    set_clock("+0")
    feeder = Feeder(kafka, topic)
    process = j.tidemark.start(["run"], j.settings, env=environment)
    feeder.until(j.files, "the first file")
    for hours in (1, 0, -1, 1):
        set_clock(f"{3600 * hours:+d}")
        began = time.monotonic()
        files = len(j.files())
        feeder.until(lambda files=files: len(j.files()) > files, "files after that", 20)
        goes_on(j, process, by=3, timeout=20) if feeder.feed() else None
        # The flush of idle partitions is a timer of a second, whatever the clock does.
        feeder.feed(3)
        idle = len(j.files())
        wait_until(lambda idle=idle: len(j.files()) > idle, "the idle partition's files", 10)
        print(f"{hours:+d} h: {time.monotonic() - began:.1f} s")
        alive(process)
        written = j.checkpoint(0)["writer"]["time"]
        offset = time.mktime(time.strptime(written, "%Y-%m-%dT%H:%M:%SZ")) - time.mktime(
            time.gmtime()
        )
        assert abs(offset - 3600 * hours) < 120, f"the clock was not set: {written}"
    # Not in order: the client library's condition variables are C11's, which libfaketime leaves
    # alone, so that with its clock an hour ahead they wait for an hour.
    process.kill9()
    finish(j)
