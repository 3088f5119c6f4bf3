"""The real command in a subprocess, in an empty working directory."""

from __future__ import annotations

import os
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
