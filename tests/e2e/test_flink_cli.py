"""Flink 1.18.1's command line and its client's classes against a running tidemark, unmodified."""

import json
import re

import pytest
from harness.flink import Flink
from harness.processes import wait_until

AT = 1729629000000  # 2024-10-22T20:30:00Z
MINUTE = 60_000
PLACE = re.compile(r"Savepoint completed\. Path: (\S+)")


def events(count, first=0, at=AT):
    """Records with events a second apart."""
    for i in range(first, first + count):
        ts = at + i * 1000
        value = f'{{"user_id":"u{i % 5}","timestamp":{ts},"n":{i}}}'
        yield f"u{i % 5}".encode(), value.encode(), ts


@pytest.fixture
def flink(tmp_path):
    return Flink(tmp_path / "flink")


@pytest.fixture
def one(kafka, make_job, directory_store):
    """A job that runs, on two partitions with 500 records each, and has read them."""

    def start(**settings):
        topic = kafka.create_topic(partitions=2)
        job = make_job(directory_store, topic, {"kafka.assignment": "all", **settings})
        for partition in (0, 1):
            kafka.produce(topic, [(*record, partition) for record in events(500)])
        process = job.start()
        wait_until(lambda: vertices(process)[0]["read-records"] == 1000, "all records read")
        return job, process

    return start


def get(process, path):
    status, body = process.http_get(path)
    assert status == 200, (path, status, body)
    return body


def job_id(process):
    process.wait_for_http("/jobs")
    return get(process, "/jobs")["jobs"][0]["id"]


def vertices(process):
    """The metrics of both."""
    return [v["metrics"] for v in get(process, f"/jobs/{job_id(process)}")["vertices"]]


def finish(job):
    """What the next run makes of it is complete."""
    job.bounded()
    return job.compare()


# ---- The command line ---------------------------------------------------------------------------


def test_list_savepoint_and_stop(one, flink):
    # Nothing but the savepoint puts a checkpoint.
    job, process = one(**{"checkpoint.interval": "1h", "checkpoint.min_pause": "1h"})
    jid, before = job_id(process), job.newest()
    listing = flink.start(process, "list")
    savepoint = flink.start(process, "savepoint", jid)
    assert f"{jid} : clickstream (RUNNING)" in listing.wait()
    place = PLACE.search(savepoint.wait())[1]
    assert place.rstrip("/").endswith(f"_checkpoints/clickstream/{job.topic}")
    after = job.newest()
    assert after == {p: number + 1 for p, number in before.items()}
    assert [job.checkpoint(p)["next"] for p in (0, 1)] == [500, 500]
    job.kafka.produce(job.topic, [(*record, 0) for record in events(50, first=500)])
    wait_until(lambda: vertices(process)[0]["read-records"] == 1050, "the others")
    assert PLACE.search(flink.run(process, "stop", jid))[1] == place
    assert process.wait(10) == 0
    assert job.newest()[0] > after[0] and job.checkpoint(0)["next"] == 550
    assert any(job.checkpoint(p)["files"] for p in (0, 1))  # open files stay open
    finish(job)


def test_drain(one, flink):
    job, process = one()
    text = flink.run(process, "stop", "--drain", job_id(process))
    assert PLACE.search(text)
    assert process.wait(10) == 0
    report = job.compare()  # complete without another run
    assert len(report.expected) == 1000 and len(report.windows()) == 2


def test_cancel(one, flink):
    job, process = one()
    assert "Cancelled job" in flink.run(process, "cancel", job_id(process))
    assert process.wait(10) == 0
    assert job.checkpoint(0)["next"] == 500
    finish(job)


def test_a_token_is_asked_for(one, flink):
    # 1.18.1 has no way to send one, so that it can look but not touch.
    job, process = one(**{"http.token": "0123456789abcdef"})
    jid = job_id(process)
    listing, cancel = flink.start(process, "list"), flink.start(process, "cancel", jid)
    elsewhere = flink.start(process, "savepoint", jid, "/elsewhere")
    assert jid in listing.wait()
    for command in (cancel, elsewhere):
        status, text = command.end()
        assert status == 1 and "Authorization: Bearer" in text
    token = {"Authorization": "Bearer 0123456789abcdef"}
    assert process.http("PATCH", f"/jobs/{jid}?mode=cancel", headers=token) == (202, {})
    assert process.wait(10) == 0


# ---- Its classes --------------------------------------------------------------------------------

# What each endpoint answers, by the class that says so (of org.apache.flink.runtime.rest.messages).
ENDPOINTS = [
    ("ClusterOverviewHeaders", "/overview"),
    ("DashboardConfigurationHeaders", "/config"),
    ("JobIdsWithStatusesOverviewHeaders", "/jobs"),
    ("JobsOverviewHeaders", "/jobs/overview"),
    ("job.JobDetailsHeaders", "{job}"),
    ("JobConfigHeaders", "{job}/config"),
    ("JobPlanHeaders", "{job}/plan"),
    ("JobExceptionsHeaders", "{job}/exceptions"),
    ("job.metrics.JobMetricsHeaders", "{job}/metrics"),
    ("job.metrics.JobMetricsHeaders", "{job}/metrics?get=uptime,numRestarts"),
    ("checkpoints.CheckpointingStatisticsHeaders", "{job}/checkpoints"),
    ("checkpoints.CheckpointConfigHeaders", "{job}/checkpoints/config"),
    ("checkpoints.CheckpointStatisticDetailsHeaders", "{job}/checkpoints/details/1"),
    *(
        (name, "{job}/vertices/" + vertex + end)
        for vertex in ("{worker}", "{sink}")
        for name, end in (
            ("JobVertexDetailsHeaders", ""),
            ("JobVertexBackPressureHeaders", "/backpressure"),
            ("job.metrics.JobVertexWatermarksHeaders", "/watermarks"),
            ("job.metrics.JobVertexMetricsHeaders", "/metrics"),
            ("job.metrics.JobVertexMetricsHeaders", "/metrics?get=0.numRecordsIn"),
        )
    ),
]
STATUS = "job.savepoints.SavepointStatusHeaders"


def post(process, path, body):
    """Asks for something and waits for what becomes of it; both answers, with their classes."""
    status, answer = process.http("POST", path, body)
    assert status == 202, answer
    poll = f"{path.rpartition('/')[0]}/savepoints/{answer['request-id']}"
    states = []

    def done():
        states.append(get(process, poll))
        return states[-1]["status"]["id"] == "COMPLETED"

    wait_until(done, "a savepoint")
    return [("job.savepoints.SavepointTriggerHeaders", answer), (STATUS, states[-1])]


def test_flink_reads_every_answer(one, job_of_nobody, flink):
    """Each answer, read strictly by Flink's client and written again by Flink, is the same."""
    job, process = one()
    assert process.stop() == 143
    process = job.start()
    base = f"/jobs/{job_id(process)}"
    wait_until(lambda: get(process, base)["state"] == "RUNNING", "RUNNING")
    answers = post(process, f"{base}/savepoints", {"target-directory": None})
    worker, sink = [vertex["id"] for vertex in get(process, base)["vertices"]]
    for name, path in ENDPOINTS:
        path = path.format(job=base, worker=worker, sink=sink)
        answers.append((name, get(process, path)))
    answers.append((STATUS, {"status": {"id": "IN_PROGRESS"}, "operation": None}))
    failure = post(job_of_nobody, f"/jobs/{job_id(job_of_nobody)}/savepoints", {})[1]
    read = flink.read([(name, json.dumps(answer)) for name, answer in [*answers, failure]])
    assert read[:-1] == [answer for _, answer in answers]
    # Java's own form of a failure holds more than is needed to read it.
    theirs, ours = read[-1]["operation"]["failure-cause"], failure[1]["operation"]["failure-cause"]
    assert theirs["stack-trace"] == ours["stack-trace"] == NOBODY
    assert theirs["class"] == ours["class"]
    assert process.stop() == 143


NOBODY = "Kafka assigns no partition to this process: ask the group's others"


@pytest.fixture
def job_of_nobody(kafka, make_job, directory_store):
    """A process whose topic's only partition another process of its group has."""
    topic = kafka.create_topic(partitions=1)
    job = make_job(directory_store, topic)
    both = [job.start(), job.start()]

    def without():
        return [process for process in both if "0 partitions of topic" in process.stderr()]

    return wait_until(without, "Kafka to leave one of both without a partition")[0]


@pytest.mark.sanitized
def test_numbers_are_true(kafka, make_job, directory_store):
    topic = kafka.create_topic(partitions=2)
    job = make_job(directory_store, topic, {"kafka.assignment": "all"})
    records = list(events(1200))  # 20 minutes: the first window closes at the end of the 15th
    late = (b"u", b'{"user_id":"u","timestamp":%d}' % AT, AT)
    bad = (b"u", b"{", AT)
    null = (b"u", None, AT)
    kafka.produce(topic, [(*record, 1) for record in [*records, late, bad, null]])
    process = job.start()
    wait_until(lambda: vertices(process)[1]["write-records"] == 300, "the window's file")
    wait_until(lambda: vertices(process)[0]["read-records"] == 1203, "all records read")
    read, sink = vertices(process)
    assert (
        read["read-bytes"] == sum(len(value or b"") for _, value, *_ in records) + len(late[1]) + 1
    )
    assert read["write-records"] == sink["read-records"] == 1202
    assert read["write-bytes"] == sink["read-bytes"]
    [key] = job.files()
    assert sink["write-bytes"] == len(job.output.read(key))
    base = f"/jobs/{job_id(process)}"
    vertex = get(process, base)["vertices"][0]["id"]
    marks = get(process, f"{base}/vertices/{vertex}/watermarks")
    assert [mark["value"] for mark in marks] == [
        str(-(2**63)),
        str(records[-1][2] - 10 * MINUTE - 1),
    ]
    by_subtask = get(process, f"{base}/vertices/{vertex}")["subtasks"]
    assert [task["metrics"]["read-records"] for task in by_subtask] == [0, 1203]
    pressure = get(process, f"{base}/vertices/{vertex}/backpressure")["subtasks"][0]
    shares = [pressure[key] for key in ("ratio", "idleRatio", "busyRatio")]
    assert sum(shares) == pytest.approx(1, abs=0.003)  # of which each is rounded to a ms
    post(process, f"{base}/savepoints", {})
    statistics = get(process, f"{base}/checkpoints")
    newest = {p: job.checkpoints.read(key) for p, key in newest_keys(job).items()}
    savepoints = [c for c in statistics["history"] if c["is_savepoint"]]
    assert len(savepoints) == 2
    for checkpoint in savepoints:
        path = checkpoint["external_path"]
        partition = int(re.search(r"/p(\d{5})/", path)[1])
        assert path.endswith(newest_keys(job)[partition].rpartition("/")[2])
        assert checkpoint["state_size"] == len(newest[partition])
        assert not checkpoint["discarded"]
    assert process.stop() == 143


def newest_keys(job):
    import oracle

    found = oracle.newest_checkpoints(job.settings, job.checkpoints)
    return {partition: key for partition, (_, key) in found.items()}
