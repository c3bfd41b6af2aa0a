"""Fixtures of the end-to-end tests.

    def test_something(kafka, minio, tidemark, bucket_output):
        topic = kafka.create_topic(partitions=3)
        kafka.produce(topic, [(b"u1", b'{"user_id":"u1","timestamp":1729630800000}')])
        settings = {
            **kafka.settings(topic),
            **minio.settings(),
            "output.path": bucket_output.path,
            "checkpoint.path": f"s3://{minio.new_bucket()}/",
        }
        done = tidemark.run(["run", "--bounded"], settings)
        assert done.returncode == 0, done.stderr
        assert bucket_output.events()

kafka             one broker for the session, harness/kafka.py: topics, produce, transactions,
                  consume; stop, kill, freeze. Started again before a test when one left it down.
cluster           three brokers, harness/cluster.py: only in test_cluster.py, which starts them.
minio             one S3 for the session, harness/minio.py: buckets, listing, awscli; as above.
tidemark          runs the program, harness/tidemark.py: run(...), start(...); ends what is left.
directory_output  an empty directory for output.path and a reader of it, harness/output.py.
bucket_output     the same with a new bucket.
store_proxy       harness/proxy.py: a way to minio that breaks where the test says.
proxied_kafka     harness/kafka_proxy.py: the same to a broker of its own.
store             harness/job.py: a directory, then S3; a test that takes it runs twice.
browser           one Chromium for the session, harness/browser.py, with an empty console.
job               job(topic, {...}) makes a Job on that store, which runs and is compared.

Environment: TIDEMARK_BIN is the binary under test (build/tidemark). scripts/test e2e runs them with
what scripts/setup installed; PYTEST_ARGS="-k name -x" picks tests.
"""

import pytest
from harness.browser import Browser
from harness.job import Job, Store
from harness.kafka import Kafka
from harness.kafka_proxy import ProxiedKafka
from harness.minio import Minio
from harness.output import BucketOutput, DirectoryOutput
from harness.proxy import Proxy
from harness.tidemark import Tidemark


def _running(server):
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def kafka_server(tmp_path_factory):
    yield from _running(Kafka(tmp_path_factory.mktemp("kafka")))


@pytest.fixture(scope="session")
def minio_server(tmp_path_factory):
    yield from _running(Minio(tmp_path_factory.mktemp("minio")))


@pytest.fixture(scope="session")
def browser_session(tmp_path_factory):
    yield from _running(Browser(tmp_path_factory.mktemp("browser")))


@pytest.fixture
def browser(browser_session):
    browser_session.size(1280, 900)
    browser_session.theme("light")
    browser_session.console()
    yield browser_session
    browser_session.open("about:blank")


@pytest.fixture
def kafka(kafka_server):
    kafka_server.ensure_running()
    return kafka_server


@pytest.fixture
def minio(minio_server):
    minio_server.ensure_running()
    return minio_server


@pytest.fixture
def store_proxy(minio):
    proxy = Proxy(minio.port, http=True)
    yield proxy
    proxy.stop()


@pytest.fixture(scope="module")
def proxied_kafka_server(tmp_path_factory):
    server = ProxiedKafka(tmp_path_factory.mktemp("kafka"))
    try:
        yield from _running(server)
    finally:
        server.proxy.stop()


@pytest.fixture
def proxied_kafka(proxied_kafka_server):
    proxied_kafka_server.ensure_running()
    yield proxied_kafka_server
    proxied_kafka_server.proxy.heal()


@pytest.fixture
def tidemark(tmp_path):
    program = Tidemark(tmp_path)
    yield program
    program.end_all()


@pytest.fixture
def directory_output(tmp_path):
    directory = tmp_path / "output"
    directory.mkdir()
    return DirectoryOutput(directory)


@pytest.fixture
def bucket_output(minio):
    return BucketOutput(minio, minio.new_bucket(), "events/")


@pytest.fixture
def directory_store(tmp_path):
    return Store.directory(tmp_path / "store")


@pytest.fixture
def minio_store(minio):
    return Store.bucket(minio)


@pytest.fixture(params=["directory", "minio"])
def store(request):
    return request.getfixturevalue(f"{request.param}_store")


@pytest.fixture
def make_job(kafka, tidemark):
    """make_job(store, topic, {...}), for tests that choose the store themselves."""
    return lambda store, topic, settings=None: Job(kafka, tidemark, store, topic, settings)


@pytest.fixture
def job(make_job, store):
    return lambda topic, settings=None: make_job(store, topic, settings)
