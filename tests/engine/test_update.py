"""One update: what it must not depend on, and what it must refuse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sspo_cli.build import load_objective
from sspo_cli.config.compose import load_config
from sspo_cli.config.schema import TrainConfig
from sspo_cli.engine.checkpoint import Progress, restore, save_checkpoint
from sspo_cli.engine.microbatch import cut
from sspo_cli.engine.optimizer import learning_rate, make_optimizer
from sspo_cli.engine.update import Updater
from sspo_cli.engine.world import OneProcess
from sspo_cli.guards import GuardStop
from sspo_cli.models.policy import Policy
from sspo_cli.objectives.objective import Objective
from sspo_cli.rollout.source import Rollout
from sspo_cli.runs.sample_rows import SampleRow
from sspo_cli.types import Trajectory
from tests.steps import trajectory
from tests.tiny_models import random_policy

pytestmark = pytest.mark.slow


OPTIM = load_config(TrainConfig, []).optim


def trajectories(count: int = 12) -> list[Trajectory]:
    generator = torch.Generator().manual_seed(0)

    def draw(low: int, high: int, size: int) -> list[int]:
        return torch.randint(low, high, (size,), generator=generator).tolist()

    items = []
    for i in range(count):
        response = draw(2, 258, draw(1, 20, 1)[0])
        old_logp_T = -5 - torch.rand(len(response), generator=generator)
        items.append(trajectory(draw(2, 258, draw(1, 9, 1)[0]), response, old_logp_T, (-1.0) ** i * (1 + i / 10)))
    return items


def updater(
    policy: Policy, objective: str = "sspo", tokens_per_microbatch: int = 10_000, max_grad_norm: float = 1.0
) -> Updater:
    return Updater(
        policy,
        load_objective(objective),
        make_optimizer(policy.model, OPTIM),
        temperature=1.0,
        max_response_length=20,
        max_grad_norm=max_grad_norm,
        tokens_per_microbatch=tokens_per_microbatch,
        world=OneProcess(),
    )


def weights(policy: Policy) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in policy.model.parameters()]


def gradient(tokens_per_microbatch: int, objective: str) -> tuple[torch.Tensor, dict[str, float]]:
    policy = random_policy()
    metrics = updater(policy, objective, tokens_per_microbatch).update(trajectories(), lr=1e-3)
    return torch.cat([parameter.grad.flatten() for parameter in policy.model.parameters()]), metrics


@pytest.mark.parametrize("objective", ["sspo", "sapo", "gmpo", "gspo", "grpo"])
def test_the_micro_batch_budget_changes_no_gradient_and_no_metric(objective: str) -> None:
    whole, metrics = gradient(10_000, objective)
    pieces, metrics_of_pieces = gradient(40, objective)
    assert torch.allclose(whole, pieces, atol=1e-6, rtol=1e-5)
    assert metrics == pytest.approx(metrics_of_pieces, rel=1e-4, abs=1e-6)


def test_a_mean_over_tokens_is_over_the_trained_ones() -> None:
    """DAPO on responses with ratio 1: minus the mean advantage of all response tokens."""
    items = [replace(item, sampled_logp_L=None) for item in trajectories()]
    loss, _, _ = updater(random_policy(), "dapo").backward(items)
    tokens = sum(item.trained for item in items)
    assert loss == pytest.approx(-sum(item.advantage * item.trained for item in items) / tokens, rel=1e-5)


def test_ratios_start_from_the_recorded_log_probabilities() -> None:
    items = trajectories(1)
    _, _, batch = updater(random_policy(), "grpo").backward(items)
    assert items[0].sampled_logp_L is not None
    assert torch.equal(batch.old_logp_BT[0], items[0].sampled_logp_L[items[0].trained_L])


def tied(items: list[Trajectory]) -> list[Trajectory]:
    """The same with every third advantage zero."""
    return [replace(item, advantage=item.advantage if i % 3 else 0.0) for i, item in enumerate(items)]


@pytest.mark.parametrize("objective", ["sspo", "sapo", "gmpo", "gspo", "grpo"])
@pytest.mark.parametrize("select", [tied, lambda items: [replace(item, advantage=0.0) for item in items]])
def test_responses_without_advantage_are_measured_without_a_backward_pass_and_change_nothing(
    objective: str, select: Callable[[list[Trajectory]], list[Trajectory]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def after_two_updates() -> tuple[list[torch.Tensor], dict[str, float]]:
        policy = random_policy()
        worker = updater(policy, objective)
        worker.update(trajectories(), lr=1e-3)
        metrics = worker.update(select(trajectories()), lr=1e-3)
        return weights(policy), metrics

    found, metrics = after_two_updates()
    monkeypatch.setattr(Objective, "moves", lambda *_: True)
    expected, metrics_of_full_passes = after_two_updates()
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)
    assert metrics == pytest.approx(metrics_of_full_passes, rel=1e-4, abs=1e-6)


def test_only_responses_that_move_the_weights_take_a_backward_pass() -> None:
    items = tied(trajectories())
    passes = list(updater(random_policy(), tokens_per_microbatch=40).passes(items))
    assert {moves for _, moves in passes} == {True, False}
    assert all((item.advantage != 0) == moves for group, moves in passes for item in group)
    assert sorted(id(item) for group, _ in passes for item in group) == sorted(map(id, items))


@pytest.mark.parametrize("extra", ["entropy_coef=0.1", "kl.coef=0.1"])
def test_a_penalty_moves_the_weights_by_responses_without_advantage(extra: str) -> None:
    worker = updater(random_policy())
    worker.objective = load_objective("sspo", [f"objective.{extra}"])
    items = [replace(item, reference_logp_L=item.sampled_logp_L) for item in tied(trajectories())]
    assert all(moves for _, moves in worker.passes(items))


def test_cuts_hold_every_trajectory_once_within_the_budget() -> None:
    items = trajectories(40)
    groups = [[items[i] for i in places] for places in cut([item.tokens for item in items], 100)]
    assert sorted(map(id, items)) == sorted(id(item) for group in groups for item in group)
    assert len(groups) > 5
    for group in groups:
        assert len(group) * max(item.tokens for item in group) <= 100


def test_a_step_raises_the_probability_of_what_was_better_than_its_group() -> None:
    policy = random_policy()
    items = trajectories()
    worker = updater(policy)
    worker.update(items, lr=1e-3)
    _, _, before = updater(random_policy()).backward(items)
    _, _, after = updater(policy).backward(items)
    change_B = torch.where(after.mask_BT, after.logp_BT - before.logp_BT, 0).sum(-1)
    assert (change_B * after.advantage_B).sum() > 0


def test_the_step_is_as_long_as_the_learning_rate() -> None:
    def moved(lr: float) -> float:
        policy = random_policy()
        before = weights(policy)
        updater(policy).update(trajectories(), lr=lr)
        return max(
            float((new.detach() - old).abs().max()) for old, new in zip(before, policy.model.parameters(), strict=True)
        )

    assert moved(0.0) == 0.0
    # AdamW's first step moves every weight by lr at most.
    assert moved(1e-3) == pytest.approx(1e-3, rel=1e-2)


def test_the_gradient_is_scaled_down_to_the_norm_asked_for_and_logged_as_it_was() -> None:
    policy = random_policy()
    logged = updater(policy, max_grad_norm=1e-3).update(trajectories(), lr=1e-3)["grad/norm"]
    left = torch.cat([parameter.grad.flatten() for parameter in policy.model.parameters()]).norm()
    assert logged > 0.1 and float(left) == pytest.approx(1e-3, rel=1e-2)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_never_reaches_the_weights(value: float) -> None:
    policy = random_policy()
    before = weights(policy)
    items = trajectories()
    items[3] = replace(items[3], advantage=value)
    with pytest.raises(GuardStop, match="not finite"):
        updater(policy).update(items, lr=1e-3)
    assert all(torch.equal(old, new) for old, new in zip(before, policy.model.parameters(), strict=True))


def test_the_learning_rate_warms_up_and_decays() -> None:
    config = load_config(TrainConfig, ["optim.lr=1.0", "optim.warmup_steps=4", "optim.schedule=linear"]).optim
    rates = [learning_rate(config, update, 12) for update in range(12)]
    assert rates[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert rates[8] == pytest.approx(0.5)
    cosine = load_config(TrainConfig, ["optim.lr=1.0", "optim.schedule=cosine"]).optim
    assert learning_rate(cosine, 6, 12) == pytest.approx(0.5)


def test_a_checkpoint_brings_back_weights_optimizer_and_pending_rollouts(tmp_path: Path) -> None:
    policy, items = random_policy(), trajectories()
    worker = updater(policy)
    worker.update(items, lr=1e-3)
    pending = [
        Rollout(
            items[:3],
            [
                SampleRow(
                    step=1,
                    problem="p",
                    prompt="é",
                    response="r",
                    reward=None,
                    reward_parts={"a": None},
                    shaping={"kl": 0.5},
                    advantage=0.25,
                    length=3,
                    truncated=True,
                )
            ],
            2,
            40,
            {"reward/mean": 0.5},
        )
    ]
    saved = save_checkpoint(tmp_path, policy, worker.optimizer, Progress(7, 100, seconds=1.5), pending, keep=2)
    worker.update(items, lr=1e-3)

    again = Policy(type(policy.model).from_pretrained(saved).eval(), policy.tokenizer)
    other = updater(again)
    progress, restored = restore(saved, other.optimizer)
    assert progress == Progress(7, 100, seconds=1.5)
    for name in ("samples", "metrics", "prompts", "tokens"):
        assert getattr(restored[0], name) == getattr(pending[0], name)
    for old, new in zip(pending[0].trajectories, restored[0].trajectories, strict=True):
        assert (old.key, old.advantage, old.version) == (new.key, new.advantage, new.version)
        assert torch.equal(old.token_L, new.token_L) and torch.equal(old.trained_L, new.trained_L)
        assert old.sampled_logp_L is not None and new.sampled_logp_L is not None
        assert torch.equal(old.sampled_logp_L.nan_to_num(7.0), new.sampled_logp_L.nan_to_num(7.0))
    other.update(items, lr=1e-3)
    assert all(torch.equal(a, b) for a, b in zip(policy.model.parameters(), again.model.parameters(), strict=True))


def test_only_the_newest_checkpoints_are_kept_and_none_is_partial(tmp_path: Path) -> None:
    policy = random_policy()
    worker = updater(policy)
    for step in (1, 2, 3):
        save_checkpoint(tmp_path, policy, worker.optimizer, Progress(step), [], keep=2)
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["step_000002", "step_000003"]


def test_a_damaged_checkpoint_takes_no_whole_ones_place(tmp_path: Path) -> None:
    policy = random_policy()
    worker = updater(policy)
    for step in (1, 2, 3):
        saved = save_checkpoint(tmp_path, policy, worker.optimizer, Progress(step), [], keep=2)
    (saved / "tokenizer.json").unlink()
    for step, kept in ((4, [2, 3, 4]), (5, [4, 5])):
        save_checkpoint(tmp_path, policy, worker.optimizer, Progress(step), [], keep=2)
        assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == [f"step_{n:06d}" for n in kept]
