"""Paths and packages of a configuration that are not there: told before anything that takes seconds is imported."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

from sspo_cli.config.schema import (
    EvalConfig,
    FileData,
    MixtureData,
    NoTracker,
    TrackerConfig,
    TrainConfig,
    WandbTracker,
)


def missing(config: EvalConfig) -> list[str]:
    """A line for each file or folder of the dataset, and for the tracker's package, if it is not there."""
    return missing_paths(config) + (missing_package(config.tracker) if isinstance(config, TrainConfig) else [])


def missing_paths(config: EvalConfig) -> list[str]:
    """A line for each file or folder of the dataset that is not there."""
    data = config.dataset
    parts = (
        {f"dataset.parts.{name}": part for name, part in data.parts.items()} if isinstance(data, MixtureData) else {}
    )
    files = {key: part for key, part in {"dataset": data, **parts}.items() if isinstance(part, FileData)}
    paths = {f"{key}.{name}": getattr(part, name) for key, part in files.items() for name in ("path", "eval_path")}
    return [problem for key, path in paths.items() if path is not None and (problem := path_problem(key, path))]


def missing_package(tracker: TrackerConfig) -> list[str]:
    """A line about the package of a tracker, if it is not installed."""
    if isinstance(tracker, NoTracker) or find_spec(tracker.kind) is not None:
        return []
    extra = "wandb" if isinstance(tracker, WandbTracker) else f"'sspo[{tracker.kind}]'"
    return [f"tracker={tracker.kind}: the package {tracker.kind} is not installed; `pip install {extra}`"]


def path_problem(key: str, path: str) -> str | None:
    """Why nothing can be read at `path`; None if something may."""
    place = Path(path)
    try:
        place.stat()
    except FileNotFoundError:
        return f"{key}={path}: no such file (looked in {place.absolute().parent})"
    except (OSError, ValueError) as error:
        return f"{key}={path}: cannot be read: {getattr(error, 'strerror', None) or error}"
    if not place.is_file() and not place.is_dir():
        return f"{key}={path}: neither a file nor a folder"
    if not os.access(place, os.R_OK):
        return f"{key}={path}: cannot be read: Permission denied"
    return None
