"""One grid out of any runs: train runs and cells of other grids, distinguished by the keys that differ."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from sspo_cli.config.errors import ConfigError
from sspo_cli.config.tree import leaves
from sspo_cli.runs.alarms import alarms_of_folder
from sspo_cli.runs.grid_file import read_grid_file
from sspo_cli.runs.metric_rows import read_metrics
from sspo_cli.runs.status import DIED, RUNNING, read_state
from sspo_cli.runs.summary import RunSummary, best_saved, read_run_summary, summarise_run
from sspo_cli.runs.text import read_text
from sspo_cli.study.files import CellFiles, mapping
from sspo_cli.study.grid import no_such_metric
from sspo_cli.study.provenance import OF_THE_RUN

# What changes nothing that is learned or measured; presets only set other keys.
IDLE = (*OF_THE_RUN, "choices.preset", "choices.tracker", "train.save_every", "train.keep_checkpoints")
IDLE_SECTIONS = ("engine.", "tracker.", "compare.", "sweep.")
CHOICE = "choices."


@dataclass(frozen=True)
class FoundRun:
    """A train run, done or not. settings: values under dotted keys; choices: of every group, such as objective."""

    folder: Path
    seed: int
    choices: dict[str, Any]
    settings: dict[str, Any]
    overrides: list[str] = field(default_factory=list)
    metric: str | None = None
    direction: str = "max"


def collect(folders: Sequence[Path]) -> list[FoundRun]:
    """Every run in `folders`, each of which is a run or a grid; a run that is in two of them counts once.

    Raises:
        ConfigError: with one line for every folder that is neither or cannot be read.
    """
    runs: dict[Path, FoundRun] = {}
    problems = []
    for folder in folders:
        try:
            found = grid_runs(folder) if (folder / "grid.json").is_file() else [train_run(folder)]
        except ConfigError as error:
            problems += error.problems
        except (ValueError, KeyError, TypeError) as error:
            problems.append(f"{folder}: cannot be read: {' '.join(str(error).split())}")
        else:
            runs |= {run.folder.resolve(): run for run in found}
    if problems:
        raise ConfigError(problems)
    return list(runs.values())


def without_repeats(runs: Sequence[FoundRun]) -> list[FoundRun]:
    """One run for every settings and seed, one that is done if there is: a repeat would pass for one more seed."""
    kept: dict[str, FoundRun] = {}
    for run in runs:
        place = spelled([run.choices, run.settings, run.seed])
        if place not in kept or (is_done(run.folder) and not is_done(kept[place].folder)):
            kept[place] = run
    return list(kept.values())


def is_done(folder: Path) -> bool:
    return CellFiles(folder).state.word == "done"


def check_metric(runs: Sequence[FoundRun], metric: str) -> None:
    """Refuse a metric that no run has.

    Raises:
        ConfigError: if none of the runs has the metric.
    """
    rows = (row for run in runs for row in CellFiles(run.folder).metrics)
    names = {name for row in rows for name in row}
    if names and metric not in names:
        raise ConfigError([no_such_metric(metric, names)])


def train_run(folder: Path) -> FoundRun:
    """A run that `sspo train` made.

    Raises:
        ConfigError: if there is none.
    """
    config = mapping(folder / "config.yaml") if folder.is_dir() else {}
    if "objective" not in config or "train" not in config:
        there = "is no run and no grid" if folder.is_dir() else "no such folder"
        raise ConfigError(
            [f"{folder}: {there}; runs are folders such as outputs/train/NAME, grids outputs/compare/NAME"]
        )
    words = folder / "overrides.txt"
    overrides = read_text(words).split("\n")[:-1] if words.is_file() else []
    return FoundRun(folder, int(config["seed"]), *split(config), overrides)


def grid_runs(folder: Path) -> list[FoundRun]:
    """The cells of a grid. One without a configuration has that of another cell, but for its place in the grid."""
    content = read_grid_file(folder)
    configs = [mapping(folder / entry["folder"] / "config.yaml") for entry in content["cells"]]
    of_another = next((config for config in configs if config), {})
    runs = []
    for entry, config in zip(content["cells"], configs, strict=True):
        choices, settings = split(config or of_another)
        if not config:
            choices |= {key: value for key, value in entry["point"].items() if key in choices}
            settings |= {key: value for key, value in entry["point"].items() if key not in choices}
        place, seed, overrides = folder / entry["folder"], int(entry["seed"]), entry["overrides"]
        runs.append(FoundRun(place, seed, choices, settings, overrides, content["metric"], content["direction"]))
    return runs


def split(config: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Choices and settings of a configuration, without those that make no difference."""
    kept = {key: value for key, value in leaves(config) if key not in IDLE and not key.startswith(IDLE_SECTIONS)}
    choices = {key.removeprefix(CHOICE): value for key, value in kept.items() if key.startswith(CHOICE)}
    return choices, {key: value for key, value in kept.items() if not key.startswith(CHOICE)}


def axes_of(runs: Sequence[FoundRun]) -> list[str]:
    """The keys that tell the runs apart, the objective always first.

    A key under a group, such as objective.pool, is left out where the choices explain it: runs with the same choices
    have the same value of it.
    """
    axes = ["objective"]
    for group in unique(key for run in runs for key in run.choices):
        inside = [axis for axis in axes if group.startswith(f"{axis}/")]
        if group != "objective" and differ(group, runs) and not (inside and explained(group, inside, runs)):
            axes.append(group)
    choices = list(axes)
    for key in unique(key for run in runs for key in run.settings):
        belongs = any(key.startswith(choice.replace("/", ".") + ".") for choice in choices)
        by = choices if belongs else ["rollout.max_response_length"] if key == "eval.max_response_length" else []
        if differ(key, runs) and not (by and explained(key, by, runs)):
            axes.append(key)
    return axes


def value_of(run: FoundRun, key: str) -> Any:
    return run.choices[key] if key in run.choices else run.settings.get(key)


def differ(key: str, runs: Sequence[FoundRun]) -> bool:
    return len({spelled(value_of(run, key)) for run in runs}) > 1


def explained(key: str, by: Sequence[str], runs: Sequence[FoundRun]) -> bool:
    """Whether runs that agree in the keys `by` agree in `key` too."""
    found: dict[str, set[str]] = {}
    for run in runs:
        found.setdefault(spelled([value_of(run, name) for name in by]), set()).add(spelled(value_of(run, key)))
    return all(len(values) == 1 for values in found.values())


def spelled(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def combined(
    runs: Sequence[FoundRun], folder: Path, *, metric: str | None, direction: str | None, baseline: str | None
) -> dict[str, Any]:
    """The content of grid.json for these runs, in `folder`. metric and direction are by default those of the grids
    among them, baseline the objective grpo if it is there.

    Raises:
        ConfigError: a baseline that is no objective of theirs.
    """
    axes = axes_of(runs)
    points = [{key: value_of(run, key) for key in axes} for run in runs]
    objectives: list[str] = unique(point["objective"] for point in points)
    if baseline is not None and baseline not in objectives:
        known = ", ".join(objectives)
        raise ConfigError([f"--baseline {baseline}: none of these runs has that objective (allowed: {known})"])
    compare = axes == ["objective"] and len(objectives) > 1
    first = baseline or ("grpo" if "grpo" in objectives else objectives[0])
    asked = next((run for run in runs if run.metric), None)
    return {
        "kind": "compare" if compare else "sweep",
        "axes": {
            **{key: unique(point[key] for point in points) for key in axes},
            "seed": unique(run.seed for run in runs),
        },
        "metric": metric or (asked.metric if asked else "eval/accuracy"),
        "direction": direction or (asked.direction if asked and metric is None else "max"),
        "baseline": first if compare else None,
        "allowed": [],
        "cells": [
            {"folder": os.path.relpath(run.folder, folder), "point": point, "seed": run.seed, "id": "",
             "overrides": run.overrides}
            for run, point in zip(runs, points, strict=True)
        ],
    }  # fmt: skip


def unique(values: Iterable[Any]) -> list[Any]:
    found: list[Any] = []
    for value in values:
        if value not in found:
            found.append(value)
    return found


def shared_config(runs: Sequence[FoundRun]) -> str:
    """The settings that all runs have in common, as YAML with dotted keys."""
    shared = {key: value for key, value in runs[0].settings.items() if not differ(key, runs)}
    return yaml.safe_dump(shared, sort_keys=False, allow_unicode=True)


def run_summary(folder: Path) -> RunSummary:
    """The summary of one train run, which is made where the run did not get to it.

    Raises:
        ConfigError: if there is no run, or it has no metrics that can be read.
    """
    found, state = train_run(folder), read_state(folder)
    rows = read_metrics(folder)
    if not rows:
        raise ConfigError([f"{folder}: has no metrics yet (status: {state})"])
    summary = read_run_summary(folder)
    if summary is not None and state.word not in (RUNNING, DIED):
        return summary
    return summarise_run(  # what is there is of an earlier stop
        folder,
        status=str(state),
        seconds=sum(row.get("time/total_s") or 0.0 for row in rows),
        seed=found.seed,
        objective=str(found.choices["objective"]),
        warnings=alarms_of_folder(folder, rows),
        best_checkpoint=best_saved(folder),
    )
