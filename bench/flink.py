"""tidemark beside the Flink job of bench/flink, each on one core, in turn over the same topic."""

import json
import shutil
from datetime import datetime

from rig import (
    MIB,
    PARTITIONS,
    ROOT,
    Failure,
    command,
    in_turn,
    median,
    met,
    options,
    run_bench,
    say,
)

JOB = ROOT / "build" / "flink"
# Java 17 keeps Flink's serializers out of these otherwise.
OPEN = (
    "java.util",
    "java.lang",
    "java.time",
    "java.util.concurrent",
    "java.util.concurrent.atomic",
)

RESIDENT = 2 << 30  # with the state, which is on tmpfs too
LEAST_RATE, MOST_CPU, MOST_MEMORY = 20, 1 / 24, 1 / 10


def run_flink(bench, topic):
    """One run, all of whose events were written, late or rejected."""
    out = bench.tmpfs / "out"
    words = ["java", *(f"--add-opens=java.base/java.{package}=ALL-UNNAMED" for package in OPEN)]
    words += ["-cp", f"{JOB}/classes:{JOB}/lib/*", "tidemark.bench.Job"]
    words += [bench.broker.bootstrap_servers, topic, f"file://{out}/events", f"file://{out}/state"]
    try:
        taken, output = bench.measure(words, RESIDENT)
        job = json.loads(output.splitlines()[-1])
        lines, size = written(out / "events")
    finally:
        shutil.rmtree(out, ignore_errors=True)
    if lines + job["late"] + job["rejected"] != job["read"]:
        raise Failure(f"Flink read {job['read']} events and wrote {lines}: {job}")
    first, last = job["first_ms"] / 1e3, job["last_ms"] / 1e3
    return {
        **taken,
        "events": job["read"],
        "bytes": size,
        "start": first - taken["began"],
        "steady": job["read"] / (last - first),
        "note": f"late {job['late']}, rejected {job['rejected']}, written {lines}",
    }


def written(directory):
    """(lines, bytes) of all finished files; a name that begins with a dot is one that is not."""
    lines = size = 0
    for file in directory.rglob("*"):
        if file.is_file() and not file.name.startswith("."):
            data = file.read_bytes()
            lines, size = lines + data.count(b"\n"), size + len(data)
    return lines, size


def run_tidemark(bench, topic):
    taken = bench.tidemark(topic, "tidemark", "directory", {"log.format": "json"})
    log = (bench.disk / "run.log").read_text()
    entries = [json.loads(line) for line in log.splitlines()]
    told = next(entry["time"] for entry in entries if entry["event"] == "first_records")
    first = datetime.fromisoformat(told.replace("Z", "+00:00")).timestamp()
    start = first - taken["began"]
    # Its end is the process's: the last file is published and a last checkpoint put.
    return {
        **taken,
        "start": start,
        "steady": taken["events"] / (taken["wall"] - start),
        "note": f"written {taken['events']}",
    }


def print_comparison(taken):
    print(
        f"{'':10} {'events/s':>9} {'steady':>9} {'start s':>8} {'CPU s per M':>11}"
        f" {'peak RSS MB':>11} {'MB written':>10}"
    )
    for name, runs in taken.items():
        print(
            f"{name:10} {median(r['events'] / r['wall'] for r in runs):9,.0f}"
            f" {median(r['steady'] for r in runs):9,.0f} {median(r['start'] for r in runs):8.2f}"
            f" {median(r['cpu'] / r['events'] for r in runs) * 1e6:11.3f}"
            f" {median(r['rss'] for r in runs) / MIB:11.0f}"
            f" {median(r['bytes'] for r in runs) / 1e6:10,.0f}  {runs[-1]['note']}"
        )
    print("\ntidemark against Flink, by round: median (lowest-highest)")
    pairs = list(zip(taken["tidemark"], taken["flink"]))
    whole = [f["wall"] / t["wall"] for t, f in pairs]
    steady = [t["steady"] / f["steady"] for t, f in pairs]
    cpu = [f["cpu"] / t["cpu"] for t, f in pairs]
    memory = [f["rss"] / t["rss"] for t, f in pairs]
    row("events/s, whole process", whole, LEAST_RATE)
    row("events/s, steady", steady, LEAST_RATE)
    row("CPU, 1 of", cpu, 1 / MOST_CPU)
    row("peak memory, 1 of", memory, 1 / MOST_MEMORY)


def row(name, ratios, least):
    verdict = met(median(ratios) >= least)
    print(
        f"{name:24} {median(ratios):6.1f} ({min(ratios):.1f}-{max(ratios):.1f})"
        f"  aim: at least {least:g}: {verdict}"
    )


def compare(bench, arguments):
    say(f"filling a topic of {PARTITIONS} partitions with {arguments.events:,} events")
    bench.fill("clicks", arguments.events, arguments.hours)
    todo = [
        ("tidemark", lambda: run_tidemark(bench, "clicks")),
        ("flink", lambda: run_flink(bench, "clicks")),
    ]
    taken = in_turn(todo, arguments.rounds, arguments.events)
    print(
        f"{arguments.events:,} events of {arguments.hours:g} h, {PARTITIONS} partitions, one core,"
        f" directories on tmpfs, median of {arguments.rounds}"
    )
    print_comparison(taken)


def main():
    parser = options("flink", "Measures tidemark beside Flink")
    add = parser.add_argument
    add("--events", type=int, default=2000000, help="events in the topic (2,000,000)")
    add("--rounds", type=int, default=5, help="how often each is run (5)")
    add("--hours", type=float, default=6.0, help="event time that they span (6)")
    arguments = parser.parse_args()
    with run_bench(arguments, with_s3=False) as bench:
        compare(bench, arguments)


if __name__ == "__main__":
    command(main)
