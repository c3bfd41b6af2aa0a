"""The program under test."""

import json
import os
import re
import signal
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import yaml

from .processes import ROOT, free_port, kill_group, spawn, tail, wait_until

# TIDEMARK_BIN names another build, such as build/asan/tidemark.
BINARY = Path(os.environ.get("TIDEMARK_BIN", ROOT / "build" / "tidemark")).resolve()

# Variables that are settings must come from the test and not from whoever runs it.
_SETTINGS = re.compile(r"(AWS_|S3_|KAFKA_|TIDEMARK_|(JOB_NAME|OUTPUT_PATH|CHECKPOINT_PATH)$)")


class Tidemark:
    """Runs tidemark; the `tidemark` fixture ends whatever a test left running.

    `settings` is a dict with the settings' dotted names; it becomes a YAML file, the command's
    CONFIG. Unless it says otherwise, http.listen is a free port, so that several can run. `env` is
    added to an environment that holds no settings.
    """

    def __init__(self, directory):
        self.directory = Path(directory)
        self._count = 0
        self._started = []

    def _prepare(self, arguments, settings, env):
        assert BINARY.exists(), f"{BINARY} is not built"
        arguments = [str(argument) for argument in arguments]
        self._count += 1
        stem = self.directory / f"tidemark-{self._count}"
        port = free_port()
        if settings is not None:
            settings = {"http.listen": f"127.0.0.1:{port}", **settings}
            config = stem.with_suffix(".yaml")
            config.write_text(yaml.safe_dump(_nest(settings), sort_keys=False))
            arguments.insert(1, str(config))
        clean = {key: value for key, value in os.environ.items() if not _SETTINGS.match(key)}
        listen = (settings or {}).get("http.listen", "127.0.0.1:8081")
        return [BINARY, *arguments], {**clean, **(env or {})}, stem, listen

    def run(self, arguments, settings=None, env=None, timeout=60.0, stdout=None):
        """Run to the end: run(["check"], settings); returns a CompletedProcess with text.

        Its standard output may be a file or descriptor of the test's own.

        A process that does not end in time fails the test.
        """
        process = self.start(arguments, settings, env, stdout)
        try:
            status = process.wait(timeout)
        finally:
            process.kill9()
        return subprocess.CompletedProcess(
            process.command, status, process.stdout(), process.stderr()
        )

    def start(self, arguments, settings=None, env=None, stdout=None):
        """Start it and return a Process at once: start(["run"], settings)."""
        command, environment, stem, listen = self._prepare(arguments, settings, env)
        process = Process(command, environment, stem, listen, stdout)
        self._started.append(process)
        return process

    def end_all(self):
        """Kill what still runs, and show all logs: pytest prints them where a test failed."""
        for process in self._started:
            process.kill9()
            print(f"-- {' '.join(map(str, process.command))}: ended with {process.returncode}")
            print(tail(process.stderr_path))


class Process:
    """A running tidemark. Its output goes to files, so it never waits for a reader."""

    def __init__(self, command, environment, stem, listen, stdout=None):
        self.command = command
        self.url = f"http://{listen}"
        self.stdout_path = stem.with_suffix(".out")
        self.stderr_path = stem.with_suffix(".log")
        with open(self.stdout_path, "wb") as out, open(self.stderr_path, "wb") as err:
            self._process = spawn(command, env=environment, stdout=stdout or out, stderr=err)
        self.pid = self._process.pid

    @property
    def returncode(self):
        """The exit status, minus the signal's number, or None while it runs."""
        return self._process.poll()

    def stdout(self):
        return self.stdout_path.read_text(errors="replace")

    def stderr(self):
        return self.stderr_path.read_text(errors="replace")

    def log(self):
        """The log's lines that are JSON objects, as dicts."""
        lines = [line for line in self.stderr().splitlines() if line.startswith("{")]
        return [json.loads(line) for line in lines]

    def wait_for_log(self, pattern, timeout=30.0):
        """Wait until the regular expression is found in stderr; returns the match.

        Fails when the process ends before that.
        """
        expression = re.compile(pattern)

        def found():
            # Whether it ended is asked first: what it wrote before its end is then complete.
            ended = self.returncode
            match = expression.search(self.stderr())
            if match is None and ended is not None:
                raise AssertionError(
                    f"ended with {ended} before logging {pattern!r}:\n{tail(self.stderr_path)}"
                )
            return match

        return wait_until(found, lambda: f"{pattern!r} in:\n{tail(self.stderr_path)}", timeout)

    def http(self, method, path, body=None, timeout=10.0, headers=None):
        """Returns (status, body); the body is parsed where the answer says that it is JSON."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.url + path, data=data, method=method, headers=headers or {}
        )
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return answer.status, _body(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, _body(error)

    def http_get(self, path):
        return self.http("GET", path)

    def wait_for_http(self, path="/readyz", timeout=30.0):
        """Wait until the path answers 200; returns the body."""

        def answered():
            if self.returncode is not None:
                raise AssertionError(f"ended with {self.returncode}:\n{tail(self.stderr_path)}")
            try:
                status, body = self.http_get(path)
            except OSError:
                return None
            return (body,) if status == 200 else None

        return wait_until(answered, lambda: f"{path}:\n{tail(self.stderr_path)}", timeout)[0]

    def wait(self, timeout=60.0):
        """Wait for its end; returns the exit status."""
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"did not end within {timeout} s:\n{tail(self.stderr_path)}"
            ) from None

    def signal(self, number):
        """Signal the process alone."""
        self._process.send_signal(number)

    def stop(self, timeout=15.0):
        """SIGTERM; returns the exit status, and fails when it does not end in time."""
        self.signal(signal.SIGTERM)
        return self.wait(timeout)

    def kill9(self):
        kill_group(self._process)
        self._process.wait()

    def sigstop(self):
        """Freeze it, and return when it is frozen."""
        self.signal(signal.SIGSTOP)
        state = Path(f"/proc/{self.pid}/stat")
        wait_until(lambda: state.read_text().rsplit(")", 1)[1].split()[0] == "T", "SIGSTOP")

    def sigcont(self):
        self.signal(signal.SIGCONT)

    def rss_bytes(self):
        """Resident memory now."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


def _nest(settings):
    """{"a.b": 1} as {"a": {"b": 1}}; all after kafka.properties. is one name."""
    nested = {}
    for name, value in settings.items():
        *groups, last = name.split(".")
        if name.startswith("kafka.properties."):
            groups, last = ["kafka", "properties"], name[len("kafka.properties.") :]
        place = nested
        for group in groups:
            place = place.setdefault(group, {})
        place[last] = value
    return nested


def _body(answer):
    text = answer.read().decode(errors="replace")
    kind = answer.headers.get("Content-Type", "")
    return json.loads(text) if text and "json" in kind else text
