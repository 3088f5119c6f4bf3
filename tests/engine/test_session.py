"""A run from Python: the script of docs/reference/session.md, and what becomes of observers and functions."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sspo_cli import Session, train_config
from sspo_cli.config.errors import ConfigError
from sspo_cli.engine.observer import Observer
from sspo_cli.runs.folder import get_status
from sspo_cli.runs.metric_rows import read_metrics
from tests.cli.conftest import run_sspo

pytestmark = pytest.mark.slow

DOCS = Path(__file__).parents[2] / "docs" / "reference" / "session.md"
SMALL = ("preset=smoke", "batch.prompts=4")


@pytest.mark.long
def test_the_script_of_the_docs_runs_as_it_stands(tmp_path: Path) -> None:
    """It is at most ten lines, and its run folder can be evaluated and replayed only with a reward that has a file."""
    script, watch = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert {name for name in vars(Observer) if not name.startswith("_")} == set(re.findall(r"def (\w+)", watch))
    assert len([line for line in script.splitlines() if line.strip()]) <= 10
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=300, env=os.environ
    )
    assert (done.returncode, done.stderr) == (0, "")
    folder = next((tmp_path / "outputs" / "train").iterdir())
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["status"] == "done" and summary["steps"] == 2
    assert done.stdout.strip() == f"done {summary['eval/accuracy']['last']} {folder.relative_to(tmp_path)}"
    parts = json.loads((folder / "samples.jsonl").read_text().splitlines()[0])["reward_parts"]
    assert list(parts) == ["last_digit"]
    again = run_sspo(["train", "--config", str(folder / "config.yaml")], tmp_path)
    assert again.returncode == 2 and again.stdout == ""
    assert again.stderr.startswith("sspo: reward=function: a program gave the run its reward last_digit; run that")


class Watching(Observer):
    def __init__(self) -> None:
        self.begun: list[int] = []
        self.steps: list[int] = []
        self.phases: set[str] = set()
        self.code: int | None = None

    def begin(self, step: int) -> None:
        self.begun.append(step)

    def phase(self, name: str, done: int, total: int) -> None:
        self.phases.add(name)

    def step(self, row: Mapping[str, Any]) -> None:
        self.steps.append(int(row["step"]))

    def close(self, exit_code: int) -> None:
        self.code = exit_code


class Broken(Observer):
    def step(self, row: Mapping[str, Any]) -> None:
        raise ValueError("no more\nrows")


def test_observers_see_the_run_and_one_that_raises_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    watching = Watching()
    with Session(train_config(*SMALL, f"output_dir={tmp_path}")) as session:
        outcome = session.train([Broken(), watching])
    assert (outcome.code, outcome.status, watching.code) == (0, "done", 0)
    assert watching.begun == [1, 2] and watching.steps == [0, 1, 2]
    assert watching.phases == {"evaluation", "rollout", "update", "saving"}
    assert capsys.readouterr().err == "sspo: Broken raised ValueError: no more; the run goes on without it\n"
    assert [row["step"] for row in read_metrics(session.folder)] == [0, 1, 2]


def test_a_session_equals_the_command(tmp_path: Path) -> None:
    run_sspo(["train", *SMALL, "name=command", f"output_dir={tmp_path}", "--quiet"], tmp_path).check_returncode()
    with Session(train_config(*SMALL, "name=session", f"output_dir={tmp_path}")) as session:
        session.train()

    def learned(name: str) -> list[dict[str, Any]]:
        rows = read_metrics(tmp_path / "train" / name)
        timed = ("time/", "throughput/", "memory/")
        return [{key: value for key, value in row.items() if not key.startswith(timed)} for row in rows]

    assert learned("session") == learned("command")


def test_a_grader_that_fails_ends_the_run_with_its_response_in_the_folder(tmp_path: Path) -> None:
    def broken(prompt: str, response: str, answer: str) -> float:
        raise KeyError("gold")

    with Session(train_config(*SMALL, f"output_dir={tmp_path}"), reward=broken) as session:
        outcome = session.train()
    assert outcome.code == 1 and outcome.status == "failed: the reward function broken raised KeyError('gold')"
    found = json.loads((session.folder / "reward_error.json").read_text())
    assert {"response", "prompt", "traceback", "problem"} <= found.keys() and "KeyError" in found["traceback"]


def test_every_problem_of_a_session_is_told_before_anything_is_written(tmp_path: Path) -> None:
    words = ["model=local", "model.path=nowhere", "reward=python", "reward.path=nowhere.py", f"output_dir={tmp_path}"]
    with pytest.raises(ConfigError) as refused, Session(train_config(*SMALL, *words)):
        pass
    assert len(refused.value.problems) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_session_trains_once_inside_its_block(tmp_path: Path) -> None:
    config = train_config(*SMALL, "train.steps=1", f"output_dir={tmp_path}")
    session = Session(config)
    with pytest.raises(RuntimeError, match="trains inside its `with` block"):
        session.train()
    with session:
        session.train()
        with pytest.raises(RuntimeError, match="has trained already"):
            session.train()
    with pytest.raises(RuntimeError, match="trains inside its `with` block"):
        session.train()
    with pytest.raises(RuntimeError, match="entered once"), session:
        pass
    assert [row["step"] for row in read_metrics(session.folder)] == [0, 1]


def test_what_the_user_raises_inside_the_block_removes_nothing(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigError, match="nope"),
        Session(train_config(*SMALL, f"output_dir={tmp_path}")) as session,
    ):
        (session.folder / "notes.txt").write_text("mine")
        train_config("objective=nope")
    assert (session.folder / "notes.txt").read_text() == "mine"
    assert get_status(session.folder).startswith("failed: objective=nope")
    with Session(train_config(*SMALL, f"output_dir={tmp_path}")) as idle:
        pass
    assert get_status(idle.folder) == "failed: it was left before it trained"


def test_a_folder_that_cannot_be_made_is_named_and_nothing_else_is_touched(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ConfigError, match="output_dir"), Session(train_config(*SMALL, f"output_dir={tmp_path}/file/x")):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_reward_that_changes_the_directory_and_an_observer_that_exits_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    def moving(prompt: str, response: str, answer: str) -> dict[str, float]:
        os.chdir("/")
        return {"right": float(answer in response), "short": -len(response) / 100}

    class Leaving(Observer):
        def step(self, row: Mapping[str, Any]) -> None:
            raise SystemExit(4)

    with Session(train_config(*SMALL, "train.steps=1"), reward=moving, correct="right") as session:
        assert session.train([Leaving()]).code == 0
    assert Path.cwd() == tmp_path and (session.folder / "summary.json").is_file()
    assert "Leaving raised SystemExit: 4; the run goes on without it" in capsys.readouterr().err
    command = (session.folder / "command.sh").read_text().splitlines()[1]
    assert command == f"sspo train --config {session.folder.absolute()}/config.yaml"
    with (
        pytest.raises(ConfigError, match="correct: must say what is correct"),
        Session(train_config(*SMALL), reward=moving) as session,
    ):
        session.train()
