"""What flows through a run: requests to a sampler, its completions, their scores, and what an update learns from.

Everything is named by its `Key` and matched by it, never by position: completions and scores come in any order.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Tensor


@dataclass(frozen=True, order=True)
class Key:
    """One sample and its random stream, whatever the rank, the batch or the sampler.

    step: the training step that the sample is drawn for. problem: its place in the step, from 0. sample: its place
    among the samples of the problem, from 0.
    """

    stream: Literal["train", "eval"]
    step: int
    problem: int
    sample: int


@dataclass(frozen=True)
class Decoding:
    """temperature: 0 decodes greedily. max_tokens: a longer response is cut. stop_ids: a response ends with the first
    of them."""

    temperature: float
    max_tokens: int
    stop_ids: tuple[int, ...]


@dataclass(frozen=True)
class Request:
    """What a sampler is asked. Requests with one prompt come one after the other, and share the same list context_S."""

    key: Key
    context_S: list[int]
    decoding: Decoding


@dataclass(frozen=True)
class Completion:
    """One sampled response.

    token_T: token ids, with the stop token if one was reached. logp_T: their log-probabilities as sampled (of
    temperature 1 where the decoding was greedy), at least float32, on the CPU. version: of the oldest weights that
    drew a token.
    """

    key: Key
    token_T: list[int]
    logp_T: Tensor
    finish: Literal["stop", "length"]
    version: int

    @property
    def truncated(self) -> bool:
        return self.finish == "length"


@dataclass(frozen=True)
class Score:
    """The score of one response.

    parts: by name, their sum is the reward; NaN means "could not be scored"; empty where there is no reward at all.
    correct: None where the problem has no answer to compare with, so that none of its responses counts. error: what
    went wrong in the grader; such a response has no reward and is not correct.
    """

    key: Key
    parts: Mapping[str, float]
    correct: bool | None
    error: str | None = None

    @property
    def reward(self) -> float:
        return sum(self.parts.values()) if self.parts else math.nan
