"""Append-only JSON lines. A line ends at "\\n" alone, for the writer and for every reader."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from sspo_cli.runs.text import BrokenFile, parse_json, read_text

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
        BrokenFile: naming file and line, if any other line is no JSON object; naming the file, if it cannot be read.
    """
    rows: list[dict[str, Any]] = []
    try:
        lines = read_text(file).removesuffix("\n").split("\n")
    except FileNotFoundError:
        return rows
    for number, line in enumerate(lines, start=1):
        try:
            row = parse_json(line, f"{file}:{number}")
        except BrokenFile:
            if number < len(lines):
                raise
            break
        if not isinstance(row, dict):
            raise BrokenFile([f"{file}:{number}: not a JSON object"])
        rows.append(row)
    return rows


def read_as(row: type[T], file: Path) -> list[T]:
    """Every row of `file` as a dataclass; keys that it does not have are of another version, and left out.

    Raises:
        BrokenFile: naming file, line and key, if a row lacks a key or has a value of another type.
    """
    adapter = TypeAdapter(row)
    found = []
    for number, content in enumerate(read(file), start=1):
        try:
            found.append(adapter.validate_python(content))
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"]))
            raise BrokenFile([f"{file}:{number}: {key}{': ' if key else ''}{first['msg']}"]) from None
    return found


def split_off(file: Path, after_step: int) -> None:
    """Move the rows later than `after_step` to FILE.orphaned.jsonl: a resumed run writes them anew.

    Raises:
        BrokenFile: as `by_step`; nothing has been written then.
    """
    if not file.exists():
        return
    kept_rows, late = by_step(file, after_step)
    if late:
        append(file.with_suffix(".orphaned.jsonl"), late)
    kept = file.with_suffix(".tmp")
    kept.unlink(missing_ok=True)
    append(kept, kept_rows)
    kept.replace(file)


def by_step(file: Path, after_step: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rows up to `after_step`, and the later ones.

    Raises:
        BrokenFile: naming the file, and a line without a step.
    """
    rows = read(file)
    for number, row in enumerate(rows, start=1):
        if type(row.get("step")) is not int:
            raise BrokenFile([f"{file}:{number}: step: is no whole number"])
    return [row for row in rows if row["step"] <= after_step], [row for row in rows if row["step"] > after_step]
