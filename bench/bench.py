"""The benchmark that bench/run starts: tidemark beside the floor, its stages alone, a profile."""

from rig import (
    MB,
    MIB,
    PARTITIONS,
    command,
    in_turn,
    median,
    met,
    options,
    run_bench,
    say,
)
from stage_table import print_profile, print_stages, run_stages

COMPRESSIONS = ("none", "zstd", "gzip")
# {case without compression: most CPU as a multiple of floor write, most memory}
AIMS = {"directory": (1.25, 100 * MIB), "S3": (1.5, 200 * MIB)}
STAGES = "stages"


# ---- The comparison -----------------------------------------------------------------------------


def cases(bench, topic, arguments):
    """[(name, function that runs it once)], the floor first."""
    result = [
        ("floor count", lambda: bench.floor(topic, "count")),
        ("floor write", lambda: bench.floor(topic, "write")),
    ]
    for store in AIMS:
        for compression in COMPRESSIONS:
            name = store if compression == "none" else f"{store} {compression}"
            if arguments.only and name not in arguments.only:
                continue
            for program in bench.programs:
                label = f"{name}, {program}" if arguments.compare else name
                result.append((label, runner(bench, topic, program, store, compression)))
    if not arguments.only or STAGES in arguments.only:
        result.append((STAGES, lambda: run_stages(bench, arguments.hours)))
    return result


def runner(bench, topic, program, store, compression):
    settings = {"output.compression": compression}
    return lambda under=(): bench.tidemark(topic, program, store.lower(), settings, under)


def print_table(taken, events):
    base = [run["cpu"] for run in taken["floor write"]]
    print(
        f"{'':24} {'events/s':>10} {'CPU s per M':>11} {'of it sys':>9}"
        f" {'ratio to floor write':>22} {'peak RSS MB':>11} {'MB written':>10} {'requests':>8}"
    )
    for name, runs in taken.items():
        # Of each round, so that a slow minute of the machine hits both sides.
        ratios = [run["cpu"] / b for run, b in zip(runs, base)]
        requests = [run["requests"] for run in runs if run.get("requests") is not None]
        print(
            f"{name:24} {events / median(r['wall'] for r in runs):10,.0f}"
            f" {median(r['cpu'] for r in runs) / events * 1e6:11.3f}"
            f" {median(r['system'] for r in runs) / events * 1e6:9.3f}"
            f" {spread(ratios):>22} {max(r['rss'] for r in runs) / MIB:11.0f}"
            f" {median(r['bytes'] for r in runs) / MB:10,.0f}"
            f" {f'{median(requests):,.0f}' if requests else '-':>8}"
        )


def spread(values):
    return f"{median(values):.2f} ({min(values):.2f}-{max(values):.2f})"


def print_compression(taken, stages, events):
    """What compressing adds to a run, beside what the compressor takes for the same chunks."""
    print("\ncompression: CPU s per M that it adds to the run without; of the compressor alone")
    for store in AIMS:
        for compression in COMPRESSIONS[1:]:
            name = f"{store} {compression}"
            if store not in taken or name not in taken:
                continue
            pairs = zip(taken[name], taken[store])
            added = [(run["cpu"] - plain["cpu"]) / events * 1e6 for run, plain in pairs]
            alone = [run["ns"][compression] / 1e3 for run in stages]
            verdict = met(median(added) <= median(alone))
            print(f"{name:24} {spread(added):>22} {spread(alone):>22}  aim: no more: {verdict}")


def print_aims(taken):
    base = [run["cpu"] for run in taken["floor write"]]
    print()
    for name, (most_ratio, most_rss) in AIMS.items():
        if name not in taken:
            continue
        ratio = median(run["cpu"] / b for run, b in zip(taken[name], base))
        rss = max(run["rss"] for run in taken[name])
        print(
            f"aims, {name}: CPU at most {most_ratio} x floor write: {met(ratio <= most_ratio)};"
            f" peak RSS under {most_rss // MIB} MB: {met(rss < most_rss)}"
        )


def compare_speed(bench, arguments):
    say(f"filling a topic of {PARTITIONS} partitions with {arguments.events:,} events")
    bench.fill("clicks", arguments.events, arguments.hours)
    todo = cases(bench, "clicks", arguments)
    taken = in_turn(todo, arguments.rounds, arguments.events)
    stages = taken.pop(STAGES, None)
    print(
        f"{arguments.events:,} events of {arguments.hours:g} h, {PARTITIONS} partitions,"
        f" median of {arguments.rounds}; requests: of S3's, as MinIO counts them"
    )
    print_table(taken, arguments.events)
    print_aims(taken)
    if stages:
        print_compression(taken, stages, arguments.events)
        print_stages(stages, taken["floor count"])
        program = next(iter(bench.programs))
        print_profile(bench, runner(bench, "clicks", program, "directory", "none"))


# ---- The command --------------------------------------------------------------------------------


def read_arguments():
    parser = options("", "Measures tidemark against the floor")
    add = parser.add_argument
    add("--events", type=int, help="events in the topic (5,000,000)")
    add("--rounds", type=int, help="how often each is run (5)")
    add("--hours", type=float, default=6.0, help="event time that they span (6)")
    add("--quick", action="store_true", help="300,000 events, one round: does it work at all?")
    add(
        "--only",
        metavar="CASE",
        action="append",
        help="'directory', 'S3', 'S3 zstd', ..., 'stages'",
    )
    add(
        "--compare",
        metavar="LABEL=BINARY",
        action="append",
        default=[],
        help="another build to run beside build/tidemark",
    )
    arguments = parser.parse_args()
    arguments.events = arguments.events or (300000 if arguments.quick else 5000000)
    arguments.rounds = arguments.rounds or (1 if arguments.quick else 5)
    return arguments


def main():
    arguments = read_arguments()
    only = arguments.only or ["S3"]
    with_s3 = any(word.startswith("S3") for word in only) or STAGES in only
    with run_bench(arguments, with_s3) as bench:
        for other in arguments.compare:
            label, path = other.split("=", 1)
            bench.add_program(label, path)
        return compare_speed(bench, arguments)


if __name__ == "__main__":
    command(main)
