"""Output that nobody reads any more, as in `sspo runs | head`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import environment


@pytest.mark.parametrize("words", [["show", "reward"], ["show", "reward", "--json"]], ids=["rich", "print"])
def test_a_reader_who_leaves_is_no_error(words: list[str], tmp_path: Path) -> None:
    """Nothing is told on stderr, and the command ends as if somebody had read all."""
    read, written = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "sspo_cli", *words]
    ended = subprocess.run(command, cwd=tmp_path, env=environment(), stdout=written, stderr=subprocess.PIPE, text=True)
    os.close(written)
    assert (ended.returncode, ended.stderr) == (0, "")
