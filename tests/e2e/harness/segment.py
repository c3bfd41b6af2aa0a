"""A partition's log as it lies on the broker's disk."""

import struct
from dataclasses import dataclass

_HEAD = 61  # bytes of a batch before its records
_CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


@dataclass(frozen=True)
class Batch:
    """Where a batch stands in its file, which offsets it holds, and how they are compressed."""

    position: int
    size: int
    first: int
    last: int
    codec: str

    def middle(self):
        """The position of a byte amid its records."""
        return self.position + _HEAD + (self.size - _HEAD) // 2


class Segment:
    """The first segment of a partition. Change it only while the broker is down."""

    def __init__(self, kafka, topic, partition=0):
        directory = kafka.directory / "kafka-data" / f"{topic}-{partition}"
        self.path = directory / f"{0:020d}.log"

    def batches(self):
        data = self.path.read_bytes()
        found, position = [], 0
        while position + _HEAD <= len(data):
            first, length = struct.unpack_from(">qi", data, position)
            if length == 0:
                break  # the broker has reserved room behind the last
            attributes, delta = struct.unpack_from(">hi", data, position + 21)
            codec = _CODECS[attributes & 7]
            found.append(Batch(position, 12 + length, first, first + delta, codec))
            position += 12 + length
        return found

    def flip(self, position):
        """Change one byte; the same again restores it."""
        with open(self.path, "r+b") as file:
            file.seek(position)
            byte = file.read(1)
            file.seek(position)
            file.write(bytes([byte[0] ^ 0x10]))
