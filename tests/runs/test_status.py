"""Whether a run is alive: told from real locks of real processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from sspo_cli.runs.folder import set_status
from sspo_cli.runs.lock import FILE
from sspo_cli.runs.status import State, last_change, read_state

RUN = """
import sys, time
from pathlib import Path
from sspo_cli.runs.folder import set_status
from sspo_cli.runs.lock import hold
folder, times = Path(sys.argv[1]), int(sys.argv[2])
for number in range(times):
    with hold(folder):
        set_status(folder, "running")
        print("running", flush=True)
        time.sleep(0 if times > 1 else 600)
        set_status(folder, "done")
"""
DIED = State("died", "its process ended without an exit status")


def start(folder: Path, times: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", RUN, str(folder), str(times)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_a_run_that_was_killed_has_died(tmp_path: Path) -> None:
    assert read_state(tmp_path) == State("not started")
    with start(tmp_path, 1) as process:
        assert process.stdout is not None and process.stdout.readline() == "running\n"
        assert read_state(tmp_path) == State("running")
        process.kill()
    assert read_state(tmp_path) == DIED
    for said, state in (("done", State("done")), ("failed: a: b", State("failed", "a: b")), ("running", DIED)):
        set_status(tmp_path, said)
        assert read_state(tmp_path) == state and str(State("failed", "a: b")) == "failed: a: b"
    (tmp_path / FILE).unlink()
    assert read_state(tmp_path) == DIED, "of an older version: no lock, so nobody is known to be at work"
    (tmp_path / "STATUS").write_bytes(b"\xff")
    assert read_state(tmp_path).word == "unknown"


def test_a_run_that_ends_as_it_should_is_never_seen_dead_and_never_disturbed(tmp_path: Path) -> None:
    with start(tmp_path, 400) as process:
        assert process.stdout is not None and process.stdout.readline() == "running\n"
        seen = set()
        while process.poll() is None:
            seen.add(read_state(tmp_path).word)
    assert process.returncode == 0, "whoever looks at a lock must not keep others from taking it"
    assert seen == {"running", "done"}


def test_a_run_of_another_machine_runs_there_since_it_wrote_last(tmp_path: Path) -> None:
    set_status(tmp_path, "running")
    (tmp_path / "metrics.jsonl").touch()
    (tmp_path / FILE).write_text("123 elsewhere 1.5")
    for name, minutes in (("STATUS", 50), ("metrics.jsonl", 3)):
        then = time.time() - 60 * minutes
        os.utime(tmp_path / name, (then, then))
    assert read_state(tmp_path) == State("running", "on elsewhere, wrote 3 min ago")
    assert abs(last_change(tmp_path) - time.time() + 180) < 30
    set_status(tmp_path, "done")
    assert read_state(tmp_path) == State("done")
