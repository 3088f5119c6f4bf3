"""How a run ends, whatever code of the user's does to it: what it says, its exit code, and what others see of it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sspo_cli.runs.folder import get_status
from sspo_cli.runs.status import read_state
from tests.cli.conftest import Sspo, Write, begin_sspo, environment
from tests.study.tiny import TINY

pytestmark = pytest.mark.slow


FAST = [*TINY, "train.steps=2", "eval.problems=2", "eval.samples=1", "reward=python", "reward.path=mine.py"]
EVAL = ["eval", "tiny", "eval.problems=2", "eval.samples=1", "reward=python", "reward.path=mine.py"]
# A reward in this process can end it.
INSIDE = ["reward.workers=0", "reward.timeout_s=null", "reward.memory_gib=null"]
# `late` does what it does once a step is saved; before, everything is worth nothing.
REWARD = """
import os, sys, time
from pathlib import Path

def late():
    return any(Path(os.getcwd()).rglob("step_000001"))

def score(prompt, response, answer):
    {}
    return 0.0
"""
SILENT = "its process ended without an exit status"


def status(tmp_path: Path, run: str) -> str:
    return get_status(tmp_path / "outputs" / run)


@pytest.mark.parametrize(
    ("statement", "words", "did"),
    [
        ("sys.exit()", [], "raised SystemExit()"),
        ("late() and sys.exit('enough')", [], "raised SystemExit('enough')"),
        ("late() and sys.exit('enough')", INSIDE, "raised SystemExit('enough')"),
        ("raise KeyboardInterrupt", [], "raised KeyboardInterrupt()"),
        ("late() and os._exit(3)", [], "ended its process with exit code 3"),
        ("late() and time.sleep(100)", ["reward.timeout_s=1"], "took longer than reward.timeout_s=1"),
    ],
)
def test_a_reward_that_exits_fails_its_run_by_name(
    sspo: Sspo, tmp_path: Path, write: Write, statement: str, words: list[str], did: str
) -> None:
    write("mine.py", REWARD.format(statement))
    done = sspo("train", *FAST, *words, "--name", "one", "--json")
    assert done.returncode == 1
    told = status(tmp_path, "train/one")
    assert told.startswith("failed: ") and told.endswith(f"reward.path=mine.py: score {did}")
    assert json.loads(done.stdout)["status"] == told
    assert "mine.py" in done.stderr and (tmp_path / "outputs/train/one/report.html").is_file()


@pytest.mark.parametrize("statement", ["sys.exit(0)", "raise KeyboardInterrupt"])
def test_so_does_one_that_exits_in_an_evaluation(sspo: Sspo, tmp_path: Path, write: Write, statement: str) -> None:
    write("mine.py", REWARD.format(statement))
    done = sspo(*EVAL, "--name", "one")
    assert done.returncode == 1 and done.stdout == ""
    told = status(tmp_path, "eval/one")
    assert told.startswith("failed: ") and "reward.path=mine.py: score raised " in told


@pytest.mark.parametrize(
    ("words", "module", "text", "code", "expected"),
    [
        (["train", *FAST], "mine.py", "import sys; sys.exit(0)", 2, "sspo: reward.path=mine.py: SystemExit: 0"),
        (["compare", *FAST], "mine.py", "quit()", 2, "sspo: reward.path=mine.py: SystemExit: None"),
        # A script of the user's whose name is that of a library: `python -m` finds it first.
        (["train", *TINY, "tracker=wandb"], "wandb.py", "import sys; sys.exit(0)", 1, "raised SystemExit(0)"),
    ],
)
def test_a_file_that_exits_when_it_is_imported_is_an_error_and_no_run(
    sspo: Sspo, tmp_path: Path, write: Write, words: list[str], module: str, text: str, code: int, expected: str
) -> None:
    write(module, text)
    done = sspo(*words)
    assert done.returncode == code and done.stderr.splitlines()[-1].endswith(expected)
    assert done.stdout == "" and not (tmp_path / "outputs").exists()


def test_a_run_that_ends_itself_has_died_for_everybody_who_asks(sspo: Sspo, tmp_path: Path, write: Write) -> None:
    write("mine.py", REWARD.format("late() and os._exit(0)"))
    assert sspo("train", *FAST, *INSIDE, "--name", "one").returncode == 0, "nothing inside a process can stop os._exit"
    write("mine.py", REWARD.format("os._exit(0)"))
    sspo(*EVAL, *INSIDE, "--name", "two")
    train, evaluation = "outputs/train/one", "outputs/eval/two"
    assert (tmp_path / train / "STATUS").read_text() == (tmp_path / evaluation / "STATUS").read_text() == "running\n"

    found = {run["folder"]: run for run in json.loads(sspo("runs", "--where", "status=died", "--json").stdout)}
    assert set(found) == {train, evaluation}
    assert found[train]["notes"] == [f"{SILENT}; go on with `sspo train --resume {train}`"]
    assert found[evaluation]["notes"] == [SILENT]
    assert found[train]["step"] == 1

    (tmp_path / train / "summary.json").write_text('{"status": "interrupted", "steps": 0}')  # of an earlier stop
    told = sspo("report", train, "--json")
    assert told.returncode == 0, told.stderr
    assert (json.loads(told.stdout)["status"], json.loads(told.stdout)["steps"]) == (f"died: {SILENT}", 1)
    assert f"died: {SILENT}" in (tmp_path / train / "report.html").read_text()
    assert f"{train}: {SILENT}" in sspo("diff", train, train).stdout
    nothing = sspo("samples", evaluation)
    assert nothing.returncode == 2 and f"(status: died: {SILENT})" in nothing.stderr

    write("mine.py", REWARD.format("pass"))
    assert sspo("train", "--resume", train, "--allow-change").returncode == 0
    assert status(tmp_path, "train/one") == "done"


@pytest.mark.long
def test_a_cell_that_ends_itself_has_failed(sspo: Sspo, tmp_path: Path, write: Write) -> None:
    write("mine.py", REWARD.format("'objective=sspo' in sys.argv and os._exit(0)"))
    words = ["compare", "objective=grpo,sspo", "seed=0", "hydra/launcher=basic", *FAST, *INSIDE, "--name", "one"]
    done = sspo(*words)
    assert done.returncode == 1
    folder = "outputs/compare/one"
    why = "the process ended without finishing (exit code 0)"
    log = f"{folder}/cells/sspo/seed_0/log.txt"
    assert f"failed: cells/sspo/seed_0: {why} (log: {log})" in done.stdout.splitlines()
    assert json.loads((tmp_path / folder / "summary.json").read_text())["cells"] == {"done": 1, "failed": 1}
    assert [status(tmp_path, f"compare/one/cells/{name}/seed_0") for name in ("grpo", "sspo")] == [
        "done",
        f"failed: {why}",
    ]


def test_a_signal_interrupts_an_evaluation(sspo: Sspo, tmp_path: Path, write: Write) -> None:
    write("mine.py", REWARD.format("Path('begun').touch(); time.sleep(600)"))
    process = begin_sspo([*EVAL, "--name", "one"], tmp_path)
    deadline = time.monotonic() + 240
    while not (tmp_path / "begun").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    (shown,) = json.loads(sspo("runs", "--json").stdout)
    assert (shown["status"], shown["notes"]) == ("running", [])
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(240).returncode == 130
    assert status(tmp_path, "eval/one") == "interrupted"


def test_a_run_of_another_machine_is_shown_as_running_there(sspo: Sspo, runs_home: Path) -> None:
    folder = runs_home / "outputs" / "train" / "second"
    (folder / "STATUS").write_text("running\n")
    (folder / ".lock").write_text("123 elsewhere 1.5")
    then = time.time() - 4 * 60
    for file in folder.iterdir():
        os.utime(file, (then, then))
    assert "outputs/train/second: on elsewhere, wrote 4 min ago" in sspo("runs").stdout
    (found,) = json.loads(sspo("runs", "--where", "status=running", "--json").stdout)
    assert found["folder"] == "outputs/train/second" and found["notes"] == ["on elsewhere, wrote 4 min ago"]
    assert json.loads(sspo("report", "outputs/train/second", "--json").stdout)["status"].startswith("running: on else")


def processes(*parts: str) -> list[int]:
    """Every process whose command line has all of `parts`."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            line = file.read_bytes().decode(errors="replace").split("\0")
            found += [int(file.parent.name)] if all(any(part in word for word in line) for part in parts) else []
    return found


def parent(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.mark.long
def test_a_cell_killed_with_the_worker_that_attends_it_has_died(tmp_path: Path) -> None:
    words = ["compare", "objective=grpo,sspo", "seed=0", *TINY, "train.steps=5000", "--name", "one"]
    process = subprocess.Popen(
        [sys.executable, "-m", "sspo_cli", *words, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"],
        cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    folders = [tmp_path / f"outputs/compare/one/cells/{name}/seed_0" for name in ("grpo", "sspo")]
    deadline = time.monotonic() + 240
    while not all((folder / "metrics.jsonl").is_file() for folder in folders) and time.monotonic() < deadline:
        time.sleep(0.02)
    (run,) = processes("--folder", str(folders[0]))
    for victim in (parent(run), run):
        os.kill(victim, signal.SIGKILL)
    _, told = process.communicate(timeout=240)
    assert process.returncode == 1
    assert (
        "grpo seed 0: died, its process ended without an exit status" in told and "the launcher stopped early" in told
    )
    assert read_state(folders[0]).word == "died"
    assert read_state(folders[1]).word in ("died", "interrupted"), "the launcher kills what it can reach"
