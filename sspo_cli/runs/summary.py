"""summary.json: of a train run the first, best and last value of every metric, of an evaluation its figures."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from sspo_cli.metrics import metric
from sspo_cli.runs import format as run_format
from sspo_cli.runs import jsonl
from sspo_cli.runs.folder import checkpoint_name, checkpoints
from sspo_cli.runs.integrity import PROGRESS
from sspo_cli.runs.metric_rows import MetricRow, read_metrics, step_of
from sspo_cli.runs.text import BrokenFile, read_json, read_mapping, replace_text

FILE = "summary.json"
PARTS = ("first", "best", "last")


@dataclass(frozen=True)
class RunSummary:
    """Of a train run. warnings: what is wrong with it, in lines. figures: by metric its first, best and last value.
    best_checkpoint: in the run folder, of the best evaluation by train.keep_best; None if that is not set."""

    status: str
    minutes: float
    steps: int
    seed: int
    objective: str
    warnings: list[str]
    figures: dict[str, dict[str, float | None]]
    best_checkpoint: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The content of the file: the metrics stand beside the other keys."""
        left_out = ("figures", "best_checkpoint") if self.best_checkpoint is None else ("figures",)
        return {key: value for key, value in vars(self).items() if key not in left_out} | self.figures


@dataclass(frozen=True)
class EvalSummary:
    """Of `sspo eval`. target: what was evaluated. problems, samples, temperature: of its decoding. warnings: what is
    wrong with it, in lines. metrics: by name."""

    target: str
    problems: int
    samples: int
    temperature: float
    warnings: list[str]
    metrics: dict[str, float | None]

    def as_json(self) -> dict[str, Any]:
        """The content of the file: the metrics stand beside the other keys; null for NaN and infinities."""
        content = {key: value for key, value in vars(self).items() if key != "metrics"} | self.metrics
        found: dict[str, Any] = jsonl.without_nan(content)
        return found


def summarise_run(
    folder: Path,
    *,
    status: str,
    seconds: float,
    seed: int,
    objective: str,
    warnings: Iterable[str] = (),
    best_checkpoint: str | None = None,
) -> RunSummary:
    """Write and return the summary of what metrics.jsonl holds.

    warnings: lines for the user about what is wrong with the run.
    """
    rows = read_metrics(folder)
    steps = step_of(rows[-1]) if rows else 0
    summary = RunSummary(status, seconds / 60, steps, seed, objective, list(warnings), figures(rows), best_checkpoint)
    write_summary(folder, summary)
    return summary


def write_summary(folder: Path, summary: RunSummary | EvalSummary) -> None:
    replace_text(folder / FILE, json.dumps(summary.as_json(), indent=2) + "\n")


def read_run_summary(folder: Path) -> RunSummary | None:
    """The summary of a train run; None where it is missing, torn, or something else, since it is made of other files.

    Raises:
        UnreadableFormat: if the run is of a newer format.
    """
    content = read_content(folder)
    figures = {name: value for name, value in content.items() if isinstance(value, dict)}
    with suppress(ValidationError):
        return TypeAdapter(RunSummary).validate_python({"warnings": [], **content, "figures": figures})
    return None


def read_eval_summary(folder: Path) -> EvalSummary | None:
    """The summary of an evaluation of its own; None where it is missing, torn, or something else.

    Raises:
        UnreadableFormat: if the run is of a newer format.
    """
    content = read_content(folder)
    metrics = {name: value for name, value in content.items() if "/" in name}
    with suppress(ValidationError):
        return TypeAdapter(EvalSummary).validate_python({"warnings": [], **content, "metrics": metrics})
    return None


def best_saved(folder: Path) -> str | None:
    """The best checkpoint of a run, in its folder, as its newest checkpoint says; None where nothing says it."""
    for checkpoint in checkpoints(folder)[-1:]:
        try:
            best = read_json(checkpoint / PROGRESS)["best"]
            return f"checkpoints/{checkpoint_name(best['step'])}" if best else None
        except (OSError, ValueError, KeyError, TypeError):  # damaged, or of an earlier version
            pass
    return None


def read_content(folder: Path) -> dict[str, Any]:
    """What the file holds, of grids too; nothing where it is missing or torn.

    Raises:
        UnreadableFormat: if the run is of a newer format.
    """
    run_format.check(folder)
    with suppress(OSError, BrokenFile):
        return read_mapping(folder / FILE)
    return {}


def figures(rows: Sequence[MetricRow]) -> dict[str, dict[str, float | None]]:
    """{"first", "best", "last"} of every metric in rows of metrics.jsonl; "best" is None where no end is better."""
    found: dict[str, dict[str, float | None]] = {}
    for name in sorted({name for row in rows for name in row} - {"step"}):
        values = [value for row in rows if (value := row.get(name)) is not None]
        if values:
            found[name] = {"first": values[0], "best": metric(name).best(values), "last": values[-1]}
    return found
