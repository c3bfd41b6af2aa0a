"""Where the time of a run goes: the stages alone, and a profile."""

import shutil
import subprocess

from rig import PROGRAMS, Failure, median, say

REPEATS = 3  # of each stage in each round
TOP = 15

# (what the program calls it, what it is)
ROWS = [
    ("parse", "event_parse"),
    ("window", "partition_place, partition_advance"),
    ("append", "the line into its chunk (together less the other three)"),
    ("crc", "CRC-32C of the chunk"),
    ("together", "the four as the worker does them"),
    ("zstd", "the chunk compressed"),
    ("gzip", "the chunk compressed"),
    ("send-files", "parts, sync and Complete into the directory, tmpfs"),
    ("send-s3", "the same into MinIO"),
]


def run_stages(bench, hours):
    """The stages' nanoseconds an event, as one run of the benchmark's."""
    _, directory = bench.store("directory")
    _, s3 = bench.store("s3")
    stores = [directory["output.path"], s3["output.path"]]
    try:
        command = [PROGRAMS / "stages" / "stages", bench.events, hours, REPEATS, *stores]
        taken, output = bench.measure(command)
    finally:
        bench.clear("s3")
    topic, timed, *stages = [line.split() for line in output.splitlines()]
    return {
        **taken,
        "events": int(topic[2]),
        "read": int(topic[4]),
        "timed": int(timed[1]),
        "ns": {name: float(middle) for name, middle, _, _ in stages},
    }


def print_stages(runs, floor):
    """`floor` has what floor count took."""
    if any(run["read"] != f["read"] for run, f in zip(runs, floor)):
        raise Failure("the stages' events are not those of the topic")
    print(f"\nstages alone, {runs[0]['timed']:,} events, median of {len(runs)}: ns of CPU an event")
    print_row("consume", [f["cpu"] / f["events"] * 1e9 for f in floor], "all of floor count")
    for name, what in ROWS:
        print_row(name, [run["ns"][name] for run in runs], what)


def print_row(name, ns, what):
    spread = f"({min(ns):.0f}-{max(ns):.0f})"
    print(f"{name:12} {median(ns):8.1f} {spread:>12}  {what}")


def print_profile(bench, run):
    """`run` runs tidemark under the command that it is given."""
    perf, data = shutil.which("perf"), bench.disk / "perf.data"
    record = ["record", "-q", "-F", "1999", "-e", "cpu-clock", "-o", data]
    probe = [perf, *record, "--", "true"]
    if perf is None or subprocess.run(probe, capture_output=True).returncode != 0:
        print("\nno profile: there is no perf that may record here")
        return
    say("profile of a run into the directory")
    run([perf, *record, "--"])
    report = ["report", "-q", "-i", data, "--stdio", "--no-children"]
    report += ["-F", "overhead,dso,symbol"]
    done = subprocess.run([perf, *report], stdout=subprocess.PIPE, text=True, check=True)
    lines = [line.rstrip() for line in done.stdout.splitlines() if "%" in line]
    print(
        f"\nprofile of a run into the directory (perf, cpu-clock), the first {TOP} of all symbols"
    )
    print("\n".join(lines[:TOP]))
