"""transformers' own `generate` as a sampler: slow, and right for every model that transformers can decode."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers import (
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    StoppingCriteria,
    StoppingCriteriaList,
)

from sspo_cli.models.policy import Policy
from sspo_cli.rollout.base import uniforms
from sspo_cli.rollout.decode import sample_token
from sspo_cli.rollout.queue import Queue
from sspo_cli.rollout.stops import Watch
from sspo_cli.types import Completion, Request


class GenerateSampler:
    """tokens_in_flight: tokens of key/value cache that it may hold, those of unfinished responses included.

    Draws the tokens that `NativeSampler` draws, where the two compute equal logits. Each request has a row, and reads
    its prompt, for itself. Prompts of different lengths are decoded apart, since not every type of model computes the
    same with padding before a prompt. A batch ends as a whole.
    """

    def __init__(self, policy: Policy, seed: int, tokens_in_flight: int) -> None:
        self.policy = policy
        self.seed = seed
        self.tokens_in_flight = tokens_in_flight
        self.version = 0

    def sync(self, policy: Policy, version: int) -> None:
        self.policy, self.version = policy, version

    def close(self) -> None:
        """Nothing is held between two calls of `sample`."""

    def sample(self, requests: Iterator[Request]) -> Iterator[Completion]:
        queue = Queue(requests)
        while queue.fill(1):
            batch = queue.take(queue.room(self.tokens_in_flight).rows)
            for length in sorted({len(request.context_S) for request in batch}):
                yield from self.generate([request for request in batch if len(request.context_S) == length])

    def generate(self, requests: Sequence[Request]) -> list[Completion]:
        """Completions of requests with one decoding and prompts of one length."""
        policy, decoding, T = self.policy, requests[0].decoding, requests[0].decoding.max_tokens
        prompt_RS = torch.tensor([request.context_S for request in requests], device=policy.device)
        uniform_RT = torch.stack([uniforms(self.seed, request.key, T) for request in requests]).to(policy.device)
        drawing = Drawing(uniform_RT, decoding.temperature, prompt_RS.shape[1], policy.no_text_V)
        # Greedy: `drawing` leaves one token to choose.
        greedy = GenerationConfig(
            do_sample=False,
            max_new_tokens=T,
            eos_token_id=list(decoding.stop_ids) or None,
            pad_token_id=policy.pad_id,
        )
        watches = [Watch(policy.tokenizer, decoding.stop) for _ in requests] if decoding.stop else []
        model = policy.model.get_base_model() if policy.adapted else policy.model
        with policy.autocast(), without_settings(model):
            token_RL = model.generate(
                input_ids=prompt_RS,
                attention_mask=torch.ones_like(prompt_RS),
                generation_config=greedy,
                logits_processor=LogitsProcessorList([drawing]),
                stopping_criteria=StoppingCriteriaList([Stopping(watches, prompt_RS.shape[1])] if watches else []),
            )
        token_RT, logp_RT = token_RL[:, prompt_RS.shape[1] :].tolist(), torch.stack(drawing.logps, dim=1).cpu()
        stops = set(decoding.stop_ids)
        completions = []
        for row, (request, row_T, logp_T) in enumerate(zip(requests, token_RT, logp_RT, strict=True)):
            length = next((place + 1 for place, token in enumerate(row_T) if token in stops), len(row_T))
            string = watches[row].length if watches else None
            length = length if string is None else min(length, string)
            completions.append(
                Completion(
                    key=request.key,
                    token_T=row_T[:length],
                    logp_T=logp_T[:length].clone(),
                    finish="stop" if length == string or row_T[length - 1] in stops else "length",
                    version=self.version,
                )
            )
        return completions


class Drawing(LogitsProcessor):  # type: ignore[misc]
    """Draws a token for each row as every sampler does, keeps its log-probability, and leaves that token alone.

    uniform_RT: the numbers that draw. prompt: tokens before the response. logps: of the tokens drawn so far, [R] each.
    """

    def __init__(self, uniform_RT: Tensor, temperature: float, prompt: int, no_text_V: Tensor | None) -> None:
        self.uniform_RT = uniform_RT
        self.temperature = temperature
        self.prompt = prompt
        self.no_text_V = no_text_V
        self.logps: list[Tensor] = []

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        logits_RV = scores if self.no_text_V is None else scores + self.no_text_V
        uniform_R = self.uniform_RT[:, input_ids.shape[1] - self.prompt]
        token_R, logp_R = sample_token(logits_RV, uniform_R, self.temperature)
        self.logps.append(logp_R)
        return torch.full_like(scores, float("-inf")).scatter(1, token_R[:, None], 0.0)


class Stopping(StoppingCriteria):  # type: ignore[misc]
    """Ends the rows whose watch found a string. prompt: tokens before the responses."""

    def __init__(self, watches: Sequence[Watch], prompt: int) -> None:
        self.watches = watches
        self.prompt = prompt

    def __call__(self, input_ids: Tensor, scores: Tensor, **kwargs: Any) -> Tensor:
        for watch, row_L in zip(self.watches, input_ids.tolist(), strict=True):
            watch.read(row_L[self.prompt + len(watch.token_T) :])
        return torch.tensor([watch.length is not None for watch in self.watches], device=input_ids.device)


@contextmanager
def without_settings(model: Any) -> Iterator[None]:
    """`generate` fills what its configuration leaves open from the model's own (top_k, top_p, penalties): inside the
    block the model has none."""
    own, model.generation_config = model.generation_config, GenerationConfig()
    try:
        yield
    finally:
        model.generation_config = own
