"""The oracle itself, where a mistake would let mistakes of the program pass."""

import oracle
import pytest
from harness.kafka import Record

SETTINGS = {"output.path": "/nowhere/", "kafka.topic": "t"}
AT = 1729630812345  # 2024-10-22T21:00:12.345Z


def expect(value, timestamp=AT, key=b"u1", **settings):
    record = Record(0, 7, timestamp, key, value)
    changes = {name.replace("__", "."): setting for name, setting in settings.items()}
    return list(oracle.expectations([record], {**SETTINGS, **changes}))[0]


def reason(value, **more):
    expected = expect(value, **more)
    return expected.rejected["reason"] if expected.rejected else expected.kind


def test_a_line_keeps_every_byte_and_gains_three_instants():
    value = (
        b' { "user_id" : "u\\u00311" ,\t"timestamp": 1.729630812345e12 , "n" : [ 1.50 , -0 ,'
        b' 1e400 ] , "event_timestamp": {"x":[]}, "s":"a \\/ b\xc3\xa9" }\n'
    )
    expected = expect(value)
    assert expected.kind == "event"
    assert expected.line == (
        b'{"user_id":"u\\u00311","timestamp":1.729630812345e12,'
        b'"event_timestamp":"2024-10-22T21:00:12.345Z",'
        b'"event_timestamp_start":"2024-10-22T21:00:00Z",'
        b'"event_timestamp_end":"2024-10-22T21:05:00Z",'
        b'"n":[1.50,-0,1e400],"s":"a \\/ b\xc3\xa9"}'
    )


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" ",
        b"{",
        b"}",
        b"{]",
        b"[}",
        b"[1,]",
        b'{"a":1,}',
        b'{"a"}',
        b'{"a":}',
        b"{1:2}",
        b"[,1]",
        b"[01]",
        b"[1.]",
        b"[.5]",
        b"[+1]",
        b"[1e]",
        b"[NaN]",
        b"[-]",
        b"[tru]",
        b'["\t"]',
        b'["\\x"]',
        b'["\\u12g4"]',
        b'["\xff"]',
        b'["\xed\xa0\x80"]',
        b"\xef\xbb\xbf{}",
        b"{}{}",
        b"1 2",
        b"[1\x0c]",
        b"'a'",
        b"[" * 1025 + b"]" * 1025,
    ],
)
def test_json_is_strict(text):
    with pytest.raises(oracle.Invalid):
        oracle.parse(text)


def test_json_takes_what_the_grammar_takes():
    for text in (
        b"0",
        b'"\\ud800"',
        b"[" * 1024 + b"]" * 1024,
        b'{"":{"":[]}}',
        b" [ ] ",
        b"-0.0e-0",
    ):
        oracle.parse(text)
    top, members = oracle.parse(b'{"a":{},"b":[],"c":[1,{"d":2}],"e":"","a":null,"f":-1}')
    assert top == "object"
    assert [(m.name, m.kind, m.raw) for m in members] == [
        ("a", "object", b"{}"),
        ("b", "array", b"[]"),
        ("c", "array", b'[1,{"d":2}]'),
        ("e", "string", b'""'),
        ("a", "literal", b"null"),
        ("f", "number", b"-1"),
    ]


def test_reasons_stand_in_their_order():
    assert reason(None) == "null"
    assert reason(b"null") == "null"
    assert reason(b"nul") == "invalid_json"
    assert reason(b"[]") == "not_object"
    assert reason(b'{"user_id":1,"\\u0075ser_id":1}') == "duplicate_field"
    assert reason(b'{"timestamp":1,"timestamp":1}') == "duplicate_field"
    for key in (b"null", b'""', b"1.0", b"1e3", b"[]", b"true"):
        assert reason(b'{"timestamp":1,"user_id":' + key + b"}") == "no_key"
    assert reason(b'{"user_id":-5}') == "no_timestamp"
    assert reason(b'{"user_id":1,"timestamp":null}') == "no_timestamp"
    for ts in (b'"1"', b"1.5", b"1e-1", b"true", b"[]", b"1e18", b"-1e18", b"1e999999999999999999"):
        assert reason(b'{"user_id":1,"timestamp":' + ts + b"}") == "bad_timestamp"
    later = b'{"user_id":1,"timestamp":%d}' % (AT + 3_600_001)
    assert reason(later) == "future"
    assert reason(later, timestamp=None) == "event"
    assert reason(b'{"user_id":1,"timestamp":%d}' % (AT + 3_600_000)) == "event"


def test_numbers_have_exact_values():
    for raw, value in {
        b"-0.0": 0,
        b"0e99999999999999999999": 0,
        b"1729630800000.000": 1729630800000,
        b"17296308e5": 1729630800000,
        b"1" + b"0" * 5000 + b"e-5000": 1,
        b"0." + b"0" * 5000 + b"1e5001": 1,
        b"1e-99999999999999999999": None,
        b"0.1": None,
    }.items():
        assert oracle.integer_value(raw) == value, raw


def test_instants_and_windows():
    assert oracle.instant(-1) == "1969-12-31T23:59:59.999Z"
    assert oracle.instant(-62_135_596_800_000) == "0001-01-01T00:00:00Z"
    assert oracle.compact(oracle.FIRST_MS) == "00010101T000000Z"
    rules = oracle.Rules({**SETTINGS, "window.size": "7m", "window.offset": "-90s"})
    assert rules.start_of(-1) == -90_000
    assert rules.start_of(-90_001) == -510_000
    assert oracle.rfc3339("2024-02-29T23:59:59.5-05:30") == 1709270999500
    assert oracle.rfc3339("2023-02-29T00:00:00Z") is None
    assert oracle.rfc3339("2024-01-01T00:00:00") is None
    assert oracle.rfc3339("2024-01-01T00:00:00.1234Z") is None


def test_lateness_counts_the_record_itself():
    def record(offset, ts):
        value = b'{"user_id":1,"timestamp":%d}' % ts
        return Record(0, offset, None, b"1", value)

    # The watermark is 599,999 after the second record: the first window closes at 299,999.
    records = [record(0, 0), record(1, 900_000), record(2, 899_999), record(3, 299_999)]
    kinds = [e.kind for e in oracle.expectations(records, SETTINGS)]
    assert kinds == ["event", "event", "event", "late"]
    records[1] = record(1, 899_999)
    kinds = [e.kind for e in oracle.expectations(records, SETTINGS)]
    assert kinds == ["event", "event", "event", "event"]


def test_sums():
    for crc32c in (oracle.crc32c, oracle.plain_crc32c):
        assert crc32c(b"123456789") == 0xE3069283
        assert crc32c(b"12345678") == 0x6087809A
        assert crc32c(b"") == 0
    assert oracle.splitmix64(0) == 0xE220A8397B1DCDAF


def test_what_is_visible():
    class Listed:
        def keys(self):
            return [*seen, *unseen]

    seen = ["dt=2024-10-22/hour=21/a.jsonl", "_late/p.jsonl", "_rejected/strange"]
    unseen = ["_manifests/m.json", ".uploads/1-k", "dt=2024-10-22/.tmp-1", "_late/.tmp-1"]
    assert list(oracle._visible(Listed())) == seen
