"""The benchmark that bench/run starts: servers, topic, runs in turn, one table."""

import argparse
import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FLOOR = ROOT / "build" / "bench" / "floor"
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

LIMIT_RATIO = 1.6
LIMIT_RSS = 200 * MIB


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

    def fill(self, topic, events, hours):
        """A topic of so many events, whose times span so many hours."""
        self.broker.create_topic(topic, PARTITIONS)
        speed = hours * 3600 * UNPACED_PER_SECOND / events
        options = [f"--events={events}", f"--speed={speed:.6f}", f"--start={START}"]
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

    def measure(self, command):
        """What measure.py says, and the command's output."""
        self.warm()
        log = self.disk / "run.log"
        words = [str(word) for word in (MEASURED, log, *command)]
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

    def warm(self):
        """Touches the memory that a run's output will take. In a virtual machine, pages that were
        free for seconds may have to come from the host again, which would be measured."""
        file, block = self.tmpfs / "warm", bytes(MIB)
        with open(file, "wb", buffering=0) as target:
            for _ in range(self.events * BYTES_PER_EVENT // MIB + 1):
                target.write(block)
        file.unlink()

    def floor(self, topic, mode):
        target = self.tmpfs / "floor"
        arguments = [mode, target] if mode == "write" else [mode]
        taken, output = self.measure([FLOOR, self.broker.bootstrap_servers, topic, *arguments])
        target.unlink(missing_ok=True)
        words = output.split()
        return {**taken, "events": int(words[0]), "bytes": int(words[5])}

    def tidemark(self, topic, program, store, settings):
        self.count += 1
        output, path = self.store(store)
        more = {"name": f"bench-{self.count}", "http.listen": "127.0.0.1:0", **path, **settings}
        try:
            taken, _ = self.measure(
                [self.programs[program], "run", "--bounded", *self.kafka_settings(topic)]
                + [f"--set={key}={value}" for key, value in more.items()]
                + [f"--set={setting}" for setting in self.settings]
            )
            events, size = published(output)
            return {**taken, "events": events, "bytes": size}
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


# ---- The comparison -----------------------------------------------------------------------------


def cases(bench, topic, compare, only):
    """[(name, function that runs it once)], the floor first."""
    result = [
        ("floor count", lambda: bench.floor(topic, "count")),
        ("floor write", lambda: bench.floor(topic, "write")),
    ]
    stores = [
        ("directory", "directory", "none"),
        ("S3", "s3", "none"),
        ("directory zstd", "directory", "zstd"),
        ("directory gzip", "directory", "gzip"),
    ]
    for name, store, compression in stores:
        if only and name not in only:
            continue
        for program in bench.programs:
            label = f"{name}, {program}" if compare else f"tidemark {name}"
            settings = {"output.compression": compression}
            result.append(
                (
                    label,
                    lambda p=program, s=store, c=settings: bench.tidemark(topic, p, s, c),
                )
            )
    return result


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


def print_table(taken, events):
    base = [run["cpu"] for run in taken["floor write"]]
    print(
        f"{'':24} {'events/s':>10} {'CPU s per M':>11} {'of it sys':>9}"
        f" {'ratio to floor write':>22} {'peak RSS MB':>11} {'MB written':>10}"
    )
    for name, runs in taken.items():
        # Of each round, so that a slow minute of the machine hits both sides.
        ratios = [run["cpu"] / b for run, b in zip(runs, base)]
        spread = f"{median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
        print(
            f"{name:24} {events / median(r['wall'] for r in runs):10,.0f}"
            f" {median(r['cpu'] for r in runs) / events * 1e6:11.3f}"
            f" {median(r['system'] for r in runs) / events * 1e6:9.3f}"
            f" {spread:>22} {max(r['rss'] for r in runs) / MIB:11.0f}"
            f" {median(r['bytes'] for r in runs) / MB:10,.0f}"
        )


def compare_speed(bench, arguments):
    say(f"filling a topic of {PARTITIONS} partitions with {arguments.events:,} events")
    bench.fill("clicks", arguments.events, arguments.hours)
    todo = cases(bench, "clicks", len(bench.programs) > 1, arguments.only)
    taken = in_turn(todo, arguments.rounds, arguments.events)
    print(
        f"{arguments.events:,} events of {arguments.hours:g} h, {PARTITIONS} partitions,"
        f" median of {arguments.rounds}"
    )
    print_table(taken, arguments.events)
    print(f"aims: directory at most {LIMIT_RATIO}, peak RSS under {LIMIT_RSS // MIB} MB")


# ---- Memory -------------------------------------------------------------------------------------


def compare_memory(bench, arguments):
    """The same events in few windows and in many: a window's size must not be seen in memory."""
    shapes = {"few": 0.25, "many": 24.0}
    for shape, hours in shapes.items():
        say(f"filling a topic with {arguments.events:,} events of {hours:g} h")
        bench.fill(shape, arguments.events, hours)
    todo = []
    for store in ("directory", "s3"):
        for compression in ("none", "zstd"):
            for shape, hours in shapes.items():
                settings = {"output.compression": compression}
                todo.append(
                    (
                        f"{store} {compression}, {hours * 12:g} windows",
                        lambda t=shape, s=store, c=settings: bench.tidemark(
                            t, next(iter(bench.programs)), s, c
                        ),
                    )
                )
    taken = in_turn(todo, arguments.rounds, arguments.events)
    print(f"{arguments.events:,} events, {PARTITIONS} partitions, {arguments.rounds} runs")
    print(f"{'':28} {'events a window':>15} {'peak RSS MB':>11} {'CPU s per M':>11}")
    for name, runs in taken.items():
        windows = float(name.split(", ")[1].split()[0])
        print(
            f"{name:28} {arguments.events / windows:15,.0f}"
            f" {max(r['rss'] for r in runs) / MIB:11.0f}"
            f" {median(r['cpu'] for r in runs) / arguments.events * 1e6:11.3f}"
        )
    worst = max(run["rss"] for runs in taken.values() for run in runs)
    print(f"aim: under {LIMIT_RSS // MIB} MB; worst {worst / MIB:.0f} MB")
    return 0 if worst < LIMIT_RSS else 1


# ---- The command --------------------------------------------------------------------------------


def read_arguments():
    parser = argparse.ArgumentParser(
        prog="bench/run", description="Measures tidemark against the floor; see bench/README.md."
    )
    add = parser.add_argument
    add("--events", type=int, help="events in the topic (2,000,000)")
    add("--rounds", type=int, help="how often each is run (5)")
    add("--hours", type=float, default=6.0, help="event time that they span (6)")
    add("--quick", action="store_true", help="300,000 events, one round: does it work at all?")
    add("--memory", action="store_true", help="peak memory by events a window instead")
    add("--set", metavar="KEY=VALUE", action="append", default=[], help="a setting of tidemark's")
    add("--only", metavar="CASE", action="append", help="'directory', 'S3', 'directory zstd', ...")
    add(
        "--compare",
        metavar="LABEL=BINARY",
        action="append",
        default=[],
        help="another build to run beside build/tidemark",
    )
    arguments = parser.parse_args()
    arguments.events = arguments.events or (300000 if arguments.quick else 2000000)
    arguments.rounds = arguments.rounds or (1 if arguments.quick or arguments.memory else 5)
    return arguments


def interrupted(number, _):
    raise SystemExit(128 + number)


def main():
    arguments = read_arguments()
    signal.signal(signal.SIGTERM, interrupted)
    with contextlib.ExitStack() as stack:
        disk, tmpfs = stack.enter_context(scratch())
        with_s3 = arguments.memory or not arguments.only or "S3" in arguments.only
        broker, s3 = servers(disk, with_s3)
        for server in (broker, s3):
            if server is not None:
                stack.callback(server.stop)
        bench = Bench(broker, s3, disk, tmpfs, arguments)
        bench.add_program("tidemark", TIDEMARK)
        for other in arguments.compare:
            label, path = other.split("=", 1)
            bench.add_program(label, path)
        run = compare_memory if arguments.memory else compare_speed
        return run(bench, arguments)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failure as failure:
        sys.exit(f"bench: {failure}")
