"""Reading what tidemark wrote, from a directory or from a bucket alike."""

import gzip
import io
import json
import stat
from pathlib import Path

import zstandard


class Output:
    """Where a job writes. `path` is what output.path is set to; keys are relative to it."""

    path: str

    def list(self, prefix=""):
        """{key: size} of everything whose key begins with the prefix."""
        raise NotImplementedError

    def read(self, key):
        """The object's bytes as they lie in the store."""
        raise NotImplementedError

    def write(self, key, data):
        """Puts the object there, as somebody who restores it would."""
        raise NotImplementedError

    def remove(self, key):
        raise NotImplementedError

    def keys(self, prefix=""):
        return sorted(self.list(prefix))

    def lines(self, key):
        """The lines of a plain, .gz or .zst file as bytes without the newline.

        Every line has to end in one.
        """
        data = decompress(key, self.read(key))
        assert data == b"" or data.endswith(b"\n"), f"{key}: the last line has no end"
        return data.split(b"\n")[:-1]

    def events(self):
        """{key: lines} of the files of windows."""
        return {key: self.lines(key) for key in self.keys() if key[0] != "_"}

    def late(self):
        return {key: self.lines(key) for key in self.keys("_late/")}

    def rejected(self):
        return {key: self.lines(key) for key in self.keys("_rejected/")}

    def manifests(self):
        """{key: manifest} of all partitions, in the order of their numbers."""
        return {key: json.loads(self.read(key)) for key in self.keys("_manifests/")}


class DirectoryOutput(Output):
    def __init__(self, directory):
        self.directory = Path(directory)
        self.path = str(self.directory) + "/"

    def list(self, prefix=""):
        found = {}
        for file in self.directory.rglob("*"):
            key = file.relative_to(self.directory).as_posix()
            if not key.startswith(prefix):
                continue
            try:
                status = file.stat()
            except FileNotFoundError:
                continue  # a running job removed it meanwhile
            if stat.S_ISREG(status.st_mode):
                found[key] = status.st_size
        return found

    def read(self, key):
        return (self.directory / key).read_bytes()

    def write(self, key, data):
        (self.directory / key).write_bytes(data)

    def remove(self, key):
        (self.directory / key).unlink()


class BucketOutput(Output):
    def __init__(self, minio, bucket, prefix=""):
        self.minio, self.bucket, self.prefix = minio, bucket, prefix
        self.path = f"s3://{bucket}/{prefix}"

    def list(self, prefix=""):
        found = self.minio.list(self.bucket, self.prefix + prefix)
        return {key[len(self.prefix) :]: size for key, size in found.items()}

    def read(self, key):
        try:
            return self.minio.read(self.bucket, self.prefix + key)
        except self.minio.client.exceptions.NoSuchKey:
            raise FileNotFoundError(key) from None

    def write(self, key, data):
        self.minio.client.put_object(Bucket=self.bucket, Key=self.prefix + key, Body=data)

    def remove(self, key):
        self.minio.client.delete_object(Bucket=self.bucket, Key=self.prefix + key)

    def allow_all_but_reading(self, keys):
        """Who has no credentials may do everything here, but not read these keys."""
        bucket = f"arn:aws:s3:::{self.bucket}"
        everybody = {"Principal": {"AWS": ["*"]}}
        statements = [
            {
                **everybody,
                "Effect": "Allow",
                "Action": ["s3:ListBucket", "s3:GetBucketLocation"],
                "Resource": [bucket],
            },
            {
                **everybody,
                "Effect": "Allow",
                "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
                "Resource": [f"{bucket}/*"],
            },
        ]
        if keys:
            resources = [f"{bucket}/{self.prefix}{key}" for key in keys]
            deny = {"Effect": "Deny", "Action": ["s3:GetObject"], "Resource": resources}
            statements.append({**everybody, **deny})
        policy = {"Version": "2012-10-17", "Statement": statements}
        self.minio.client.put_bucket_policy(Bucket=self.bucket, Policy=json.dumps(policy))


def decompress(key, data):
    """By the key's suffix; files may hold several gzip members or zstd frames."""
    if key.endswith(".gz"):
        return gzip.decompress(data)
    if key.endswith(".zst"):
        reader = zstandard.ZstdDecompressor().stream_reader(
            io.BytesIO(data), read_across_frames=True
        )
        return reader.read()
    return data
