"""list, status, savepoint, stop and cancel, against a running job."""

import json
import re

import pytest
from harness.processes import free_port, wait_until

AT = 1729630800000  # 2024-10-22T21:00:00Z, a window's start


def event(n, at):
    value = {"user_id": f"u{n % 7}", "timestamp": at, "n": n}
    return f"u{n % 7}".encode(), json.dumps(value).encode()


@pytest.fixture
def running(kafka, make_job, directory_store):
    """A job with events in open windows, that is up."""
    topic = kafka.create_topic(partitions=2)
    # Some time must pass before a checkpoint comes by itself: savepoints are to be seen.
    j = make_job(directory_store, topic, {"checkpoint.interval": "10m", "kafka.assignment": "all"})
    kafka.produce(topic, [event(n, AT + n * 1000) for n in range(500)])
    process = j.start()
    process.wait_for_http()
    wait_until(lambda: read(status(j, process)) == 500, "all is read")
    return j, process


def command(j, process, *words, token=None):
    env = {"TIDEMARK_HTTP_TOKEN": token} if token else None
    return j.tidemark.run([*words, f"--url={process.url}"], env=env)


def must(done):
    assert done.returncode == 0, done.stderr
    return done.stdout


def status(j, process):
    return json.loads(must(command(j, process, "status", "--json")))


def read(state):
    return sum(p["events"]["event"] for p in state["partitions"])


def numbers(state):
    return {p["partition"]: p["checkpoint"]["number"] for p in state["partitions"]}


def ends(process):
    assert process.wait(20) == 0, process.stderr()


def test_list_and_status(running):
    j, process = running
    row = must(command(j, process, "list")).splitlines()[1].split()
    assert re.fullmatch("[0-9a-f]{32}", row[0])
    assert row[1] == "RUNNING"
    assert row[-1] == "clickstream"
    state = status(j, process)
    assert state["job"]["id"] == row[0]
    assert read(state) == 500
    text = must(command(j, process, "status"))
    assert text.startswith(f"{state['health']['level']}: ")
    for p in state["partitions"]:
        line = next(x for x in text.splitlines() if re.match(rf"\s+{p['partition']}  running", x))
        assert f"{p['position']:,}" in line
    assert j.settings["output.path"] in text


def test_savepoint_is_durable_when_it_returns(running):
    j, process = running
    before = numbers(status(j, process))
    said = must(command(j, process, "savepoint")).splitlines()
    assert said[0] == f"{j.checkpoints.path}clickstream/{j.topic}/"
    assert j.newest() == {p: n + 1 for p, n in before.items()}
    assert sorted(said[1:]) == [f"partition {p}: checkpoint {n + 1}" for p, n in before.items()]
    # What it holds is the position: nothing was lost by it, and the job goes on.
    ends_at = {p: end for p, (_, end) in j.kafka.bounds(j.topic).items()}
    assert {p: j.checkpoint(p)["next"] for p in ends_at} == ends_at
    assert process.returncode is None
    process.stop()


@pytest.mark.parametrize("drain", [False, True])
def test_stop(running, drain):
    j, process = running
    said = must(command(j, process, "stop", *(["--drain"] if drain else [])))
    assert f"{j.checkpoints.path}clickstream/{j.topic}/" in said
    ends(process)
    assert bool(j.files()) == drain  # open files stay open, or are published
    clean = all(not j.checkpoint(p)["files"] and not j.checkpoint(p)["gaps"] for p in (0, 1))
    assert clean == drain
    j.bounded()
    j.compare()


def test_cancel(running):
    j, process = running
    assert "cancelled job " in must(command(j, process, "cancel"))
    ends(process)
    j.bounded()
    j.compare()


def test_status_is_watched_until_the_end(running):
    j, process = running
    watching = j.tidemark.start(["status", "--watch", "--json", f"--url={process.url}"])
    wait_until(lambda: watching.stdout().count("\n") >= 2, "two lines")
    process.stop()
    assert watching.wait(20) == 0
    assert all(json.loads(line)["job"]["name"] for line in watching.stdout().splitlines())
    assert "has ended" in watching.stderr()


def test_a_token_is_needed(kafka, make_job, directory_store):
    topic = kafka.create_topic(partitions=1)
    j = make_job(directory_store, topic, {"http.token": "sesame", "kafka.assignment": "all"})
    process = j.start()
    process.wait_for_http()
    for token in (None, "sesam", "sesame "):
        done = command(j, process, "savepoint", token=token)
        assert done.returncode == 1
        assert "TIDEMARK_HTTP_TOKEN" in done.stderr
    assert must(command(j, process, "savepoint", token="sesame"))
    assert must(command(j, process, "cancel", token="sesame"))
    ends(process)
    assert "sesame" not in process.stderr()


@pytest.mark.parametrize("name", ["list", "status", "savepoint", "stop", "cancel"])
def test_nobody_listens(tidemark, name):
    url = f"http://127.0.0.1:{free_port()}"
    done = tidemark.run([name, "--url", url])
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert url in done.stderr


def test_something_else_listens(tidemark, minio):
    done = tidemark.run(["status", "--url", f"http://127.0.0.1:{minio.port}"])
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
