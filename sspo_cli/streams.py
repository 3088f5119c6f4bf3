"""stdout and stderr that cannot end a command: a run goes on though nobody reads what it says, and what the encoding
lacks, such as the lone surrogates that models write, is escaped."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import TextIO

NAMES = {1: "stdout", 2: "stderr"}


class Stream(io.FileIO):
    """A descriptor whose writes never fail: after the first that does, nothing more is written. lost: why, but for a
    reader who has gone, such as `head`."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "wb", closefd=False)
        self.over = False
        self.lost: OSError | None = None

    def write(self, data: bytes | bytearray | memoryview, /) -> int:  # type: ignore[override]
        size = memoryview(data).nbytes
        if self.over:
            return size
        try:
            return super().write(data)
        except OSError as error:
            self.over = True
            self.lost = None if error.errno == errno.EPIPE else error
            return size


def open_streams() -> list[Stream]:
    """Let sys.stdout and sys.stderr be such streams. A descriptor that is closed is opened on nothing: else the next
    file that the process opens would get its number, and what is printed."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    found = []
    for descriptor, name in NAMES.items():
        raw = Stream(descriptor)
        before: TextIO | None = getattr(sys, name)
        encoding = before.encoding if before else "utf-8"
        lines = descriptor == 2 or os.isatty(descriptor)
        setattr(sys, name, io.TextIOWrapper(io.BufferedWriter(raw), encoding, "backslashreplace", line_buffering=lines))
        found.append(raw)
    return found


def lost(streams: list[Stream]) -> list[str]:
    """A line for each stream that could not be written to, for another reason than that nobody reads it any more."""
    sys.stdout.flush()
    sys.stderr.flush()
    return [f"{NAMES[stream.fileno()]}: cannot be written: {stream.lost.strerror}" for stream in streams if stream.lost]
