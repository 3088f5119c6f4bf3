"""Requests for tests, their completions in order, and a sampler and a rewarder that answer in random order."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence

import torch

from sspo_cli.data.problem import Problem
from sspo_cli.models.policy import Policy
from sspo_cli.rewards.base import InProcessRewarder, Item, Judge
from sspo_cli.rollout.collect import Collector
from sspo_cli.rollout.native import NativeSampler
from sspo_cli.types import Completion, Decoding, Key, Request, Score


def decoding_of(policy: Policy, temperature: float, max_tokens: int) -> Decoding:
    return Decoding(temperature, max_tokens, tuple(policy.stop_ids))


def requests_of(prompts: Sequence[list[int]], decoding: Decoding, samples: int = 1) -> list[Request]:
    """`samples` requests for each prompt, in the order of their keys."""
    return [
        Request(Key("train", 1, p, k), prompt, decoding) for p, prompt in enumerate(prompts) for k in range(samples)
    ]


def sampled(
    policy: Policy, prompts: Sequence[list[int]], decoding: Decoding, samples: int = 1, tokens_in_flight: int = 10_000
) -> list[Completion]:
    """What the native sampler answers to `requests_of`, in the order of the keys."""
    sampler = NativeSampler(policy, 0, tokens_in_flight)
    return in_order(sampler.sample(iter(requests_of(prompts, decoding, samples))))


def in_order(completions: Iterable[Completion]) -> list[Completion]:
    return sorted(completions, key=lambda item: item.key)


class ShuffledSampler:
    """Answers with the prompt and the number of the sample, in random order. asked: all requests so far."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.asked: list[Request] = []

    def sample(self, requests: Iterator[Request]) -> Iterator[Completion]:
        asked = list(requests)
        self.asked += asked
        random.Random(len(asked)).shuffle(asked)
        for request in asked:
            digits = self.policy.tokenizer(str(request.key.sample), add_special_tokens=False)["input_ids"]
            token_T = [*request.context_S, *digits]
            yield Completion(request.key, token_T, torch.zeros(len(token_T)), "stop", 0)

    def sync(self, policy: Policy, version: int) -> None:
        """Its answers depend on no weights."""

    def close(self) -> None:
        """It holds nothing."""


class ShuffledRewarder(InProcessRewarder):
    """Scores in random order."""

    def score(self, items: Iterator[Item]) -> Iterator[Score]:
        found = list(super().score(items))
        random.Random(len(found)).shuffle(found)
        yield from found


def shuffled_collector(policy: Policy, reward: Callable[[Problem, str], float | None]) -> Collector:
    """reward: None where the problem has no answer."""

    def function(problem: Problem, response: str) -> dict[str, float] | None:
        value = reward(problem, response)
        return None if value is None else {"mine": value}

    return Collector(policy, ShuffledSampler(policy), ShuffledRewarder(function, Judge()), None)
