"""Groups are put together by key, whatever comes first, and a step samples until enough of them are not tied."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import pytest
import torch

from sspo_cli.config.compose import load_config
from sspo_cli.config.schema import TrainConfig
from sspo_cli.data.problem import Problem
from sspo_cli.models.policy import Policy
from sspo_cli.rollout.collect import Collected, Group, collect_step, errors_of, metrics_of
from sspo_cli.types import Completion, Decoding, Key, Score
from tests.sampling import ShuffledSampler, shuffled_collector
from tests.tiny_models import random_policy

DECODING = Decoding(1.0, 16, (1,))
NAN = math.nan


@pytest.fixture(scope="module")
def policy() -> Policy:
    return random_policy()


def problem_of(number: int) -> Problem:
    return Problem(f"p{number}", f"{number}+1=", str(number + 1), None)


def own_number(problem: Problem, response: str) -> float:
    """A reward that tells which response to which problem it was given for."""
    assert response.startswith(str(problem.prompt)), "graded as a response to another problem"
    assert problem.rendered == problem.prompt, "a reward can read the prompt as the model did"
    return int(problem.id[1:]) + int(response.removeprefix(str(problem.prompt))) / 10


def test_responses_and_scores_come_in_any_order_and_are_matched_by_key(policy: Policy) -> None:
    told: list[tuple[int, int]] = []
    collector = shuffled_collector(policy, own_number)
    problems = [problem_of(number) for number in (3, 1, 4, 1, 5)]
    groups = collector.collect("eval", 7, problems, 4, DECODING, lambda *now: told.append(now), numbers=range(2, 7))
    assert isinstance(collector.sampler, ShuffledSampler)
    keys = [[Key("eval", 7, 2 + p, k) for k in range(4)] for p in range(5)]
    assert [request.key for request in collector.sampler.asked] == [key for of_problem in keys for key in of_problem]
    for group, of_problem, problem in zip(groups, keys, problems, strict=True):
        assert group.problem == problem
        assert [item.key for item in group.completions] == [score.key for score in group.scores] == of_problem
        assert group.texts == [f"{problem.prompt}{k}" for k in range(4)]
        assert [policy.decode(item.token_T) for item in group.completions] == group.texts
        assert group.rewards == [own_number(group.problem, text) for text in group.texts]
        assert policy.decode(group.context_S) == problem.prompt
    assert told[-1] == (20, 20) and [done for done, _ in told] == sorted(done for done, _ in told)


class Counting:
    """Problems 0, 1, 2, ... for ever."""

    evaluation: ClassVar[list[Problem]] = []
    notes: Sequence[str] = ()
    train_size = None

    def train_problem(self, index: int) -> Problem:
        return problem_of(index)

    def problems(self) -> list[Problem]:
        return []


def step(policy: Policy, live: set[int], limit: int, first: int = 0) -> tuple[Collected, list[Key]]:
    """Step 3 with four prompts, where problems `live` have groups that are not tied; the keys that were asked for."""
    words = ["objective=dapo", "batch.prompts=4", "batch.samples_per_prompt=2", "batch.minibatches=1"]
    config = load_config(TrainConfig, [*words, f"objective.dynamic_sampling={limit}"])
    collector = shuffled_collector(policy, lambda problem, text: float(text[-1]) * (int(problem.id[1:]) in live))
    found = collect_step(collector, Counting(), config, 3, first, lambda *now: None)
    assert isinstance(collector.sampler, ShuffledSampler)
    return found, [request.key for request in collector.sampler.asked]


def numbers(groups: Sequence[Group]) -> list[int]:
    return [int(group.problem.id[1:]) for group in groups]


def test_rounds_ask_for_what_is_missing_under_keys_of_their_own(policy: Policy) -> None:
    """4 problems have 2 live groups, 2 more have 1, 1 more has 1."""
    found, keys = step(policy, live={11, 12, 15, 16, 17}, limit=10, first=10)
    assert numbers(found.groups) == [10, 11, 12, 13, 14, 15, 16]
    assert numbers(found.kept) == [11, 12, 15, 16]
    assert keys == [Key("train", 3, place, k) for place in range(7) for k in range(2)]


@pytest.mark.parametrize(
    ("live", "limit", "drawn", "kept"),
    [
        ({5}, 2, 8, [0, 1, 2, 5]),
        ({0, 6, 7}, 2, 8, [0, 1, 6, 7]),
        (set(), 1, 4, [0, 1, 2, 3]),
        ({2}, 1, 4, [0, 1, 2, 3]),
        ({0, 1, 2, 3}, 9, 4, [0, 1, 2, 3]),
        ({9, 10, 11}, 3, 12, [0, 9, 10, 11]),
    ],
)
def test_tied_groups_fill_the_rest_in_order_once_the_limit_is_reached(
    policy: Policy, live: set[int], limit: int, drawn: int, kept: list[int]
) -> None:
    found, _ = step(policy, live, limit)
    assert (len(found.groups), numbers(found.kept)) == (drawn, kept)


def group(scores: Sequence[tuple[dict[str, float], str | None]]) -> Group:
    """Responses of 2, 3, 4, ... tokens, of which the first is truncated."""
    keys = [Key("train", 1, 0, k) for k in range(len(scores))]
    completions = [
        Completion(key, [5] * (k + 2), torch.zeros(k + 2), "stop" if k else "length", 0) for k, key in enumerate(keys)
    ]
    given = [Score(key, parts, None, error) for key, (parts, error) in zip(keys, scores, strict=True)]
    return Group(problem_of(0), [], completions, [""] * len(keys), given, [None] * len(keys))


def test_metrics_are_of_everything_that_was_sampled() -> None:
    """A part that one response lacks counts as 0 there; what could not be scored counts nowhere but as unscored."""
    groups = [
        group([({"right": 1.0, "short": 0.5}, None), ({"right": 0.0}, None), ({}, "late"), ({"right": NAN}, None)]),
        group([({"right": 1.0}, None)] * 4),
    ]
    found = metrics_of(groups)
    assert found == {
        "reward/mean": pytest.approx((1.5 + 0 + 4) / 6),
        "reward/right": pytest.approx((1 + 0 + 4) / 6),
        "reward/short": pytest.approx(0.5 / 7),
        "reward/unscored": 2 / 8,
        "group/dead": 0.5,
        "prompts/generated": 2,
        "tokens/generated": 2 * (2 + 3 + 4 + 5),
        "response/length": 3.5,
        "response/truncated": 2 / 8,
    }
    assert errors_of(groups) == 1 / 8


def test_parts_of_a_mixture_have_means_of_their_own_over_the_problems_whose_reward_has_them() -> None:
    """A part that a response lacks counts as 0 among its like, and not where another reward grades."""
    graded = {
        "a": [({"math": 1.0}, None), ({"math": 0.0}, None)],
        "b": [({"own": 0.5, "more": 0.5}, None), ({"own": 0.5}, None)],
    }
    groups = [
        replace(found, problem=replace(found.problem, source=source))
        for source, scores in graded.items()
        for found in [group(scores)]
    ]
    found = metrics_of([*groups, groups[0]])
    assert (found["reward/mean/a"], found["reward/mean/b"]) == (0.5, 0.75)
    assert (found["reward/math"], found["reward/own"], found["reward/more"]) == (0.5, 0.5, 0.25)
    assert found["reward/mean"] == pytest.approx((0.5 + 0.5 + 0.75) / 3)
    assert not [name for name in metrics_of([group(graded["a"])]) if name.startswith("reward/mean/")]


def test_a_group_ties_within_the_rounding_of_its_largest_part_whatever_its_sign() -> None:
    for size in (1e16, -1e16):
        parts = [{"a": size, "b": -size, "c": value} for value in (0.0, 1.0)]
        rewards = [sum(one.values()) for one in parts]
        assert rewards == [0.0, 1.0] and group([(one, None) for one in parts]).tied
    assert not group([({"c": 0.0}, None), ({"c": 1.0}, None)]).tied
    assert group([({"c": -1e16, "d": 1e15}, None), ({"c": -1e16, "d": 1e15 + 2}, None)]).tied
    # A difference of 12 is more than the rounding of the positive parts, and less than that of the negative one.
    assert group([({"a": -1e16, "b": 5e15, "c": 5e15 + value}, None) for value in (0, 12)]).tied
