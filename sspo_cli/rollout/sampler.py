"""Sampling responses, keeping each token's log-probability as it is drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sspo_cli.config.schema import EngineSection
from sspo_cli.models.head import at_least_float32
from sspo_cli.models.policy import Policy
from sspo_cli.models.size import generation_tokens
from sspo_cli.rollout.cache import Columns, SlotCache, prompt_cache
from sspo_cli.rollout.draw import draw
from sspo_cli.seeds import stream

Uniforms = Callable[[int, int], Tensor]
Progress = Callable[[int, int], None]

# Rows enter together, as many as this share of the slots or all that wait: encoding prompts one by one wastes passes.
FREE_SHARE_TO_ENTER = 0.125
# Decoding steps between two looks at which rows are finished: a look makes the host wait for a GPU.
STEPS_BETWEEN_LOOKS = {"cpu": 1, "cuda": 16}


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


def tokens_in_flight(policy: Policy, engine: EngineSection) -> int:
    """Tokens of key/value cache that engine.tokens_per_generation allows."""
    return generation_tokens(engine, policy.model.config, policy.device, policy.precision.itemsize)


def sample(
    policy: Policy, prompts: Sequence[list[int]], decoding: Decoding, uniforms: Uniforms, progress: Progress
) -> list[Response]:
    """`samples_per_prompt` responses to each prompt, in order: P * G responses.

    uniforms(p, k) gives the [max_response_length] numbers in [0, 1) that draw sample k of prompt p, so that no sample
    depends on which others share its batch. progress(done, total) is called with the responses finished so far.
    """
    sampler = Sampler(policy, prompts, decoding, uniforms, progress)
    # One context for all steps: inside it, weights are cast to a lower precision once. Its tensors are of no use to
    # autograd, those made before it are.
    with torch.inference_mode(), policy.autocast():
        sampler.run()
    return sampler.responses()


class Sampler:
    """N samples wait for a slot, decode there as one of R rows, and leave it to the next when they are finished.

    Rows are described by the first R entries of `sample`, `start` (the row's first column of the cache), `age` (tokens
    drawn), `token` (the last of them), `finished` and `uniform`.
    """

    def __init__(
        self,
        policy: Policy,
        prompts: Sequence[list[int]],
        decoding: Decoding,
        uniforms: Uniforms,
        progress: Progress,
    ) -> None:
        self.policy = policy
        self.prompts = prompts
        self.decoding = decoding
        self.uniforms = uniforms
        self.progress = progress
        device = policy.device
        T = decoding.max_response_length
        self.N = len(prompts) * decoding.samples_per_prompt
        self.entered = self.done = 0
        self.looks = STEPS_BETWEEN_LOOKS[device.type]
        self.longest = max(len(prompt) for prompt in prompts)
        row = self.longest + T + self.looks
        self.slots = min(self.N, max(1, decoding.tokens_in_flight // row))
        # Rows that enter late need columns beyond those of the first; the more there are, the rarer the shifts.
        width = row if self.slots == self.N else row + row // 4
        self.cache = SlotCache(Columns(self.slots, width, begin=self.longest, end=self.longest))
        self.stop_ids = torch.tensor(policy.stop_ids, device=device)
        # Row N takes what finished rows go on drawing until they are looked at.
        self.token_NT = torch.full((self.N + 1, T), policy.pad_id, device=device)
        self.logp_NT = torch.zeros(self.N + 1, T, device=device, dtype=at_least_float32(policy.model.dtype))
        self.length_N = torch.zeros(self.N + 1, dtype=torch.long, device=device)
        self.sample, self.start, self.age, self.token = torch.zeros(4, self.slots, dtype=torch.long, device=device)
        self.finished = torch.zeros(self.slots, dtype=torch.bool, device=device)
        self.uniform = torch.zeros(self.slots, T, dtype=torch.float64, device=device)

    def run(self) -> None:
        while True:
            self.leave()
            free, waiting = self.slots - self.cache.at.rows, self.N - self.entered
            if waiting and free >= min(waiting, FREE_SHARE_TO_ENTER * self.slots):
                self.enter(min(free, waiting))
            elif self.cache.at.rows:
                for _ in range(self.looks):
                    self.step()
            else:
                return

    def enter(self, count: int) -> None:
        """Encode the prompts of the next `count` samples, each once, and draw their first tokens."""
        G, device = self.decoding.samples_per_prompt, self.policy.device
        samples = range(self.entered, self.entered + count)
        self.entered += count
        first = samples[0] // G
        prompt_PS, attention_PS = pad_left(self.prompts[first : samples[-1] // G + 1], self.policy.pad_id, device)
        encoded = prompt_cache(self.policy.model.config)
        logits_PV = self.forward(prompt_PS, attention_PS, positions(attention_PS), encoded)
        of_M = torch.tensor([sample // G - first for sample in samples], device=device)
        at = slice(self.cache.at.rows, self.cache.at.rows + count)
        self.cache.enter(encoded, of_M)
        self.sample[at] = torch.tensor(samples, device=device)
        self.start[at] = self.cache.at.end - attention_PS.sum(1)[of_M]
        self.age[at] = 0
        self.finished[at] = False
        self.uniform[at] = torch.stack([self.uniforms(sample // G, sample % G) for sample in samples]).to(device)
        self.take(at, logits_PV[of_M])

    def step(self) -> None:
        """One token more for every row."""
        cache, held = self.cache, self.cache.at
        if held.end == held.width:
            cache.shift(moved := min(held.begin, held.end - self.longest))
            self.start -= moved
        rows = slice(held.rows)
        column_S = torch.arange(held.begin, held.end + 1, device=self.policy.device)
        attention_RS = (column_S >= self.start[rows, None]).long()
        position_R1 = held.end - self.start[rows, None]
        logits_RV = self.forward(self.token[rows, None], attention_RS, position_R1, cache)
        held.end += 1
        self.take(rows, logits_RV)

    def take(self, at: slice, logits_RV: Tensor) -> None:
        """Draw and keep the next token of the rows `at`."""
        age_R1 = self.age[at, None]
        place_R1 = age_R1.clamp(max=self.decoding.max_response_length - 1)
        token_R, logp_R = draw(logits_RV, self.uniform[at].gather(1, place_R1).squeeze(1), self.decoding.temperature)
        keeper_R = torch.where(self.finished[at], self.N, self.sample[at])
        self.token_NT[keeper_R, place_R1.squeeze(1)] = token_R
        self.logp_NT[keeper_R, place_R1.squeeze(1)] = logp_R
        self.length_N[keeper_R] = place_R1.squeeze(1) + 1
        self.token[at] = token_R
        self.age[at] += 1
        self.finished[at] |= torch.isin(token_R, self.stop_ids)
        self.finished[at] |= self.age[at] >= self.decoding.max_response_length

    def leave(self) -> None:
        """Give up the slots of finished rows; the last rows that go on move into the gaps."""
        rows = self.cache.at.rows
        finished_R = self.finished[:rows]
        going_M = (~finished_R).nonzero().squeeze(1)
        kept = len(going_M)
        if kept == rows:
            return
        self.done += rows - kept
        self.progress(self.done, self.N)
        source_M, target_M = going_M[going_M >= kept], finished_R[:kept].nonzero().squeeze(1)
        for described in (self.sample, self.start, self.age, self.token, self.finished, self.uniform):
            described[target_M] = described[source_M]
        begin = int(self.start[:kept].min()) if kept else self.cache.at.end
        self.cache.keep(kept, begin, source_M, target_M)

    def forward(self, token_RS: Tensor, attention_RS: Tensor, position_RS: Tensor, cache: Any) -> Tensor:
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
        return logits_RV if self.policy.no_text_V is None else logits_RV + self.policy.no_text_V

    def responses(self) -> list[Response]:
        token_NT, logp_NT, length_N = self.token_NT.cpu(), self.logp_NT.cpu(), self.length_N.tolist()
        stop_ids = set(self.policy.stop_ids)
        return [
            Response(
                token_ids=token_NT[i, : length_N[i]].tolist(),
                logp_T=logp_NT[i, : length_N[i]].clone(),
                truncated=int(token_NT[i, length_N[i] - 1]) not in stop_ids,
            )
            for i in range(self.N)
        ]


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
