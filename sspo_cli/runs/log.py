"""log.txt of a cell, and other logs: what they said last."""

from __future__ import annotations

from pathlib import Path

END_BYTES = 1 << 16


def last_line(log: Path) -> str:
    """The last line of `log` that says anything, without blanks around it; "" where there is none, or no log."""
    try:
        with log.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(max(0, size - END_BYTES))
            end = stream.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return ""
    return next((line.strip() for line in reversed(end.splitlines()) if line.strip()), "")
