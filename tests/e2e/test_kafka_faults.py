"""Faults that are aimed: at each request to the broker, at rebalances, at batches on its disk.

Each test ends with a bounded run, the oracle's comparison and the program's own verification.
"""

import json
import random
import re
import signal
import time
from concurrent.futures import Future

import pytest
from harness.job import Store
from harness.processes import wait_until
from harness.scenario import (
    AT,
    GROUP,
    QUICK,
    STREAM,
    Feeder,
    alive,
    dotless,
    finish,
    owners,
    records,
)
from harness.segment import Segment

# As short as a live member that gets little of the processor still holds.
HURRIED = {
    **GROUP,
    "kafka.properties.session.timeout.ms": 1500,
    "kafka.properties.heartbeat.interval.ms": 150,
}

# ---- Killed at a request ------------------------------------------------------------------------


class Killer:
    """Bounded runs of a job, each fed before and killed at one request to the broker."""

    def __init__(self, kafka, j):
        self.kafka, self.job, self.sent = kafka, j, 0
        self.hits = []  # the names of the requests at which runs were killed

    def run(self, number, when, name=None):
        """Returns how many such requests there were."""
        batch = records(20, self.sent)
        self.sent += 20
        self.kafka.produce(self.job.topic, [(*r[:3], p) for r in batch for p in (0, 1)])
        started = Future()  # the first request may be there before start() is back

        def kill():
            started.result(10).signal(signal.SIGKILL)

        aim = self.kafka.proxy.aim(number, when, kill, name)
        process = self.job.start("--bounded", **dotless(self.kafka.proxied_settings()))
        started.set_result(process)
        status = process.wait(60)
        # The answer to its last request may find it gone.
        assert status == 0 or (aim.hit and status == -signal.SIGKILL), process.stderr()[-6000:]
        if status != 0:
            self.hits.append(aim.hit)
        return aim.seen

    def until_hit(self, when, name):
        """A short run may end before the answer to a request that nothing waits for is there."""
        before = len(self.hits)
        for _ in range(10):
            self.run(1, when, name)
            if len(self.hits) > before:
                break
        assert self.hits[before:] == [name]


CONSUMER = {"ApiVersions", "Metadata", "FindCoordinator", "DescribeConfigs", "ListOffsets", "Fetch"}
MEMBER = CONSUMER | {"JoinGroup", "SyncGroup", "Heartbeat", "OffsetCommit", "LeaveGroup"}


@pytest.mark.parametrize(
    "assignment, moments, kinds, least",
    [
        ("all", ["asked"], CONSUMER, 15),
        ("all", ["answered"], CONSUMER, 15),
        # Each run waits for the session of the one before, so both share one series.
        ("group", ["asked", "answered"], MEMBER, 25),
    ],
    ids=["all-asked", "all-answered", "group"],
)
def test_killed_at_each_request_to_the_broker(
    proxied_kafka, make_job, directory_store, assignment, moments, kinds, least
):
    topic = proxied_kafka.create_topic(partitions=2)
    settings = {
        **HURRIED,
        "kafka.assignment": assignment,
        # There is one member, which waits for the session of the one before.
        "kafka.properties.session.timeout.ms": 500,
        "kafka.properties.heartbeat.interval.ms": 50,
        # Else most of the requests are fetches that find nothing.
        "kafka.properties.fetch.wait.max.ms": 100,
        **proxied_kafka.settings(topic),
    }
    j = make_job(directory_store, topic, settings)
    j.kafka = proxied_kafka
    killer = Killer(proxied_kafka, j)
    number = 1
    while killer.run(number, moments[number % len(moments)]) >= number:
        number += 1  # also where nobody waited for that request's answer
    print(f"{len(killer.hits)} kills in {number} runs, at {', '.join(killer.hits)}")
    assert len(killer.hits) >= least and set(killer.hits) <= kinds
    # Runs differ in how often they fetch, so the series may step over a request near their end.
    for name in sorted(kinds - {"LeaveGroup"}):
        for when in moments:
            killer.until_hit(when, name)
    if "LeaveGroup" in kinds:
        killer.until_hit("asked", "LeaveGroup")
    assert set(killer.hits) == kinds
    assert max(j.newest().values()) > len(killer.hits) / 5, "it hardly ever came to a claim"
    report = finish(j)
    assert len(report.expected) == 2 * killer.sent


# ---- A controller that is gone ------------------------------------------------------------------


def test_it_starts_while_the_controller_is_gone(proxied_kafka, make_job, directory_store):
    topic = proxied_kafka.create_topic()
    proxied_kafka.produce(topic, records(20))
    settings = {"kafka.assignment": "all", "restart.attempts": 0, **proxied_kafka.settings(topic)}
    j = make_job(directory_store, topic, settings)
    j.kafka = proxied_kafka
    # Brokers name a controller that has died until its session is over; the client asks it alone.
    proxied_kafka.proxy.lost_controllers = 5
    j.bounded(**dotless(proxied_kafka.proxied_settings()))
    assert proxied_kafka.proxy.lost_controllers == 0
    assert len(finish(j).expected) == 20


# ---- Rebalances ---------------------------------------------------------------------------------


def test_a_hundred_members_join_and_leave(kafka, make_job, directory_store):
    topic = kafka.create_topic(partitions=4)
    # MinIO leaves some uploads broken when their clients die, see fault 21; each takes ten seconds.
    j = make_job(directory_store, topic, {**HURRIED, "window.size": "1m"})
    group = j.settings["kafka.group_id"]
    generator = j.start_generator(rate=500, **STREAM)
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    members = [j.start(), j.start(), j.start()]
    began = time.monotonic()
    joins, leaves = 3, {signal.SIGKILL: 0, signal.SIGTERM: 0}

    def pause():
        """At most until the group has noticed: then the next change meets it amid its work."""
        until, seen = time.monotonic() + dice.choice([0.0, 2.0, 2.0]), kafka.generations(group)
        while time.monotonic() < until and kafka.generations(group) == seen:
            time.sleep(0.02)

    while sum(leaves.values()) < 50 or min(leaves.values()) < 10 or kafka.generations(group) < 100:
        assert time.monotonic() - began < 400, f"{leaves}, {kafka.generations(group)} rebalances"
        pause()
        alive(*members, generator)
        victim = dice.randrange(3)
        how = dice.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGTERM])
        if how == signal.SIGTERM:
            members[victim].wait_for_log("starting")  # it takes signals from there on
        members[victim].signal(how)
        assert members[victim].wait(15) == (143 if how == signal.SIGTERM else -how)
        leaves[how] += 1
        pause()
        members[victim] = j.start()
        joins += 1
    print(f"{joins} joins, {leaves}, {kafka.generations(group)} rebalances, {j.newest()}")
    wait_until(
        lambda: owners(j, range(4)) == {member.pid for member in members},
        lambda: f"all to own partitions: {owners(j, range(4))}",
        60,
        interval=0.5,
    )
    assert generator.stop() == 143
    for member in members:
        assert member.stop(15) == 143
    assert finish(j).count("event") > 5000


CHECKPOINT = r"^PUT /[^/]+/job/\S+/chk-[0-9]+\.json "


@pytest.mark.parametrize("put", ["never arrives", "arrives late", "is not answered"])
def test_killed_while_partitions_are_given_back(kafka, make_job, minio_store, store_proxy, put):
    """Somebody joins, and the owner dies while the checkpoint before it lets go is being put."""
    topic = kafka.create_topic(partitions=3)
    # Nothing else puts a checkpoint: no window closes, and the interval is long.
    rare = {"checkpoint.interval": "1h", "window.size": "1h", "s3.endpoint": store_proxy.endpoint}
    j = make_job(minio_store, topic, {**HURRIED, **rare})
    feeder = Feeder(kafka, topic, partitions=3)
    owner = j.start()

    def puts_answered(seen, count):
        answers = [
            status for line, status in store_proxy.answers[seen:] if re.search(CHECKPOINT, line)
        ]
        return answers if len(answers) >= count else None

    for turn in range(3):
        before = wait_until(
            lambda pid=owner.pid: owners(j, range(3)) == {pid} and j.newest(), "the owner", 60
        )
        feeder.feed()
        wait_until(lambda p=owner: read(p) >= 30 * 3, "the records to be read")
        # All of them, two or one.
        held = store_proxy.fault(
            CHECKPOINT, "keep" if put == "is not answered" else "hold", times=3 - turn
        )
        newcomer = j.start()
        durable = 3 if put == "is not answered" else turn

        def at_it(held=held, before=before, n=3 - turn, durable=durable):
            newest = j.newest()
            return held.hits == n and sum(newest[p] > before[p] for p in before) == durable

        wait_until(at_it, "checkpoints to hold")
        owner.kill9()
        held.end()
        events = [line["event"] for line in owner.log() if line["event"].startswith("partitions_")]
        assert events[-1] == "partitions_revoked", events
        if put == "never arrives":
            store_proxy.reset()
            held.release()
        wait_until(lambda pid=newcomer.pid: owners(j, range(3)) == {pid}, "the newcomer", 60)
        seen = len(store_proxy.answers)
        held.release()
        if put == "arrives late":
            late = wait_until(
                lambda n=3 - turn, seen=seen: puts_answered(seen, n), "the late answers"
            )
            assert late == [412] * (3 - turn)
        owner = newcomer
    alive(owner)
    owner.kill9()
    assert len(finish(j).expected) == 3 * feeder.sent


def read(process):
    """Records that this process has read, of all partitions, by its metrics."""
    lines = process.http_get("/metrics")[1].splitlines()
    return sum(float(line.split()[1]) for line in lines if "tidemark_records_total{" in line)


# ---- What stands in the topic -------------------------------------------------------------------

FAR = b'{"user_id":"u","timestamp":4070908800000}'  # 2099


def test_a_record_from_the_far_future_and_an_idle_partition(kafka, make_job, directory_store):
    topic = kafka.create_topic(partitions=2)
    j = make_job(directory_store, topic, {**QUICK, "window.idle_flush": "1s"})
    feeder = Feeder(kafka, topic, partitions=1)  # of partition 0
    process = j.start()
    feeder.feed(60)
    kafka.produce(topic, [(*r[:3], 1) for r in records(60)])
    # The last that the idle partition has, and amid the busy one.
    kafka.produce(topic, [(b"u", FAR, AT + 60_000, p) for p in (0, 1)])

    def published(partition):
        files = [key for key in j.files() if f"-p0000{partition}-" in key]
        return sum(len(j.output.lines(key)) for key in files)

    feeder.until(lambda: published(1) == 60, "the idle partition's windows", count=1)
    assert published(0) < feeder.sent, "the busy one waits for its watermark"
    process.kill9()
    process = j.start()
    # Behind what was flushed, in the same windows and in others.
    kafka.produce(topic, [(*r[:3], 1) for r in records(60, first=55)])
    feeder.until(lambda: published(1) == 120, "the rest of the idle partition", count=1)
    alive(process)
    process.kill9()
    report = finish(j)
    assert report.reasons() == {"future": 2} and report.count("late") == 0
    assert report.count("event") == 120 + feeder.sent


# ---- Damage on the broker's disk ----------------------------------------------------------------


DAMAGE = [("none", "middle"), ("none", "last"), ("lz4", "middle"), ("zstd", "last")]


def test_a_damaged_batch_on_the_brokers_disk(kafka, make_job, tmp_path):
    jobs, segments, damaged = {}, {}, {}
    # The last one is read before its batch is damaged.
    for what in (*DAMAGE, ("lz4", "read")):
        topic = kafka.create_topic()
        for i in range(5):
            kafka.produce(topic, records(40, 40 * i), compression_type=what[0])
        segments[what] = Segment(kafka, topic)
        jobs[what] = make_job(Store.directory(tmp_path / topic), topic, QUICK)
    jobs["lz4", "read"].bounded()
    kafka.stop()  # in order: the next start checks no segment
    for what, segment in segments.items():
        batches = segment.batches()
        damaged[what] = batches[len(batches) // 2 if what[1] == "middle" else -1]
        segment.flip(damaged[what].middle())
    kafka.start()
    for what, j in jobs.items():
        refuses(j, damaged[what], read=what[1] == "read")
    kafka.stop()
    for what, segment in segments.items():
        segment.flip(damaged[what].middle())
    kafka.start()
    for j in jobs.values():
        assert len(finish(j).expected) == 200


def refuses(j, batch, read):
    """Run after run, whatever it is told, and goes no further."""
    for options in ((), ("--allow-data-loss",)):
        done = j.run("--bounded", *options)
        assert done.returncode == 1, done.stderr
        log = [json.loads(line) for line in done.stderr.splitlines()]
        errors = [line["message"] for line in log if line["level"] == "error"]
        events = [line["event"] for line in log]
        assert len(errors) == 1 and events.count("job_restarting") == 0, done.stderr
        if read:
            named = f"record {batch.last} of topic {j.topic} partition 0"
            assert named in errors[0] and "CRC" in errors[0], errors
            continue
        named = f"topic {j.topic} partition 0 offset {batch.first}:"
        assert named in errors[0] and "twice" in errors[0] and "CRC" in errors[0], errors
        assert events.count("partition_reclaim") == 1, done.stderr
        assert j.checkpoint(0)["next"] <= batch.first
