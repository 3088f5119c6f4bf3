"""Ctrl-C during an evaluation ends it between two responses; the run that goes on evaluates again."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from sspo_cli.runs import jsonl
from tests.cli.conftest import Sspo, begin_sspo, run_sspo

pytestmark = pytest.mark.slow


# Counts its calls; while the file `slow` is there, every call after the first LINES of them takes a second.
REWARD = """
import pathlib, time
calls = pathlib.Path("calls")
def score(prompt, response, answer):
    with calls.open("a") as file:
        file.write(".")
    if pathlib.Path("slow").exists() and calls.stat().st_size > AFTER:
        time.sleep(1)
    return float(response.rpartition(">")[2] == answer)
"""
WORDS = ["train", "preset=smoke", "optim.lr=1e-4", "reward=python", "reward.path=mine.py", "--name", "run"]
EVALUATION, ROLLOUTS = 16, 2 * 64


def measured(home: Path) -> list[dict[str, Any]]:
    rows = jsonl.read(home / "outputs" / "train" / "run" / "metrics.jsonl")
    return [{key: row[key] for key in row if not key.startswith(("time/", "throughput/", "memory/"))} for row in rows]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    home = tmp_path_factory.mktemp("undisturbed")
    (home / "mine.py").write_text(REWARD.replace("AFTER", "0"))
    run_sspo(WORDS, home).check_returncode()
    return measured(home)


@pytest.mark.parametrize("before", [0, EVALUATION + ROLLOUTS], ids=["first", "last"])
def test_an_interrupted_evaluation_is_made_again(
    sspo: Sspo, tmp_path: Path, undisturbed: list[dict[str, Any]], before: int
) -> None:
    (tmp_path / "mine.py").write_text(REWARD.replace("AFTER", str(before)))
    (tmp_path / "slow").touch()
    run = begin_sspo(WORDS, tmp_path)
    calls = tmp_path / "calls"
    while not (calls.exists() and calls.stat().st_size > before + 1):
        assert not run.has_ended(), run.wait(0)
        time.sleep(0.02)
    os.kill(run.pid, signal.SIGINT)
    assert run.wait(120).returncode == 130
    assert calls.stat().st_size < before + EVALUATION, "it stops between responses"
    (tmp_path / "slow").unlink()
    done = sspo("train", "--resume", "outputs/train/run")
    assert done.returncode == 0, done.stderr
    assert measured(tmp_path) == undisturbed
    answers = jsonl.read(tmp_path / "outputs" / "train" / "run" / "eval.jsonl")
    assert [row["step"] for row in answers] == [0] * EVALUATION + [2] * EVALUATION
