"""What every sampler is: requests in, completions out, and the random numbers that draw them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import torch
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
        """Sample with the weights of `policy` from now on; `version` is what completions tell about them."""
        ...

    def close(self) -> None:
        """Give up what the sampler holds; it is not used afterwards."""
        ...


def uniforms(seed: int, key: Key, length: int) -> Tensor:
    """The numbers in [0, 1) that draw the first `length` tokens of a sample, float64: [length].

    The samples of an evaluation are drawn with the same numbers at every step.
    """
    place = (key.problem, key.sample)
    random = stream(seed, "rollout", key.step, *place) if key.stream == "train" else stream(seed, "evaluation", *place)
    return torch.from_numpy(random.random(length))
