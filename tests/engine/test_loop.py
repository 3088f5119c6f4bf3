"""The loop between a rollout and its updates: versions, places, means, and what a checkpoint keeps of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from sspo_cli.config.compose import load_config
from sspo_cli.config.schema import TrainConfig
from sspo_cli.engine.loop import UNSCORED_AT_MOST, Loop
from sspo_cli.engine.observer import Observer
from sspo_cli.engine.parts import load_parts
from sspo_cli.engine.signals import StopRequest
from sspo_cli.engine.update import Updater
from sspo_cli.engine.world import OneProcess
from sspo_cli.guards import GuardStop
from sspo_cli.rollout.source import Rollout
from sspo_cli.runs import jsonl
from sspo_cli.runs.sample_rows import SampleRow
from sspo_cli.types import Key, Trajectory

pytestmark = pytest.mark.slow


def loop_in(folder: Path) -> Loop:
    """Four steps, each with two epochs of two updates, on rollouts that are one step old."""
    words = ["batch.prompts=4", "batch.samples_per_prompt=4", "batch.epochs=2", "train.steps=4", "optim.lr=1e-4"]
    limits = ["rollout.max_response_length=12", "train.eval_every=4", "rollout.staleness=1", "train.save_every=9"]
    config = load_config(TrainConfig, ["preset=smoke", "objective=grpo", *words, *limits])
    return Loop(config, load_parts(config), folder, Observer(), OneProcess(), StopRequest(None, at_once=False))


def versions(rollout: Rollout) -> set[int]:
    return {item.version for item in rollout.trajectories}


class Watched:
    """The updater, and what it was given and returned."""

    def __init__(self, updater: Updater) -> None:
        self.update_once = updater.update
        self.given: list[list[Key]] = []
        self.found: list[dict[str, float]] = []

    def update(self, trajectories: Sequence[Trajectory], lr: float) -> dict[str, float]:
        self.given.append([item.key for item in trajectories])
        self.found.append(self.update_once(trajectories, lr))
        return self.found[-1]


def test_steps_learn_once_an_epoch_from_every_response_and_go_on_from_a_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = loop_in(tmp_path)
    watched = Watched(loop.updater)
    monkeypatch.setattr(loop.updater, "update", watched.update)
    loop.step(1)
    assert [versions(waiting) for waiting in loop.source.waiting] == [{0}]
    loop.step(2)
    assert [versions(waiting) for waiting in loop.source.waiting] == [{1}], "of the weights that drew it"
    assert len(watched.given) == 8 and len(set(map(tuple, watched.given))) == 8
    for step in (1, 2):
        every = [Key("train", step, p, k) for p in range(4) for k in range(4)]
        for epoch in range(2):
            place = 4 * (step - 1) + 2 * epoch
            assert sorted([*watched.given[place], *watched.given[place + 1]]) == every
    for row, first in zip(jsonl.read(tmp_path / "metrics.jsonl"), (0, 4), strict=True):
        for name in ("loss", "grad/norm", "policy/entropy"):
            assert row[name] == pytest.approx(sum(one[name] for one in watched.found[first : first + 4]) / 4)
    assert loop.progress.prompts == 3 * 4
    loop.save()

    again = loop_in(tmp_path)
    again.resume(tmp_path / "checkpoints" / "step_000002")
    assert (again.source.prompts, again.progress.step) == (12, 2)
    (waiting,), (kept,) = loop.source.waiting, again.source.waiting
    assert (kept.samples, kept.metrics, versions(kept)) == (waiting.samples, waiting.metrics, {1})
    for one, other in zip(waiting.trajectories, kept.trajectories, strict=True):
        assert one.key == other.key and torch.equal(one.token_L, other.token_L)


def unscored(share: float, error: str | None = None) -> Rollout:
    row = SampleRow(
        step=1, problem="p", prompt="1+1=", response="2", reward=None, reward_parts={}, advantage=0.0, length=1,
        truncated=False, error=error,
    )  # fmt: skip
    return Rollout([], [row], 1, 1, {"reward/unscored": share})


def test_only_rollouts_in_a_row_without_any_reward_stop_the_run(tmp_path: Path) -> None:
    loop = loop_in(tmp_path)
    for share in [*[1.0] * (UNSCORED_AT_MOST - 1), 0.9, *[1.0] * (UNSCORED_AT_MOST - 1)]:
        loop.check_scored(1, unscored(share))
    with pytest.raises(GuardStop, match=r"no reward could be scored .*: every one is NaN or None; mend the reward"):
        loop.check_scored(1, unscored(1.0))


def test_rollouts_whose_graders_all_failed_say_why(tmp_path: Path) -> None:
    loop = loop_in(tmp_path)
    with pytest.raises(GuardStop, match=r"graders failed \(score took longer than 1 s\); mend the reward"):
        for _ in range(UNSCORED_AT_MOST):
            loop.check_scored(1, unscored(1.0, "score took longer than 1 s"))
