"""Flink 1.18.1's own command line and classes, pointed at tidemark."""

import json
import os
import subprocess
from pathlib import Path

from .processes import installed, spawn, tail

_JAVA = ("java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto")
# As Flink's own script of that name gives them.
_OPENED = ("java.base/java.util=ALL-UNNAMED", "java.base/java.lang=ALL-UNNAMED")


class Flink:
    """`flink`, as its distribution would run it.

        done = flink.run(process, "savepoint", job)
        listing = flink.start(process, "list")

    A JVM takes a second or two to start, so tests start several at once.
    """

    def __init__(self, directory):
        self.directory = Path(directory)
        self.directory.mkdir()
        (self.directory / "flink-conf.yaml").write_text("")
        self._count = 0

    def _java(self, *arguments):
        opened = [f"--add-opens={package}" for package in _OPENED]
        return [*_JAVA, *opened, "-cp", installed()["FLINK_LIB"] + "/*", *arguments]

    def start(self, process, action, *arguments):
        """Start `flink ACTION -m HOST:PORT ARGUMENTS`; returns a Command."""
        self._count += 1
        address = process.url.removeprefix("http://")
        line = ["org.apache.flink.client.cli.CliFrontend", action, "-m", address, *arguments]
        environment = {**os.environ, "FLINK_CONF_DIR": str(self.directory)}
        return Command(self._java(*line), environment, self.directory / f"{self._count}.log")

    def run(self, process, action, *arguments):
        return self.start(process, action, *arguments).wait()

    def read(self, answers):
        """What Flink's client makes of answers: [(class, text)]; a list of JSON, as it would be
        written by Flink itself. Fails where one cannot be read."""
        lines = "".join(f"{name}\t{' '.join(text.splitlines())}\n" for name, text in answers)
        done = subprocess.run(
            self._java(str(Path(__file__).parent / "FlinkReader.java")),
            input=lines,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
        read = [line.split("\t", 1) for line in done.stdout.splitlines()]
        assert len(read) == len(answers), done.stderr
        for (name, text), (status, result) in zip(answers, read):
            assert status == "ok", f"{name} cannot read {text}: {result}"
        return [json.loads(result) for _, result in read]


class Command:
    """A flink that runs."""

    def __init__(self, line, environment, log):
        self.log = log
        with open(log, "wb") as out:
            self._process = spawn(line, env=environment, stdout=out, stderr=subprocess.STDOUT)

    def wait(self, timeout=60.0):
        """Wait for its end, which has to be a good one; returns what it wrote."""
        status, text = self.end(timeout)
        assert status == 0, f"flink ended with {status}:\n{text}"
        return text

    def end(self, timeout=60.0):
        """(exit status, what it wrote)"""
        try:
            status = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise AssertionError(f"flink did not end:\n{tail(self.log)}") from None
        return status, self.log.read_text(errors="replace")
