"""`bench/run start`: how soon a process works, when it is new and after it was killed."""

import time

from live import STORES, at_the_head, clear, generator, job, stay_aside, store
from rig import BYTES_PER_EVENT, PARTITIONS, command, median, met, options, run_bench, say

FIRST_RECORD_MS = 100
BACK_S = {"directory": 5, "S3": 10}
LOOK_S = 32  # longer than checkpoint.interval
OPEN_S = 900  # event time that the open windows span: their size and the out-of-orderness
# What the next process may write until it is back, in events: those it reads, and copies.
WARM = 6000000
LATER = "2024-10-23T09:00:00Z"


# ---- To the first record ------------------------------------------------------------------------


def first_record(bench, topic, settings):
    """ms from just before the process is made to its log line `first_records`."""
    with job(bench, topic, settings) as process:
        took = process.event("first_records") - process.began
        process.stop()
    return took * 1000


def starts(bench, rounds):
    taken = {(kind, how): [] for kind in STORES for how in ("new", "again")}
    bench.fill("some", 30000, 1.0)
    for number in range(rounds):
        say(f"start {number + 1} of {rounds}")
        for kind in STORES:
            settings = store(bench, kind)
            taken[kind, "new"].append(first_record(bench, "some", settings))
            bench.generate("some", 3000, 0.1, LATER)
            taken[kind, "again"].append(first_record(bench, "some", settings))
            clear(bench, kind)
    print(f"from the process's start to the first records processed, {rounds} starts")
    print(f"{'':22} {'median ms':>10} {'lowest':>8} {'highest':>8}")
    for (kind, how), values in taken.items():
        name = f"{kind}, " + ("no checkpoint yet" if how == "new" else "goes on")
        print(f"{name:32} {median(values):10.0f} {min(values):8.0f} {max(values):8.0f}")
    worst = max(median(values) for values in taken.values())
    print(f"aim: under {FIRST_RECORD_MS} ms: {met(worst < FIRST_RECORD_MS)}")


# ---- After kill -9 ------------------------------------------------------------------------------


def open_windows(bench, topic, events):
    """A topic of the last 15 minutes' events, so many that the job has to read again the most that
    checkpoint.max_replay lets it."""
    say(f"filling a topic with {events:,} events of the last {OPEN_S // 60} minutes")
    begin = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - OPEN_S))
    bench.fill(topic, events, OPEN_S / 3600, start=begin)


def to_read_again(metrics):
    behind = metrics.sum("tidemark_position") - metrics.sum("tidemark_replay_from")
    return int(behind)


def unsaved(metrics):
    """Seconds of records in no checkpoint, of all partitions together."""
    return metrics.sum("tidemark_unsaved_seconds")


def at_the_worst(process):
    """Waits until about as much is unsaved as lately at most; returns the metrics of then. What was
    seen counts less and less: partitions' checkpoints drift apart, and may never be due together
    again."""
    most, end = 0.0, time.monotonic() + LOOK_S

    def is_worst(metrics):
        nonlocal most
        most = max(0.998 * most, unsaved(metrics))
        enough = time.monotonic() > end and unsaved(metrics) > 0.95 * most
        return enough and at_the_head(metrics, PARTITIONS)

    return process.wait(is_worst, "moment just before a checkpoint", every=0.1)


def is_covered(metrics, seconds):
    """There was a checkpoint of each partition since so many seconds ago."""
    ages = metrics.all("tidemark_checkpoint_age_seconds")
    return len(ages) == PARTITIONS and max(ages) < seconds


def kill_and_return(bench, kind, events, rate):
    topic = f"open-{bench.count}"  # its own, since more comes to it
    open_windows(bench, topic, events)
    say(f"{kind}: reading all, {rate:,} events/s, kill -9")
    settings = store(bench, kind)
    with generator(bench, topic, rate) as source:
        with bench.memory(WARM * BYTES_PER_EVENT), job(bench, topic, settings) as process:
            process.wait(lambda m: at_the_head(m, PARTITIONS), "lag of none", every=0.25)
            since = time.time()
            process.wait(
                lambda m: is_covered(m, time.time() - since), "checkpoint there", every=0.25
            )
            before = at_the_worst(process)
            process.kill()
        with job(bench, topic, settings) as process:
            ready = process.wait(lambda m: at_the_head(m, PARTITIONS), "lag of none", every=0.02)
            took = time.time() - process.began
            read = ready.sum("tidemark_records_read_total")
            cpu = process.cpu()
            process.stop()
        source.stop()
        say(source.log.read_text().strip().splitlines()[-1])
    clear(bench, kind)
    bench.broker.delete_topic(topic)
    windows = before.most("tidemark_open_windows")
    return {
        "took": took,
        "again": to_read_again(before),
        "read": read,
        "cpu": cpu,
        "windows": windows,
    }


def recoveries(bench, events, rate, rounds):
    taken = {kind: [] for kind in STORES}
    for _ in range(rounds):
        for kind in STORES:
            taken[kind].append(kill_and_return(bench, kind, events, rate))
            say(f"{kind}: back after {taken[kind][-1]['took']:.1f} s")
    print(
        f"\nfrom the new process's start until it is at the head again, after kill -9 just before a"
        f" checkpoint;\nwindows of {OPEN_S // 60} minutes are open, {rate:,} events/s go on coming;"
        f" median of {rounds}"
    )
    print(
        f"{'':12} {'seconds':>18} {'aim':>6} {'records behind':>15} {'records read':>13}"
        f" {'CPU s':>7} {'open windows':>13}"
    )
    for kind, runs in taken.items():
        took = [run["took"] for run in runs]
        seconds = f"{median(took):.1f} ({min(took):.1f}-{max(took):.1f})"
        print(
            f"{kind:12} {seconds:>18} {BACK_S[kind]:>5}s"
            f" {median(run['again'] for run in runs):15,.0f}"
            f" {median(run['read'] for run in runs):13,.0f}"
            f" {median(run['cpu'] for run in runs):7.1f}"
            f" {median(run['windows'] for run in runs):13.0f}"
            f"  {met(median(took) < BACK_S[kind])}"
        )


def read_arguments():
    parser = options("start", "How soon a process works")
    add = parser.add_argument
    add("--rounds", type=int, default=10, help="how many starts of each kind (10)")
    add("--events", type=int, default=12000000, help="events in the open windows (12,000,000)")
    add("--rate", type=int, default=100000, help="events/s that come meanwhile (100,000)")
    add("--kills", type=int, default=3, help="how many kills of each store's job (3)")
    add("--only", choices=("first", "recovery"), help="one of the two tables")
    return parser.parse_args()


def main():
    arguments = read_arguments()
    stay_aside()
    with run_bench(arguments, True) as bench:
        if arguments.only != "recovery":
            starts(bench, arguments.rounds)
        if arguments.only != "first":
            # The server of S3 alone needs more than half a core for what a job writes that has a
            # minute to catch up.
            bench.spread()
            recoveries(bench, arguments.events, arguments.rate, arguments.kills)


if __name__ == "__main__":
    command(main)
