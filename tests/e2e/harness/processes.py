"""Processes that never outlive the tests, and waiting for things to happen."""

import ctypes
import functools
import os
import shlex
import signal
import socket
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

_libc = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


def die_with_parent():
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def spawn(command, **options):
    """A Popen in a process group of its own that the kernel kills when pytest dies.

    Call it from the main thread only: the kernel takes the end of the thread that started a process
    for the end of its parent.
    """
    return subprocess.Popen(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=die_with_parent,
        **options,
    )


def kill_group(process, number=signal.SIGKILL):
    """Signal the process and its children, if it was not waited for yet."""
    if process.poll() is None:
        os.killpg(process.pid, number)


def end(process, timeout):
    """Ask the process to end, kill its group when it does not in time; returns the exit status."""
    kill_group(process, signal.SIGTERM)
    try:
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        kill_group(process)
        return process.wait()


def free_port():
    """A TCP port on 127.0.0.1 that nobody listens on now.

    The number lies below the range from which the kernel takes ports for outgoing connections, so
    that none of these takes it while a server is down for a restart.
    """
    for _ in range(100):
        port = 10000 + int.from_bytes(os.urandom(2), "big") % 20000
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise RuntimeError("no free port found")


# Time-outs are what an idle machine needs at the most; a busy one with two cores needs more.
PATIENCE = 3


def wait_until(condition, what, timeout=30.0, interval=0.05):
    """Call condition() until it returns something true, and return that; fail after the timeout,
    three times over.

    `what` completes the sentence "timed out waiting for ..."; it may be a function, called then.
    """
    timeout *= PATIENCE
    deadline = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            what = what() if callable(what) else what
            raise AssertionError(f"timed out after {timeout} s waiting for {what}")
        time.sleep(interval)


def tail(path, lines=40):
    """The last lines of a log file, for messages."""
    if not path.exists():
        return f"({path} does not exist)"
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])


@functools.lru_cache(maxsize=None)
def installed():
    """Where scripts/setup keeps KAFKA_LIB, MINIO, VENV and PROMTOOL."""
    listing = subprocess.run(
        [ROOT / "scripts" / "setup", "paths"], stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    return dict(line.split("=", 1) for line in shlex.split(listing))


class Server:
    """A server that tests may stop, kill, freeze and start again, always on the same ports.

    Subclasses say how it starts (command(), environment()) and when it answers (answers()).
    """

    name = "server"
    start_timeout = 60.0

    def __init__(self, directory):
        self.directory = Path(directory)
        self.log = self.directory / f"{self.name}.log"
        self.process = None

    def command(self):
        raise NotImplementedError

    def environment(self):
        return dict(os.environ)

    def answers(self):
        raise NotImplementedError

    def start(self):
        """Start it and return when it answers."""
        self.launch()
        self.wait_until_ready()

    def running(self):
        return self.process is not None and self.process.poll() is None

    def launch(self):
        """Start it and return at once."""
        assert not self.running(), f"{self.name} runs already"
        with open(self.log, "ab") as log:
            self.process = spawn(
                self.command(), env=self.environment(), stdout=log, stderr=subprocess.STDOUT
            )

    def wait_until_ready(self):
        """Return when what was launched answers; fail when it ends before that."""

        def ready():
            if self.process.poll() is not None:
                raise AssertionError(
                    f"{self.name} ended with {self.process.returncode}:\n{tail(self.log)}"
                )
            return self.answers()

        wait_until(ready, lambda: f"{self.name}:\n{tail(self.log)}", self.start_timeout)

    def stop(self, timeout=30.0):
        """End it in order (SIGTERM)."""
        if self.process is not None:
            kill_group(self.process, signal.SIGCONT)
            end(self.process, timeout)

    def kill(self):
        """End it as a power cut would (SIGKILL)."""
        kill_group(self.process)
        self.process.wait()

    def restart(self):
        """Stop it in order and start it again."""
        self.stop()
        self.start()

    def freeze(self):
        """Stop it from running (SIGSTOP): connections stay open and nobody answers."""
        kill_group(self.process, signal.SIGSTOP)

    def thaw(self):
        """Let it run on (SIGCONT)."""
        kill_group(self.process, signal.SIGCONT)

    def ensure_running(self):
        """Undo what an earlier test may have left: start it when it is down, thaw it."""
        if not self.running():
            self.start()
        self.thaw()
