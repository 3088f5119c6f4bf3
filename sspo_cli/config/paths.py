"""Paths of a configuration that are not there: told before anything that takes seconds is imported."""

from __future__ import annotations

import os
from pathlib import Path

from sspo_cli.config.schema import EvalConfig, FileData, MixtureRewardSection, PartReward, PythonReward, RewardConfig


def missing_paths(config: EvalConfig) -> list[str]:
    """A line for each file or folder of the dataset, and each file of the reward, that is not there."""
    data = config.dataset
    paths = {"dataset.path": data.path, "dataset.eval_path": data.eval_path} if isinstance(data, FileData) else {}
    found = [problem for key, path in paths.items() if path is not None and (problem := path_problem(key, path))]
    return [*found, *missing_graders(config.reward)]


def missing_graders(reward: RewardConfig) -> list[str]:
    """A line for each file of the reward that is not there."""
    parts: dict[str, RewardConfig | PartReward] = {"reward": reward}
    if isinstance(reward, MixtureRewardSection):
        parts = {f"reward.parts.{name}": part for name, part in reward.parts.items()}
    paths = {f"{key}.path": part.path for key, part in parts.items() if isinstance(part, PythonReward)}
    return [problem for key, path in paths.items() if (problem := path_problem(key, path))]


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
