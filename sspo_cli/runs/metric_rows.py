"""metrics.jsonl: a row for each update or evaluation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import NoneType

from sspo_cli.runs import format as run_format
from sspo_cli.runs import jsonl
from sspo_cli.runs.text import BrokenFile

FILE = "metrics.jsonl"

# "step" (whole, strictly increasing) and metrics by name; null stands for NaN and infinities. Names are open: those of
# sspo_cli/metrics.py, and what a user's reward calls its parts.
MetricRow = Mapping[str, float | None]


def append_metrics(folder: Path, rows: Iterable[MetricRow]) -> None:
    jsonl.append(folder / FILE, (dict(row) for row in rows))


def read_metrics(folder: Path) -> list[MetricRow]:
    """Every row of a run, a last one torn by a crash excepted; none where it has not begun.

    Raises:
        BrokenFile: naming file, line and metric, if a row holds something else.
        UnreadableFormat: if the run is of a newer format.
    """
    run_format.check(folder)
    file = folder / FILE
    rows: list[MetricRow] = list(jsonl.read(file))
    for number, row in enumerate(rows, start=1):
        if type(row.get("step")) is not int:
            raise BrokenFile([f"{file}:{number}: step: is no whole number"])
        for name, value in row.items():
            if type(value) not in (int, float, NoneType):
                raise BrokenFile([f"{file}:{number}: {name}: is no number"])
    return rows


def step_of(row: MetricRow) -> int:
    return int(row["step"] or 0)
