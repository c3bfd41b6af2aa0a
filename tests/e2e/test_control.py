"""What a running job tells over HTTP, and whom it obeys."""

import socket
import urllib.request

import pytest
from harness.processes import free_port, wait_until

AT = 1729629000000  # 2024-10-22T20:30:00Z
MINUTE = 60_000
TOKEN = {"Authorization": "Bearer s3cret"}


def event(ts, more=""):
    return b"u", f'{{"user_id":"u","timestamp":{ts}{more}}}'.encode(), ts


def status(process):
    code, body = process.http_get("/tidemark/status")
    assert code == 200
    return body


def test_what_it_tells_agrees_with_what_was_produced(kafka, make_job, directory_store):
    topic = kafka.create_topic(partitions=2)
    j = make_job(directory_store, topic, {"event.max_future": "1d"})
    on_time = [event(AT + i * 1000) for i in range(300)]
    later = [event(AT + 20 * MINUTE)]  # closes the windows of all before
    late = [event(AT + i) for i in range(7)]
    values = [record[1] for record in on_time + later + late]
    values += [b"nonsense \xff", b'{"user_id":"u"}', None, b"null"]
    kafka.produce(topic, [(b"u", value, AT, 0) for value in values])
    process = j.start()

    def published():
        partitions = {p["partition"]: p for p in status(process)["partitions"]}
        return partitions.get(0, {}).get("files_published") and partitions

    process.wait_for_http()
    partitions = wait_until(published, lambda: status(process), 60)

    told = status(process)
    assert told["job"]["topic"] == topic and told["job"]["state"] == "RUNNING"
    assert told["job"]["pid"] == process.pid
    assert told["topic_partitions"] == 2 and sorted(partitions) == [0, 1]
    zero = partitions[0]
    assert zero["events"] == {"event": 301, "late": 7, "rejected": 2, "null": 2}
    assert zero["rejected"]["invalid_json"] == 1 and zero["rejected"]["no_timestamp"] == 1
    assert (zero["begin"], zero["position"], zero["lag"]) == (0, 312, 0)
    assert zero["records"] == 312
    assert zero["bytes_in"] == sum(len(value or b"") for value in values)
    assert zero["max_ts"] == AT + 20 * MINUTE and zero["watermark"] <= zero["max_ts"]
    assert told["progress"]["done"] == 312 and told["progress"]["todo"] == 0
    # The same as for Prometheus.
    metrics = process.http_get("/metrics")[1]
    assert '\ntidemark_records_total{partition="0",class="late"} 7\n' in metrics

    files = process.http_get("/tidemark/files")[1]["published"]
    assert sorted(file["key"] for file in files if file["class"] == "event") == sorted(j.files())
    errors = process.http_get("/tidemark/errors")[1]
    assert errors == {"errors": [], "ever": 0}
    checkpoints = process.http_get("/tidemark/checkpoints")[1]["checkpoints"]
    assert max(c["number"] for c in checkpoints if c["partition"] == 0) <= j.newest()[0]
    samples = process.http_get("/tidemark/samples")[1]
    assert samples["late"][0]["value"].encode() in values and samples["late"][0]["offset"] >= 301
    assert samples["rejected"][0]["reason"] == "invalid_json"
    assert samples["rejected"][0]["value_base64"] == "bm9uc2Vuc2Ug/w=="

    # The file of the last event's window is open, and says what it waits for.
    def listed():
        answer = process.http_get("/tidemark/files")[1]
        return answer["watched"] and [f for f in answer["open"] if f["class"] == "event"]

    open_file = wait_until(listed, "open files", 30)[0]
    assert open_file["window_start"] == AT + 20 * MINUTE and open_file["events"] == 1
    assert open_file["closes_at"] == open_file["window_end"] - 1 > zero["watermark"]
    assert process.stop() == 143


def test_the_settings_hide_secrets(kafka, tidemark, tmp_path):
    topic = kafka.create_topic()
    settings = {
        **kafka.settings(topic),
        "output.path": str(tmp_path / "out"),
        "http.token": "s3cret",
        "s3.access_key": "somebody",
        "s3.secret_key": "very-secret",
        "kafka.properties.ssl.key.password": "hidden-too",
    }
    process = tidemark.start(["run"], settings)
    process.wait_for_http("/healthz")
    code, body = process.http_get("/tidemark/settings")
    assert code == 200
    rows = {row["key"]: row for row in body["settings"]}
    assert rows["kafka.topic"]["value"] == topic
    assert ".yaml" in rows["kafka.topic"]["origin"]
    for key in ("http.token", "s3.secret_key", "kafka.properties.ssl.key.password"):
        assert rows[key]["value"] == "***"
    for path in ("/tidemark/settings", "/tidemark/status", "/metrics"):
        with urllib.request.urlopen(process.url + path, timeout=10) as answer:
            text = answer.read().decode()
        assert not any(secret in text for secret in ("s3cret", "very-secret", "hidden-too"))
    assert process.stop() == 143


def test_the_name_it_listens_at_may_be_asked_for(tidemark, tmp_path):
    listen = f"127.1:{free_port()}"  # 127.0.0.1, by a name that only this setting makes its own
    settings = {
        "http.listen": listen,
        "kafka.bootstrap_servers": f"127.0.0.1:{free_port()}",
        "output.path": str(tmp_path / "out"),
    }
    process = tidemark.start(["run"], settings)
    process.wait_for_http("/healthz")
    assert process.http("GET", "/tidemark/status", headers={"Host": listen})[0] == 200
    assert process.http("GET", "/tidemark/status", headers={"Host": "127.2"})[0] == 403


@pytest.mark.parametrize("token", [False, True], ids=["no-token", "token"])
def test_who_may_change_the_job_from_other_machines(kafka, make_job, directory_store, token):
    topic = kafka.create_topic()
    kafka.produce(topic, [event(AT)])
    listen = f"0.0.0.0:{free_port()}"
    more = {"http.listen": listen, **({"http.token": "s3cret"} if token else {})}
    process = make_job(directory_store, topic, more).start()
    process.wait_for_http()
    job = status(process)["job"]["id"]
    refused = 401 if token else 403
    calls = [
        ("POST", f"/jobs/{job}/savepoints"),
        ("POST", f"/v1/jobs/{job}/stop"),
        ("PATCH", f"/jobs/{job}?mode=cancel"),
        ("GET", "/tidemark/samples"),
    ]
    wrong = [{}, {"Authorization": "Bearer s3cre"}, {"Authorization": "Basic s3cret"}]
    if not token:
        wrong.append(TOKEN)
    for method, path in calls:
        for headers in wrong:
            assert process.http(method, path, {}, headers=headers)[0] == refused, (path, headers)
    evil = {**TOKEN, "Origin": "http://evil.example"}
    for method, path in calls[:3]:
        assert process.http(method, path, {}, headers=evil)[0] == 403
    assert process.http("GET", "/tidemark/status", headers={"Host": "evil.example"})[0] == 403
    assert process.http("GET", "/tidemark/status", headers={"Host": socket.gethostname()})[0] == 200
    # Whoever was refused has not stopped it.
    wait_until(lambda: status(process)["job"]["state"] == "RUNNING", lambda: status(process)["job"])
    if token:
        assert process.http("GET", "/tidemark/samples", headers=TOKEN)[0] == 200
    assert process.stop() == 143
