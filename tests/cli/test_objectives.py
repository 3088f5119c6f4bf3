"""Every objective trains on the embedded default: finite, with the same diagnostics."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from sspo_cli import Session, train_config
from sspo_cli.config.locate import groups
from sspo_cli.runs import jsonl
from tests.cli.conftest import Sspo

pytestmark = pytest.mark.slow


DIAGNOSTICS = {
    "update/effective_ratio", "update/removed_pos", "update/removed_neg", "ratio/mean", "ratio/std", "ratio/q01",
    "ratio/q50", "ratio/q99", "ratio/log_variance", "ratio/clamped", "weight/mean", "weight/std", "weight/ess",
    "weight/q01", "weight/q50", "weight/q99",
    "policy/kl", "policy/entropy", "grad/norm", "loss",
}  # fmt: skip
SMALL = (
    "preset=smoke", "batch.prompts=4", "rollout.max_response_length=16", "eval.problems=2", "eval.samples=1",
    "train.steps=5", "train.eval_every=5", "train.save_every=5",
)  # fmt: skip


def assert_trained(folder: Path) -> None:
    rows = jsonl.read(folder / "metrics.jsonl")
    assert [row["step"] for row in rows] == list(range(6))
    for row in rows[1:]:
        assert row.keys() >= DIAGNOSTICS
        assert all(value is not None and math.isfinite(value) for value in row.values()), row
    assert any(row["grad/norm"] > 0 for row in rows[1:])


@pytest.mark.parametrize("name", [name for name in groups()["objective"] if name != "sft"])
def test_every_objective_trains_for_five_steps(tmp_path: Path, name: str) -> None:
    with Session(train_config(*SMALL, f"objective={name}", f"output_dir={tmp_path}")) as session:
        assert session.train().code == 0
    assert_trained(session.folder)


def test_so_does_sft_which_rolls_nothing_out(sspo: Sspo, tmp_path: Path) -> None:
    done = sspo("train", *SMALL, "objective=sft", "batch.samples_per_prompt=1", "--name", "run", "-q")
    assert done.returncode == 0, done.stderr
    assert_trained(tmp_path / "outputs/train/run")
