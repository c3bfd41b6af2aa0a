"""Whatever dies, freezes or comes twice: each event stands in the output exactly once."""

import random
import signal
import time

import pytest
from harness.processes import wait_until

START = "2024-10-22T20:30:00Z"
AT = 1729629000000
KILLS = 30
QUICK = {
    "kafka.assignment": "all",
    "restart.attempts": 100,
    "checkpoint.interval": "200ms",
    "checkpoint.min_pause": "50ms",
    "restart.delay": "100ms",
}


def finish(j):
    """A bounded run behind all that happened, and its comparison with the oracle.

    MinIO breaks an upload when its client goes away at the wrong moment of a Complete: it removes
    the parts' metadata first and renames then, and answers InvalidPart for ever. After ten seconds
    the job rebuilds such a file from Kafka.
    """
    j.bounded(timeout=200)
    return j.compare()


def verify(j):
    """The program's own opinion, beside the oracle's."""
    done = j.tidemark.run(["verify", "--deep"], j.settings, timeout=90)
    assert done.returncode == 0, f"verify: exit {done.returncode}:\n{done.stdout}{done.stderr}"


def events(count, first=0, at=AT):
    for i in range(first, first + count):
        value = f'{{"user_id":"u","timestamp":{at + i * 1000},"n":{i}}}'
        yield b"u", value.encode(), at + i * 1000


def test_killed_again_and_again(kafka, job):
    topic = kafka.create_topic(partitions=3, compression_type="lz4")
    # Windows close every second or so, files roll by size too, and some pass through idleness.
    j = job(
        topic,
        {
            **QUICK,
            "window.size": "1m",
            "window.out_of_orderness": "2m",
            "output.max_file_size": "200KiB",
            "output.max_file_age": "5s",
            "memory.limit": "64MiB",
        },
    )
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")  # of the moments, as far as a machine repeats them
    moments = random.Random(seed)
    generator = j.start_generator(
        rate=1200, speed=60, start=START, late="1%", malformed="1%", disorder="90s"
    )
    for kill in range(KILLS):
        process = j.start()
        # From the middle of its start to well into its work.
        time.sleep(moments.uniform(0.02, 1.5))
        assert process.returncode is None, f"run {kill} ended:\n{process.stderr()[-4000:]}"
        process.kill9()
    assert generator.stop() == 143
    numbers = j.newest()
    assert sum(numbers.values()) > 2 * KILLS, f"it hardly ever came to a checkpoint: {numbers}"
    report = finish(j)
    assert report.count("event") > 10_000 and report.count("late") and report.count("rejected")
    verify(j)


def test_a_frozen_process_wakes_up_and_notices(kafka, job):
    topic = kafka.create_topic(partitions=2)
    j = job(topic, {**QUICK, "window.size": "10s", "window.out_of_orderness": "10s"})
    generator = j.start_generator(rate=500, speed=60, start=START, late="1%", malformed="1%")
    frozen = j.start()
    wait_until(j.files, "the first files")
    frozen.sigstop()
    left = j.newest()
    second = j.start()
    # Longer than the chain keeps checkpoints that a claim does not need.
    j.wait_for_checkpoints(max(left.values()) + 12, (0, 1), second)
    frozen.sigcont()
    frozen.wait_for_log("another process|somebody else")
    # Both were told to take the same partitions, and each takes them back after a while; what
    # either of them writes meanwhile counts as long as its checkpoints stand.
    second.wait_for_log("another process|somebody else", timeout=60)
    assert frozen.returncode is None and second.returncode is None
    assert second.stop(10) == 143
    j.wait_for_checkpoints(max(j.newest().values()) + 3, (0, 1), frozen)
    assert generator.stop() == 143
    assert frozen.stop(10) == 143
    finish(j)
    verify(j)


def test_a_frozen_member_of_a_group_is_replaced(kafka, job):
    topic = kafka.create_topic(partitions=2)
    settings = {
        **QUICK,
        "kafka.assignment": "group",
        "kafka.properties.session.timeout.ms": 2000,
        "kafka.properties.heartbeat.interval.ms": 300,
        "window.size": "10s",
        "window.out_of_orderness": "10s",
    }
    j = job(topic, settings)
    generator = j.start_generator(rate=500, speed=60, start=START)
    frozen = j.start()
    wait_until(j.files, "the first files")
    second = j.start()
    wait_until(
        lambda: {j.checkpoint(p)["writer"]["pid"] for p in (0, 1)} == {frozen.pid, second.pid},
        "both to own a partition",
        60,
    )
    frozen.sigstop()
    wait_until(
        lambda: {j.checkpoint(p)["writer"]["pid"] for p in (0, 1)} == {second.pid},
        "the group to give all to the second",
        60,
    )
    j.wait_for_checkpoints(max(j.newest().values()) + 3, (0, 1), second)
    frozen.sigcont()
    # The group takes it in again: that is no failure.
    wait_until(
        lambda: {j.checkpoint(p)["writer"]["pid"] for p in (0, 1)} == {frozen.pid, second.pid},
        "both to own a partition again",
        60,
    )
    assert generator.stop() == 143
    assert frozen.stop(10) == 143 and second.stop(10) == 143
    finish(j)
    verify(j)


def test_members_of_a_group_come_and_go(kafka, job):
    topic = kafka.create_topic(partitions=4)
    settings = {
        **QUICK,
        "kafka.assignment": "group",
        "kafka.properties.session.timeout.ms": 2000,
        "kafka.properties.heartbeat.interval.ms": 300,
        "window.size": "10s",
        "window.out_of_orderness": "10s",
    }
    j = job(topic, settings)
    generator = j.start_generator(rate=800, speed=60, start=START, late="1%")
    stays = j.start()
    wait_until(j.files, "the first files")
    for leave in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
        guest = j.start()
        wait_until(
            lambda guest=guest: guest.pid in {j.checkpoint(p)["writer"]["pid"] for p in range(4)},
            "the guest's first checkpoint",
            60,
        )
        guest.signal(leave)
        assert guest.wait(10) in (-signal.SIGKILL, 143)
    wait_until(
        lambda: {j.checkpoint(p)["writer"]["pid"] for p in range(4)} == {stays.pid},
        "the one that stays to own all",
        60,
    )
    assert generator.stop() == 143
    assert stays.stop(10) == 143
    finish(j)
    verify(j)


@pytest.mark.parametrize("moment", ["waits to be let in", "reads"])
def test_a_bounded_run_waits_for_a_dead_members_share(kafka, make_job, directory_store, moment):
    """A run that is done with its own partition must not say that the topic is done."""
    topic = kafka.create_topic(partitions=3)
    j = make_job(directory_store, topic, {**QUICK, "kafka.assignment": "group"})
    kafka.produce(topic, [(*e, i % 3) for i, e in enumerate(events(3000))])
    # As long as this member does not answer, the group lets nobody in. It leads the group, so the
    # others are given their shares though one of them is dead.
    owner = j.start(kafka__properties__session__timeout__ms=60000)
    j.wait_for_checkpoints(2, range(3), owner)
    owner.sigstop()
    short = {
        "kafka__properties__session__timeout__ms": 3000,
        "kafka__properties__heartbeat__interval__ms": 300,
    }
    victim, other = (j.start("--bounded", **short) for _ in range(2))
    group = j.settings["kafka.group_id"]
    wait_until(lambda: kafka.members(group) == 3, "both to ask for partitions", interval=0.1)
    if moment == "waits to be let in":
        victim.kill9()
    owner.sigcont()
    if moment == "reads":
        victim.wait_for_log("partition_claimed")
        victim.kill9()
    other.wait_for_log("bounded_waiting")
    assert owner.stop(10) == 143
    assert other.wait(60) == 0, other.stderr()[-4000:]
    j.compare()
    verify(j)


def test_bounded_runs_of_a_group_end_together(kafka, job):
    """Each reads its share and ends when the other has read its own, on a topic that goes on."""
    topic = kafka.create_topic(partitions=3)
    j = job(topic, {**QUICK, "kafka.assignment": "group"})
    generator = j.start_generator(rate=2000, speed=60, start=START)
    wait_until(lambda: all(end > 500 for _, end in kafka.bounds(topic).values()), "some records")
    ends = kafka.bounds(topic)
    both = [j.start("--bounded") for _ in range(2)]
    for process in both:
        assert process.wait(90) == 0, process.stderr()[-4000:]
    assert generator.stop() == 143
    for partition, (_, end) in ends.items():
        newest = j.checkpoint(partition)
        assert newest["next"] >= end, f"partition {partition} is read up to {newest['next']}"
        assert [newest["gaps"], newest["files"], newest["commits"]] == [[], [], []]
    finish(j)
    verify(j)


@pytest.mark.parametrize("server", ["kafka", "minio"])
def test_servers_are_killed_and_come_back(kafka, minio, make_job, minio_store, server):
    topic = kafka.create_topic(partitions=2)
    j = make_job(minio_store, topic, {**QUICK, "window.size": "1m"})
    kafka.produce(topic, events(2000))
    process = j.start()
    # Nothing is under way to be completed: MinIO breaks such uploads when it is killed, too.
    wait_until(
        lambda: j.files() and all(j.checkpoint(p)["commits"] == [] for p in j.newest()),
        "the first files, all published",
    )
    victim = {"kafka": kafka, "minio": minio}[server]
    before = j.newest()
    victim.kill()
    if server == "minio":
        kafka.produce(topic, events(2000, first=2000))
    victim.start()
    if server == "kafka":
        kafka.produce(topic, events(2000, first=2000))
    goal = max(before.values()) + 2
    wait_until(lambda: max(j.newest().values()) >= goal, "checkpoints after that", 90)
    assert process.returncode is None, process.stderr()[-4000:]
    assert process.stop(10) == 143
    finish(j)
    verify(j)


# ---- Settings that decide where events land -----------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [{"window__size": "10m"}, {"window__offset": "60s"}, {"event__max_future": "2h"}],
    ids=lambda changes: next(iter(changes)),
)
def test_changed_settings_need_to_be_accepted(kafka, make_job, directory_store, changes):
    topic = kafka.create_topic()
    kafka.produce(topic, events(600))
    j = make_job(directory_store, topic)
    j.bounded()
    before = j.compare()
    chain = j.chain()
    refused = j.run("--bounded", **changes)
    assert refused.returncode == 1, refused.stderr
    assert "--accept-changes" in refused.stderr
    assert j.chain() == chain
    j.bounded("--accept-changes", **changes)
    after = j.compare()  # no record was new
    assert after.files.keys() == before.files.keys()
    # From here on they are the job's settings.
    assert j.run("--bounded").returncode == 1
    j.bounded(**changes)
    chain = j.chain()
    j.bounded(
        **changes, checkpoint__interval="7s", window__idle_flush="1m", output__emit="checkpoint"
    )
    assert len(j.chain()) >= len(chain)


def test_changes_are_refused_while_files_are_open(kafka, make_job, directory_store):
    topic = kafka.create_topic()
    kafka.produce(topic, events(60))
    j = make_job(directory_store, topic, QUICK)
    process = j.start()
    wait_until(
        lambda: j.newest().get(0) and j.checkpoint(0)["files"], "a checkpoint with an open file"
    )
    assert process.stop(10) == 143
    refused = j.run("--bounded", "--accept-changes", window__size="10m")
    assert refused.returncode == 1, refused.stderr
    assert "open" in refused.stderr or "drain" in refused.stderr or "bounded" in refused.stderr
    j.bounded()
    j.compare()
    j.bounded("--accept-changes", window__size="10m")
