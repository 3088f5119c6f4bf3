"""Rows and summaries read back are what was written, by this version and by one before."""

from __future__ import annotations

import json
import math
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest

from sspo_cli.runs import jsonl
from sspo_cli.runs.eval_rows import EvalRow, append_evaluation, read_evaluations
from sspo_cli.runs.metric_rows import append_metrics, read_metrics, step_of
from sspo_cli.runs.sample_rows import SampleRow, append_samples, read_samples
from sspo_cli.runs.summary import (
    EvalSummary,
    RunSummary,
    read_content,
    read_eval_summary,
    read_run_summary,
    summarise_run,
    write_summary,
)

SAMPLE = SampleRow(
    step=3, problem="1+1=", prompt="1+1=", response=">2\u2028", reward=1.0, reward_parts={"exact": 1.0},
    advantage=-0.5, length=3, truncated=False,
)  # fmt: skip
ANSWER = EvalRow(
    step=0, problem="1+1=", sample=1, prompt="1+1=", response=">3", answer="2", reward=0.0,
    reward_parts={"exact": 0.0}, correct=False, correct_if="exact >= 1", length=3, truncated=True,
)  # fmt: skip


def test_samples_come_back_as_they_were_written(tmp_path: Path) -> None:
    rows = [SAMPLE, replace(SAMPLE, shaping={"kl": -0.25}, reward=None, reward_parts={"exact": None})]
    append_samples(tmp_path, rows)
    assert read_samples(tmp_path) == rows
    written = jsonl.read(tmp_path / "samples.jsonl")
    assert list(written[0]) == [
        "step", "problem", "prompt", "response", "reward", "reward_parts", "advantage", "length", "truncated",
    ]  # fmt: skip
    assert written[1]["shaping"] == {"kl": -0.25}
    with pytest.raises(FrozenInstanceError):
        rows[0].reward = 2.0  # type: ignore[misc]


def test_evaluations_come_back_as_they_were_written(tmp_path: Path) -> None:
    rows = [ANSWER, replace(ANSWER, step=None, answer=["2", "two"], correct=None, correct_if=None)]
    append_evaluation(tmp_path, rows)
    assert read_evaluations(tmp_path) == rows
    written = jsonl.read(tmp_path / "eval.jsonl")
    assert "step" in written[0] and "step" not in written[1] and "correct_if" not in written[1]
    assert written[1]["correct"] is None


def test_what_could_not_be_scored_is_null_and_a_torn_end_is_dropped(tmp_path: Path) -> None:
    append_samples(tmp_path, [replace(SAMPLE, reward=math.nan, reward_parts={"exact": math.nan})])
    with (tmp_path / "samples.jsonl").open("a") as stream:
        stream.write('{"step": 4, "prob')
    (row,) = read_samples(tmp_path)
    assert (row.reward, row.reward_parts) == (None, {"exact": None})
    append_metrics(tmp_path, [{"step": 0, "reward/mean": math.inf}, {"step": 1, "eval/accuracy": 0.5}])
    assert read_metrics(tmp_path) == [{"step": 0, "reward/mean": None}, {"step": 1, "eval/accuracy": 0.5}]
    assert [step_of(row) for row in read_metrics(tmp_path)] == [0, 1]
    assert (read_samples(tmp_path / "none"), read_evaluations(tmp_path / "none"), read_metrics(tmp_path / "none")) == (
        [], [], [],
    )  # fmt: skip


def test_summaries_come_back_as_they_were_written(tmp_path: Path) -> None:
    append_metrics(tmp_path, [{"step": 0, "eval/accuracy": 0.5}, {"step": 2, "eval/accuracy": 0.25, "loss": 1.0}])
    made = summarise_run(tmp_path, status="done", seconds=90, seed=3, objective="sspo", warnings=["odd"])
    assert made == RunSummary("done", 1.5, 2, 3, "sspo", ["odd"], {
        "eval/accuracy": {"first": 0.5, "best": 0.5, "last": 0.25}, "loss": {"first": 1.0, "best": None, "last": 1.0},
    })  # fmt: skip
    assert read_run_summary(tmp_path) == made and read_eval_summary(tmp_path) is None
    assert read_content(tmp_path) == made.as_json()
    assert list(made.as_json())[:6] == ["status", "minutes", "steps", "seed", "objective", "warnings"]
    evaluated = EvalSummary("outputs/train/a", 8, 2, 1.0, [], {"eval/accuracy": 0.5, "eval/reward": math.nan})
    write_summary(tmp_path, evaluated)
    assert read_eval_summary(tmp_path) == replace(evaluated, metrics={"eval/accuracy": 0.5, "eval/reward": None})
    assert read_run_summary(tmp_path) is None


@pytest.mark.parametrize("text", ["", '{"status": "do', "[]", '{"status": "done"}'])
def test_a_summary_that_is_not_whole_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "summary.json").write_text(text)
    assert read_run_summary(tmp_path) is None and read_eval_summary(tmp_path) is None


@pytest.mark.parametrize("row", [{"step": 1}, [2], {**SAMPLE.as_json(), "prompt": 5, "length": "long"}, "text", None])
def test_a_row_of_something_else_is_refused(tmp_path: Path, row: object) -> None:
    for name, read in (("samples.jsonl", read_samples), ("eval.jsonl", read_evaluations)):
        (tmp_path / name).write_text(json.dumps(row) + "\n")
        with pytest.raises(ValueError, match=rf"{name}:1: "):
            read(tmp_path)


def test_rows_of_earlier_versions_are_read(tmp_path: Path) -> None:
    """They had no parts of rewards and no rule."""
    row = {
        "problem": "p",
        "sample": 0,
        "prompt": "1+1=",
        "response": "2",
        "answer": "2",
        "reward": 1.0,
        "correct": True,
    }
    (tmp_path / "eval.jsonl").write_text(
        json.dumps({"step": 0, **row, "correct": True, "length": 1, "truncated": False}) + "\n"
    )
    (found,) = read_evaluations(tmp_path)
    assert (found.reward, found.reward_parts, found.correct_if, found.error) == (1.0, {}, None, None)
