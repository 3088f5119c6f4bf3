"""What an objective makes of a rollout before the first update: its prompts, rewards and log-probabilities."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from sspo_cli.config.compose import load_config
from sspo_cli.config.schema import OverlongSection, TrainConfig
from sspo_cli.data.encode import Encoder
from sspo_cli.data.problem import Problem
from sspo_cli.engine.credit import overlong, reference_solutions, to_rollout
from sspo_cli.engine.logprobs import trajectory_logprobs
from sspo_cli.engine.parts import TrainParts, load_parts
from sspo_cli.models.reference import Reference
from sspo_cli.rollout.collect import Collected, Group, problems_from
from sspo_cli.rollout.source import Rollout
from sspo_cli.runs.sample_rows import SampleRow
from sspo_cli.types import Completion, Key, Score
from tests.steps import (
    credited,
    response_of,
    rollout_of,
    sample_groups,
    sampled_logp,
    score_anew,
    trajectory,
    updater_of,
    with_logps,
)

pytestmark = pytest.mark.slow


def settings(*words: str) -> TrainConfig:
    return load_config(TrainConfig, ["preset=smoke", "batch.prompts=4", "batch.minibatches=1", *words])


def collected(config: TrainConfig, step: int = 1, first: int = 0) -> Rollout:
    return rollout_of(load_parts(config), config, step, first)


def group(rewards: list[float]) -> Group:
    scores = [Score(Key("train", 1, 0, k), {"exact": reward}, reward >= 1) for k, reward in enumerate(rewards)]
    return Group(Problem("p", "1+1=", "2", None), [], [], [], scores, [])


def drawn(config: TrainConfig, parts: TrainParts) -> list[Group]:
    """A rollout whose rewards alternate, whatever the model wrote."""
    groups = sample_groups(parts, config, 4)
    score_anew(groups, lambda i: float(i % 2))
    return groups


def reward_of(row: SampleRow) -> float:
    assert row.reward is not None
    return row.reward


def added(row: SampleRow, name: str) -> float:
    """What the objective added to the reward."""
    value = (row.shaping or {})[name]
    assert value is not None
    return value


def learned(config: TrainConfig, parts: TrainParts) -> Rollout:
    groups = drawn(config, parts)
    return to_rollout(Collected(groups, groups), parts.reference, config)


def test_a_group_ties_when_all_scored_rewards_are_equal() -> None:
    nan = float("nan")
    assert group([1, 1, 1]).tied and group([1, nan, 1]).tied and group([nan, nan]).tied
    assert not group([1, 0, 1]).tied and not group([nan, 0.5, 1]).tied


def test_dynamic_sampling_learns_from_live_groups_and_counts_what_they_cost() -> None:
    config = settings("objective=dapo", "objective.dynamic_sampling=20", "seed=3")
    parts = load_parts(config)
    found = rollout_of(parts, config)
    generated = int(found.metrics["prompts/generated"])
    assert 4 < generated <= 80, "this seed has tied groups among the first four prompts"
    assert found.metrics["prompts/kept"] == 4 and len(found.trajectories) == len(found.samples) == 32
    by_problem: dict[str, list[float]] = {}
    for row in found.samples:
        by_problem.setdefault(row.problem, []).append(reward_of(row))
    assert len(by_problem) == 4 and all(len(set(rewards)) > 1 for rewards in by_problem.values())
    stream = [problem.id for problem in problems_from(parts.dataset, 0, generated)]
    places = [stream.index(problem) for problem in by_problem]
    assert places == sorted(places) and places[-1] == generated - 1, "no prompt is drawn beyond the last one needed"
    learned = sum(item.trained for item in found.trajectories)
    assert found.metrics["tokens/generated"] > learned
    assert (found.prompts, found.tokens) == (generated, found.metrics["tokens/generated"])
    assert found.metrics["group/dead"] == pytest.approx(1 - 4 / generated)


def test_the_limit_of_dynamic_sampling_holds_and_tied_groups_fill_the_batch() -> None:
    config = settings("objective=dapo", "objective.dynamic_sampling=2", "seed=3", "dataset=addition_hard")
    found = collected(config)
    assert found.metrics["prompts/generated"] == 8 and found.metrics["prompts/kept"] < 4
    assert len(found.trajectories) == 32


def test_without_dynamic_sampling_every_prompt_is_kept_in_order() -> None:
    plain, dapo = (
        collected(settings(f"objective={name}", "objective.dynamic_sampling=1")) for name in ("grpo", "dapo")
    )
    assert list(map(response_of, plain.trajectories)) == list(map(response_of, dapo.trajectories))
    assert plain.metrics["prompts/generated"] == 4


def test_a_response_does_not_depend_on_the_round_it_was_drawn_in() -> None:
    config = settings("objective=grpo")
    parts = load_parts(config)
    whole = sample_groups(parts, config, 4)
    rounds = [sample_groups(parts, config, 1, first=p)[0] for p in range(4)]
    assert [item.texts for item in whole] == [item.texts for item in rounds]


def made(p: int, parts: list[dict[str, float]]) -> Group:
    """Group p, sampled by version 3: response k is k + 2 tokens long and has the text "p k"; no parts: it failed."""
    keys = [Key("train", 1, p, k) for k in range(len(parts))]
    completions = [
        Completion(key, [7] * (key.sample + 2), torch.zeros(key.sample + 2), "length" if key.sample == 1 else "stop", 3)
        for key in keys
    ]
    scores = [Score(key, given, False, None if given else f"late {p}") for key, given in zip(keys, parts, strict=True)]
    texts, spelled = [f"{p} {k}" for k in range(3)], [f"{p} {k}<eos>" for k in range(3)]
    return Group(Problem(f"p{p}", f"{p}+1=", "2", None), [5, 6, 7], completions, texts, scores, [*spelled])


def test_a_rollout_is_learned_from_the_kept_and_told_of_all() -> None:
    live, rounded = [{"a": 0.0}, {"a": 1.0}, {"a": 2.0}], [{"a": 1e16, "b": -1e16, "c": c} for c in (0.0, 1.0, 1.0)]
    groups = [made(0, [{"a": 1.0}, {}, {}]), made(1, live), made(2, [{"a": 4.0}, {}, {"a": 0.0}]), made(3, rounded)]
    found = to_rollout(Collected(groups, groups[1:]), None, settings("objective=dr_grpo", "reward.on_error=skip"))
    assert (found.prompts, found.tokens) == (4, 4 * (2 + 3 + 4))
    assert found.metrics["reward/errors"] == 3 / 12 and found.metrics["reward/unscored"] == 3 / 12
    assert found.metrics["prompts/kept"] == 2 and found.metrics["group/dead"] == 0.5
    expected = [-1, 0, 1, 2, 0, -2, 0, 0, 0]
    assert [item.advantage for item in found.trajectories] == pytest.approx(expected)
    assert [item.key for item in found.trajectories] == [Key("train", 1, p, k) for p in (1, 2, 3) for k in range(3)]
    assert {item.version for item in found.trajectories} == {3}
    assert [item.trained for item in found.trajectories] == [2, 3, 4] * 3
    assert [row.advantage for row in found.samples] == pytest.approx(expected)
    assert [(row.problem, row.response) for row in found.samples] == [
        (f"p{p}", f"{p} {k}") for p in (1, 2, 3) for k in range(3)
    ]
    assert [row.error for row in found.samples] == [None] * 4 + ["late 2"] + [None] * 4
    assert [row.truncated for row in found.samples] == [False, True, False] * 3


def test_reference_solutions_are_learned_as_they_stand() -> None:
    config = settings("objective=sft", "batch.samples_per_prompt=1")
    parts = load_parts(config)
    problems = problems_from(parts.dataset, 5, 3)
    found = reference_solutions(Encoder(parts.policy.tokenizer, None), problems, step=4)
    assert [item.key for item in found.trajectories] == [Key("train", 4, p, 0) for p in range(3)]
    for item, problem in zip(found.trajectories, problems, strict=True):
        assert problem.solution and problem.solution in parts.policy.decode(response_of(item))
        assert item.advantage == 1 and item.sampled_logp_L is None
    assert (found.prompts, found.tokens) == (3, sum(item.trained for item in found.trajectories))


def test_the_soft_limit_on_length_grows_over_the_buffer() -> None:
    """Limit 20, buffer 0.2: nothing up to 16 tokens, half at 18, all from 20 on; penalty 3."""
    items = [trajectory([1], [5] * length, None) for length in (1, 16, 17, 18, 20, 25)]
    taken = overlong(items, OverlongSection(penalty=3.0, buffer=0.2), 20)
    assert taken.tolist() == pytest.approx([0, 0, 0.75, 1.5, 3, 3])


def test_what_is_taken_from_the_reward_moves_the_advantage_and_not_the_reward() -> None:
    config = settings("objective=dr_grpo", "objective.overlong.penalty=1", "objective.overlong.buffer=1")
    parts = load_parts(config)
    found = learned(config, parts)
    limit = config.rollout.max_response_length
    for first in range(0, 32, 8):
        rows = found.samples[first : first + 8]
        assert [row.reward for row in rows] == [0, 1] * 4
        shaped = [reward_of(row) - row.length / limit for row in rows]
        mean = sum(shaped) / 8
        assert [row.advantage for row in rows] == pytest.approx([value - mean for value in shaped], abs=1e-5)
        assert added(rows[0], "overlong") == pytest.approx(-rows[0].length / limit, abs=1e-6)


@pytest.mark.parametrize("estimator", ["k1", "k2", "k3"])
def test_kl_in_the_reward_is_summed_over_the_response(estimator: str) -> None:
    words = ["objective.kl.coef=0.3", "objective.kl.place=reward", f"objective.kl.estimator={estimator}"]
    config = settings("objective=dr_grpo", *words)
    parts = load_parts(config)
    assert parts.reference is not None
    with torch.no_grad():
        for parameter in parts.reference.policy.model.parameters():
            parameter.mul_(1.05)
    found = learned(config, parts)
    reference = trajectory_logprobs(parts.reference.policy, found.trajectories, config)
    for row, item, logp_L in zip(found.samples, found.trajectories, reference, strict=True):
        x_T = (logp_L[item.trained_L] - sampled_logp(item)).double()
        k_T = {"k1": -x_T, "k2": x_T**2 / 2, "k3": x_T.exp() - 1 - x_T}[estimator]
        assert added(row, "kl") == pytest.approx(-0.3 * float(k_T.sum()), rel=1e-3, abs=1e-4)
    assert found.metrics["shaping/kl"] == pytest.approx(sum(added(row, "kl") for row in found.samples) / 32, rel=1e-4)


@pytest.mark.parametrize(
    "mask",
    [[], ["objective.correction.mask.level=token", "objective.correction.mask.low=0.99"]],
    ids=["weights", "weights and mask"],
)
def test_a_correction_starts_the_ratios_from_the_trainer(mask: list[str]) -> None:
    config = settings("objective=grpo", "objective.correction.level=token", *mask)
    parts = load_parts(config)
    sampled = credited(drawn(config, parts), parts, config)
    with torch.no_grad():
        for parameter in parts.policy.model.parameters():
            parameter.mul_(1.02)
    corrected = with_logps(sampled, parts, config)
    now = trajectory_logprobs(parts.policy, sampled, config)
    moved = []
    for before, after, logp_L in zip(sampled, corrected, now, strict=True):
        assert after.trainer_logp_L is not None
        assert torch.equal(sampled_logp(after), sampled_logp(before))
        assert torch.equal(after.trainer_logp_L[after.trained_L], logp_L[after.trained_L])
        moved.append(float((logp_L[after.trained_L] - sampled_logp(before)).abs().max()))
    assert max(moved) > 0.01
    metrics = updater_of(parts, config).update(corrected, lr=0.0)
    assert metrics["ratio/std"] == pytest.approx(0, abs=1e-4)
    assert abs(metrics["correction/mean"] - 1) > 1e-4
    assert metrics["ratio/max_abs_log"] > 0.01, "the gap to the sampler is still told"
    assert 0 < metrics.get("correction/masked", 0.5) < 1


def test_an_entropy_bonus_alone_raises_the_entropy() -> None:
    config = settings("objective=grpo", "objective.entropy_coef=1.0", "optim.lr=1e-3")
    parts = load_parts(config)
    items = [replace(item, advantage=0.0) for item in credited(drawn(config, parts), parts, config)]
    updater = updater_of(parts, config)
    entropies = [updater.update(items, lr=1e-3)["policy/entropy"] for _ in range(4)]
    assert entropies == sorted(entropies) and entropies[-1] > entropies[0] * 1.05


def test_a_penalty_alone_leads_back_to_the_reference() -> None:
    config = settings("objective=grpo", "objective.kl.coef=1.0", "objective.kl.estimator=k2")
    parts = load_parts(config)
    items = credited(drawn(config, parts), parts, config)
    assert isinstance(parts.reference, Reference)
    with torch.no_grad():
        for parameter in parts.policy.model.parameters():
            parameter.mul_(1.1)
    items = with_logps([replace(item, advantage=0.0) for item in items], parts, config)
    updater = updater_of(parts, config)
    distances = [updater.update(items, lr=1e-5)["policy/kl_reference"] for _ in range(5)]
    assert distances == sorted(distances, reverse=True) and distances[-1] < 0.8 * distances[0], distances
