"""What every sampler is: requests in, completions out, and the random numbers that draw them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import torch
from numpy.random import Generator
from torch import Tensor

from sspo_cli.models.policy import Policy
from sspo_cli.seeds import stream
from sspo_cli.types import Completion, Key, Request


class Sampler(Protocol):
    """Draws responses with the weights of the last `sync`."""

    def sample(self, requests: Iterator[Request]) -> Iterator[Completion]:
        """One completion for each request, in any order, each as soon as it is finished.

        Takes requests from the iterator as it has room for them. What is sampled for a key depends on the seed, the
        key, the context, the decoding and the weights alone. Closing the returned generator frees what it holds.
        """
        ...

    def sync(self, policy: Policy, version: int) -> None:
        """Sample with the weights of `policy` from now on; `version` is what completions tell about them, and another
        one if they have changed.

        Raises:
            GuardStop: if a sampler with weights of its own does not compute what the policy computes.
        """
        ...

    def close(self) -> None:
        """Give up what the sampler holds; it is not used afterwards."""
        ...


def uniforms(seed: int, key: Key, length: int) -> Tensor:
    """The numbers in [0, 1) that draw the first `length` tokens of a sample, float64: [length]."""
    return torch.from_numpy(random_of(seed, key).random(length))


def own_seed(seed: int, key: Key) -> int:
    """The seed of a sample, for engines with random numbers of their own."""
    return int(random_of(seed, key).integers(2**63))


def random_of(seed: int, key: Key) -> Generator:
    """What draws a sample. The samples of an evaluation are drawn with the same numbers at every step."""
    place = (key.problem, key.sample)
    return stream(seed, "rollout", key.step, *place) if key.stream == "train" else stream(seed, "evaluation", *place)
