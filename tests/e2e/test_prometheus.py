"""/metrics as Prometheus reads it, and that alerts and dashboard ask for what is there.

`scripts/lint promtool` runs the rules' own tests, tests/prometheus/alerts.yaml.
"""

import json
import re
import subprocess

import pytest
import yaml
from harness.processes import ROOT, installed, wait_until
from prometheus_client.parser import text_string_to_metric_families

AT = 1729629000000
ALERTS = ROOT / "deploy" / "prometheus" / "tidemark-alerts.yaml"
DASHBOARD = ROOT / "deploy" / "grafana" / "tidemark.json"
PROMTOOL = installed()["PROMTOOL"]


def documented():
    """{metric: (type, set of labels)} by docs/metrics.md, which a unit test holds to the table."""
    text = (ROOT / "docs" / "metrics.md").read_text()
    rows = re.findall(r"^\| `([a-z_]+)` \| (\w+) \| [^|]+ \| ([^|]*) \|$", text, re.MULTILINE)
    return {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}


def rules():
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def check_expression(text):
    """Every metric exists, and every label is one of the metrics that the expression names."""
    metrics = documented()
    labels = {"job", "instance", "le"}
    for name in re.findall(r"\b(?:tidemark|process)_[a-z_]+", text):
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        histogram = metrics.get(base, ("",))[0] == "histogram"
        assert name in metrics or histogram, f"{name} is no metric: {text}"
        assert not (name in metrics and histogram), f"{name} needs _bucket, _sum or _count: {text}"
        labels |= metrics[base if histogram else name][1]
    asked = re.findall(r"[{,]\s*(\w+)\s*(?:=~|!~|!=|=)\s*\"", text)
    for group in re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", text):
        asked += re.findall(r"\w+", group)
    assert set(asked) <= labels, f"{set(asked) - labels} are no labels of these metrics: {text}"


# ---- Alerts and dashboard -----------------------------------------------------------------------


def test_the_check_of_expressions_finds_mistakes():
    check_expression('rate(tidemark_records_total{class="late"}[5m])')
    for wrong in (
        "tidemark_recrods_total",
        'tidemark_up{class="late"}',
        "sum by (class) (tidemark_up)",
        "rate(tidemark_visibility_delay_seconds[5m])",
    ):
        with pytest.raises(AssertionError):
            check_expression(wrong)


def test_alerts():
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names)) > 15
    fired = set(
        re.findall(r'alertname="(\w+)"', (ROOT / "tests/prometheus/alerts.yaml").read_text())
    )
    assert fired == set(names)
    told = set(re.findall(r"`(Tidemark\w+)`", (ROOT / "docs" / "metrics.md").read_text()))
    assert told == set(names) - {"TidemarkDown"}  # that is Prometheus' own metric
    for rule in rules():
        if rule["alert"] != "TidemarkDown":
            check_expression(rule["expr"])
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert {"summary", "description", "runbook_url"} == set(rule["annotations"])
        page, anchor = rule["annotations"]["runbook_url"].split("#")
        headings = re.findall(r"^#+ (.*)$", (ROOT / page).read_text(), re.MULTILINE)
        assert anchor in [heading.lower().replace(" ", "-") for heading in headings], anchor


def test_dashboard(tmp_path):
    dashboard = json.loads(DASHBOARD.read_text())
    assert dashboard["schemaVersion"] >= 38  # Grafana 10
    variables = {v["name"]: v for v in dashboard["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    panels = dashboard["panels"]
    ids = [panel["id"] for panel in panels]
    assert len(ids) == len(set(ids))
    places = set()
    for panel in panels:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"])
                 for y in range(at["y"], at["y"] + at["h"])}  # fmt: skip
        assert not cells & places, panel["title"]
        places |= cells
    expressions = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    expressions += [annotation["expr"] for annotation in dashboard["annotations"]["list"]]
    assert len(expressions) > 40
    for expression in expressions:
        check_expression(expression)
    for panel in panels:
        if panel["type"] != "row":
            assert panel["datasource"]["uid"] == "${datasource}" and panel["targets"]
    # Are they PromQL? As rules they have to be.
    plain = [e.replace("$__rate_interval", "5m").replace("$", "") for e in expressions]
    records = [{"record": f"panel:{i}", "expr": e} for i, e in enumerate(plain)]
    path = tmp_path / "panels.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": records}]}))
    promtool("check", "rules", path)


def promtool(*arguments, stdin=None):
    done = subprocess.run(
        [PROMTOOL, *map(str, arguments)], input=stdin, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


# ---- The text -----------------------------------------------------------------------------------


def scrape(process):
    """{(sample, labels): value} and the text."""
    status, text = process.http_get("/metrics")
    assert status == 200
    samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = sample.name, frozenset(sample.labels.items())
            assert key not in samples
            samples[key] = sample.value
    return samples, text


def total(samples, name, **labels):
    wanted = set(labels.items())
    return sum(value for (n, have), value in samples.items() if n == name and wanted <= have)


def records(count, first, pad):
    for i in range(first, first + count):
        ts = AT + i * 1000
        value = f'{{"user_id":"u","timestamp":{ts},"n":{i},"pad":"{pad}"}}'
        yield b"u", value.encode(), ts


def test_a_job_that_runs(kafka, make_job, directory_store):
    topic = kafka.create_topic()
    late, bad = (b"u", f'{{"user_id":"u","timestamp":{AT}}}'.encode(), AT), (b"u", b"bad", AT)
    other_key = (b"x", f'{{"user_id":"u","timestamp":{AT + 2_000_000}}}'.encode(), AT)
    everything = [*records(2000, 0, "x"), late, bad, other_key]
    kafka.produce(topic, everything)
    j = make_job(directory_store, topic)
    process = j.start()

    def published():
        try:
            samples, text = scrape(process)
        except OSError:
            return None
        done = total(samples, "tidemark_visibility_delay_seconds_count") >= 4
        return (samples, text) if done and saved(samples) else None

    def saved(samples):
        return total(samples, "tidemark_position") == len(everything) and not total(
            samples, "tidemark_unsaved_seconds"
        )

    samples, text = wait_until(published, "windows closed and published, and all saved")
    promtool("check", "metrics", stdin=text)
    found = {name for name, _ in samples}
    for name, (kind, _) in documented().items():  # all but what only S3, or only trouble, has
        assert (f"{name}_count" if kind == "histogram" else name) in found, name
    assert total(samples, "tidemark_records_total", **{"class": "event"}) == 2001
    assert total(samples, "tidemark_records_total", **{"class": "late"}) == 1
    assert total(samples, "tidemark_rejected_total", reason="invalid_json") == 1
    assert total(samples, "tidemark_key_mismatches_total") == 1
    assert total(samples, "tidemark_bytes_in_total") == sum(
        len(value) for _, value, _ in everything
    )
    assert total(samples, "tidemark_lag_offsets") == total(samples, "tidemark_lag_seconds") == 0
    assert total(samples, "tidemark_watermark_seconds") == pytest.approx(AT / 1000 + 1400, abs=0.01)
    assert total(samples, "tidemark_job_state") == 1
    assert total(samples, "tidemark_job_state", state="RUNNING") == 1
    assert total(samples, "tidemark_durable_read_records") == len(everything)
    files = total(samples, "tidemark_files_published_total")
    assert files == len(
        [key for key in j.output.keys() if key.startswith(("dt=", "_late/", "_rejected/"))]
    )
    completed = {"store": "output", "operation": "complete", "outcome": "success"}
    assert total(samples, "tidemark_store_requests_total", **completed) == files
    assert total(samples, "tidemark_checkpoint_number") == max(j.newest().values())
    assert total(samples, "process_resident_memory_bytes") == pytest.approx(
        process.rss_bytes(), rel=0.5
    )
    process.stop()
