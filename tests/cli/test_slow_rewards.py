"""Rewards that finish in random order: what is learned depends on none of it, dynamic sampling included."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from sspo_cli.runs.folder import set_status
from tests.cli.conftest import Sspo, Write
from tests.cli.test_train import metrics

pytestmark = pytest.mark.slow

STEPS = 2
# Sleeps and rewards by a hash of the response, and writes down which response is finished.
REWARD = """
import hashlib
import os
import time


def score(prompt, response, answer):
    digest = hashlib.sha256((prompt + response).encode()).digest()
    time.sleep(0.02 * digest[0] / 255)
    with open(f"{__file__}.{os.environ['RUN']}", "a") as finished:
        finished.write(f"{digest.hex()}\\n")
    return float(digest[1] < 50)
"""
WORDS = [
    "preset=smoke", "objective=dapo", "objective.dynamic_sampling=4", "objective.overlong.penalty=0", "optim.lr=1e-4",
    "batch.prompts=4", "batch.samples_per_prompt=4", "rollout.max_response_length=16", "eval.max_response_length=16",
    f"train.steps={STEPS}", "train.save_every=1", "train.keep_checkpoints=9", "eval.problems=4",
    "engine.precision=float32", "reward=python", "reward.path=mine.py",
    "reward.timeout_s=null", "reward.memory_gib=null",
]  # fmt: skip


def test_dynamic_sampling_under_rewards_in_any_order_learns_the_same_and_resumes(
    sspo: Sspo, tmp_path: Path, write: Write
) -> None:
    write("mine.py", REWARD)
    runs = tmp_path / "outputs" / "train"
    finished = {}
    for name, workers in (("one", 0), ("many", 4)):
        done = sspo("train", *WORDS, f"reward.workers={workers}", "--name", name, RUN=name)
        assert done.returncode == 0, done.stderr
        finished[name] = (tmp_path / f"mine.py.{name}").read_text().split()
    assert finished["one"] != finished["many"] and sorted(finished["one"]) == sorted(finished["many"])
    rows = metrics(runs / "one")
    drawn = [row["prompts/generated"] for row in rows[1:]]
    assert max(drawn) > 4 and max(drawn) <= 16, "some step takes more than one round"
    assert any(row["prompts/kept"] == 4 for row in rows[1:])

    shutil.copytree(runs / "many", runs / "resumed")
    for step in range(2, STEPS + 1):
        shutil.rmtree(runs / "resumed" / "checkpoints" / f"step_{step:06d}")
    set_status(runs / "resumed", "interrupted")
    done = sspo("train", "--resume", "outputs/train/resumed", RUN="resumed")
    assert done.returncode == 0, done.stderr
    for name in ("many", "resumed"):
        assert json.dumps(metrics(runs / name)) == json.dumps(rows), name
        for file in ("samples.jsonl", "eval.jsonl", f"checkpoints/step_{STEPS:06d}/model.safetensors"):
            assert (runs / name / file).read_bytes() == (runs / "one" / file).read_bytes(), (name, file)
