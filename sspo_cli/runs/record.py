"""What a run folder says of itself, however much of it is there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sspo_cli.config.errors import ConfigError
from sspo_cli.runs.folder import way_on
from sspo_cli.runs.metric_rows import read_metrics, step_of
from sspo_cli.runs.settings import read_settings
from sspo_cli.runs.status import DIED, RUNNING, last_change, read_state
from sspo_cli.runs.summary import PARTS, figures, read_eval_summary, read_run_summary

HALF_WRITTEN = "half-written"


@dataclass(frozen=True)
class Record:
    """One run.

    kind: train or eval. status: the word of its state, or half-written where there is no config.yaml that can be read.
    notes: why it is in that state, and what cannot be read. choices: by config group. config: by dotted key, but for
    the choices. figures: {"first", "best", "last"} of each metric. step: the last one recorded. changed: when the
    folder was last written to, in seconds since the epoch.
    """

    folder: Path
    kind: str
    status: str
    notes: list[str]
    choices: dict[str, str]
    config: dict[str, Any]
    figures: dict[str, dict[str, float | None]]
    step: int | None
    minutes: float | None
    changed: float

    @property
    def steps(self) -> int | None:
        return self.config.get("train.steps")

    def last(self, metric: str) -> float | None:
        return self.figures[metric]["last"] if metric in self.figures else None


def read_record(folder: Path) -> Record:
    """The record of `folder`: what is missing, torn or forbidden becomes a note, and nothing raises."""
    notes: list[str] = []
    state = read_state(folder)
    status, why = state.word, state.why
    try:
        choices, config = read_settings(folder / "config.yaml")
        kind = "train" if "train.steps" in config else "eval"
        why += f"; go on with `{way_on(folder)}`" if status == DIED and kind == "train" else ""
    except ConfigError:  # of another format, which its state tells
        return Record(folder, folder.parent.name, status, [why], {}, {}, {}, None, None, last_change(folder))
    except ValueError as error:
        notes.append(f"{error} (STATUS: {status})")
        choices, config, kind, status = {}, {}, folder.parent.name, HALF_WRITTEN
    try:
        step, minutes, found = read_figures(folder, kind, summarised=status not in (RUNNING, DIED))
    except (OSError, ValueError) as error:
        notes.append(" ".join(str(error).replace(f"{folder}/", "").split()))
        step, minutes, found = None, None, {}
    return Record(
        folder=folder,
        kind=kind,
        status=status,
        notes=[why, *notes] if why else notes,
        choices=choices,
        config=config,
        figures=found,
        step=step,
        minutes=minutes,
        changed=last_change(folder),
    )


def read_figures(
    folder: Path, kind: str, *, summarised: bool
) -> tuple[int | None, float | None, dict[str, dict[str, float | None]]]:
    """The last step, the minutes spent, and the figures of a run. summarised: whether summary.json is the latest word.

    Raises:
        ValueError: for a file that holds something else.
    """
    if kind == "eval":
        evaluated = read_eval_summary(folder) if summarised else None
        measured = {
            name: value for name, value in (evaluated.metrics if evaluated else {}).items() if value is not None
        }
        return None, None, {name: dict.fromkeys(PARTS, value) for name, value in measured.items()}
    if summarised and (summary := read_run_summary(folder)):
        return summary.steps, summary.minutes, summary.figures
    rows = read_metrics(folder)
    seconds = [row["time/total_s"] or 0.0 for row in rows if "time/total_s" in row]
    return step_of(rows[-1]) if rows else None, sum(seconds) / 60 if seconds else None, figures(rows)
