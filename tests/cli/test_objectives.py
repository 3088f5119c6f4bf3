"""Every objective trains on the embedded default: finite, with the same diagnostics."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from sspo_cli.config.locate import groups
from tests.cli.conftest import Sspo

pytestmark = pytest.mark.slow


DIAGNOSTICS = {
    "update/effective_ratio", "update/removed_pos", "update/removed_neg", "ratio/mean", "ratio/std", "ratio/q01",
    "ratio/q50", "ratio/q99", "ratio/log_variance", "ratio/clamped", "weight/mean", "weight/std", "weight/ess",
    "weight/q01", "weight/q50", "weight/q99",
    "policy/kl", "policy/entropy", "grad/norm", "loss",
}  # fmt: skip


@pytest.mark.parametrize("name", groups()["objective"])
def test_every_objective_trains_for_five_steps(sspo: Sspo, tmp_path: Path, name: str) -> None:
    sft = ["batch.samples_per_prompt=1"] if name == "sft" else []
    done = sspo(
        "train", f"objective={name}", "preset=smoke", "train.steps=5", "train.eval_every=5", *sft, "--name", "run", "-q"
    )
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (tmp_path / "outputs/train/run/metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(6))
    for row in rows[1:]:
        assert row.keys() >= DIAGNOSTICS
        assert all(value is not None and math.isfinite(value) for value in row.values()), row
    assert any(row["grad/norm"] > 0 for row in rows[1:])
