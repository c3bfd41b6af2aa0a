"""Whatever is wrong outside: one line that names it, the right exit code, and nothing lost."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource
from harness.processes import free_port, wait_until

AT = 1729629000000


def events(count, first=0):
    for i in range(first, first + count):
        value = f'{{"user_id":"u","timestamp":{AT + i * 1000},"n":{i}}}'
        yield b"u", value.encode(), AT + i * 1000


def errors(stderr):
    """What a person reads as failures: error lines of the log, or plain lines of the command."""
    lines = [line for line in stderr.splitlines() if line.strip()]
    found = []
    for line in lines:
        if not line.startswith("{"):
            if not line.startswith("Try: "):
                found.append(line)
            continue
        entry = json.loads(line)
        if entry["level"] == "error":
            found.append(entry.get("message", line))
    return found


def expect_failure(done, status, *words):
    """Exit status `status` and one line on stderr that holds all the words."""
    assert done.returncode == status, f"exit {done.returncode}:\n{done.stderr[-4000:]}"
    found = errors(done.stderr)
    assert len(found) == 1, f"one line was expected:\n{done.stderr[-4000:]}"
    missing = [word for word in words if word.lower() not in found[0].lower()]
    assert not missing, f"{missing} not in: {found[0]}"
    return found[0]


# ---- Settings: exit 2 ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"window.sise": "5m"}, ["window.sise", "window.size"]),
        ({"windw.size": "5m"}, ["windw", "window"]),
        ({"window.size": "5 apples"}, ["window.size", "5 apples"]),
        ({"window.size": "0s"}, ["window.size", "0s"]),
        ({"checkpoint.interval": "fast"}, ["checkpoint.interval", "fast"]),
        ({"output.compression": "lzma"}, ["output.compression", "lzma"]),
        ({"output.path": "gs://bucket/"}, ["output.path", "gs://bucket/"]),
        ({"kafka.properties.auto.offset.reset": "latest"}, ["auto.offset.reset"]),
        ({"kafka.properties.isolation.level": "read_uncommitted"}, ["isolation.level"]),
        ({"kafka.properties.no.such.thing": "1"}, ["no.such.thing"]),
        ({"memory.limit": "1KiB"}, ["memory.limit", "1KiB"]),
        ({"event.timestamp_format": "rfc822"}, ["event.timestamp_format", "rfc822"]),
        ({"kafka.assignment": "some"}, ["kafka.assignment", "some"]),
        ({"http.listen": "nowhere"}, ["http.listen", "nowhere"]),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_wrong_settings(tidemark, directory_store, settings, words):
    settings = {**directory_store.settings, **settings}
    expect_failure(tidemark.run(["run", "--bounded"], settings), 2, *words)


def test_a_missing_or_broken_file(tidemark, tmp_path):
    expect_failure(tidemark.run(["run", "/no/such/file.yaml"]), 2, "/no/such/file.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("window:\n  size: [5m\n")
    expect_failure(tidemark.run(["run", broken]), 2, "broken.yaml")
    expect_failure(tidemark.run(["run", "--bounde"]), 2, "--bounde", "--bounded")


# ---- Kafka --------------------------------------------------------------------------------------


def test_no_broker_answers(tidemark, directory_store):
    nobody = f"127.0.0.1:{free_port()}"
    settings = {
        **directory_store.settings,
        "kafka.bootstrap_servers": nobody,
        "restart.delay": "100ms",
    }
    begun = time.monotonic()
    done = tidemark.run(["run", "--bounded"], settings, timeout=150)
    expect_failure(done, 1, nobody)
    print(f"{time.monotonic() - begun:.1f} s")


def test_no_such_topic(kafka, make_job, directory_store):
    j = make_job(directory_store, "no-such-topic")
    expect_failure(j.run("--bounded"), 1, "no-such-topic")


def test_a_compacted_topic(kafka, make_job, directory_store):
    topic = kafka.create_topic(cleanup_policy="compact")
    kafka.produce(topic, events(10))
    expect_failure(make_job(directory_store, topic).run("--bounded"), 1, topic, "compact")
    topic = kafka.create_topic(cleanup_policy="compact,delete")
    expect_failure(make_job(directory_store, topic).run("--bounded"), 1, topic, "compact")


def test_a_topic_that_becomes_compacted(kafka, make_job, directory_store):
    topic = kafka.create_topic()
    kafka.produce(topic, events(10))
    j = make_job(directory_store, topic)
    j.bounded()
    entry = ConfigEntry("cleanup.policy", "compact", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[entry])
    admin = kafka._admin()
    admin.incremental_alter_configs([resource])[resource].result(30)
    expect_failure(j.run("--bounded"), 1, topic, "compact")


def test_records_removed_by_retention(kafka, make_job, directory_store):
    topic = kafka.create_topic()
    kafka.produce(topic, events(1000))
    j = make_job(directory_store, topic)
    j.bounded()
    consumed = kafka.consume(topic)
    kafka.produce(topic, events(500, first=1000))
    kafka.delete_records(topic, {0: 1200})
    before = j.chain()
    expect_failure(j.run("--bounded"), 1, "partition 0", "1000", "1200")
    assert j.newest()[0] <= int(before[-1][-25:-5]) + 1
    j.bounded("--allow-data-loss")
    newest = j.checkpoint(0)
    assert newest["next"] == 1500 and newest["read"]["event"]["events"] == 1300
    # What Kafka had at the time is there exactly once.
    import oracle

    kept = kafka.consume(topic)
    assert [r.offset for r in kept] == list(range(1200, 1500))
    oracle.compare(consumed + kept, j.settings, j.output, j.checkpoints, {0: 1500})
    # Nothing more is missing: the next run needs no leave.
    kafka.produce(topic, events(10, first=1500))
    j.bounded()


def test_a_topic_deleted_and_made_anew(kafka, make_job, directory_store):
    topic = kafka.create_topic()
    kafka.produce(topic, events(100))
    j = make_job(directory_store, topic)
    j.bounded()
    kafka.delete_topic(topic)
    kafka.create_topic(topic)
    files = j.files()
    # Empty, shorter and longer than the job's position: another log each time.
    expect_failure(j.run("--bounded"), 1, topic)
    kafka.produce(topic, events(50, first=5000))
    expect_failure(j.run("--bounded"), 1, topic)
    kafka.produce(topic, events(200, first=6000))
    expect_failure(j.run("--bounded"), 1, topic)
    assert j.files() == files


# ---- Stores -------------------------------------------------------------------------------------


def test_no_such_bucket(kafka, minio, make_job, minio_store):
    topic = kafka.create_topic()
    j = make_job(minio_store, topic)
    expect_failure(j.run("--bounded", output__path="s3://no-such-bucket/x/"), 1, "no-such-bucket")
    expect_failure(
        j.run("--bounded", checkpoint__path="s3://no-such-bucket/x/"), 1, "no-such-bucket"
    )


@pytest.mark.parametrize("wrong", ["s3.secret_key", "s3.access_key"])
def test_wrong_credentials(kafka, make_job, minio_store, wrong):
    j = make_job(minio_store, kafka.create_topic(), {wrong: "wrong"})
    line = expect_failure(j.run("--bounded"), 1)
    assert "SignatureDoesNotMatch" in line or "InvalidAccessKeyId" in line, line


def test_no_store_answers(kafka, make_job, minio_store):
    endpoint = f"http://127.0.0.1:{free_port()}"
    settings = {"s3.endpoint": endpoint, "restart.delay": "100ms", "restart.attempts": 1}
    j = make_job(minio_store, kafka.create_topic(), settings)
    expect_failure(j.run("--bounded", timeout=150), 1, endpoint[len("http://") :])


class ForgetfulProxy(ThreadingHTTPServer):
    """In front of MinIO, but without If-None-Match: a store that does not know the condition."""

    daemon_threads = True

    def __init__(self, minio):
        super().__init__(("127.0.0.1", 0), _Forgetful)
        self.minio = minio
        self.credentials = Credentials(minio.access_key, minio.secret_key)
        self.ignored = 0

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Forgetful(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def forward(self):
        server = self.server
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        kept = {
            name: value
            for name, value in self.headers.items()
            if name.lower().startswith(("content-type", "content-md5", "x-amz-checksum"))
        }
        server.ignored += "If-None-Match" in self.headers
        # The condition may be part of what was signed, so it is signed anew.
        request = AWSRequest(self.command, server.minio.endpoint + self.path, kept, body)
        S3SigV4Auth(server.credentials, "s3", "us-east-1").add_auth(request)
        prepared = urllib.request.Request(
            request.url, body or None, dict(request.headers.items()), method=self.command
        )
        try:
            answer = urllib.request.urlopen(prepared, timeout=10)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            data = answer.read()
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = forward


@contextlib.contextmanager
def forgetful(minio):
    proxy = ForgetfulProxy(minio)
    thread = threading.Thread(target=proxy.serve_forever, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        proxy.server_close()
        thread.join()


@pytest.mark.parametrize("command", ["run", "check"])
def test_a_store_that_ignores_the_condition(kafka, minio, make_job, minio_store, command):
    topic = kafka.create_topic()
    kafka.produce(topic, events(10))
    j = make_job(minio_store, topic)
    with forgetful(minio) as proxy:
        options = ["--bounded"] if command == "run" else []
        settings = {**j.settings, "s3.endpoint": proxy.endpoint}
        done = j.tidemark.run([command, *options], settings)
        assert proxy.ignored >= 2
    if command == "check":  # says everything that it found on stdout
        assert done.returncode == 1 and "If-None-Match" in done.stdout, done.stdout
    else:
        expect_failure(done, 1, "If-None-Match")
    assert j.chain() == [] and j.output.keys() == []
    assert j.checkpoints.keys() == [], "the probe's key has to go"
    j.bounded()  # the very same buckets are fine without the proxy


@contextlib.contextmanager
def mounted(directory, *options):
    """A tmpfs of its own at the directory."""
    directory.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", *options, "tmpfs", directory], check=True)
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", directory], check=True)


MOUNTS = os.geteuid() == 0 and shutil.which("mount") is not None


def test_a_read_only_directory(kafka, tmp_path, make_job, directory_store):
    topic = kafka.create_topic()
    kafka.produce(topic, events(10))
    j = make_job(directory_store, topic)
    place = tmp_path / "read-only"
    if MOUNTS:
        with mounted(place, "-o", "ro"):
            expect_failure(j.run("--bounded", output__path=f"{place}/out"), 1, str(place))
    else:
        place.mkdir(mode=0o555)
        expect_failure(j.run("--bounded", output__path=f"{place}/out"), 1, str(place))


def test_a_file_in_the_directory_s_place(kafka, tmp_path, make_job, directory_store):
    j = make_job(directory_store, kafka.create_topic())
    place = tmp_path / "file"
    place.write_text("in the way")
    expect_failure(j.run("--bounded", output__path=str(place)), 1, str(place))
    assert place.read_text() == "in the way"


def test_a_full_directory(kafka, tmp_path, make_job, directory_store):
    if not MOUNTS:
        pytest.fail("this test has to mount a small file system: run it as root")
    topic = kafka.create_topic()
    pad = "x" * 2000
    kafka.produce(
        topic,
        [
            (b"u", f'{{"user_id":"u","timestamp":{AT + i},"n":{i},"pad":"{pad}"}}'.encode(), AT)
            for i in range(4000)
        ],
    )
    j = make_job(directory_store, topic, {"restart.delay": "100ms"})
    with mounted(tmp_path / "small", "-o", "size=4m") as place:
        changes = {"output__path": f"{place}/out/", "checkpoint__path": f"{tmp_path}/checkpoints"}
        expect_failure(j.run("--bounded", timeout=120, **changes), 1, str(place), "space")
        # With room it goes on from there.
        subprocess.run(["mount", "-o", "remount,size=64m", place], check=True)
        j.bounded(**changes)
        import oracle
        from harness.output import DirectoryOutput

        oracle.compare(
            kafka.consume(topic),
            {**j.settings, "output.path": changes["output__path"]},
            DirectoryOutput(place / "out"),
            DirectoryOutput(tmp_path / "checkpoints"),
            {0: 4000},
        )


# ---- Checkpoints --------------------------------------------------------------------------------


@pytest.fixture
def ended(kafka, make_job, directory_store):
    """A job after a bounded run; its chain and files must not change any more."""
    topic = kafka.create_topic()
    kafka.produce(topic, events(600))
    j = make_job(directory_store, topic)
    j.bounded()
    kafka.produce(topic, events(10, first=600))
    return j


def newest_path(j):
    return j.checkpoints.directory / max(j.chain())


def published(j):
    """All visible files and manifests with their bytes."""
    return {key: j.output.read(key) for key in j.files() + j.output.keys("_manifests/")}


def state(j):
    """These, and all checkpoints."""
    return {
        **published(j),
        **{key: j.checkpoints.read(key) for key in j.chain()},
    }


@pytest.mark.parametrize("damage", ["flip", "truncate", "empty", "garbage"])
def test_a_damaged_newest_checkpoint(ended, damage):
    path = newest_path(ended)
    data = bytearray(path.read_bytes())
    if damage == "flip":
        data[len(data) // 2] ^= 1
    damaged = {
        "flip": bytes(data),
        "truncate": bytes(data[:-20]),
        "empty": b"",
        "garbage": b"not a checkpoint",
    }[damage]
    path.write_bytes(damaged)
    before = state(ended)
    expect_failure(ended.run("--bounded"), 1, path.name)
    assert state(ended) == before


def test_removed_newest_checkpoints(kafka, job):
    """Older ones of the partition stand, or none; start.json and the other partition's all do."""
    topic = kafka.create_topic(partitions=2)
    for partition in (0, 1):
        kafka.produce(topic, [(*record, partition) for record in events(600)])
    j = job(topic)
    j.bounded()
    kafka.produce(topic, [(*record, 0) for record in events(10, first=600)])
    chain = {key: j.checkpoints.read(key) for key in sorted(j.chain()) if "/p00000/" in key}
    numbers = [key.rpartition("/")[2] for key in chain]
    manifest = max(key for key in j.output.keys("_manifests/") if "/p00000/" in key)
    assert len(chain) >= 3 and numbers[-2] in manifest, "the last but one has published"
    before = published(j)
    for gone in (list(chain)[-2:], list(chain)):
        for key in gone:
            j.checkpoints.remove(key)
        found = "there is no checkpoint" if len(gone) == len(chain) else "the newest checkpoint is"
        expect_failure(
            j.run("--bounded"), 1, manifest, found, f"restore {numbers[-len(gone)]}", "name"
        )
        left = [key for key in chain if key not in gone]
        assert [key for key in sorted(j.chain()) if "/p00000/" in key] == left
        done = j.tidemark.run(["verify"], j.settings)
        assert done.returncode == 1 and "NOT verified: 1 problem" in done.stdout, done.stdout
        for key in gone:
            j.checkpoints.write(key, chain[key])
    assert published(j) == before
    j.bounded()
    j.compare()


def test_a_forbidden_newest_checkpoint(kafka, minio, make_job, minio_store):
    """The store lists it and gives the older ones, but not this one."""
    topic = kafka.create_topic()
    kafka.produce(topic, events(600))
    j = make_job(minio_store, topic)
    j.bounded()
    kafka.produce(topic, events(10, first=600))
    newest = max(j.chain())
    nobody = {key: value for key, value in j.settings.items() if "_key" not in key}
    for place, denied in ((j.output, []), (j.checkpoints, [newest])):
        place.allow_all_but_reading(denied)
    before = state(j)
    expect_failure(j.tidemark.run(["run", "--bounded"], nobody), 1, newest, "never skipped")
    assert state(j) == before
    j.checkpoints.allow_all_but_reading([])
    done = j.tidemark.run(["run", "--bounded"], nobody)
    assert done.returncode == 0, done.stderr
    j.compare()


def test_lost_checkpoints(ended):
    before = ended.files()
    shutil.rmtree(ended.checkpoints.directory)
    expect_failure(ended.run("--bounded"), 1, "_manifests/")
    assert ended.files() == before and ended.chain() == []


def test_another_checkpoint_path(ended, tmp_path):
    done = ended.run("--bounded", checkpoint__path=f"{tmp_path}/elsewhere")
    expect_failure(done, 1, "_manifests/")


def test_a_missing_start(ended):
    """start.json gone, the chain there: the chain is what counts, or it is refused."""
    [start] = ended.checkpoints.directory.rglob("start.json")
    start.unlink()
    done = ended.run("--bounded")
    if done.returncode == 0:
        ended.compare()
    else:
        expect_failure(done, 1, "_manifests/")


def test_checkpoints_of_another_topic(kafka, ended):
    """Somebody copied them: the identity in them is another."""
    other = kafka.create_topic()
    [old] = ended.checkpoints.directory.glob(f"*/{ended.topic}")
    shutil.copytree(old, old.parent / other)
    shutil.rmtree(ended.output.directory / "_manifests")
    before = state(ended)
    expect_failure(ended.run("--bounded", kafka__topic=other), 1, ended.topic)
    assert state(ended) == before


def test_checkpoints_of_another_cluster(ended):
    """The newest checkpoint says another cluster, with a sum that is right."""
    import oracle

    path = newest_path(ended)
    data = path.read_bytes()
    cluster = ended.kafka.cluster_id().encode()
    assert cluster in data
    body = data.rpartition(b',"crc32c":')[0].replace(cluster, b"x" * len(cluster))
    path.write_bytes(body + b',"crc32c":"%08x"}' % oracle.crc32c(body) + data[-1:].strip(b"}"))
    before = state(ended)
    expect_failure(ended.run("--bounded"), 1, "cluster")
    expect_failure(ended.run("--bounded", "--accept-changes"), 1, "cluster")
    assert state(ended) == before


def test_another_output_path(ended, tmp_path):
    changes = {
        "output__path": f"{tmp_path}/new",
        "checkpoint__path": str(ended.checkpoints.directory),
    }
    expect_failure(ended.run("--bounded", **changes), 1, "output.path", "--accept-changes")
    ended.bounded("--accept-changes", **changes)


# ---- HTTP ---------------------------------------------------------------------------------------


def test_a_port_that_is_taken(ended):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        before = state(ended)
        expect_failure(ended.run("--bounded", http__listen=listen), 1, listen, "taken")
    assert state(ended) == before


def test_it_waits_for_a_store_that_is_away_for_a_while(kafka, minio, make_job, minio_store):
    """The contrast: what may pass is no reason to end."""
    topic = kafka.create_topic()
    kafka.produce(topic, events(600))
    j = make_job(minio_store, topic)
    minio.freeze()
    try:
        process = j.start("--bounded")
        time.sleep(3)  # how long the store is away
    finally:
        minio.thaw()
    assert process.wait(60) == 0, process.stderr()[-4000:]
    wait_until(j.files, "files")
    j.compare()
