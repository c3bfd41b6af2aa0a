"""What tests of faults share: how their jobs are set, what they are fed, and how each test ends."""

import json

from .processes import wait_until

START = "2024-10-22T20:30:00Z"
AT = 1729629000000  # the same
QUICK = {
    "kafka.assignment": "all",
    "checkpoint.interval": "200ms",
    "checkpoint.min_pause": "50ms",
    "restart.delay": "200ms",
    "window.size": "10s",
    "window.out_of_orderness": "10s",
}
GROUP = {
    **QUICK,
    "kafka.assignment": "group",
    "kafka.properties.session.timeout.ms": 6000,
    "kafka.properties.heartbeat.interval.ms": 500,
}
STREAM = {"speed": 60, "start": START, "late": "1%", "malformed": "1%"}


def records(count, first=0, pad=0, partition=None):
    """One event a second, those of each offset alike whoever asks."""
    for i in range(first, first + count):
        ts = AT + i * 1000
        value = f'{{"user_id":"u{i % 7}","timestamp":{ts},"n":{i},"pad":"{"x" * pad}"}}'
        yield f"u{i % 7}".encode(), value.encode(), ts, partition


class Feeder:
    """Hands a topic records without end, each partition its own in the order of time."""

    def __init__(self, kafka, topic, partitions=1):
        self.kafka, self.topic, self.partitions, self.sent = kafka, topic, partitions, 0

    def feed(self, count=30, pad=0):
        batch = records(count, self.sent, pad)
        self.sent += count
        self.kafka.produce(self.topic, [(*r[:3], p) for r in batch for p in range(self.partitions)])
        return True

    def until(self, condition, what, timeout=60, **options):
        """Feed until the condition holds."""
        return wait_until(
            lambda: condition() or not self.feed(**options), what, timeout, interval=0.1
        )


def alive(*processes):
    for process in processes:
        assert process.returncode is None, (
            f"ended with {process.returncode}:\n{process.stderr()[-6000:]}"
        )


def goes_on(j, process, by=3, timeout=60):
    """Wait until every partition's chain is so much longer."""
    newest = j.newest()
    goal = max(newest.values()) + by
    j.wait_for_checkpoints(goal, newest, process, timeout)


def verify(j, *options):
    return j.tidemark.run(["verify", *options], j.settings, timeout=90)


def finish(j, *options, deep=True, **changes):
    """Run to the end; everything has to stand where it belongs. Returns the oracle's report."""
    j.bounded(*options, **changes)
    report = j.compare()
    done = verify(j, *(["--deep"] if deep else []))
    assert done.returncode == 0, f"verify: exit {done.returncode}:\n{done.stdout}{done.stderr}"
    return report


def owners(j, partitions):
    """The pids that wrote their newest checkpoints, and None where there is none yet."""
    newest = j.newest()
    return {j.checkpoint(p)["writer"]["pid"] if p in newest else None for p in partitions}


def fetching(text):
    """What a log says of who fetches: with log.level=debug, from each assignment on."""
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return [line["message"] for line in lines if line["event"] == "kafka_fetcher"]


def dotless(settings):
    return {key.replace(".", "__"): value for key, value in settings.items()}
