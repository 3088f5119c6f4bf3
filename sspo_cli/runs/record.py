"""What a run folder says of itself, however much of it is there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sspo_cli.config.literal import unescaped
from sspo_cli.runs import jsonl
from sspo_cli.runs.folder import way_on
from sspo_cli.runs.status import DIED, RUNNING, last_change, read_state
from sspo_cli.runs.summary import figures

HALF_WRITTEN = "half-written"
# libyaml reads a configuration ten times as fast, where PyYAML was built with it.
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# Keys that say which kind of choice a section is: `choices` tells it in the user's words.
TAGS = ("kind", "name")


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
        choices, config = read_config(folder / "config.yaml")
        kind = "train" if "train.steps" in config else "eval"
        why += f"; go on with `{way_on(folder)}`" if status == DIED and kind == "train" else ""
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


def read_config(file: Path) -> tuple[dict[str, str], dict[str, Any]]:
    """Choices by group and settings by dotted key of a resolved config.yaml.

    Raises:
        ValueError: if it is not there, or not a whole configuration.
    """
    try:
        content = unescaped(yaml.load(file.read_text(encoding="utf-8"), Loader=LOADER))
    except FileNotFoundError:
        raise ValueError(f"there is no {file.name}") from None
    except OSError as error:
        raise ValueError(f"{file.name} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"{file.name} is torn, or no YAML") from error
    if not isinstance(content, dict) or not isinstance(content.get("choices"), dict) or "seed" not in content:
        raise ValueError(f"{file.name} is not a whole configuration")
    choices = {str(group): str(choice) for group, choice in content.pop("choices").items()}
    tags = {f"{group.replace('/', '.')}.{tag}" for group in choices for tag in TAGS}
    return choices, {key: value for key, value in flat(content) if key not in tags}


def flat(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf by its dotted key."""
    for key, value in content.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def read_figures(
    folder: Path, kind: str, *, summarised: bool
) -> tuple[int | None, float | None, dict[str, dict[str, float | None]]]:
    """The last step, the minutes spent, and the figures of a run. summarised: whether summary.json is the latest word.

    Raises:
        ValueError: for a file that holds something else.
    """
    summary = read_summary(folder / "summary.json") if summarised else {}
    if kind == "eval":
        measured = {name: value for name, value in summary.items() if "/" in name and value is not None}
        return None, None, {name: dict.fromkeys(("first", "best", "last"), measured[name]) for name in measured}
    if summary:
        found = {name: value for name, value in summary.items() if isinstance(value, dict)}
        return summary["steps"], summary["minutes"], found
    rows = jsonl.read(folder / "metrics.jsonl")
    seconds = [row["time/total_s"] for row in rows if "time/total_s" in row]
    return rows[-1]["step"] if rows else None, sum(seconds) / 60 if seconds else None, figures(rows)


def read_summary(file: Path) -> dict[str, Any]:
    """Its content; nothing where it is missing or torn, since it is made of other files."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
