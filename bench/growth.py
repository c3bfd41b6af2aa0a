"""`bench/run growth`: what an event costs by partitions, by open windows and by its length."""

import random

from live import stay_aside
from rig import PARTITIONS, Failure, command, median, met, options, run_bench, say

from bench import AIMS

HOURS = 6.0
# Each window has a file in each partition, which costs by itself: few windows, and thousands of
# events in each file even of 200 partitions (50,000 events/s would give it 75,000).
PARTITION_HOURS = 0.5
PARTITION_EVENTS = 6000000
EVENTS = 2000000  # otherwise
EVEN = 1.15  # within 15 %
MOST_RATIO, _ = AIMS["directory"]
PARTITION_COUNTS = (1, 3, 20, 200)
OPEN_WINDOWS = (4, 100, 2000)
WINDOW_S = 10  # so that 6 h have 2,160 of them, however many are open at once
LENGTHS = (200, 450, 2000, 20000)
FIELDS = 130  # bytes of the three fields that tidemark adds to each line
START_MS = 1729630800000


# ---- Topics -------------------------------------------------------------------------------------


def texts(length, events):
    """Events of about this length: fields of a click, then as many attributes as fit."""
    draw = random.Random(length)
    words = [f"{draw.getrandbits(48):012x}" for _ in range(1000)]
    for i in range(events):
        user = f"user_{draw.randrange(100000):05}"
        ms = START_MS + int(i * HOURS * 3600000 / events) - draw.randrange(60000)
        event = (
            f'{{"event_id": "{draw.getrandbits(64):016x}", "user_id": "{user}", "timestamp": {ms}'
        )
        parts, left = [event], length - len(event) - 1
        while left > 30:
            part = f', "attribute_{len(parts):03}": "{draw.choice(words)}"'
            parts.append(part)
            left -= len(part)
        yield user, "".join(parts) + "}", ms


def fill_lengths(bench, topic, length, events):
    from confluent_kafka import Producer

    bench.broker.create_topic(topic, PARTITIONS)
    producer = Producer(
        {
            "bootstrap.servers": bench.broker.bootstrap_servers,
            "compression.type": "lz4",
            "linger.ms": 50,
            "batch.size": 262144,
            "partitioner": "murmur2_random",
        }
    )
    written = 0
    for key, value, ms in texts(length, events):
        while True:
            try:
                producer.produce(topic, value, key, timestamp=ms)
                break
            except BufferError:
                producer.poll(0.05)
        written += len(value)
    if producer.flush(60) > 0:
        raise Failure(f"{topic}: not all events were delivered")
    return written


# ---- Runs ---------------------------------------------------------------------------------------


def pair(bench, topic, events, settings, line):
    """One run of the floor and one of tidemark: CPU seconds per million events."""
    floor = bench.floor(topic, "write", line)
    run = bench.tidemark(topic, next(iter(bench.programs)), "directory", settings)
    for taken in (floor, run):
        if taken["events"] != events:
            raise Failure(f"{topic}: {taken['events']} events instead of {events}")
    return floor["cpu"] / events * 1e6, run["cpu"] / events * 1e6, floor["read"] / events


def table(bench, title, shapes, rounds):
    """Each shape is (name, topic, events, settings, the floor's bytes a line)."""
    taken = {name: [] for name, *_ in shapes}
    for number in range(rounds):
        for name, *shape in shapes:
            say(f"round {number + 1} of {rounds}: {name}")
            taken[name].append(pair(bench, *shape))
    print(f"\n{title}")
    print(
        f"{'':22} {'events':>10} {'floor':>8} {'tidemark':>9} {'more than floor':>16}"
        f" {'ratio to floor':>15}"
    )
    rows = []
    for name, _, events, *_ in shapes:
        floor, run = (median(r[i] for r in taken[name]) for i in (0, 1))
        more = median(r[1] - r[0] for r in taken[name])
        ratio = median(r[1] / r[0] for r in taken[name])
        length = taken[name][0][2]
        rows.append({"floor": floor, "run": run, "more": more, "ratio": ratio, "length": length})
        print(f"{name:22} {events:10,} {floor:8.3f} {run:9.3f} {more:16.3f} {ratio:15.2f}")
    return rows


def judge(what, values):
    span = max(values) / min(values)
    print(f"aim: {what} within 15 %: {met(span <= EVEN)} ({span - 1:+.0%})")


def by_partitions(bench, arguments):
    shapes = []
    for count in PARTITION_COUNTS:
        topic = f"partitions-{count}"
        say(f"filling a topic of {count} partitions")
        bench.fill(topic, bench.events, PARTITION_HOURS, partitions=count)
        shapes.append((f"{count} partitions", topic, bench.events, {}, 430))
    rows = table(bench, "CPU s per million events by partitions", shapes, arguments.rounds)
    judge("CPU per event", [row["run"] for row in rows])
    judge("ratio to the floor at the same number of partitions", [row["ratio"] for row in rows])


def by_windows(bench, arguments):
    bench.fill("windows", bench.events, HOURS)
    shapes = []
    for count in OPEN_WINDOWS:
        late = (count - 1) * WINDOW_S
        settings = {"window.size": f"{WINDOW_S}s", "window.out_of_orderness": f"{late}s"}
        shapes.append((f"{count} open windows", "windows", bench.events, settings, 430))
    rows = table(
        bench,
        f"CPU s per million events by open windows ({HOURS * 3600 / WINDOW_S:,.0f} windows in all)",
        shapes,
        arguments.rounds,
    )
    judge("CPU per event", [row["run"] for row in rows])


def by_length(bench, arguments):
    shapes = []
    for length in LENGTHS:
        topic, events = f"length-{length}", arguments.bytes // length
        say(f"filling a topic with {events:,} events of {length:,} bytes")
        fill_lengths(bench, topic, length, events)
        line = length * 430 // 450 + FIELDS  # without the blanks
        shapes.append((f"{length:,} bytes", topic, events, {}, line))
    rows = table(bench, "CPU s per million events by their length", shapes, arguments.rounds)
    for row, length in zip(rows, LENGTHS):
        print(
            f"{length:>12,} bytes: {row['run'] / row['length'] * 1e3:.2f} CPU s per GB,"
            f" the floor {row['floor'] / row['length'] * 1e3:.2f}"
        )
    # Short lines are cheaper than librdkafka's share of the floor, so ratios are not even.
    most = max(row["ratio"] for row in rows)
    verdict = met(most <= MOST_RATIO)
    print(f"aim: at no length more than {MOST_RATIO} x the floor: {verdict} ({most:.2f})")


# With how many events a topic has; those by length have as many as --bytes allows.
TABLES = {
    "partitions": (by_partitions, PARTITION_EVENTS),
    "windows": (by_windows, EVENTS),
    "length": (by_length, EVENTS),
}


def read_arguments():
    parser = options("growth", "How cost grows")
    add = parser.add_argument
    add("--events", type=int, help="events of a topic (6,000,000 by partitions, else 2,000,000)")
    add("--bytes", type=int, default=400000000, help="bytes of a topic, by length (400,000,000)")
    add("--rounds", type=int, default=3, help="how often each is run (3)")
    add("--only", choices=TABLES, help="one of the tables")
    return parser.parse_args()


def main():
    arguments = read_arguments()
    stay_aside()
    with run_bench(arguments, False) as bench:
        for name, (run, events) in TABLES.items():
            if arguments.only in (None, name):
                bench.events = arguments.events or events
                run(bench, arguments)


if __name__ == "__main__":
    command(main)
