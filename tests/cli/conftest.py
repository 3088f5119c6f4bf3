"""The real command in a subprocess, in an empty working directory."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.cli.forked import Command, Server

Sspo = Callable[..., subprocess.CompletedProcess[str]]
Write = Callable[[str, str], Path]
LIMIT_S = 1800


# Not the user's, and the same for all tests: another one would have to be there when libraries are imported.
HF_HOME = tempfile.TemporaryDirectory()


def environment() -> dict[str, str]:
    """What a user's shell has, without what would colour or redirect the output."""
    dropped = ("FORCE_COLOR", "NO_COLOR", "COLUMNS", "TERM", "COMP_WORDS", "COMP_CWORD")
    kept = {key: value for key, value in os.environ.items() if key not in dropped}
    return {**kept, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "HF_HOME": HF_HOME.name}


SERVER = Server()
# What libraries read when they are imported: with one of these the process imports them itself.
READ_BY_IMPORTS = ("PYTHONP", "HF_", "OMP_", "LD_")


def run_sspo(words: Sequence[str], cwd: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    """`sspo *words` in `cwd`, with `extra` environment variables; forked from a process with all modules loaded."""
    if any(name.startswith(READ_BY_IMPORTS) for name in extra):
        return run_fresh(words, cwd, **extra)
    return begin_sspo(words, cwd, **extra).wait(LIMIT_S)


def begin_sspo(words: Sequence[str], cwd: Path, **extra: str) -> Command:
    """As `run_sspo`, without waiting for the end."""
    return SERVER.begin(words, cwd, {**environment(), **extra})


def run_fresh(words: Sequence[str], cwd: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    """As `run_sspo`, in a new interpreter."""
    command, env = [sys.executable, "-m", "sspo_cli", *words], {**environment(), **extra}
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=LIMIT_S)


@pytest.fixture
def sspo(tmp_path: Path) -> Sspo:
    """`sspo(*words, **environment)` runs the command line in `tmp_path`."""
    return lambda *words, **extra: run_sspo(words, tmp_path, **extra)


@pytest.fixture
def fresh_sspo(tmp_path: Path) -> Sspo:
    """As `sspo`, each time in a new interpreter: for what imports and hashing may change."""
    return lambda *words, **extra: run_fresh(words, tmp_path, **extra)


@pytest.fixture
def write(tmp_path: Path) -> Write:
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
                run_sspo(words, home).check_returncode()
            (home / "ready").touch()
    return home


@pytest.fixture
def runs_home(tmp_path: Path, made_runs: Path) -> Path:
    """`tmp_path` with a copy of `made_runs` in it, but for the checkpoints, to be changed at will."""
    shutil.copytree(made_runs / "outputs", tmp_path / "outputs", ignore=shutil.ignore_patterns("step_*"))
    return tmp_path
