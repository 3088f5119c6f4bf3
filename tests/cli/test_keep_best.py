"""Which checkpoints stay: the best by a metric beside the newest, and those that other runs stand on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from sspo_cli.engine.checkpoint import drop_old
from sspo_cli.runs import integrity, jsonl
from sspo_cli.runs.folder import checkpoints, set_status
from tests.cli.conftest import Sspo

pytestmark = pytest.mark.slow

REWARD = "def score(prompt, response, answer):\n    return response.count('1') / 8\n"
SHORT = ["preset=smoke", "batch.prompts=4", "rollout.max_response_length=24", "eval.max_response_length=24"]
JUDGED = ["reward=python", "reward.path=ones.py", "optim.lr=3e-3"]
EVERY = ["train.steps=5", "train.eval_every=1", "train.save_every=100", "train.keep_checkpoints=1"]


def values(run: Path, name: str) -> dict[int, float]:
    return {row["step"]: row[name] for row in jsonl.read(run / "metrics.jsonl")}


def kept(run: Path) -> list[str]:
    return [path.name for path in checkpoints(run)]


def best_step(found: dict[int, float]) -> int:
    return min(found, key=lambda step: (-found[step], step))


@pytest.mark.long
def test_the_best_checkpoint_stays_beside_the_newest_and_a_resumed_run_knows_it(sspo: Sspo, tmp_path: Path) -> None:
    (tmp_path / "ones.py").write_text(REWARD)
    words = ["train", *SHORT, *JUDGED, *EVERY, "train.keep_best=eval/reward"]
    done = sspo(*words, "--folder", "run", "-q")
    assert done.returncode == 0, done.stderr
    run = tmp_path / "run"
    found = values(run, "eval/reward")
    best = best_step(found)
    assert kept(run) == sorted({f"step_{best:06d}", "step_000005"})
    summary = json.loads((run / "summary.json").read_text())
    assert (
        summary["best_checkpoint"] == f"checkpoints/step_{best:06d}" and "best_checkpoint" not in summary["eval/reward"]
    )
    assert not integrity.damage(run / summary["best_checkpoint"])
    assert (f"sspo eval run/checkpoints/step_{best:06d}\n" in done.stdout) == (best != 5)
    # The opposite end of a metric, a run that is stopped, and one that goes on.
    words = ["train", *SHORT, *JUDGED, *EVERY, "train.keep_best=eval/truncated", "train.keep_checkpoints=2"]
    done = sspo(*words, "--folder", "other", "-q")
    assert done.returncode == 0, done.stderr
    other = tmp_path / "other"
    cut = values(other, "eval/truncated")
    first = min(cut, key=lambda step: (cut[step], step))
    assert f"step_{first:06d}" in kept(other)
    shutil.rmtree(other / "checkpoints" / "step_000005")
    set_status(other, "interrupted")
    again = sspo("train", "--resume", "other", "-q")
    assert again.returncode == 0, again.stderr
    assert values(other, "eval/truncated") == cut and f"step_{first:06d}" in kept(other)
    assert json.loads((other / "summary.json").read_text())["best_checkpoint"] == f"checkpoints/step_{first:06d}"


@pytest.mark.parametrize(
    "name, hint",
    [("eval/acuracy", "did you mean 'eval/accuracy'"), ("eval/length", "allowed: "), ("loss", "allowed: ")],
)
def test_a_metric_that_no_evaluation_has_is_refused(sspo: Sspo, tmp_path: Path, name: str, hint: str) -> None:
    refused = sspo("train", "preset=smoke", f"train.keep_best={name}")
    assert refused.returncode == 2 and len(refused.stderr.splitlines()) == 1, refused.stderr
    assert refused.stderr.startswith(f"sspo: train.keep_best={name}: no such metric") and hint in refused.stderr
    assert not (tmp_path / "outputs").exists()


def test_a_checkpoint_that_another_run_stands_on_is_not_deleted(sspo: Sspo, tmp_path: Path, made_runs: Path) -> None:
    shutil.copytree(made_runs / "outputs/train/first", tmp_path / "outputs/train/first")
    first = checkpoints(tmp_path / "outputs/train/first")
    stood_on = first[-1]
    words = [
        "train",
        *SHORT,
        "train.steps=1",
        "model=local",
        f"model.path={stood_on.relative_to(tmp_path)}",
        "lora.rank=2",
    ]
    done = sspo(*words, "--name", "second", "-q")
    assert done.returncode == 0, done.stderr
    assert not integrity.damage(stood_on), "a mark is no damage"

    def after_newer_ones(home: Path) -> list[str]:
        run = home / "outputs/train/first"
        for step in (8, 9):
            newer = run / "checkpoints" / f"step_{step:06d}"
            shutil.copytree(run / "checkpoints" / stood_on.name, newer, ignore=shutil.ignore_patterns(".*"))
        drop_old(checkpoints(run), 2)
        return kept(run)

    moved = shutil.copytree(tmp_path / "outputs", tmp_path / "moved" / "outputs").parent
    shutil.rmtree(tmp_path / "outputs/train/second")
    assert after_newer_ones(tmp_path) == ["step_000008", "step_000009"], "nobody stands on it any more"
    assert after_newer_ones(moved) == [stood_on.name, "step_000008", "step_000009"], "both were moved together"
    assert sspo("eval", "moved/outputs/train/second", "eval.problems=2", "-q").returncode == 0


def test_a_dry_run_tells_the_size_of_a_checkpoint_and_the_free_space(sspo: Sspo, made_runs: Path) -> None:
    def facts(*words: str) -> Any:
        return json.loads(sspo("train", "--dry-run", "--json", *words).stdout)

    whole, adapters = facts("train.keep_best=eval/accuracy"), facts("lora.rank=4")
    saved = checkpoints(made_runs / "outputs/train/first")[-1]
    size = sum(file.stat().st_size for file in saved.rglob("*") if file.is_file()) / 2**30
    assert whole["checkpoint_gib"] == pytest.approx(size, rel=0.1) and whole["checkpoints_at_once"] == 4
    assert adapters["checkpoint_gib"] < whole["checkpoint_gib"] / 5 and adapters["checkpoints_at_once"] == 3
    free = shutil.disk_usage(made_runs).free / 2**30
    assert whole["free_gib"] == pytest.approx(free, rel=0.2)
    assert "checkpoints: " in (shown := sspo("train", "--dry-run").stdout) and "GiB are free" in shown
