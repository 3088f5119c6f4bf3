"""What is trained of a trajectory, and nothing else, reaches the loss."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import combinations

import pytest
import torch
from torch import Tensor

from sspo_cli.build import load_objective
from sspo_cli.config.compose import load_config
from sspo_cli.config.schema import TrainConfig
from sspo_cli.engine.logprobs import token_logprobs
from sspo_cli.engine.microbatch import TOKENS_PER_PASS, cut, to_microbatch
from sspo_cli.engine.optimizer import make_optimizer
from sspo_cli.engine.update import Updater
from sspo_cli.engine.world import OneProcess
from sspo_cli.models.policy import Policy
from sspo_cli.types import Trajectory
from tests.steps import KEY, trajectory
from tests.tiny_models import random_policy

CPU = torch.device("cpu")
NAN = float("nan")


def dialogue(seed: int, length: int, turns: list[tuple[int, int]], advantage: float) -> Trajectory:
    """Random tokens, of which those of the half-open intervals `turns` are trained; NaN is known of the others."""
    generator = torch.Generator().manual_seed(seed)
    trained_L = torch.zeros(length, dtype=torch.bool)
    for begin, end in turns:
        trained_L[begin:end] = True
    logp_L = torch.where(trained_L, -5 - torch.rand(length, generator=generator), NAN)
    token_L = torch.randint(2, 258, (length,), generator=generator)
    return Trajectory(KEY, token_L, trained_L, advantage, 0, logp_L, reference_logp_L=logp_L + 0.1)


def group() -> list[Trajectory]:
    return [dialogue(1, 14, [(3, 6), (9, 13)], 1.0), dialogue(2, 9, [(1, 4)], -2.0), dialogue(3, 11, [(10, 11)], 0.5)]


def gradient(policy: Policy, items: list[Trajectory]) -> Tensor:
    objective = load_objective("sspo", ["objective.kl.coef=0.2", "objective.entropy_coef=0.1"])
    optimizer = make_optimizer(policy.model, load_config(TrainConfig, []).optim)
    updater = Updater(
        policy,
        objective,
        optimizer,
        temperature=1.0,
        max_response_length=20,
        max_grad_norm=1.0,
        tokens_per_microbatch=10_000,
        world=OneProcess(),
    )
    policy.model.zero_grad()
    loss, _, _ = updater.backward(items)
    assert loss == loss, "a NaN has reached the loss"
    return torch.cat([parameter.grad.flatten() for parameter in policy.model.parameters()])


def test_turns_between_others_are_scored_where_they_stand() -> None:
    policy, items = random_policy(spread=0.15), group()
    microbatch = to_microbatch(items, 0, CPU)
    logp_BT, _ = token_logprobs(policy, microbatch, 0.7)
    assert microbatch.mask_BT.sum(1).tolist() == [7, 3, 1]
    for item, row, mask in zip(items, logp_BT, microbatch.mask_BT, strict=True):
        logits_LV = policy.model(item.token_L[None], use_cache=False).logits[0] / 0.7
        expected_L = logits_LV[:-1].log_softmax(-1).gather(1, item.token_L[1:, None])[:, 0]
        torch.testing.assert_close(row[mask], expected_L[item.trained_L[1:]], rtol=1e-5, atol=1e-5)


def test_a_token_that_is_not_trained_has_no_gradient_whatever_is_known_of_it() -> None:
    """Its log-probabilities are NaN, and another number changes nothing."""
    policy = random_policy(spread=0.15)
    found = gradient(policy, group())
    assert found.isfinite().all() and found.abs().max() > 1e-3
    known = [
        replace(
            item,
            sampled_logp_L=item.sampled_logp_L.nan_to_num(-3.0),
            reference_logp_L=item.reference_logp_L.nan_to_num(7.0),
        )
        for item in group()
        if item.sampled_logp_L is not None and item.reference_logp_L is not None
    ]
    assert torch.equal(found, gradient(policy, known))


def test_logits_that_predict_no_trained_token_get_a_gradient_of_zero() -> None:
    policy, items = random_policy(spread=0.15), group()[:1]
    head, trained_L = policy.model.get_output_embeddings(), items[0].trained_L
    seen: list[Tensor] = []
    embedding = policy.model.get_input_embeddings()
    handle = embedding.register_full_backward_hook(lambda module, grads, outputs: seen.append(outputs[0][0]))
    gradient(policy, items)
    handle.remove()
    (gradient_LD,) = seen
    last = int(trained_L.nonzero().max())
    assert head is not None and gradient_LD[:last].abs().sum(1).min() > 0
    assert gradient_LD[last:].abs().max() == 0, "nothing behind the last predictor is read"


def test_the_tokens_of_the_response_are_trained_and_those_of_the_prompt_are_not() -> None:
    item = trajectory([5, 6, 7], [8, 9], torch.tensor([-1.0, -2.0]))
    assert item.trained_L.tolist() == [False, False, False, True, True] and item.trained == 2
    assert item.sampled_logp_L is not None and item.sampled_logp_L[item.trained_L].tolist() == [-1, -2]


def test_log_probabilities_keep_their_names() -> None:
    """Ratios start from the sampler's, under a correction from the trainer's."""
    item = dialogue(1, 14, [(3, 6), (9, 13)], 1.0)
    sampled_L, reference_L = item.sampled_logp_L, item.reference_logp_L
    assert sampled_L is not None and reference_L is not None
    trained = item.trained_L
    found = to_microbatch([item], 0, CPU).logps
    assert found.keys() == {"old_logp_BT", "reference_logp_BT"}
    assert torch.equal(found["old_logp_BT"][0], sampled_L[trained])
    assert torch.equal(found["reference_logp_BT"][0], reference_L[trained])
    found = to_microbatch([replace(item, trainer_logp_L=sampled_L - 0.5)], 0, CPU).logps
    assert torch.equal(found["old_logp_BT"][0], sampled_L[trained] - 0.5)
    assert torch.equal(found["rollout_logp_BT"][0], sampled_L[trained])


def test_a_first_token_cannot_be_trained() -> None:
    item = trajectory([], [5, 6, 7], torch.zeros(3), 1.0)
    with pytest.raises(ValueError, match="no token predicts it"):
        to_microbatch([item], 0, CPU)


def cost(lengths: list[int], cuts: list[list[int]]) -> int:
    """Tokens with padding, and what each pass costs."""
    return sum(len(places) * max(lengths[place] for place in places) + TOKENS_PER_PASS for places in cuts)


def test_cuts_are_the_cheapest_within_the_budget_and_hold_every_place_once() -> None:
    """Beside all ways to cut the sorted sequences; one that is longer than the budget comes alone."""
    chance, budget = random.Random(0), 400
    for _ in range(30):
        lengths = [chance.randint(1, 500 if chance.random() < 0.2 else 120) for _ in range(8)]
        found = cut(lengths, budget)
        assert sorted(place for places in found for place in places) == list(range(8))
        ordered = sorted(range(8), key=lambda place: lengths[place])
        ways = [
            [ordered[begin:end] for begin, end in zip((0, *ends), (*ends, 8), strict=True)]
            for count in range(8)
            for ends in combinations(range(1, 8), count)
        ]

        def fits(places: list[int], lengths: list[int] = lengths) -> bool:
            return len(places) == 1 or len(places) * max(lengths[place] for place in places) <= budget

        assert all(map(fits, found))
        assert cost(lengths, found) == min(cost(lengths, way) for way in ways if all(map(fits, way)))
