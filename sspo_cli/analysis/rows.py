"""Rows of a run folder's JSON-lines files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Every row of `path`, in order; a torn last line, left by a run that was killed, is dropped.

    Raises:
        ValueError: naming file and line, if any other line is not a JSON object.
    """
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    rows: list[dict[str, Any]] = []
    for place, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            if place == len(lines):
                break
            raise ValueError(f"{path}:{place}: not JSON: {error}") from None
        if not isinstance(row, dict):
            raise ValueError(f"{path}:{place}: expected a JSON object")
        rows.append(row)
    return rows
