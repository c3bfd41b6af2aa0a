"""What a command prints has arrived, or the command has failed and says so."""

import contextlib
import os
import socket
import subprocess

import pytest
from harness.processes import die_with_parent, free_port, wait_until
from harness.tidemark import BINARY

AT = 1729629000000
COMMANDS = ["run", "check", "verify", "inspect", "gc", "generate"]
COMMANDS += ["status", "list", "savepoint", "stop", "cancel"]


@contextlib.contextmanager
def full():
    with open("/dev/full", "wb") as file:
        yield file


@contextlib.contextmanager
def left():
    """A pipe whose reader has gone."""
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb") as file:
        yield file


def expect_lost(done, name, why):
    assert done.returncode == 1, done.stderr
    assert done.stderr == f"tidemark{name}: cannot write to standard output{why}\n"


BROKEN = pytest.mark.parametrize(
    "broken, why",
    [(full, ": No space left on device"), (left, ": Broken pipe")],
    ids=["full", "left"],
)


@BROKEN
def test_help_and_version(tidemark, broken, why):
    words = ["--help", "--version", "--help=settings", "--help=settings-markdown"]
    for word in [*words, "--help=metrics-markdown"]:
        assert tidemark.run([word]).returncode == 0
        with broken() as output:
            expect_lost(tidemark.run([word], stdout=output), "", why)
    for command in COMMANDS:
        assert tidemark.run([command, "--help"]).returncode == 0
        with broken() as output:
            expect_lost(tidemark.run([command, "--help"], stdout=output), f" {command}", why)


@pytest.fixture
def ended_job(kafka, make_job, directory_store):
    topic = kafka.create_topic()
    j = make_job(directory_store, topic)
    value = f'{{"user_id":"u","timestamp":{AT}}}'.encode()
    kafka.produce(topic, [(b"u", value, AT)])
    j.bounded()
    return j


@BROKEN
def test_commands(ended_job, broken, why):
    commands = [["check"], ["verify"], ["inspect"], ["inspect", "--json"], ["gc"]]
    for words in [*commands, ["generate", "--events=1"]]:
        # Here they have no other reason to fail.
        done = ended_job.tidemark.run(words, ended_job.settings)
        assert done.returncode == 0 and done.stdout != "", done.stderr
        with broken() as output:
            done = ended_job.tidemark.run(words, ended_job.settings, stdout=output)
        # check writes out each line as it comes; the reason is gone when all is looked at.
        expect_lost(done, f" {words[0]}", "" if words == ["check"] else why)


@BROKEN
def test_commands_to_a_running_job(kafka, make_job, directory_store, broken, why):
    j = make_job(directory_store, kafka.create_topic(), {"kafka.assignment": "all"})
    process = j.start()
    process.wait_for_http()
    url = f"--url={process.url}"
    for words in ["list"], ["status"], ["status", "--json"], ["savepoint"]:
        done = j.tidemark.run([*words, url])
        assert done.returncode == 0 and done.stdout != "", done.stderr
        with broken() as output:
            expect_lost(j.tidemark.run([*words, url], stdout=output), f" {words[0]}", why)
    with broken() as output:  # else it would go on for ever
        expect_lost(j.tidemark.run(["status", "--watch", url], stdout=output), " status", "")
    with broken() as output:
        expect_lost(j.tidemark.run(["stop", url], stdout=output), " stop", why)
    assert process.wait(20) == 0


def closed(redirections, *words, **options):
    """A process that gets no such files from its parent."""
    return subprocess.Popen(
        ["sh", "-c", f'exec "$@" {redirections}', "sh", BINARY, *words],
        preexec_fn=die_with_parent,
        **options,
    )


def test_closed_standard_output():
    with closed(">&-", "--version", stderr=subprocess.PIPE, text=True) as process:
        stderr = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert stderr == "tidemark: cannot write to standard output: Bad file descriptor\n"


def test_no_file_takes_the_place_of_a_closed_one(tmp_path):
    """Log lines would go into whatever file or socket is opened next."""
    address = ("127.0.0.1", free_port())
    settings = {
        "http.listen": f"127.0.0.1:{address[1]}",
        "kafka.bootstrap_servers": f"127.0.0.1:{free_port()}",
        "output.path": tmp_path,
    }
    words = [f"--set={key}={value}" for key, value in settings.items()]

    def listens():
        assert process.poll() is None
        with contextlib.suppress(ConnectionRefusedError):
            return socket.create_connection(address)

    with closed("<&- >&- 2>&-", "run", *words) as process:
        try:
            wait_until(listens, "its port").close()
            files = [f"/proc/{process.pid}/fd/{number}" for number in range(3)]
            assert [os.readlink(file) for file in files] == ["/dev/null"] * 3
        finally:
            process.kill()
