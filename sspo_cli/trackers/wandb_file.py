"""The steps in a .wandb file: wandb holds rows back in memory, so that a killed session may have written fewer."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

HEADER, BLOCK, CHUNK = 7, 32768, 7  # bytes: of the file, of a block, of the head of a chunk
WHOLE, FIRST, LAST = 1, 2, 4


def steps_in(file: Path) -> Iterator[int]:
    """Of every row of metrics that is whole; the format is LevelDB's log of protobuf records."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, place, parts = file.read_bytes(), HEADER, b""
    while place + CHUNK <= len(data):
        if (left := BLOCK - place % BLOCK) < CHUNK:
            place += left
            continue
        _, size, kind = struct.unpack_from("<IHB", data, place)
        place += CHUNK
        if place + size > len(data):
            return
        parts = data[place : place + size] if kind in (WHOLE, FIRST) else parts + data[place : place + size]
        place += size
        if kind in (WHOLE, LAST):
            record = Record()
            record.ParseFromString(parts)
            if record.WhichOneof("record_type") == "history":
                yield int(record.history.step.num)
