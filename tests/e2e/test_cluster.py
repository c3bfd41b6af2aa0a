"""Leaders and coordinators move between three brokers: the job waits a moment and goes on.

No test lets a failure hide behind a restart: restart.attempts is 0.
"""

import re
import time

import pytest
from harness.cluster import Cluster
from harness.job import Job
from harness.processes import wait_until
from harness.scenario import fetching

START = "2024-10-22T20:30:00Z"
AT = 1729629000000  # the same
STREAM = {"speed": 60, "start": START, "late": "1%", "malformed": "1%"}
SETTINGS = {
    "kafka.assignment": "all",
    "checkpoint.interval": "200ms",
    "checkpoint.min_pause": "50ms",
    "window.size": "10s",
    "window.out_of_orderness": "10s",
    "restart.attempts": 0,
}
GROUP = {
    **SETTINGS,
    "kafka.assignment": "group",
    "kafka.properties.session.timeout.ms": 6000,
    "kafka.properties.heartbeat.interval.ms": 500,
}


@pytest.fixture(scope="module")
def cluster_servers(tmp_path_factory):
    servers = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        servers.start()
        yield servers
    finally:
        servers.stop()


@pytest.fixture
def cluster(cluster_servers):
    cluster_servers.ensure_running()
    return cluster_servers


def alive(*processes):
    for process in processes:
        assert process.returncode is None, (
            f"ended with {process.returncode}:\n{process.stderr()[-6000:]}"
        )


def position(process, partition):
    """Where the process reads now, which lies far back while it replays."""
    pattern = rf'^tidemark_position{{partition="{partition}"}} (\S+)$'
    found = re.search(pattern, process.http_get("/metrics")[1], re.MULTILINE)
    return float(found.group(1)) if found else -1


def owners(j):
    return {j.checkpoint(p)["writer"]["pid"] for p in j.newest()}


def read_on(j, what, move, *processes):
    """Move something, and wait until checkpoints cover records that all partitions got since."""
    began = time.monotonic()
    move()
    ends = {p: end for p, (_, end) in j.kafka.bounds(j.topic).items()}

    def reached():
        alive(*processes)
        return all(j.checkpoint(p)["next"] > end for p, end in ends.items())

    wait_until(reached, f"checkpoints past {ends}", 60)
    print(f"{what}: all partitions went on after {time.monotonic() - began:.1f} s")


def stop(process):
    """End it in order: it has met no failure."""
    assert "\ntidemark_restarts_total 0\n" in process.http_get("/metrics")[1]
    assert process.stop(10) == 143
    events = {line["event"] for line in process.log()}
    assert not events & {"job_failed", "job_restarting", "partition_reclaim", "partition_lost"}


def finish(j):
    """Run to the end; everything has to stand where it belongs. Returns the oracle's report."""
    j.bounded()
    report = j.compare()
    done = j.tidemark.run(["verify", "--deep"], j.settings, timeout=90)
    assert done.returncode == 0, f"verify: exit {done.returncode}:\n{done.stdout}{done.stderr}"
    return report


def test_leaders_move_while_events_come(cluster, tidemark, directory_store):
    topic = cluster.create_topic(partitions=3)
    cluster.elect_preferred(topic)
    j = Job(cluster, tidemark, directory_store, topic, {**SETTINGS, "log.level": "debug"})
    generator = j.start_generator(rate=800, **STREAM)
    process = j.start()
    wait_until(j.files, "the first files")
    straight = "3 partitions are read straight from {} brokers".format
    assert fetching(process.stderr()) == [straight(3)]
    node = cluster.leaders(topic)[0]

    def kill():
        cluster.nodes[node].kill()
        cluster.wait_for_leaders(topic, but=node)

    read_on(j, "the leader was killed", kill, process, generator)
    cluster.nodes[node].start()
    cluster.wait_for_replicas(topic)
    assert node not in cluster.leaders(topic).values()
    wait_until(lambda: fetching(process.stderr())[-1] == straight(2), "the others to be read")
    read_on(j, "it leads again", lambda: cluster.elect_preferred(topic), process, generator)
    assert node in cluster.leaders(topic).values()
    # Each leader, not the follower that it has become.
    wait_until(lambda: fetching(process.stderr())[-1] == straight(3), "all three to be read")
    read_on(j, "it is read straight", lambda: None, process, generator)
    assert generator.stop() == 143
    stop(process)
    # The last run starts while nobody leads this partition.
    cluster.nodes[cluster.leaders(topic)[1]].kill()
    assert finish(j).count("event") > 3000


def test_a_leader_is_killed_during_a_replay(cluster, tidemark, minio_store):
    count = 80
    topic = cluster.create_topic(partitions=2)
    # Windows stay open and their parts small, so that all has to be read again.
    j = Job(cluster, tidemark, minio_store, topic, {**SETTINGS, "window.size": "1d"})
    records = [
        (b"u", b'{"user_id":"u","timestamp":%d,"n":%d}' % (AT + i, i), AT + i, partition)
        for i in range(count)
        for partition in (0, 1)
    ]
    cluster.produce(topic, records, batch_num_messages=4)
    process = j.start()
    wait_until(
        lambda: all(j.newest().get(p) and j.checkpoint(p)["next"] == count for p in (0, 1)),
        "a checkpoint of all records",
    )
    process.kill9()
    # A handful of records a second, so that the leader dies in the middle.
    again = j.start(
        kafka__properties__fetch__message__max__bytes=1000,
        kafka__properties__queued__min__messages=1,
    )
    again.wait_for_log(rf"partition 0: .* from offset 0 \(next {count}, [1-9]\d* gaps")
    wait_until(lambda: position(again, 0) > 0, "the replay to begin")
    cluster.nodes[cluster.leaders(topic)[0]].kill()
    assert 0 < position(again, 0) < count
    wait_until(lambda: position(again, 0) == position(again, 1) == count, "its end", 60)
    stop(again)
    assert finish(j).count("event") == 2 * count


def test_the_coordinator_is_killed(cluster, tidemark, directory_store):
    topic = cluster.create_topic(partitions=4)
    j = Job(cluster, tidemark, directory_store, topic, GROUP)
    group = j.settings["kafka.group_id"]
    generator = j.start_generator(rate=800, **STREAM)
    members = [j.start(), j.start()]
    wait_until(lambda: owners(j) == {m.pid for m in members}, "both to own partitions")
    node = cluster.coordinator(group)

    def kill():
        cluster.nodes[node].kill()
        wait_until(lambda: cluster.coordinator(group) not in (node, -1), "another coordinator")

    read_on(j, "the coordinator was killed", kill, *members, generator)
    seen = {p: j.checkpoint(p)["next"] for p in range(4)}

    def committed():
        now = cluster.committed(group, topic)
        return all(now[p] >= seen[p] for p in seen)

    wait_until(committed, lambda: f"{seen}, committed are {cluster.committed(group, topic)}")
    assert owners(j) == {m.pid for m in members}
    assert generator.stop() == 143
    for member in members:
        stop(member)
    assert finish(j).count("event") > 1000
