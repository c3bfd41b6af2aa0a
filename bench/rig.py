"""What any benchmark needs: servers, scratch space, a topic, runs that are measured, in turn."""

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = ROOT / "build" / "release" / "bench"
FLOOR = PROGRAMS / "floor"
MEASURE = ROOT / "bench" / "measure.py"
TIDEMARK = os.environ.get("TIDEMARK_BIN", ROOT / "build" / "tidemark")

CORES = sorted(os.sched_getaffinity(0))
# What is measured has a core of its own; everything else runs on another.
MEASURED, OTHERS = (CORES[0], CORES[1]) if len(CORES) > 1 else ("-", None)

PARTITIONS = 3
START = "2024-10-22T21:00:00Z"
UNPACED_PER_SECOND = 50000  # so many events of `generate` are a second of its simulated time
BYTES_PER_EVENT = 600  # at most, in a run's output
MB = 1e6
MIB = 1 << 20
RESIDENT = 256 * MIB  # more than floor and tidemark take


REQUESTS = re.compile(r"^minio_api_requests_total\{.*\} ([0-9.e+]+)$", re.MULTILINE)


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


class Failure(Exception):
    """A run that is no measurement."""


# ---- Servers: those of the end-to-end tests, on a core of their own -----------------------------


def pinned(command):
    return command if OTHERS is None else ["taskset", "-c", str(OTHERS), *command]


def servers(directory, with_s3):
    """A running (broker, S3 or None)."""
    sys.path.insert(0, str(ROOT / "tests" / "e2e"))
    from harness.kafka import Kafka
    from harness.minio import Minio

    class Broker(Kafka):
        def command(self):
            # Here it runs for long enough to be compiled well.
            return pinned(
                [word for word in super().command() if "TieredStopAtLevel" not in str(word)]
            )

    class S3(Minio):
        def command(self):
            return pinned(super().command())

        def environment(self):
            return {**super().environment(), "MINIO_PROMETHEUS_AUTH_TYPE": "public"}

        def requests(self):
            """How many requests of S3's it has answered so far."""
            with urllib.request.urlopen(f"{self.endpoint}/minio/metrics/v3/api/requests") as answer:
                counts = REQUESTS.findall(answer.read().decode())
            return sum(int(float(count)) for count in counts)

    broker = Broker(made(directory / "kafka"))
    broker.start()
    if not with_s3:
        return broker, None
    s3 = S3(made(directory / "minio"))
    s3.start()
    return broker, s3


def made(directory):
    directory.mkdir()
    return directory


@contextlib.contextmanager
def scratch():
    """(directory on disk for the servers, directory on tmpfs for outputs), removed at the end."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    if memory is None:
        say("there is no /dev/shm: outputs go to disk, which makes figures dear and noisy")
    with tempfile.TemporaryDirectory(prefix="tidemark-bench-") as disk:
        with tempfile.TemporaryDirectory(prefix="tidemark-bench-", dir=memory) as tmpfs:
            yield Path(disk), Path(tmpfs)


def interrupted(number, _):
    raise SystemExit(128 + number)


@contextlib.contextmanager
def run_bench(arguments, with_s3):
    """A Bench with servers that run, all of which ends with it."""
    signal.signal(signal.SIGTERM, interrupted)
    with contextlib.ExitStack() as stack:
        disk, tmpfs = stack.enter_context(scratch())
        broker, s3 = servers(disk, with_s3)
        for server in (broker, s3):
            if server is not None:
                stack.callback(server.stop)
        bench = Bench(broker, s3, disk, tmpfs, arguments)
        bench.add_program("tidemark", TIDEMARK)
        yield bench


def options(word, what):
    """A parser for what `bench/run WORD` takes, with what every benchmark takes."""
    parser = argparse.ArgumentParser(
        prog=f"bench/run {word}".rstrip(), description=f"{what}; see bench/README.md."
    )
    parser.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], help="a setting of tidemark's"
    )
    return parser


def met(reached):
    return "met" if reached else "MISSED"


def command(main):
    """Runs a benchmark's main() to the process's end."""
    try:
        sys.exit(main())
    except Failure as failure:
        sys.exit(f"bench: {failure}")


# ---- Memory -------------------------------------------------------------------------------------


@contextlib.contextmanager
def giving_way(file, ahead):
    """Shrinks the file as others in its file system grow, so that `ahead` bytes more than they have
    taken are free."""
    ended = threading.Event()
    watcher = threading.Thread(target=give_way, args=(file, ahead, ended))
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


def give_way(file, ahead, ended):
    if OTHERS is not None:
        os.sched_setaffinity(0, {OTHERS})  # this thread
    size = file.stat().st_size
    most = used(file) - ahead
    while size > 0 and not ended.wait(0.005):
        over = used(file) - most
        if over > 0:
            size = max(0, size - over)
            os.truncate(file, size)


def used(file):
    """Bytes, by all that lies in the file's file system."""
    of = os.statvfs(file)
    return (of.f_blocks - of.f_bfree) * of.f_frsize


# ---- Runs ---------------------------------------------------------------------------------------


class Bench:
    def __init__(self, broker, s3, disk, tmpfs, arguments):
        self.broker, self.s3, self.disk, self.tmpfs = broker, s3, disk, tmpfs
        self.events, self.settings = arguments.events, arguments.set
        self.programs = {}
        self.count = 0

    def add_program(self, label, path):
        """Measures a copy, so that a build meanwhile does no harm."""
        copy = self.disk / f"tidemark-{len(self.programs)}"
        shutil.copy2(path, copy)
        self.programs[label] = copy

    def environment(self):
        settings = ("AWS_", "S3_", "KAFKA_", "JOB_NAME", "OUTPUT_PATH", "CHECKPOINT_PATH")
        clean = {name: v for name, v in os.environ.items() if not name.startswith(settings)}
        return {**clean, **(self.s3.client_environment() if self.s3 else {})}

    def fill(self, topic, events, hours, partitions=PARTITIONS, start=START):
        """A topic of so many events, whose times span so many hours."""
        self.broker.create_topic(topic, partitions)
        self.generate(topic, events, hours, start)

    def generate(self, topic, events, hours, start=START):
        speed = hours * 3600 * UNPACED_PER_SECOND / events
        options = [f"--events={events}", f"--speed={speed:.6f}", f"--start={start}"]
        command = [next(iter(self.programs.values())), "generate", "--users=100000", *options]
        command += self.kafka_settings(topic)
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=self.environment()
        )
        if done.returncode != 0:
            raise Failure(f"generate: {done.stdout.decode(errors='replace')}")

    def kafka_settings(self, topic):
        settings = self.broker.settings(topic)
        return [f"--set={key}={value}" for key, value in settings.items()]

    def measure(self, command, resident=RESIDENT):
        """What measure.py says, and the command's output. `resident`: bytes that the command takes
        beside its output."""
        log = self.disk / "run.log"
        words = [str(word) for word in (MEASURED, log, *command)]
        size = self.events * BYTES_PER_EVENT + resident
        with self.memory(size) as held, giving_way(held, resident):
            done = subprocess.run(
                [sys.executable, "-I", "-S", str(MEASURE), *words],
                stdout=subprocess.PIPE,
                env=self.environment(),
                check=True,
            )
        taken = json.loads(done.stdout)
        output = log.read_text(errors="replace")
        if taken["exit"] != 0:
            raise Failure(f"{' '.join(words[2:])}: exit {taken['exit']}\n{output[-4000:]}")
        taken["cpu"] = taken["user"] + taken["system"]
        return taken, output

    @contextlib.contextmanager
    def memory(self, size):
        """A file that holds so many bytes of tmpfs, to be free at the block's end at the latest. A
        virtual machine gives pages back to its host that were free for a second or two, and to have
        them again takes longer than to write to them, which would be measured."""
        file, block = self.tmpfs / "held", bytes(MIB)
        with open(file, "wb", buffering=0) as target:
            for _ in range(size // MIB + 1):
                target.write(block)
        try:
            yield file
        finally:
            file.unlink()

    def spread(self):
        """Lets the servers run on all cores from now on."""
        for server in (self.broker, self.s3):
            for thread in Path(f"/proc/{server.process.pid}/task").iterdir():
                os.sched_setaffinity(int(thread.name), CORES)

    def floor(self, topic, mode, line=None):
        """`line`: how many bytes of each event are written."""
        target = self.tmpfs / "floor"
        arguments = [mode, target] if mode == "write" else [mode]
        if line is not None:
            arguments.append(line)
        taken, output = self.measure([FLOOR, self.broker.bootstrap_servers, topic, *arguments])
        target.unlink(missing_ok=True)
        words = output.split()
        return {
            **taken,
            "events": int(words[0]),
            "read": int(words[3]),
            "bytes": int(words[5]),
        }

    def tidemark(self, topic, program, store, settings, under=()):
        """One bounded run into an empty store; `under` is a command that runs it, as perf."""
        self.count += 1
        output, path = self.store(store)
        before = self.s3.requests() if store == "s3" else None
        more = {"name": f"bench-{self.count}", "http.listen": "127.0.0.1:0", **path, **settings}
        try:
            taken, _ = self.measure(
                [*under, self.programs[program], "run", "--bounded"]
                + self.kafka_settings(topic)
                + [f"--set={key}={value}" for key, value in more.items()]
                + [f"--set={setting}" for setting in self.settings]
            )
            requests = self.s3.requests() - before if store == "s3" else None
            events, size = published(output)
            return {**taken, "events": events, "bytes": size, "requests": requests}
        finally:
            self.clear(store)

    def store(self, kind):
        """A reader of an empty store, and the settings that name it."""
        from harness.output import BucketOutput, DirectoryOutput

        if kind == "s3":
            output = BucketOutput(self.s3, self.s3.new_bucket(), "events/")
            return output, {
                "output.path": output.path,
                "checkpoint.path": f"s3://{output.bucket}/job/",
            }
        output = DirectoryOutput(self.tmpfs / "out")
        return output, {"output.path": output.path}

    def clear(self, kind):
        """Gives the space back. S3's own way takes longer than the run did."""
        shutil.rmtree(self.tmpfs / "out", ignore_errors=True)
        if kind == "s3":
            for bucket in (self.s3.directory / "minio-data").glob("t-*"):
                shutil.rmtree(bucket, ignore_errors=True)


def published(output):
    """(events, bytes) of all files in the store's manifests; checks them against the totals of each
    partition's last manifest and against what lies in the store."""
    files, newest = {}, {}
    for manifest in output.manifests().values():
        partition = manifest["identity"]["partition"]
        files.update({file["key"]: file for file in manifest["files"]})
        if manifest["checkpoint"] >= newest.get(partition, manifest)["checkpoint"]:
            newest[partition] = manifest
    events = sum(file["events"] for file in files.values())
    totals = [total for m in newest.values() for total in m["listed"].values()]
    listed = sum(total["events"] for total in totals)
    if events != listed:
        raise Failure(f"files in manifests hold {events} events, their totals say {listed}")
    sizes = output.list()
    for key, file in files.items():
        if sizes.get(key) != file["bytes"]:
            raise Failure(f"{key}: {sizes.get(key)} bytes, its manifest says {file['bytes']}")
    return events, sum(file["bytes"] for file in files.values())


def in_turn(todo, rounds, events):
    """{name: [what each round took]}; A B C A B C, since a machine's speed drifts."""
    taken = {name: [] for name, _ in todo}
    for number in range(rounds):
        for name, run in todo:
            say(f"round {number + 1} of {rounds}: {name}")
            result = run()
            if result["events"] != events:
                raise Failure(f"{name}: {result['events']} events instead of {events}")
            taken[name].append(result)
    return taken


def median(values):
    return statistics.median(list(values))
