"""`bench/run checkpoint`: what checkpoints do to processing, and how large they are."""

import statistics
import time

from live import STEADY_SPEED, STORES, all_read, clear, generator, job, stay_aside, store
from rig import PARTITIONS, Failure, command, met, options, run_bench, say

DRAIN, STEADY, MANY = "drain", "steady", "steady, 200 partitions"
INTERVALS = {
    "every 1 s": {"checkpoint.interval": "1s", "checkpoint.min_pause": "1s"},
    "every 1 h": {"checkpoint.interval": "1h", "checkpoint.min_pause": "1h"},
    "every 30 s": {},
}
STEADIES = (
    ("directory", STEADY, PARTITIONS),
    ("S3", STEADY, PARTITIONS),
    ("directory", MANY, 200),
)
LIMITS = {DRAIN: 64 * 1024, STEADY: 10 * 1024, MANY: 10 * 1024}
TURNS = "tidemark_turn_duration_seconds"


class Largest:
    """Follows a job's metrics and keeps the largest checkpoint that was seen."""

    def __init__(self, condition):
        self.condition, self.bytes = condition, 0.0

    def __call__(self, metrics):
        self.bytes = max(self.bytes, metrics.most("tidemark_checkpoint_size_bytes"))
        return self.condition(metrics)


def drained(bench, kind, settings, events):
    """A job reads the whole topic; what its turns and checkpoints were like."""
    largest = Largest(lambda m: all_read(m, events))
    with job(bench, "clicks", {**store(bench, kind), **settings}) as process:
        metrics = process.wait(largest, "end of the topic", every=0.25)
        process.stop()
    clear(bench, kind)
    return turns_of(metrics, largest.bytes)


def steady(bench, kind, settings, rate, seconds, partitions):
    """The same where events come at a rate."""
    topic = f"steady-{bench.count}"
    bench.fill(topic, 100 * partitions, 0.1, partitions)  # until then the broker makes its logs
    with generator(bench, topic, rate, STEADY_SPEED) as source:
        end = time.monotonic() + seconds
        largest = Largest(lambda m: time.monotonic() > end)
        with job(bench, topic, {**store(bench, kind), **settings}) as process:
            metrics = process.wait(largest, "end of the time", every=0.25)
            process.stop()
        source.stop()
        say(source.log.read_text().strip().splitlines()[-1])
    clear(bench, kind)
    bench.broker.delete_topic(topic)
    if metrics.sum("tidemark_records_read_total") < 0.9 * rate * seconds:
        say("the generator or the job did not keep up: this is no steady state")
    return turns_of(metrics, largest.bytes)


def turns_of(metrics, size):
    buckets = metrics.histogram(TURNS)
    count = buckets[-1][1]
    if count == 0:
        raise Failure("there were no turns")
    return {
        "turns": count,
        "p50": quantile(buckets, 0.5),
        "p99.9": quantile(buckets, 0.999),
        "longest": quantile(buckets, 1),
        "above": count - max(n for bound, n in buckets if bound <= 0.05),
        "checkpoints": metrics.sum("tidemark_checkpoints_total"),
        "bytes": size,
    }


def quantile(buckets, share):
    """The bound of the bucket that it lies in: no more than 1.7 times as long."""
    return next(bound for bound, n in buckets if n >= share * buckets[-1][1])


def print_row(name, run):
    print(
        f"{name:47} {run['turns']:8,.0f} {run['p50'] * 1e3:7g} {run['p99.9'] * 1e3:8g}"
        f" {run['longest'] * 1e3:8g} {run['above']:8.0f} {run['checkpoints']:12.0f}"
        f" {run['bytes'] / 1024:8.1f}"
    )


def compare(bench, arguments):
    """{(store, drain or steady, interval): [what each round took]}"""
    bench.fill("clicks", arguments.events, 6.0)
    taken = {}
    for number in range(arguments.rounds):
        for kind in STORES:
            for name, settings in INTERVALS.items():
                say(f"round {number + 1} of {arguments.rounds}: {kind}, checkpoints: {name}")
                run = drained(bench, kind, settings, arguments.events)
                taken.setdefault((kind, DRAIN, name), []).append(run)
    for kind, how, partitions in STEADIES:
        for number in range(arguments.rounds):
            for name, settings in INTERVALS.items():
                say(
                    f"round {number + 1} of {arguments.rounds}: {kind}, checkpoints: {name},"
                    f" {arguments.rate:,} events/s, {partitions} partitions"
                )
                run = steady(bench, kind, settings, arguments.rate, arguments.seconds, partitions)
                taken.setdefault((kind, how, name), []).append(run)
    return taken


def noticed(often, never):
    """Whether checkpoints made the p99.9 longer than it is in any of the rounds without: a few
    turns make it, and what else runs on the machine lengthens some of them in each round."""
    return statistics.median(run["p99.9"] for run in often) > max(run["p99.9"] for run in never)


def print_all(taken, arguments):
    print(
        f"steady: {arguments.rate:,} events/s for {arguments.seconds} s\n"
        f"{'':47} {'turns':>8} {'p50 ms':>7} {'p99.9 ms':>8} {'longest':>8} {'>50 ms':>8}"
        f" {'checkpoints':>12} {'KB each':>8}"
    )
    for (kind, how, name), runs in taken.items():
        for run in runs:
            print_row(f"{kind}, {how}, {name}", run)
    print("\ntimes are the upper bounds of the histogram's buckets; KB: the largest of a partition")
    for kind, how in dict.fromkeys((kind, how) for kind, how, _ in taken):
        size = max(run["bytes"] for name in INTERVALS for run in taken[kind, how, name])
        longer = noticed(taken[kind, how, "every 1 s"], taken[kind, how, "every 1 h"])
        print(
            f"aims, {kind}, {how}: p99.9 of a turn no longer by checkpoints: {met(not longer)};"
            f" a checkpoint under {LIMITS[how] // 1024} KB: {met(size < LIMITS[how])}"
        )


def read_arguments():
    parser = options("checkpoint", "What checkpoints cost")
    add = parser.add_argument
    add("--events", type=int, default=5000000, help="events of the drain (5,000,000)")
    add("--rounds", type=int, default=3, help="how often each is run (3)")
    add("--rate", type=int, default=50000, help="events/s of the steady state (50,000)")
    add("--seconds", type=int, default=30, help="how long it lasts (30)")
    return parser.parse_args()


def main():
    arguments = read_arguments()
    stay_aside()
    with run_bench(arguments, True) as bench:
        print_all(compare(bench, arguments), arguments)


if __name__ == "__main__":
    command(main)
