"""The tools that people read the files with."""

import json
import signal
import subprocess
import urllib.request

import duckdb
import pytest
from harness.processes import free_port, spawn, tail, wait_until
from harness.tidemark import BINARY

START = "2024-10-22T20:30:00Z"


def generated(kafka, make_job, store, **settings):
    topic = kafka.create_topic(partitions=2)
    j = make_job(store, topic, settings)
    j.generate(events=6000, rate=6000, speed=7200, start=START, late="1%", malformed="1%")
    j.bounded()
    return j, j.compare()


def per_hour(report):
    """{(dt, hour): events} by the oracle's account."""
    counts = {}
    for file in report.files.values():
        if file.kind == "event":
            dt, hour = file.key.split("/")[:2]
            hour = (dt[len("dt=") :], int(hour[len("hour=") :]))
            counts[hour] = counts.get(hour, 0) + len(file.lines)
    return counts


def duckdb_per_hour(directory, suffix=""):
    rows = duckdb.sql(
        f"""SELECT dt::VARCHAR, hour::INT, count(*), count(event_timestamp),
                   epoch_ms(min(event_timestamp))
            FROM read_json('{directory}/dt=*/hour=*/*.jsonl{suffix}', hive_partitioning=true)
            GROUP BY ALL"""
    ).fetchall()
    assert all(total == dated for _, _, total, dated, _ in rows)
    assert all(first // 3_600_000 % 24 == hour for _, hour, _, _, first in rows)
    return {(dt, hour): total for dt, hour, total, _, _ in rows}


@pytest.mark.parametrize("compression, suffix", [("none", ""), ("gzip", ".gz"), ("zstd", ".zst")])
def test_duckdb_reads_a_directory(kafka, make_job, directory_store, compression, suffix):
    j, report = generated(kafka, make_job, directory_store, **{"output.compression": compression})
    counts = per_hour(report)
    assert len(counts) > 1
    assert duckdb_per_hour(j.output.directory, suffix) == counts
    if compression == "gzip":
        files = [j.output.directory / key for key in report.files]
        subprocess.run(["gzip", "-t", *files], check=True)


def test_awscli_lists_and_copies_a_bucket(kafka, minio, make_job, minio_store, tmp_path):
    j, report = generated(kafka, make_job, minio_store)
    listing = minio.aws("s3", "ls", "--recursive", j.output.path).splitlines()
    listed = {line.split()[3]: int(line.split()[2]) for line in listing}
    prefix = j.output.prefix
    assert {key: file.size for key, file in report.files.items()} == {
        key[len(prefix) :]: size
        for key, size in listed.items()
        if not key.startswith(prefix + "_manifests/")
    }
    assert len(report.manifests) == len(listed) - len(report.files)
    copy = tmp_path / "copy"
    minio.aws("s3", "cp", "--recursive", "--only-show-errors", j.output.path, copy)
    assert duckdb_per_hour(copy) == per_hour(report)


def demo_says_where_it_writes(url):
    """Also where the settings are the demo's own, it shows those that it uses."""
    with urllib.request.urlopen(f"{url}/jobs") as answer:
        job = json.load(answer)["jobs"][0]["id"]
    with urllib.request.urlopen(f"{url}/jobs/{job}/config") as answer:
        settings = json.load(answer)["execution-config"]["user-config"]
    assert settings["output.path"] == "demo/out/"
    with urllib.request.urlopen(f"{url}/jobs/{job}/plan") as answer:
        assert "demo/out/" in json.load(answer)["plan"]["nodes"][1]["description"]


@pytest.mark.sanitized
def test_the_demo_runs_without_any_configuration(tmp_path):
    counts, out = [], tmp_path / "demo" / "out"
    for _ in range(2):
        before = set(out.rglob("*.jsonl"))
        log = tmp_path / "demo.log"
        listen = f"127.0.0.1:{free_port()}"
        with open(log, "wb") as stderr:
            process = spawn(
                [BINARY, "run", "--embedded", "--set", f"http.listen={listen}"],
                cwd=tmp_path,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
            )
        try:

            def published(process=process, log=log, before=before):
                assert process.poll() is None, f"ended with {process.returncode}:\n{tail(log)}"
                files = set(out.glob("dt=*/hour=*/*.jsonl"))
                return files and not files & before  # the second run removes the first one's

            wait_until(published, lambda log=log: f"files in demo/out:\n{tail(log)}", timeout=60)
            demo_says_where_it_writes(f"http://{listen}")
            process.send_signal(signal.SIGINT)
            assert process.wait(15) == 130, tail(log)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        counts.append(sum(duckdb_per_hour(out).values()))
    assert all(counts)
