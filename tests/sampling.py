"""Requests for tests, and their completions in order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sspo_cli.models.policy import Policy
from sspo_cli.rollout.native import NativeSampler
from sspo_cli.types import Completion, Decoding, Key, Request


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
