"""Sampling responses, keeping each token's log-probability as it is drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache

from sspo_cli.models.policy import Policy
from sspo_cli.rollout.cache import keep_rows, repeat_and_reserve
from sspo_cli.seeds import stream

Uniforms = Callable[[int, int], Tensor]
Progress = Callable[[int, int], None]

# Copying the surviving rows costs less than decoding the finished ones once this share of rows is finished.
FINISHED_SHARE_TO_DROP = 0.125


@dataclass(frozen=True)
class Decoding:
    """temperature: 0 decodes greedily. max_response_length and tokens_in_flight: tokens, the latter a memory budget."""

    samples_per_prompt: int
    temperature: float
    max_response_length: int
    tokens_in_flight: int


@dataclass(frozen=True)
class Response:
    """token_ids: the response with its stop token, if it reached one. logp_T: their log-probabilities as sampled."""

    token_ids: list[int]
    logp_T: Tensor
    truncated: bool


def seeded(seed: int, length: int, name: str, *counters: int) -> Uniforms:
    """Uniforms of the stream `name` at `counters`, `length` for every prompt and sample."""
    return lambda p, k: torch.from_numpy(stream(seed, name, *counters, p, k).random(length))


def sample(
    policy: Policy, prompts: Sequence[list[int]], decoding: Decoding, uniforms: Uniforms, progress: Progress
) -> list[Response]:
    """`samples_per_prompt` responses to each prompt, in order: P * G responses.

    uniforms(p, k) gives the [max_response_length] numbers in [0, 1) that draw sample k of prompt p, so that no sample
    depends on which others share its batch. progress(done, total) is called with the responses finished so far.
    """
    done, total = 0, len(prompts) * decoding.samples_per_prompt

    def count(finished: int) -> None:
        nonlocal done
        done += finished
        progress(done, total)

    longest = max(len(prompt) for prompt in prompts)
    tokens_per_prompt = decoding.samples_per_prompt * (longest + decoding.max_response_length)
    prompts_at_once = max(1, decoding.tokens_in_flight // tokens_per_prompt)
    responses: list[Response] = []
    for first in range(0, len(prompts), prompts_at_once):
        chunk = prompts[first : first + prompts_at_once]
        rows = [(first + p, k) for p in range(len(chunk)) for k in range(decoding.samples_per_prompt)]
        uniform_RT = torch.stack([uniforms(p, k) for p, k in rows]).to(policy.device)
        responses += Batch(policy, chunk, decoding, uniform_RT, count).run()
    return responses


class Batch:
    """Responses that decode together: R rows, of which the unfinished ones stay in the model's batch."""

    def __init__(
        self,
        policy: Policy,
        prompts: Sequence[list[int]],
        decoding: Decoding,
        uniform_RT: Tensor,
        count: Callable[[int], None],
    ) -> None:
        self.policy = policy
        self.decoding = decoding
        self.uniform_RT = uniform_RT
        self.count = count
        rows, steps = uniform_RT.shape
        device = policy.device
        self.token_RT = torch.full((rows, steps), policy.pad_id, device=device)
        self.logp_RT = torch.zeros(rows, steps, device=device, dtype=at_least_float32(policy.model.dtype))
        self.length_R = torch.full((rows,), steps, device=device)
        self.stop_ids = torch.tensor(policy.stop_ids, device=device)
        self.prompt_PS, self.attention_PS = pad_left(prompts, policy.pad_id, device)

    @torch.no_grad()
    def run(self) -> list[Response]:
        steps = self.decoding.max_response_length
        G = self.decoding.samples_per_prompt
        cache = DynamicCache(config=self.policy.model.config)
        position_PS = positions(self.attention_PS)
        logits_RV = self.forward(self.prompt_PS, self.attention_PS, position_PS, cache).repeat_interleave(G, 0)
        repeat_and_reserve(cache, G, steps)
        attention_RS = self.attention_PS.repeat_interleave(G, 0)
        position_R1 = (position_PS[:, -1:] + 1).repeat_interleave(G, 0)
        row_R = torch.arange(len(self.token_RT), device=self.policy.device)
        finished_R = torch.zeros_like(row_R, dtype=torch.bool)
        for t in range(steps):
            token_R, logp_R = draw(logits_RV, self.uniform_RT[row_R, t], self.decoding.temperature)
            going_R = ~finished_R
            self.token_RT[row_R[going_R], t] = token_R[going_R]
            self.logp_RT[row_R[going_R], t] = logp_R[going_R]
            stopped_R = going_R & torch.isin(token_R, self.stop_ids)
            self.length_R[row_R[stopped_R]] = t + 1
            finished_R = finished_R | stopped_R
            self.count(int(stopped_R.sum()))
            if t + 1 == steps or bool(finished_R.all()):
                break
            if finished_R.float().mean() >= FINISHED_SHARE_TO_DROP:
                kept = (~finished_R).nonzero().squeeze(1)
                keep_rows(cache, kept)
                row_R, token_R, attention_RS, position_R1 = (
                    value[kept] for value in (row_R, token_R, attention_RS, position_R1)
                )
                finished_R = finished_R[kept]
            attention_RS = torch.cat([attention_RS, attention_RS.new_ones(len(row_R), 1)], dim=1)
            logits_RV = self.forward(token_R[:, None], attention_RS, position_R1, cache)
            position_R1 = position_R1 + 1
        self.count(int((~finished_R).sum()))
        return self.responses()

    def forward(self, token_RS: Tensor, attention_RS: Tensor, position_RS: Tensor, cache: DynamicCache) -> Tensor:
        """Logits after the last token, [R, V]."""
        output: Any = self.policy.model(
            input_ids=token_RS,
            attention_mask=attention_RS,
            position_ids=position_RS,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        logits_RV: Tensor = output.logits[:, -1]
        return logits_RV

    def responses(self) -> list[Response]:
        token_RT, logp_RT, length_R = self.token_RT.cpu(), self.logp_RT.cpu(), self.length_R.tolist()
        stop_ids = set(self.policy.stop_ids)
        return [
            Response(
                token_ids=token_T[:length].tolist(),
                logp_T=logp_T[:length].clone(),
                truncated=int(token_T[length - 1]) not in stop_ids,
            )
            for token_T, logp_T, length in zip(token_RT, logp_RT, length_R, strict=True)
        ]


def draw(logits_RV: Tensor, uniform_R: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """One token per row by inverting its cumulative distribution at uniform_R, and its log-probability: [R], [R].

    Temperature 0 takes the most likely token, with its log-probability at temperature 1.
    """
    logits_RV = logits_RV.to(at_least_float32(logits_RV.dtype))
    logp_RV = torch.log_softmax(logits_RV / (temperature or 1.0), dim=-1)
    if temperature == 0:
        token_R1 = logp_RV.argmax(-1, keepdim=True)
    else:
        # In double precision, or the rounding of 10^5 summands would favour some tokens.
        cumulative_RV = logp_RV.double().exp().cumsum(-1)
        target_R1 = uniform_R[:, None].double() * cumulative_RV[:, -1:]
        token_R1 = torch.searchsorted(cumulative_RV, target_R1, right=True).clamp(max=logits_RV.shape[-1] - 1)
    return token_R1.squeeze(1), logp_RV.gather(1, token_R1).squeeze(1)


def at_least_float32(dtype: torch.dtype) -> torch.dtype:
    return torch.promote_types(dtype, torch.float32)


def pad_left(prompts: Sequence[list[int]], pad_id: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Token ids and attention mask, [P, S], with every prompt ending in the last column."""
    S = max(len(prompt) for prompt in prompts)
    token_PS = torch.full((len(prompts), S), pad_id)
    attention_PS = torch.zeros(len(prompts), S, dtype=torch.long)
    for p, prompt in enumerate(prompts):
        token_PS[p, S - len(prompt) :] = torch.tensor(prompt)
        attention_PS[p, S - len(prompt) :] = 1
    return token_PS.to(device), attention_PS.to(device)


def positions(attention_RS: Tensor) -> Tensor:
    """Position of every token in its own sequence, [R, S]; 0 at padding."""
    return (attention_RS.cumsum(-1) - 1).clamp(min=0)
