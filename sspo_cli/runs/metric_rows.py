"""metrics.jsonl: a row for each update or evaluation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from sspo_cli.runs import format as run_format
from sspo_cli.runs import jsonl

FILE = "metrics.jsonl"

# "step" (whole, strictly increasing) and metrics by name; null stands for NaN and infinities. Names are open: those of
# sspo_cli/metrics.py, and what a user's reward calls its parts.
MetricRow = Mapping[str, float | None]


def append_metrics(folder: Path, rows: Iterable[MetricRow]) -> None:
    jsonl.append(folder / FILE, (dict(row) for row in rows))


def read_metrics(folder: Path) -> list[MetricRow]:
    """Every row of a run, a last one torn by a crash excepted; none where it has not begun.

    Raises:
        ValueError: naming file and line, if a line is no JSON object.
        UnreadableFormat: if the run is of a newer format.
    """
    run_format.check(folder)
    return list(jsonl.read(folder / FILE))


def step_of(row: MetricRow) -> int:
    return int(row["step"] or 0)
