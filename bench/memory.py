"""`bench/run memory`: the highest resident memory, whatever the job does."""

import contextlib
import threading
import time

from live import STEADY_SPEED, all_read, generator, job, stay_aside
from rig import MIB, PARTITIONS, Failure, command, in_turn, met, options, run_bench, say

BEYOND_LIMIT = 32 * MIB
MANY = {"window.size": "1s", "window.out_of_orderness": "2000s"}
# 2,160 windows, of which 2,000 are open at the end. S3 gets one partition's, as it takes many
# milliseconds for a file.
MANY_HOURS = 0.6
MANY_PARTITIONS = 200


# ---- A whole backlog ----------------------------------------------------------------------------


@contextlib.contextmanager
def consumer(output, found):
    """Counts what manifests list and takes it away, as consumers may: a backlog's output would fill
    the memory that a directory on tmpfs takes."""
    over = threading.Event()
    seen = set()

    def take():
        for key, manifest in output.manifests().items():
            if key in seen:
                continue
            seen.add(key)
            for file in manifest["files"]:
                if file["key"] in found:
                    continue
                found[file["key"]] = file["events"]
                with contextlib.suppress(FileNotFoundError):
                    output.remove(file["key"])

    def loop():
        while not over.wait(0.5):
            take()

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        take()


def drained(bench, topic, kind, settings, events):
    """Peak memory of a job that reads the whole topic and publishes all of it."""
    output, path = bench.store(kind)
    found = {}
    with consumer(output, found), job(bench, topic, {**path, **settings}) as process:
        metrics = process.wait(lambda m: all_read(m, events), "end of the topic", every=0.2)
        windows = metrics.sum("tidemark_open_windows")
        rss = process.peak_rss()
        process.drain()
        rss = max(rss, process.last_rss)
    count = sum(found.values())
    if count != events:
        raise Failure(f"manifests list {count} events instead of {events}")
    bench.clear(kind)
    return row(rss, metrics, windows)


def row(rss, metrics, windows):
    return {
        "rss": rss,
        "limit": metrics.most("tidemark_memory_limit_bytes"),
        "buffers": metrics.most("tidemark_memory_peak_bytes"),
        "windows": windows,
    }


# ---- Events that come -------------------------------------------------------------------------


def steady(bench, kind, rate, seconds):
    topic = f"steady-{bench.count}"
    bench.broker.create_topic(topic, PARTITIONS)
    output, path = bench.store(kind)
    with generator(bench, topic, rate, STEADY_SPEED) as source:
        end = time.monotonic() + seconds
        with job(bench, topic, path) as process, consumer(output, {}):
            metrics = process.wait(lambda m: time.monotonic() > end, "end of the time")
            rss = process.peak_rss()
            process.stop()
        source.stop()
        say(source.log.read_text().strip().splitlines()[-1])
    bench.clear(kind)
    bench.broker.delete_topic(topic)
    if metrics.sum("tidemark_records_read_total") < 0.9 * rate * seconds:
        say("the generator or the job did not keep up: this is no steady state")
    return row(rss, metrics, metrics.sum("tidemark_open_windows"))


# ---- The table ----------------------------------------------------------------------------------


def print_row(name, run, most):
    limit = run["limit"] + BEYOND_LIMIT
    most = min(most * MIB, limit) if most else limit
    print(
        f"{name:44} {run['windows']:13,.0f} {run['limit'] / MIB:12.0f}"
        f" {run['buffers'] / MIB:10.0f} {run['rss'] / MIB:12.0f} {most / MIB:8.0f}"
        f"  {met(run['rss'] <= most)}"
    )


def come(bench, arguments):
    run = steady(bench, "directory", arguments.rate, arguments.seconds)
    print_row(f"directory, {arguments.rate:,} events/s", run, 64)


def backlog(bench, arguments):
    bench.fill("backlog", arguments.events, 6.0)
    for kind, most in (("directory", 100), ("s3", 200)):
        say(f"{kind}: a backlog of {arguments.events:,} events")
        run = drained(bench, "backlog", kind, {}, arguments.events)
        print_row(f"{kind}, backlog of {arguments.events:,}", run, most)
    bench.broker.delete_topic("backlog")


def many_windows(bench, arguments):
    for kind, partitions in (("directory", PARTITIONS), ("s3", 1)):
        many = min(arguments.events, 2000000) // PARTITIONS * partitions
        bench.fill(f"many-{kind}", many, MANY_HOURS, partitions=partitions)
        for limit in (256, 96):
            say(f"{kind}: 2,000 open windows in each of {partitions}, memory.limit {limit} MiB")
            settings = {**MANY, "memory.limit": f"{limit}MiB"}
            run = drained(bench, f"many-{kind}", kind, settings, many)
            print_row(f"{kind}, {many:,} events in windows of 1 s", run, None)


def many_partitions(bench, arguments):
    events = min(arguments.events, 2000000)
    bench.fill("partitions", events, 0.5, partitions=MANY_PARTITIONS)
    for kind in ("directory", "s3"):
        for limit in (256, 96):
            say(f"{kind}: {MANY_PARTITIONS} partitions, memory.limit {limit} MiB")
            settings = {"memory.limit": f"{limit}MiB"}
            run = drained(bench, "partitions", kind, settings, events)
            print_row(f"{kind}, {events:,} events, {MANY_PARTITIONS} partitions", run, None)
    bench.broker.delete_topic("partitions")


ROWS = {
    "steady": come,
    "backlog": backlog,
    "windows": many_windows,
    "partitions": many_partitions,
}


def measure(bench, arguments):
    print(
        f"{'':44} {'open windows':>13} {'limit MB':>12} {'buffers MB':>10} {'peak RSS MB':>12}"
        f" {'aim MB':>8}",
        flush=True,
    )
    for name, rows in ROWS.items():
        if arguments.only in (None, name):
            rows(bench, arguments)


def compare_shapes(bench, arguments):
    """The same events in few windows and in many: a window's size must not be seen in memory."""
    shapes = {"few": 0.25, "many": 24.0}
    for shape, hours in shapes.items():
        say(f"filling a topic with {arguments.events:,} events of {hours:g} h")
        bench.fill(f"{shape}-windows", arguments.events, hours)
    todo = []
    for store in ("directory", "s3"):
        for compression in ("none", "zstd"):
            for shape, hours in shapes.items():
                settings = {"output.compression": compression}
                todo.append(
                    (
                        (store, compression, hours * 12),
                        lambda t=f"{shape}-windows", s=store, c=settings: bench.tidemark(
                            t, next(iter(bench.programs)), s, c
                        ),
                    )
                )
    taken = in_turn(todo, 1, arguments.events)
    print(f"\n{'':20} {'windows':>8} {'events a window':>15} {'peak RSS MB':>12}")
    for (store, compression, windows), (run,) in taken.items():
        print(
            f"{store + ' ' + compression:20} {windows:8g} {arguments.events / windows:15,.0f}"
            f" {run['rss'] / MIB:12.0f}"
        )


# ---- The command --------------------------------------------------------------------------------


def read_arguments():
    parser = options("memory", "Peak memory")
    add = parser.add_argument
    add("--events", type=int, default=20000000, help="events of the backlog (20,000,000)")
    add("--rate", type=int, default=50000, help="events/s of the steady state (50,000)")
    add("--seconds", type=int, default=60, help="how long it lasts (60)")
    add("--only", choices=ROWS, help="some rows of the table")
    add("--shapes", action="store_true", help="few large windows against many small ones instead")
    return parser.parse_args()


def main():
    arguments = read_arguments()
    if arguments.shapes:
        arguments.events = min(arguments.events, 2000000)
    stay_aside()
    with run_bench(arguments, True) as bench:
        (compare_shapes if arguments.shapes else measure)(bench, arguments)


if __name__ == "__main__":
    command(main)
