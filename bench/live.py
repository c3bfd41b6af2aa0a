"""A job or a generator that runs on while it is looked at."""

import contextlib
import json
import os
import re
import signal
import subprocess
import time
import urllib.request
from datetime import datetime
from pathlib import Path

from rig import MEASURED, MIB, OTHERS, Failure

SAMPLE = re.compile(r"^(\w+?)(?:\{([^}]*)\})? (\S+)$", re.MULTILINE)
LABEL = re.compile(r'(\w+)="([^"]*)"')

STORES = ("directory", "S3")
STEADY_SPEED = 60  # event time against the clock's: windows close every few seconds


def store(bench, kind):
    """The settings that name an empty one of these."""
    return bench.store("s3" if kind == "S3" else "directory")[1]


def clear(bench, kind):
    bench.clear("s3" if kind == "S3" else "directory")


def stay_aside():
    """This process and what it starts run on the core of the servers, but for the jobs."""
    if OTHERS is not None:
        os.sched_setaffinity(0, {OTHERS})


class Metrics:
    """What /metrics said: all samples as (name, labels, value)."""

    def __init__(self, text):
        self.samples = [
            (name, dict(LABEL.findall(labels)), float(value))
            for name, labels, value in SAMPLE.findall(text)
        ]

    def all(self, name, **labels):
        return [
            value
            for found, have, value in self.samples
            if found == name and labels.items() <= have.items()
        ]

    def sum(self, name, **labels):
        return sum(self.all(name, **labels))

    def most(self, name, **labels):
        return max(self.all(name, **labels), default=0.0)

    def histogram(self, name):
        """[(bound, how many at or below it)]"""
        buckets = [
            (float(have["le"]), value)
            for found, have, value in self.samples
            if found == f"{name}_bucket"
        ]
        return sorted(buckets)


class Live:
    """A process of tidemark's on the measured core, until the block ends."""

    def __init__(self, bench, arguments, core=MEASURED):
        from harness.processes import free_port

        bench.count += 1
        self.log = bench.disk / f"live-{bench.count}.log"
        self.url = f"http://127.0.0.1:{free_port()}"
        listen = self.url.removeprefix("http://")
        command = [next(iter(bench.programs.values())), *arguments]
        if arguments[0] == "run":
            command += [f"--set=http.listen={listen}", "--set=log.format=json"]
        with open(self.log, "wb") as log:
            if OTHERS is not None:
                os.sched_setaffinity(0, {core})  # inherited: a program that pins takes time
            self.began = time.time()
            self.process = subprocess.Popen(
                [str(word) for word in command],
                stdout=log,
                stderr=log,
                env=bench.environment(),
            )
        stay_aside()
        self.last_rss = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()

    def stop(self, timeout=60.0):
        """In order; returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout)

    def drain(self, timeout=600.0):
        """Publishes all that is open, and ends; last_rss is its memory's peak as far as seen."""
        body = json.dumps({"drain": True}).encode()
        jid = json.loads(self.get("/jobs"))["jobs"][0]["id"]
        request = urllib.request.Request(f"{self.url}/jobs/{jid}/stop", body, method="POST")
        urllib.request.urlopen(request, timeout=10).close()
        deadline = time.monotonic() + timeout
        while self.process.poll() is None:
            with contextlib.suppress(OSError, AttributeError):  # it may have ended just now
                self.last_rss = self.peak_rss()
            if time.monotonic() > deadline:
                raise Failure(f"the drain is not over within {timeout:g} s")
            time.sleep(0.02)
        self.check()

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=5) as answer:
            return answer.read().decode()

    def check(self):
        if self.process.poll() not in (None, 0):
            raise Failure(
                f"{self.process.args}: exit {self.process.returncode}\n"
                f"{self.log.read_text(errors='replace')[-4000:]}"
            )

    # ---- What it says ----

    def events(self):
        """[(event, epoch s)] of its log."""
        lines = self.log.read_text(errors="replace").splitlines()
        entries = [json.loads(line) for line in lines if line.startswith("{") and line[-1] == "}"]
        return [(entry["event"], instant(entry["time"])) for entry in entries]

    def event(self, name, timeout=30.0):
        """When it logged this first, epoch s."""
        return wait_for(lambda: dict(reversed(self.events())).get(name), name, timeout, self)

    def metrics(self):
        """None where it does not answer yet."""
        try:
            return Metrics(self.get("/metrics"))
        except OSError:
            return None

    def wait(self, condition, what, timeout=600.0, every=0.1):
        """Until condition(metrics) holds; returns these metrics."""

        def met():
            metrics = self.metrics()
            return metrics if metrics and condition(metrics) else None

        return wait_for(met, what, timeout, self, every)

    # ---- What it takes ----

    def peak_rss(self):
        """Highest resident memory since it began."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", status).group(1)) * 1024

    def cpu(self):
        """Seconds, user and system."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def instant(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def wait_for(condition, what, timeout, process=None, every=0.02):
    deadline = time.monotonic() + timeout
    while True:
        found = condition()
        if found:
            return found
        if process is not None:
            process.check()
        if time.monotonic() > deadline:
            raise Failure(f"no {what} within {timeout:g} s")
        time.sleep(every)


def job(bench, topic, settings):
    """An unbounded run of all the topic's partitions."""
    everything = {"name": "live", "kafka.assignment": "all", **settings}
    words = [f"{key}={value}" for key, value in everything.items()] + bench.settings
    return Live(bench, ["run", *bench.kafka_settings(topic), *(f"--set={w}" for w in words)])


def generator(bench, topic, rate, speed=1.0):
    """Events of now at this rate. None of them is late, or different from others'."""
    words = [f"--rate={rate}", f"--speed={speed:g}", "--users=100000"]
    return Live(bench, ["generate", *bench.kafka_settings(topic), *words], OTHERS or MEASURED)


def at_the_head(metrics, partitions):
    """All partitions are read, up to events of the last second, and none for a second time."""
    lags = metrics.all("tidemark_lag_seconds")
    return (
        metrics.sum("tidemark_partition_running") == partitions
        and metrics.sum("tidemark_partition_replaying") == 0
        and len(lags) == partitions
        and max(lags) < 1
    )


def all_read(metrics, events):
    return metrics.sum("tidemark_records_read_total") >= events and (
        metrics.sum("tidemark_lag_offsets") == 0
    )


def mib(size):
    return f"{size / MIB:.0f}"
