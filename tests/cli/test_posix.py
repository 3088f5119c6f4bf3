"""A system without the modules that Python has on POSIX alone is told so."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Sspo


@pytest.mark.parametrize(
    ("words", "missing"),
    [("train preset=smoke", ["fcntl"]), ("--version", ["fcntl"]), ("runs", ["fcntl", "resource"])],
)
def test_without_posix_modules_one_line_says_what_is_needed(
    fresh_sspo: Sspo, tmp_path: Path, write: Callable[[str, str], Path], words: str, missing: list[str]
) -> None:
    write("elsewhere/sitecustomize.py", f"import sys\nsys.modules.update(dict.fromkeys({missing}))\n")
    path = [str(tmp_path / "elsewhere"), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = fresh_sspo(*words.split(), PYTHONPATH=os.pathsep.join(path))
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("sspo: ") and f"lacks {' and '.join(missing)}: sspo needs a POSIX system" in line
    assert [file.name for file in tmp_path.iterdir()] == ["elsewhere"]
