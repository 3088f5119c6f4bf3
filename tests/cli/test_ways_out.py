"""Output that nobody reads, or that has no room."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import environment

SSPO = f"{sys.executable} -m sspo_cli"


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = ["bash", "-c", line.replace("sspo ", f"{SSPO} ")]
    return subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=300)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "code", "told"),
    [
        ("sspo show dataset | true; exit ${PIPESTATUS[0]}", 0, ""),
        ("sspo show dataset >&-", 0, ""),
        ("sspo show nope 2>&-", 2, ""),
        ("sspo show dataset --json > /dev/full", 1, "sspo: stdout: cannot be written: No space left on device\n"),
    ],
)
def test_output_that_cannot_be_written_is_no_traceback(tmp_path: Path, line: str, code: int, told: str) -> None:
    done = shell(line, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", told)


@pytest.mark.slow
def test_a_run_goes_on_when_nobody_reads_what_it_says(tmp_path: Path) -> None:
    done = shell("sspo train preset=smoke --name heard 2>&1 | head -1; exit ${PIPESTATUS[0]}", tmp_path)
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 1
    assert (tmp_path / "outputs/train/heard/STATUS").read_text().strip() == "done"


@pytest.mark.slow
def test_a_checkpoint_that_has_no_room_leaves_nothing_and_is_one_line(tmp_path: Path) -> None:
    """A limit on the size of files stands for a disk that is full."""
    done = shell("ulimit -f 1000; sspo train preset=smoke --name full", tmp_path)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("sspo: File too large: free some; what was saved is whole")
    run = tmp_path / "outputs/train/full"
    assert list((run / "checkpoints").iterdir()) == [] and (run / "metrics.jsonl").stat().st_size > 0
    assert (run / "STATUS").read_text().startswith("failed: File too large")
