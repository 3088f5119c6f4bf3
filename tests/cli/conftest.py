"""The real command in a subprocess, in an empty working directory."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Sspo = Callable[..., subprocess.CompletedProcess[str]]


def environment() -> dict[str, str]:
    """What a user's shell has, without what would colour or redirect the output."""
    dropped = ("FORCE_COLOR", "NO_COLOR", "COLUMNS", "TERM", "COMP_WORDS", "COMP_CWORD")
    kept = {key: value for key, value in os.environ.items() if key not in dropped}
    return {**kept, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


@pytest.fixture
def sspo(tmp_path: Path) -> Sspo:
    """`sspo(*words, **environment)` runs the command line in `tmp_path`."""

    def run(*words: str, **extra: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "sspo_cli", *words],
            cwd=tmp_path,
            env={**environment(), **extra},
            capture_output=True,
            text=True,
            timeout=1800,
        )

    return run


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    """`write("conf/objective/mine.yaml", text)` makes a file of the user's."""

    def make(name: str, text: str) -> Path:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    return make


@pytest.fixture(scope="session")
def made_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder, to be read only, with outputs/train/first (sspo, two steps), second (grpo, three), outputs/eval/again.

    Workers of one test session share it.
    """
    own = tmp_path_factory.getbasetemp()
    home = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "made_runs"
    with (home.parent / "made_runs.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "ready").exists():
            home.mkdir()
            for words in (
                ["train", "preset=smoke", "--name", "first"],
                ["train", "preset=smoke", "objective=grpo", "optim.lr=1e-4", "train.steps=3", "--name", "second"],
                ["eval", "outputs/train/first", "eval.samples=4", "--name", "again"],
            ):
                command = [sys.executable, "-m", "sspo_cli", *words]
                subprocess.run(command, cwd=home, env=environment(), check=True, capture_output=True, timeout=600)
            (home / "ready").touch()
    return home


@pytest.fixture
def runs_home(tmp_path: Path, made_runs: Path) -> Path:
    """`tmp_path` with a copy of `made_runs` in it, but for the checkpoints, to be changed at will."""
    shutil.copytree(made_runs / "outputs", tmp_path / "outputs", ignore=shutil.ignore_patterns("step_*"))
    return tmp_path
