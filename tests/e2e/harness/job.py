"""One job: its topic, its store, its settings, and whether it wrote what it had to."""

import pytest

from .output import BucketOutput, DirectoryOutput
from .processes import wait_until

# For a test that takes `store` and is worth the time of only one run with the sanitizers.
sanitized_on_s3 = pytest.mark.parametrize(
    "store", ["directory", pytest.param("minio", marks=pytest.mark.sanitized)], indirect=True
)


class Store:
    """Where a job writes. `output` and `checkpoints` read output.path and checkpoint.path."""

    def __init__(self, kind, output, checkpoints, settings):
        self.kind, self.output, self.checkpoints = kind, output, checkpoints
        self.settings = settings

    @classmethod
    def directory(cls, path):
        """An output directory that the job has to create, with the checkpoints' default place."""
        output = DirectoryOutput(path)
        return cls(
            "directory",
            output,
            DirectoryOutput(output.directory / "_checkpoints"),
            {"output.path": output.path},
        )

    @classmethod
    def bucket(cls, minio):
        """Two new buckets."""
        output = BucketOutput(minio, minio.new_bucket(), "events/")
        checkpoints = BucketOutput(minio, minio.new_bucket(), "job/")
        settings = {"output.path": output.path, "checkpoint.path": checkpoints.path}
        return cls("minio", output, checkpoints, {**minio.settings(), **settings})


class Job:
    """Runs of one job.

        job = Job(kafka, tidemark, store, topic, {"window.size": "7m"})
        job.bounded()
        report = job.compare()

    Its settings are the defaults but for short waits, so that tests are quick.
    """

    def __init__(self, kafka, tidemark, store, topic, settings=None):
        self.kafka, self.tidemark, self.store, self.topic = kafka, tidemark, store, topic
        self.output, self.checkpoints = store.output, store.checkpoints
        self.settings = {
            **kafka.settings(topic),
            # Jobs of other topics must not wait for each other's dead members.
            "kafka.group_id": f"group-{topic}",
            **store.settings,
            "checkpoint.interval": "1s",
            "checkpoint.min_pause": "100ms",
            "restart.delay": "1s",
            **(settings or {}),
        }

    def start(self, *options, command="run", **changes):
        """`tidemark run` with these options; changes to settings with `__` for `.`."""
        return self.tidemark.start([command, *options], {**self.settings, **_dotted(changes)})

    def run(self, *options, timeout=90.0, **changes):
        """The same to its end, whatever that is; returns a CompletedProcess."""
        settings = {**self.settings, **_dotted(changes)}
        return self.tidemark.run(["run", *options], settings, timeout=timeout)

    def bounded(self, *options, timeout=90.0, **changes):
        """A bounded run, which has to succeed."""
        done = self.run("--bounded", *options, timeout=timeout, **changes)
        assert done.returncode == 0, f"exit {done.returncode}:\n{done.stderr[-6000:]}"
        return done

    def generate(self, **options):
        """Records from tidemark generate: generate(events=1000, late="1%"); returns its summary."""
        done = self.tidemark.run(["generate", *_words(options)], self.settings, timeout=90.0)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start_generator(self, **options):
        return self.tidemark.start(["generate", *_words(options)], self.settings)

    def compare(self, complete=True, bounded=True, **changes):
        """The oracle's comparison with all that the topic holds now."""
        import oracle  # beside the tests; harness/ itself does not need it

        bounds = self.kafka.bounds(self.topic)
        return oracle.compare(
            self.kafka.consume(self.topic),
            {**self.settings, **_dotted(changes)},
            self.output,
            self.checkpoints,
            {partition: end for partition, (_, end) in bounds.items()} if bounded else None,
            complete,
        )

    def chain(self):
        """Keys of all checkpoints of all partitions, without start.json."""
        return [key for key in self.checkpoints.keys() if "/chk-" in key]

    def newest(self):
        """{partition: number} of the newest checkpoints."""
        import oracle

        found = oracle.newest_checkpoints(self.settings, self.checkpoints)
        return {partition: number for partition, (number, _) in found.items()}

    def checkpoint(self, partition):
        """The partition's newest checkpoint."""
        import oracle

        while True:
            _, key = oracle.newest_checkpoints(self.settings, self.checkpoints)[partition]
            try:
                return oracle.read_checkpoint(self.checkpoints.read(key))
            except FileNotFoundError:
                continue  # there were ten newer ones before it could be read

    def files(self):
        """Keys of visible windows' files."""
        return [key for key in self.output.keys() if key[0] not in "_."]

    def wait_for_checkpoints(self, number, partitions, process=None, timeout=60.0):
        """Wait until all these partitions have a checkpoint of at least this number."""

        def reached():
            if process is not None and process.returncode is not None:
                raise AssertionError(
                    f"ended with {process.returncode}:\n{process.stderr()[-6000:]}"
                )
            newest = self.newest()
            return all(newest.get(partition, 0) >= number for partition in partitions)

        wait_until(reached, lambda: f"checkpoint {number}: {self.newest()}", timeout, interval=0.1)


def _dotted(changes):
    return {key.replace("__", "."): value for key, value in changes.items()}


def _words(options):
    return [f"--{name}={value}" for name, value in options.items()]
