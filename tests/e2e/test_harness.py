"""The tests' own servers and readers do what the other tests take for granted."""

import gzip
import signal
import stat

import harness.processes
import harness.tidemark
import pytest
import yaml
import zstandard
from botocore.exceptions import ClientError
from confluent_kafka import KafkaException


def test_records_go_round(kafka):
    topic = kafka.create_topic(partitions=2)
    records = [
        (b"a", b"one", 1000, 0),
        (None, None, 2000, 1),
        (b"c", b"", 3000, 0, [("h", b"v")]),
    ]
    assert kafka.produce(topic, records) == [(0, 0), (1, 0), (0, 1)]
    assert kafka.bounds(topic) == {0: (0, 2), 1: (0, 1)}
    found = [(r.partition, r.offset, r.timestamp, r.key, r.value) for r in kafka.consume(topic)]
    assert found == [
        (0, 0, 1000, b"a", b"one"),
        (0, 1, 3000, b"c", b""),
        (1, 0, 2000, None, None),
    ]
    assert kafka.consume(topic)[1].headers == (("h", b"v"),)
    assert kafka.topic_config(topic)["retention.ms"] == "-1"


def test_transactions_are_seen_as_the_isolation_says(kafka):
    topic = kafka.create_topic()
    aborted = kafka.transaction()
    aborted.produce(topic, [(b"k", b"aborted")])
    aborted.abort()
    committed = kafka.transaction()
    committed.produce(topic, [(b"k", b"committed")])
    assert kafka.bounds(topic)[0][1] == 2  # the open transaction's first record
    committed.commit()
    assert kafka.bounds(topic)[0][1] == 4
    assert [r.value for r in kafka.consume(topic)] == [b"committed"]
    assert [r.value for r in kafka.consume(topic, committed=False)] == [b"aborted", b"committed"]


def test_topics_grow_shrink_and_go(kafka):
    topic = kafka.create_topic()
    kafka.produce(topic, [(b"k", b"%d" % i) for i in range(5)])
    kafka.delete_records(topic, {0: 3})
    assert kafka.bounds(topic) == {0: (3, 5)}
    kafka.add_partitions(topic, 3)
    assert sorted(kafka.bounds(topic)) == [0, 1, 2]
    kafka.delete_topic(topic)
    with pytest.raises(KafkaException):
        kafka.bounds(topic)


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_broker_keeps_its_records_over_a_restart(kafka, how):
    topic = kafka.create_topic()
    kafka.produce(topic, [(b"k", b"v")])
    getattr(kafka, how)()
    assert not kafka.answers()
    kafka.start()
    assert [r.value for r in kafka.consume(topic)] == [b"v"]


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_minio_keeps_its_objects_over_a_restart(minio, how):
    bucket = minio.new_bucket()
    minio.client.put_object(Bucket=bucket, Key="a/b", Body=b"data")
    getattr(minio, how)()
    assert not minio.answers()
    minio.start()
    assert minio.list(bucket) == {"a/b": 4}
    assert minio.read(bucket, "a/b") == b"data"
    assert "a/b" in minio.aws("s3", "ls", "--recursive", f"s3://{bucket}/")


def test_minio_refuses_a_second_conditional_put(minio):
    put = {"Bucket": minio.new_bucket(), "Key": "k", "Body": b"1", "IfNoneMatch": "*"}
    minio.client.put_object(**put)
    with pytest.raises(ClientError, match="PreconditionFailed"):
        minio.client.put_object(**put)


def test_minio_lists_open_uploads(minio):
    bucket = minio.new_bucket()
    upload = minio.client.create_multipart_upload(Bucket=bucket, Key="a/b")["UploadId"]
    assert minio.uploads(bucket, "a/b") == [("a/b", upload)]


def test_frozen_servers_are_thawed_for_the_next_test(kafka, minio):
    kafka.freeze()
    minio.freeze()
    kafka.ensure_running()
    minio.ensure_running()
    assert kafka.answers()
    assert minio.answers()


def test_bucket_output_reads_plain_and_compressed_lines(minio, bucket_output):
    twice = {
        "dt=1/x.jsonl": b"a\nb\n",
        "dt=1/x.jsonl.gz": gzip.compress(b"a\n") + gzip.compress(b"b\n"),
        "dt=1/x.jsonl.zst": zstandard.compress(b"a\n") + zstandard.compress(b"b\n"),
    }
    for key, data in twice.items():
        minio.client.put_object(Bucket=bucket_output.bucket, Key="events/" + key, Body=data)
    assert bucket_output.events() == dict.fromkeys(sorted(twice), [b"a", b"b"])


def test_directory_output_sorts_files_by_kind(directory_output):
    for key in ("dt=1/hour=2/a.jsonl", "_late/b.jsonl", "_rejected/c.jsonl"):
        file = directory_output.directory / key
        file.parent.mkdir(parents=True)
        file.write_bytes(b"line\n")
    assert directory_output.events() == {"dt=1/hour=2/a.jsonl": [b"line"]}
    assert directory_output.late() == {"_late/b.jsonl": [b"line"]}
    assert directory_output.rejected() == {"_rejected/c.jsonl": [b"line"]}
    (directory_output.directory / "_late/b.jsonl").write_bytes(b"torn")
    with pytest.raises(AssertionError, match="no end"):
        directory_output.late()


# Stands in for tidemark: serves HTTP on http.listen, logs, ends in order by SIGTERM.
_PROGRAM = """#!/usr/bin/env python3
import http.server, json, os, signal, sys, yaml
print(json.dumps(sys.argv[1:]), os.environ.get("KAFKA_TOPIC"), os.environ.get("MORE"), flush=True)
if sys.argv[1] == "check":
    sys.exit(2)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/readyz" else 404)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b'{"a":1}')
host, port = yaml.safe_load(open(sys.argv[2]))["http"]["listen"].split(":")
server = http.server.HTTPServer((host, int(port)), Handler)
signal.signal(signal.SIGTERM, lambda *_: os._exit(143))
print('{"event":"started"}', file=sys.stderr, flush=True)
server.serve_forever()
"""


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    program = tmp_path / "program"
    python = harness.processes.installed()["VENV"] + "/bin/python"
    program.write_text(_PROGRAM.replace("/usr/bin/env python3", python))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(harness.tidemark, "BINARY", program)
    monkeypatch.setenv("KAFKA_TOPIC", "not for the program")


def test_run_gives_status_output_and_settings(stand_in, tidemark):
    settings = {"name": "n", "kafka.topic": "t", "kafka.properties.client.id": "c"}
    done = tidemark.run(["check", "--set", "a=b"], settings, env={"MORE": "x"})
    assert done.returncode == 2
    assert done.stdout.endswith("None x\n")
    config = done.args[2]
    assert done.args[1:] == ["check", config, "--set", "a=b"]
    written = yaml.safe_load(open(config))
    assert written.pop("http")["listen"].startswith("127.0.0.1:")
    assert written == {"name": "n", "kafka": {"topic": "t", "properties": {"client.id": "c"}}}


def test_started_program_is_observed_and_signalled(stand_in, tidemark):
    first, second = (tidemark.start(["run"], {}) for _ in range(2))
    for process in (first, second):
        process.wait_for_log('"started"')
        assert process.wait_for_http() == {"a": 1}
    assert first.log() == [{"event": "started"}]
    assert first.http_get("/nothing") == (404, {"a": 1})
    first.sigstop()
    with pytest.raises(OSError):
        first.http("GET", "/readyz", timeout=0.3)
    first.sigcont()
    assert first.wait_for_http() == {"a": 1}
    assert first.stop() == 143
    with pytest.raises(AssertionError, match="ended with 143"):
        first.wait_for_log("never")
    with pytest.raises(AssertionError, match="timed out"):
        second.wait_for_log("never", timeout=0.2)
    second.kill9()
    assert second.returncode == -signal.SIGKILL
