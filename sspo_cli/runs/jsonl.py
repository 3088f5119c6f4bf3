"""Append-only JSON lines. A line ends at "\\n" alone, for the writer and for every reader."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

T = TypeVar("T")
ESCAPED = re.compile(r"[\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def append(file: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write one object a line and hand it to the operating system before returning."""
    with file.open("a", encoding="utf-8") as stream:
        stream.writelines(as_line(row) + "\n" for row in rows)


def as_line(row: dict[str, Any]) -> str:
    """A row as JSON, readable in every language, without what some readers take for the end of a line, and without
    lone surrogates, which UTF-8 lacks."""
    return ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(without_nan(row), ensure_ascii=False))


def without_nan(value: Any) -> Any:
    """JSON has no NaN and no infinity: null stands for both."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read(file: Path) -> list[dict[str, Any]]:
    """Every row of `file`; a last line torn by a crash is dropped. A missing file has no rows.

    Raises:
        ValueError: naming file and line, if any other line is not JSON.
    """
    rows: list[dict[str, Any]] = []
    lines = file.read_text(encoding="utf-8").split("\n") if file.exists() else []
    if lines and not lines[-1]:
        lines.pop()
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError as error:
            if number != len(lines):
                raise ValueError(f"{file}:{number}: not JSON: {error}") from None
    return rows


def read_as(row: type[T], file: Path) -> list[T]:
    """Every row of `file` as a dataclass; keys that it does not have are of another version, and left out.

    Raises:
        ValueError: naming file, line and key, if a row lacks a key or has a value of another type.
    """
    adapter = TypeAdapter(row)
    found = []
    for number, content in enumerate(read(file), start=1):
        try:
            found.append(adapter.validate_python(content))
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"]))
            raise ValueError(f"{file}:{number}: {key}{': ' if key else ''}{first['msg']}") from None
    return found


def split_off(file: Path, after_step: int) -> None:
    """Move the rows later than `after_step` to FILE.orphaned.jsonl: a resumed run writes them anew."""
    if not file.exists():
        return
    rows = read(file)
    late = [row for row in rows if row["step"] > after_step]
    if late:
        append(file.with_suffix(".orphaned.jsonl"), late)
    kept = file.with_suffix(".tmp")
    kept.unlink(missing_ok=True)
    append(kept, (row for row in rows if row["step"] <= after_step))
    kept.replace(file)
