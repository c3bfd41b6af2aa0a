"""What a job has to write, worked out a second time, slowly and plainly, and compared with a store.

An implementation of its own of the rules for events and time (docs/events.md) and for what lies in
the store (docs/store-layout.md): it shares no code with the program, and takes JSON apart by itself
because Python's parser lets too much pass and does not keep numbers byte for byte.

    records = kafka.consume(topic)
    compare(records, settings, output, checkpoints)

raises AssertionError with the differences, and returns a Report of what was found.
"""

import base64
import ctypes
import ctypes.util
import json
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Optional

from harness.output import decompress

CLASSES = ("event", "late", "rejected", "null")

# ---- JSON by RFC 8259 ---------------------------------------------------------------------------

MAX_DEPTH = 1024

_TOKEN = re.compile(
    rb"[ \t\n\r]*(?:"
    rb'(?P<string>"[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*)*")'
    rb"|(?P<number>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)"
    rb"|(?P<literal>true|false|null)"
    rb"|(?P<mark>[{}\[\]:,]))"
)
_BLANKS = re.compile(rb"[ \t\n\r]*")
_INTEGER = re.compile(rb"-?(?:0|[1-9][0-9]*)")


class Invalid(Exception):
    """Not one JSON text in valid UTF-8."""


@dataclass
class Member:
    """One member of the outermost object; everything as it came, without white space."""

    name: str
    raw_name: bytes
    kind: str  # string, number, literal, object or array
    raw: bytes


def parse(text):
    """(kind of the outermost value, its members where that is an object)."""
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Invalid("not UTF-8") from error
    members, stack, name, begin = [], [], None, 0
    kept, top = [], None
    expect = "value"
    at = 0
    while expect != "end":
        match = _TOKEN.match(text, at)
        if match is None:
            raise Invalid(f"at byte {at}")
        at, kind, token = match.end(), match.lastgroup, match[match.lastgroup]
        kept.append(token)
        mark = token if kind == "mark" else None
        closes = False
        if expect in ("value", "value or ]") and (mark is None or mark in b"{["):
            if not stack:
                top = {None: kind, b"{": "object", b"[": "array"}[mark]
            if mark is not None:
                stack.append(mark)
                if len(stack) > MAX_DEPTH:
                    raise Invalid("too deep")
                if len(stack) == 1:
                    begin = len(kept)
                expect = "name or }" if mark == b"{" else "value or ]"
                continue
            closes = True
        elif mark == b"]" and (expect == "value or ]" or expect == "more" and stack[-1] == b"["):
            stack.pop()
            closes = True
        elif mark == b"}" and (expect == "name or }" or expect == "more" and stack[-1] == b"{"):
            stack.pop()
            closes = True
        elif kind == "string" and expect in ("name or }", "name"):
            if len(stack) == 1:
                name, begin = token, len(kept) + 1
            expect = "colon"
        elif mark == b":" and expect == "colon":
            expect = "value"
        elif mark == b"," and expect == "more":
            expect = "name" if stack[-1] == b"{" else "value"
        else:
            raise Invalid(f"{token[:20]!r} before byte {at}, expected {expect}")
        if closes:
            expect = "more" if stack else "end"
            if len(stack) == 1 and stack[0] == b"{":
                first = kept[begin]
                kinds = {b"{": "object", b"[": "array"}
                members.append(
                    Member(
                        json.loads(name),
                        name,
                        kinds.get(first, kind if begin == len(kept) - 1 else ""),
                        b"".join(kept[begin:]),
                    )
                )
    if _BLANKS.match(text, at).end() != len(text):
        raise Invalid(f"more after byte {at}")
    return top, members


def integer_value(raw, digits_at_most=20):
    """The exact value of a JSON number that is an integer, else None (also for enormous ones)."""
    sign, whole, fraction, exponent = re.fullmatch(
        rb"(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?", raw
    ).groups()
    digits = (whole + (fraction or b"")).lstrip(b"0")
    if not digits:
        return 0
    exponent = exponent or b"0"
    if len(exponent.lstrip(b"+-0")) > 15:
        return None  # neither its digits nor its fraction can make up for that
    significant = digits.rstrip(b"0")
    power = int(exponent) - len(fraction or b"") + len(digits) - len(significant)
    if power < 0 or len(significant) + power > digits_at_most:
        return None
    value = int(significant) * 10**power
    return -value if sign else value


# ---- Time ---------------------------------------------------------------------------------------

_EPOCH = datetime(1970, 1, 1)
FIRST_MS = -62_135_596_800_000  # 0001-01-01T00:00:00Z
END_MS = 253_402_300_800_000  # 10000-01-01T00:00:00Z

_RFC3339 = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})"
    r"(?:\.([0-9]{1,3}))?(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))"
)


def civil(ms):
    return _EPOCH + timedelta(milliseconds=ms)


def instant(ms):
    """As Java's Instant.toString."""
    t = civil(ms)
    text = f"{t.year:04}-{t.month:02}-{t.day:02}T{t.hour:02}:{t.minute:02}:{t.second:02}"
    return text + (f".{ms % 1000:03}Z" if ms % 1000 else "Z")


def compact(ms):
    """As file names begin."""
    t = civil(ms)
    return f"{t.year:04}{t.month:02}{t.day:02}T{t.hour:02}{t.minute:02}{t.second:02}Z"


def folder(pattern, ms):
    """output.partition_by for a window's start."""
    t = civil(ms)
    fields = {
        "%Y": f"{t.year:04}",
        "%m": f"{t.month:02}",
        "%d": f"{t.day:02}",
        "%H": f"{t.hour:02}",
        "%M": f"{t.minute:02}",
        "%S": f"{t.second:02}",
        "%j": f"{t.timetuple().tm_yday:03}",
    }
    return re.sub("%.", lambda match: fields[match[0]], pattern)


def rfc3339(text):
    """Epoch milliseconds, or None."""
    match = _RFC3339.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(match[i]) for i in range(1, 7))
    try:
        ms = (datetime(year, month, day, hour, minute, second) - _EPOCH) // timedelta(
            milliseconds=1
        )
    except ValueError:
        return None
    ms += int((match[7] or "0").ljust(3, "0"))
    if match[8]:
        hours, minutes = int(match[9]), int(match[10])
        if hours > 23 or minutes > 59:
            return None
        shift = (hours * 60 + minutes) * 60_000
        ms -= shift if match[8] == "+" else -shift
    return ms


def duration(text):
    """Milliseconds of "5m", "-90s", "200ms"."""
    number, unit = re.fullmatch(r"(-?[0-9]+)(ms|s|m|h|d)", str(text)).groups()
    return int(number) * {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}[unit]


# ---- Records ------------------------------------------------------------------------------------


class Rules:
    """The settings that decide what becomes of a record."""

    def __init__(self, settings):
        def get(key, default):
            return settings.get(key, default)

        self.name = get("name", "clickstream")
        self.topic = get("kafka.topic", "clickstream")
        self.key_field = get("event.key_field", "user_id")
        self.timestamp_field = get("event.timestamp_field", "timestamp")
        self.timestamp_format = get("event.timestamp_format", "epoch_ms")
        self.max_future = duration(get("event.max_future", "1h"))
        self.size = duration(get("window.size", "5m"))
        self.offset = duration(get("window.offset", "0s"))
        self.out_of_orderness = duration(get("window.out_of_orderness", "10m"))
        self.allowed_lateness = duration(get("window.allowed_lateness", "0s"))
        self.partition_by = get("output.partition_by", "dt=%Y-%m-%d/hour=%H")
        self.output_path = settings["output.path"]
        compression = get("output.compression", "none")
        self.suffix = ".jsonl" + {"none": "", "gzip": ".gz", "zstd": ".zst"}[compression]

    def start_of(self, ts):
        return ts - (ts - self.offset) % self.size


@dataclass
class Expected:
    """What has to become of one record."""

    partition: int
    offset: int
    kind: str  # one of CLASSES
    window: Optional[int] = None  # start; of late and rejected ones None, as in a manifest
    line: Optional[bytes] = None  # event and late
    rejected: Optional[dict] = None  # without detail
    key_mismatch: bool = False


class Rejected(Exception):
    def __init__(self, reason):
        super().__init__(reason)
        self.reason = reason


_ADDED = ("event_timestamp", "event_timestamp_start", "event_timestamp_end")


def _key_of(member):
    """The key as bytes as a record's key would be."""
    if member.kind == "string":
        text = json.loads(member.raw)
        if text:
            return text.encode("utf-8", "surrogatepass")
    elif member.kind == "number" and _INTEGER.fullmatch(member.raw):
        return member.raw
    raise Rejected("no_key")


def _timestamp_of(member, rules):
    if rules.timestamp_format == "iso8601":
        ts = rfc3339(json.loads(member.raw)) if member.kind == "string" else None
    else:
        ts = integer_value(member.raw) if member.kind == "number" else None
        if ts is not None and rules.timestamp_format == "epoch_s":
            ts *= 1000
    if ts is None or not FIRST_MS <= ts < END_MS:
        raise Rejected("bad_timestamp")
    start = rules.start_of(ts)
    if start < FIRST_MS or start + rules.size > END_MS:
        raise Rejected("bad_timestamp")
    return ts


def _read_event(value, rules):
    """(members, key, timestamp) of an acceptable event; None for a JSON null."""
    try:
        top, members = parse(value)
    except Invalid as error:
        raise Rejected("invalid_json") from error
    if top == "literal" and value.strip(b" \t\r\n") == b"null":
        return None
    if top != "object":
        raise Rejected("not_object")
    keys = [m for m in members if m.name == rules.key_field]
    timestamps = [m for m in members if m.name == rules.timestamp_field]
    if len(keys) > 1 or len(timestamps) > 1:
        raise Rejected("duplicate_field")
    if not keys:
        raise Rejected("no_key")
    key = _key_of(keys[0])
    if not timestamps or timestamps[0].raw == b"null":
        raise Rejected("no_timestamp")
    return members, key, _timestamp_of(timestamps[0], rules)


def line_of(members, ts, rules):
    start = rules.start_of(ts)
    instants = (instant(ts), instant(start), instant(start + rules.size))
    added = [f'"{name}":"{at}"'.encode() for name, at in zip(_ADDED, instants)]
    parts = []
    for member in members:
        if member.name in _ADDED and member.name != rules.timestamp_field:
            continue
        parts.append(member.raw_name + b":" + member.raw)
        if member.name == rules.timestamp_field:
            parts += added
    return b"{" + b",".join(parts) + b"}"


def _text(name, data):
    if data is None:
        return {name: None}
    try:
        return {name: data.decode("utf-8")}
    except UnicodeDecodeError:
        return {name + "_base64": base64.b64encode(data).decode()}


def _rejection(record, rules, reason):
    return {
        "topic": rules.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp,
        **_text("key", record.key),
        "reason": reason,
        **_text("value", record.value),
    }


def expectations(records, settings):
    """Expected for every record; they come by partition in the order of their offsets."""
    rules = Rules(settings)
    greatest = {}
    for record in records:
        where = (record.partition, record.offset)
        if not record.value:
            yield Expected(*where, "null")
            continue
        try:
            event = _read_event(record.value, rules)
            if event is None:
                yield Expected(*where, "null")
                continue
            members, key, ts = event
            stamped = record.timestamp is not None and record.timestamp >= 0
            if stamped and ts - record.timestamp > rules.max_future:
                raise Rejected("future")
        except Rejected as rejected:
            yield Expected(*where, "rejected", rejected=_rejection(record, rules, rejected.reason))
            continue
        most = greatest[record.partition] = max(ts, greatest.get(record.partition, ts))
        watermark = most - rules.out_of_orderness - 1
        start = rules.start_of(ts)
        late = start + rules.size - 1 + rules.allowed_lateness <= watermark
        yield Expected(
            *where,
            "late" if late else "event",
            None if late else start,
            line_of(members, ts, rules),
            key_mismatch=record.key != key,
        )


# ---- Sums ---------------------------------------------------------------------------------------

_M64 = (1 << 64) - 1


def splitmix64(x):
    x = (x + 0x9E3779B97F4A7C15) & _M64
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _M64
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _M64
    return x ^ (x >> 31)


def hash_of(offsets):
    return sum(map(splitmix64, offsets)) & _M64


def _crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_CRC = _crc_table()
# Two bytes at a time.
_CRC2 = [_CRC[_CRC[low] & 0xFF] ^ (_CRC[low] >> 8) for low in range(256)]
_CRC16 = [_CRC2[pair & 0xFF] ^ _CRC[pair >> 8] for pair in range(65536)]


def _crc_of_libisal():
    """Its crc32_iscsi, many times as fast as Python: some tests write tens of megabytes."""
    name = ctypes.util.find_library("isal")
    if name is None:
        return None
    function = ctypes.CDLL(name).crc32_iscsi
    function.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.c_uint]
    function.restype = ctypes.c_uint
    return function


_ISCSI = _crc_of_libisal()


def crc32c(data):
    if _ISCSI is not None:
        return _ISCSI(data, len(data), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return plain_crc32c(data)


def plain_crc32c(data):
    crc, table = 0xFFFFFFFF, _CRC16
    even = len(data) & ~1
    for pair in memoryview(data)[:even].cast("H"):
        crc = (crc >> 16) ^ table[(crc ^ pair) & 0xFFFF]
    if len(data) & 1:
        crc = (crc >> 8) ^ _CRC[(crc ^ data[-1]) & 0xFF]
    return crc ^ 0xFFFFFFFF


# ---- The store ----------------------------------------------------------------------------------

_WINDOW_FILE = re.compile(
    r"(?P<window>[0-9]{8}T[0-9]{6}Z)-p(?P<partition>[0-9]{5})-o(?P<first>[0-9]{20})"
    r"-[0-9a-f]{16}(?P<suffix>\.jsonl(?:\.gz|\.zst)?)"
)
_OTHER_FILE = re.compile(
    r"p(?P<partition>[0-9]{5})-o(?P<first>[0-9]{20})-[0-9a-f]{16}(?P<suffix>\.jsonl(?:\.gz|\.zst)?)"
)
_CHECKPOINT = re.compile(r"p(?P<partition>[0-9]{5})/chk-(?P<number>[0-9]{20})\.json")
_FILE_FIELDS = {"class", "window", "key", "first", "last", "events", "hash", "bytes", "crc32c"}


@dataclass
class File:
    """One visible file, as its name and its bytes tell."""

    key: str
    kind: str
    partition: int
    window: Optional[int]
    first: int
    lines: list
    size: int
    crc32c: str
    offsets: Optional[list] = None  # where each line can only come from one record


@dataclass
class Report:
    files: dict = field(default_factory=dict)  # by key
    expected: list = field(default_factory=list)
    checkpoints: dict = field(default_factory=dict)  # newest, by partition
    manifests: dict = field(default_factory=dict)  # by key

    def count(self, kind):
        return sum(1 for e in self.expected if e.kind == kind)

    def reasons(self):
        return Counter(e.rejected["reason"] for e in self.expected if e.rejected)

    def windows(self):
        return sorted({e.window for e in self.expected if e.kind == "event"})


class Differences(list):
    """Everything that is wrong, up to a limit, in the order in which it was found."""

    def check(self, condition, message):
        if not condition:
            self.append(message() if callable(message) else message)
        return condition

    def fail_if_any(self):
        shown = [f"- {message}" for message in self[:20]]
        if len(self) > 20:
            shown.append(f"- and {len(self) - 20} more")
        assert not self, "the output differs from what the records demand:\n" + "\n".join(shown)


def read_checkpoint(data):
    """The checkpoint in these bytes, which have to carry their own sum."""
    body, _, sum_ = data.rpartition(b',"crc32c":')
    match = re.fullmatch(rb'"([0-9a-f]{8})"\}\n?', sum_)
    assert match, f"no CRC at a checkpoint's end: {data[-60:]!r}"
    assert int(match[1], 16) == crc32c(body), "a checkpoint's CRC does not match its bytes"
    return json.loads(data)


def newest_checkpoints(settings, checkpoints):
    """{partition: (number, key)} of the chain's ends."""
    rules = Rules(settings)
    prefix = f"{rules.name}/{rules.topic}/"
    newest = {}
    for key in checkpoints.keys(prefix):
        match = _CHECKPOINT.fullmatch(key[len(prefix) :])
        if match:
            partition, number = int(match["partition"]), int(match["number"])
            newest[partition] = max(newest.get(partition, (0, "")), (number, key))
    return newest


def _read_file(key, output, rules, problems):
    """A File, or None where the key is not one that may be seen."""
    kind, pattern = "event", _WINDOW_FILE
    path, _, name = key.rpartition("/")
    if path in ("_late", "_rejected"):
        kind, pattern = path[1:], _OTHER_FILE
    match = pattern.fullmatch(name)
    if not problems.check(match, f"{key}: no such name may be visible"):
        return None
    problems.check(match["suffix"] == rules.suffix, f"{key}: the suffix is not {rules.suffix}")
    window = None
    if kind == "event":
        start = datetime.strptime(match["window"], "%Y%m%dT%H%M%SZ")
        window = (start - _EPOCH) // timedelta(milliseconds=1)
        problems.check(
            path == folder(rules.partition_by, window), f"{key}: not in its window's folder"
        )
        problems.check(rules.start_of(window) == window, f"{key}: no window begins there")
    stored = output.read(key)
    data = decompress(key, stored)
    problems.check(data.endswith(b"\n"), f"{key}: the last line has no end")
    return File(
        key,
        kind,
        int(match["partition"]),
        window,
        int(match["first"]),
        data.split(b"\n")[:-1],
        len(stored),
        f"{crc32c(stored):08x}",
    )


def _visible(output):
    """Keys that are not below a name for internal use; readers skip such names."""
    for key in output.keys():
        names = key.split("/")
        if names[0] in ("_late", "_rejected"):
            del names[0]
        if not any(name[0] in "_." for name in names):
            yield key


def _rejected_line(line, problems, where):
    """The line's (partition, offset) and what it says without detail, as one comparable text."""
    try:
        top, members = parse(line)
        if top != "object" or len({m.name for m in members}) != len(members):
            raise Invalid("not an object, or a name twice")
        found = json.loads(line)
    except (Invalid, ValueError) as error:
        problems.append(f"{where}: a rejected line is not JSON ({error}): {line[:200]!r}")
        return None
    detail = found.pop("detail", None)
    problems.check(
        isinstance(detail, str) and detail, f"{where}: a rejected line without detail: {found}"
    )
    names = [m.name for m in members]
    order = ["topic", "partition", "offset", "timestamp", "key", "reason", "detail", "value"]
    problems.check(
        [n.replace("_base64", "") for n in names] == order,
        f"{where}: the fields of a rejected line are {names}",
    )
    return _canonical(found)


def _canonical(rejected):
    return json.dumps(rejected, sort_keys=True).encode()


def _compare_lines(expected, files, complete, problems):
    """Every line stands as often as the records demand; finds out each line's offset."""
    wanted = defaultdict(lambda: defaultdict(list))
    for e in expected:
        if e.kind != "null":
            line = _canonical(e.rejected) if e.rejected else e.line
            wanted[e.partition, e.kind, e.window][line].append(e.offset)
    found = defaultdict(Counter)
    for file in files.values():
        group = (file.partition, file.kind, file.window)
        lines = file.lines
        if file.kind == "rejected":
            lines = [_rejected_line(line, problems, file.key) for line in lines]
        found[group].update(lines)
        origins = [wanted[group].get(line) for line in lines]
        problems.check(
            origins and origins[0] and file.first in origins[0],
            lambda f=file, o=origins: f"{f.key}: its first line is of offset {o[:1]}",
        )
        if all(origin and len(origin) == 1 for origin in origins):
            file.offsets = [origin[0] for origin in origins]
            problems.check(
                file.offsets == sorted(file.offsets), f"{file.key}: its lines are not in order"
            )
    for group in sorted(set(wanted) | set(found), key=str):
        counts = {line: len(offsets) for line, offsets in wanted[group].items()}
        if found[group] == counts:
            continue
        partition, kind, window = group
        name = f"partition {partition}, {kind}" + (f" {instant(window)}" if window else "")
        for line, count in counts.items():
            here = found[group][line]
            if here > count or (complete and here < count):
                problems.append(
                    f"{name}: offset {wanted[group][line]} stands {here} times: {line[:300]!r}"
                )
        for line, count in found[group].items():
            if line is not None and line not in counts:
                problems.append(f"{name}: a line that no record gives, {count} times: {line!r}")


def _totals(groups):
    """{class: {"events", "hash"}} as checkpoints and manifests state them."""
    return {
        kind: {"events": len(groups[kind]), "hash": f"{hash_of(groups[kind]):016x}"}
        for kind in CLASSES
    }


def _compare_entry(entry, file, problems, where):
    """A manifest's file with the file."""
    missing = _FILE_FIELDS - set(entry)
    if not problems.check(not missing, f"{where}: {entry.get('key')} lacks {missing}"):
        return
    problems.check(
        not {"upload", "parts"} & set(entry), f"{where}: {file.key} tells upload or parts"
    )
    facts = {
        "class": file.kind,
        "window": file.window,
        "first": file.first,
        "events": len(file.lines),
        "bytes": file.size,
        "crc32c": file.crc32c,
    }
    if file.offsets:
        facts["last"] = file.offsets[-1]
        facts["hash"] = f"{hash_of(file.offsets):016x}"
    for name, value in facts.items():
        problems.check(
            entry[name] == value, f"{where}: {file.key}: {name} is {entry[name]!r}, not {value!r}"
        )


def _check_identity(document, rules, partition, problems, where):
    identity = document["identity"]
    problems.check(
        (identity["topic"], identity["partition"], identity["output"])
        == (rules.topic, partition, rules.output_path),
        f"{where}: identity {identity}",
    )
    problems.check(
        re.fullmatch("[0-9a-f]{16}", identity["settings"]) and identity["cluster"],
        f"{where}: identity {identity}",
    )


def _compare_manifests(report, output, rules, complete, problems):
    """Manifests list exactly the files; returns the entries by partition and key."""
    entries = defaultdict(dict)
    prefix = f"_manifests/{rules.name}/{rules.topic}/"
    for key in output.keys("_manifests/"):
        if key.rpartition("/")[2].startswith("."):
            continue  # what a killed process was about to put; readers skip such names
        match = _CHECKPOINT.fullmatch(key[len(prefix) :]) if key.startswith(prefix) else None
        if not problems.check(match, f"{key}: not a manifest's name"):
            continue
        manifest = report.manifests[key] = json.loads(output.read(key))
        partition = int(match["partition"])
        problems.check(manifest["v"] == 1, f"{key}: v is {manifest['v']}")
        problems.check(
            manifest["checkpoint"] == int(match["number"]),
            f"{key}: checkpoint is {manifest['checkpoint']}",
        )
        _check_identity(manifest, rules, partition, problems, key)
        problems.check(manifest["files"], f"{key}: lists nothing")
        for entry in manifest["files"]:
            known = entries[partition].setdefault(entry["key"], entry)
            problems.check(known == entry, f"{key}: tells {entry['key']} differently")
            file = report.files.get(entry["key"])
            if file is None:
                # A manifest follows its files: what it lists is visible.
                problems.append(f"{key}: lists {entry['key']}, which is not there")
            else:
                problems.check(file.partition == partition, f"{key}: lists {file.key}")
                if known is entry:
                    _compare_entry(entry, file, problems, key)
    listed = {key for files in entries.values() for key in files}
    if complete:
        for key in sorted(set(report.files) - listed):
            problems.append(f"{key}: visible, but in no manifest")
    return entries


def _sum(entries, kind):
    """Of files as manifests and checkpoints list them."""
    chosen = [entry for entry in entries if entry["class"] == kind]
    total = sum(int(entry["hash"], 16) for entry in chosen) & _M64
    return {"events": sum(entry["events"] for entry in chosen), "hash": f"{total:016x}"}


def _check_open(checkpoint, problems, where):
    """read - listed is what its gaps and open files hold."""
    for kind in CLASSES[:3]:
        behind = checkpoint["read"][kind]["events"] - checkpoint["listed"][kind]["events"]
        held = sum(
            thing["events"]
            for thing in checkpoint["gaps"] + checkpoint["files"]
            if thing["class"] == kind
        )
        problems.check(
            behind == held, f"{where}: {kind}: {behind} behind, {held} in gaps and files"
        )


def _compare_checkpoints(report, settings, checkpoints, entries, ends, complete, problems):
    rules = Rules(settings)
    by_partition = defaultdict(lambda: defaultdict(list))
    for e in report.expected:
        by_partition[e.partition][e.kind].append(e.offset)
    newest = newest_checkpoints(settings, checkpoints)
    problems.check(
        set(by_partition) <= set(newest), lambda: f"checkpoints only of partitions {set(newest)}"
    )
    for partition, (number, key) in sorted(newest.items()):
        checkpoint = read_checkpoint(checkpoints.read(key))
        report.checkpoints[partition] = checkpoint
        problems.check(
            (checkpoint["v"], checkpoint["number"]) == (1, number), f"{key}: is another number"
        )
        _check_identity(checkpoint, rules, partition, problems, key)
        _check_open(checkpoint, problems, key)
        if not complete:
            continue
        for name in ("gaps", "files", "commits"):
            problems.check(not checkpoint[name], f"{key}: {name} left: {checkpoint[name]}")
        if ends is not None:
            problems.check(
                checkpoint["next"] == ends[partition],
                f"{key}: next is {checkpoint['next']}, the log's end {ends[partition]}",
            )
        wanted = _totals(by_partition[partition])
        problems.check(
            checkpoint["read"] == wanted, f"{key}: read is {checkpoint['read']}, not {wanted}"
        )
        for kind in CLASSES[:3]:
            total = _sum(entries[partition].values(), kind)
            problems.check(
                checkpoint["listed"][kind] == total,
                f"{key}: listed {kind} is {checkpoint['listed'][kind]}, manifests say {total}",
            )


def compare(records, settings, output, checkpoints, ends=None, complete=True):
    """Compare the store with what `records`, all that the job was to read, demand.

    records      of all partitions, read_committed, each partition in the order of its offsets
    settings     the job's settings by their dotted names
    output       reader of output.path (harness/output.py)
    checkpoints  reader of checkpoint.path
    ends         {partition: where a bounded run had to end}; None does not look
    complete     the job came to a bounded or drained end, so that nothing may be missing or open;
                 otherwise only: nothing is visible that should not be, nothing stands twice
    """
    rules = Rules(settings)
    problems = Differences()
    report = Report(expected=list(expectations(records, settings)))
    for key in _visible(output):
        file = _read_file(key, output, rules, problems)
        if file is not None:
            report.files[key] = file
    _compare_lines(report.expected, report.files, complete, problems)
    entries = _compare_manifests(report, output, rules, complete, problems)
    _compare_checkpoints(report, settings, checkpoints, entries, ends, complete, problems)
    problems.fail_if_any()
    return report
