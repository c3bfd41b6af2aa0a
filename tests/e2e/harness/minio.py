"""A real S3: MinIO."""

import os
import subprocess
import urllib.error
import urllib.request
import uuid

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from .processes import Server, free_port, installed

_REGION = "us-east-1"


class Minio(Server):
    """One MinIO on 127.0.0.1, with its data in the directory given.

    From Server: start, stop, kill, restart, freeze, thaw; port, credentials and data stay.

    `client` is a boto3 S3 client.
    """

    name = "minio"

    def __init__(self, directory):
        super().__init__(directory)
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.access_key = f"user{uuid.uuid4().hex[:8]}"
        self.secret_key = uuid.uuid4().hex
        self.client = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=_REGION,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 2}),
        )

    def command(self):
        data = self.directory / "minio-data"
        return [installed()["MINIO"], "server", data, "--address", f"127.0.0.1:{self.port}"]

    def environment(self):
        return {
            **os.environ,
            "MINIO_ROOT_USER": self.access_key,
            "MINIO_ROOT_PASSWORD": self.secret_key,
            "MINIO_BROWSER": "off",
            "MINIO_UPDATE": "off",
        }

    def answers(self):
        try:
            with urllib.request.urlopen(f"{self.endpoint}/minio/health/ready", timeout=2) as answer:
                if answer.status != 200:
                    return False
            self.client.list_buckets()  # else it may be "not initialized yet" all the same
            return True
        except (urllib.error.URLError, OSError, ClientError):
            return False

    def client_environment(self):
        """Environment variables that name this server, for awscli, tidemark and others."""
        return {
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_REGION": _REGION,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
        }

    def settings(self):
        """tidemark's settings for this server."""
        return {
            "s3.endpoint": self.endpoint,
            "s3.region": _REGION,
            "s3.access_key": self.access_key,
            "s3.secret_key": self.secret_key,
        }

    def new_bucket(self):
        """Create a bucket and return its name."""
        name = f"t-{uuid.uuid4().hex[:16]}"
        self.client.create_bucket(Bucket=name)
        return name

    def list(self, bucket, prefix=""):
        """{key: size} of all objects below the prefix."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return {entry["Key"]: entry["Size"] for page in pages for entry in page.get("Contents", [])}

    def read(self, bucket, key):
        return self.client.get_object(Bucket=bucket, Key=key)["Body"].read()

    def uploads(self, bucket, prefix=""):
        """[(key, upload id)] of open multipart uploads.

        MinIO lists them only for a prefix that is a whole key, so "" finds nothing there.
        """
        answer = self.client.list_multipart_uploads(Bucket=bucket, Prefix=prefix)
        return [(entry["Key"], entry["UploadId"]) for entry in answer.get("Uploads", [])]

    def aws(self, *arguments):
        """Run awscli against this server: aws("s3", "ls", "s3://bucket/"); returns its stdout."""
        return subprocess.run(
            [installed()["VENV"] + "/bin/aws", "--endpoint-url", self.endpoint, *arguments],
            env={**os.environ, **self.client_environment(), "AWS_PAGER": ""},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout
