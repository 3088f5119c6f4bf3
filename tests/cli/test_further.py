"""A run that is done goes on with more steps, and names of runs and keys are answered with what there is to do."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from sspo_cli.config.compose import load_config
from sspo_cli.config.schema import TrainConfig
from sspo_cli.config.tree import load_yaml
from sspo_cli.runs.further import schedule_notes
from sspo_cli.runs.status import read_state
from tests.cli.conftest import Sspo, run_sspo

pytestmark = pytest.mark.slow


def rows(run: Path) -> list[dict[str, float]]:
    """Without what depends on the clock and the machine."""
    found = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if not k.startswith(("time/", "throughput/", "memory/"))} for row in found]


def test_more_steps_of_a_finished_run_are_those_of_a_longer_run(sspo: Sspo, tmp_path: Path, made_runs: Path) -> None:
    assert sspo("train", "preset=smoke", "train.steps=1", "--name", "short", "-q").returncode == 0
    run = tmp_path / "outputs/train/short"
    done = sspo("train", "--resume", str(run), "train.steps=2", "-q")
    assert done.returncode == 0, done.stderr
    assert "goes on with a change: train.steps: 1 when the run began, 2 now" in done.stderr
    assert "schedule" not in done.stderr, "a constant rate does not decay with train.steps"
    assert rows(run)[2] == rows(made_runs / "outputs/train/first")[2]
    assert read_state(run).word == "done" and load_yaml((run / "config.yaml").read_text())["train"]["steps"] == 2
    assert json.loads((run / "manifest.json").read_text())["changes"][0]["what"] == "train.steps"
    again = sspo("train", "--resume", str(run))
    assert again.returncode == 2 and "with 2 steps; train it further with train.steps=N, N above 2" in again.stderr


def test_a_rate_that_decays_with_the_steps_is_told() -> None:
    old = load_config(TrainConfig, ["optim.schedule=linear"])
    new = replace(old, train=replace(old.train, steps=60))
    (line,) = schedule_notes(old, new, 40)
    assert "the schedule changes: from step 41 on the learning rate decays over 60 steps, not 40" in line
    assert schedule_notes(old, replace(old, train=replace(old.train, max_tokens=9)), 40) == []


def test_runs_are_sorted_by_the_beginning_of_a_name(made_runs: Path, tmp_path: Path) -> None:
    full = run_sspo(["runs", "--sort", "-eval/accuracy", "--where", "optim.lr>0", "--json"], made_runs)
    short = run_sspo(["runs", "--sort", "-acc", "--where", "lr>0", "--json"], made_runs)
    assert json.loads(full.stdout) and [run["folder"] for run in json.loads(full.stdout)] == [
        run["folder"] for run in json.loads(short.stdout)
    ]
    several = run_sspo(["runs", "--sort", "max"], made_runs)
    assert several.returncode == 2 and "it can be " in several.stderr and "optim.max_grad_norm" in several.stderr


def test_a_grid_is_neither_resumed_nor_evaluated_as_a_run(sspo: Sspo, tmp_path: Path, made_runs: Path) -> None:
    grid = tmp_path / "outputs/compare/mine"
    shutil.copytree(
        made_runs / "outputs/train/first", grid / "cells/sspo/seed_0", ignore=shutil.ignore_patterns("step_*")
    )
    (grid / "grid.json").write_text("{}")
    refused = sspo("train", "--resume", str(grid))
    assert (
        refused.returncode == 2
        and f"is a grid of runs; its own command goes on: `sh {grid}/command.sh`" in refused.stderr
    )
    refused = sspo("eval", str(grid))
    assert refused.returncode == 2 and f"name one of them, such as {grid}/cells/sspo/seed_0" in refused.stderr


def test_a_reader_that_stops_reading_is_no_error(made_runs: Path) -> None:
    import subprocess
    import sys

    from tests.cli.conftest import environment

    line = f"{sys.executable} -m sspo_cli show | head -1"
    done = subprocess.run(line, shell=True, cwd=made_runs, env=environment(), capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("dataset\n", "")
