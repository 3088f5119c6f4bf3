"""What flows through a run: requests to a sampler, its completions, their scores, and what an update learns from.

Everything is named by its `Key` and matched by it, never by position: completions and scores come in any order.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
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
    of them. stop: it ends with the token that completes one of these strings, special tokens counting as text."""

    temperature: float
    max_tokens: int
    stop_ids: tuple[int, ...]
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Request:
    """What a sampler is asked. Requests with one prompt come one after the other, and share the same list context_S."""

    key: Key
    context_S: list[int]
    decoding: Decoding


@dataclass(frozen=True)
class Completion:
    """One sampled response.

    token_T: token ids, with the stop token, or a stop string, if one was reached. logp_T: their log-probabilities as
    sampled (of temperature 1 where the decoding was greedy), at least float32, on the CPU. version: of the oldest
    weights that drew a token.
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


@dataclass(frozen=True)
class Trajectory:
    """What an update learns from: one sequence of L tokens as the model read them, of which some are trained.

    token_L: ids. trained_L: bool, the tokens of which log-probabilities are learned; of a single turn, the response.
    version: of the oldest weights that drew a token. The log-probabilities are aligned with the tokens, and NaN at
    those that are not trained: sampled_logp_L, the sampler's (None of a reference solution); trainer_logp_L, the
    trainer's before the first update (None without a correction); reference_logp_L, the reference policy's (None
    without a KL penalty in the loss). All tensors are on the CPU.
    """

    key: Key
    token_L: Tensor
    trained_L: Tensor
    advantage: float
    version: int
    sampled_logp_L: Tensor | None
    trainer_logp_L: Tensor | None = None
    reference_logp_L: Tensor | None = None

    @property
    def tokens(self) -> int:
        """L, all tokens that the model reads."""
        return len(self.token_L)

    @property
    def trained(self) -> int:
        """Tokens that are trained."""
        return int(self.trained_L.sum())


def single_turn(
    key: Key,
    context_S: Sequence[int],
    response_T: Sequence[int],
    logp_T: Tensor | None,
    *,
    advantage: float = 0.0,
    version: int = 0,
) -> Trajectory:
    """The trajectory of one prompt and its response, which is trained; logp_T: of its tokens, as sampled."""
    trained_L = torch.arange(len(context_S) + len(response_T)) >= len(context_S)
    sampled_logp_L = None if logp_T is None else at_trained(logp_T, trained_L)
    return Trajectory(key, torch.tensor([*context_S, *response_T]), trained_L, advantage, version, sampled_logp_L)


def at_trained(value_T: Tensor, trained_L: Tensor) -> Tensor:
    """value_T at the T trained tokens of a sequence, NaN elsewhere: [L]."""
    return torch.full(trained_L.shape, math.nan, dtype=value_T.dtype).masked_scatter(trained_L, value_T)
