"""Pictures of the page for README: scripts/screenshots runs this with the folder to put them in."""

import sys
import tempfile
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness.browser import Browser
from harness.job import Job, Store
from harness.kafka import Kafka
from harness.minio import Minio
from harness.output import BucketOutput
from harness.processes import wait_until
from harness.tidemark import Tidemark

SHOTS = [("light", 1440, 1000), ("dark", 1440, 1000), ("phone", 390, 844)]
HISTORY = timedelta(minutes=35)
LOOK = 70  # seconds in which the page collects its histories
RATE = 2000
PAST_RATE = 20000  # slow enough for any machine: event time goes by the clock


def take(browser, url, directory):
    browser.size(1440, 1000)
    browser.open(url + "/")
    time.sleep(LOOK)
    for name, width, height in SHOTS:
        browser.theme("dark" if name == "dark" else "light")
        browser.size(width, height)
        time.sleep(3)
        level = browser.text("#health-level")
        assert level == "Healthy", f"{level}: {browser.text('#health-summary')}"
        (directory / f"page-{name}.png").write_bytes(browser.screenshot())
    assert browser.console() == []


def run(job, browser, directory):
    """Half an hour of events first, as quickly as they can be read; then as they come."""
    start = datetime.now(timezone.utc) - HISTORY
    speed = 200
    job.generate(
        events=int(HISTORY.total_seconds() / speed * PAST_RATE),
        rate=PAST_RATE,
        speed=speed,
        start=start.strftime("%Y-%m-%dT%H:%M:%SZ"),
        late="0.1%",
        malformed="0.05%",
    )
    job.start_generator(rate=RATE, seed=2, late="0.02%", malformed="0.02%")
    process = job.start()
    process.wait_for_http()
    wait_until(
        lambda: process.http_get("/tidemark/status")[1]["progress"]["todo"] < RATE, "the backlog"
    )
    take(browser, process.url, directory)


def lake(minio):
    """A store with the names that README uses."""
    places = [("lakehouse", "clickstream-events/"), ("checkpoints", "clickstream-events/")]
    for bucket, _ in places:
        minio.client.create_bucket(Bucket=bucket)
    output, checkpoints = (BucketOutput(minio, *place) for place in places)
    settings = {"output.path": output.path, "checkpoint.path": checkpoints.path}
    return Store("minio", output, checkpoints, {**minio.settings(), **settings})


def main(target):
    with tempfile.TemporaryDirectory(prefix="clicks-") as name:
        directory = Path(name)
        for part in ("kafka", "minio", "browser"):
            (directory / part).mkdir()
        kafka, browser = Kafka(directory / "kafka"), Browser(directory / "browser")
        minio = Minio(directory / "minio")
        tidemark = Tidemark(directory)
        try:
            kafka.start()
            minio.start()
            browser.start()
            topic = kafka.create_topic("clickstream", partitions=6)
            settings = {"checkpoint.interval": "10s", "kafka.group_id": "lake"}
            job = Job(kafka, tidemark, lake(minio), topic, settings)
            run(job, browser, target)
        finally:
            browser.stop()
            tidemark.end_all()
            kafka.stop()
            minio.stop()


main(Path(sys.argv[1]))
