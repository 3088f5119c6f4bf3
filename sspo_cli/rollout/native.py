"""The sampler of this package: requests share slots of one cache, and each leaves its slot when it is finished."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import torch
from torch import Tensor

from sspo_cli.models.head import at_least_float32
from sspo_cli.models.policy import Policy
from sspo_cli.rollout.base import uniforms
from sspo_cli.rollout.cache import Columns, SlotCache, prompt_cache
from sspo_cli.rollout.decode import sample_token
from sspo_cli.rollout.padding import pad_left, positions
from sspo_cli.rollout.queue import Queue
from sspo_cli.rollout.stops import Watch
from sspo_cli.types import Completion, Decoding, Request

# Rows enter together, as many as this share of the slots or all that wait: encoding prompts one by one wastes passes.
FREE_SHARE_TO_ENTER = 0.125
# Decoding steps between two looks at which rows are finished: a look makes the host wait for a GPU.
STEPS_BETWEEN_LOOKS = {"cpu": 1, "cuda": 16}


class NativeSampler:
    """tokens_in_flight: tokens of key/value cache that it may hold, those of unfinished responses included."""

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
        """See `Sampler.sample`. A prompt is encoded once for the requests with it that come together and fit."""
        queue = Queue(requests)
        batch: Batch | None = None
        while (batch and batch.rows) or queue.fill(1):
            if not batch or not (batch.rows or batch.fits(queue.waiting[0])):
                batch = self.batch_for(queue)
            entering = batch.entering(queue)
            yield from batch.completions(self.advance(batch, entering))

    def batch_for(self, queue: Queue) -> Batch:
        """Slots for the requests that come next."""
        decoding, looks = queue.waiting[0].decoding, STEPS_BETWEEN_LOOKS[self.policy.device.type]
        room = queue.room(self.tokens_in_flight, spare=looks)
        row = room.longest + decoding.max_tokens + looks
        if not room.more:
            return Batch(self.policy, self.seed, decoding, room.rows, room.longest, row)
        # Rows that enter late need columns beyond those of the first; the more there are, the rarer the shifts. Half of
        # them are for prompts that are a little longer than those seen so far.
        return Batch(self.policy, self.seed, decoding, room.rows, room.longest + row // 8, row + row // 4)

    def advance(self, batch: Batch, entering: Sequence[Request]) -> Finished:
        """Decode until some rows are finished.

        These modes end before anything is yielded, or they would hold for whoever asks for completions; weights are
        cast to a lower precision once in a call.
        """
        with torch.inference_mode(), self.policy.autocast():
            return batch.advance(self.policy, self.version, entering)


@dataclass(frozen=True)
class Row:
    """A request that is decoded. version: of the weights that it began with. watch: finds the strings that end it,
    where its decoding has any."""

    request: Request
    version: int
    watch: Watch | None


@dataclass(frozen=True)
class Finished:
    """Rows that left, and what was drawn for them: their first length_M tokens of token_MT and logp_MT."""

    rows: list[Row]
    token_MT: Tensor
    logp_MT: Tensor
    length_M: list[int]


class Batch:
    """Requests of one decoding that decode together, as R rows in the first R of S slots.

    Rows are described by `rows` and by the first R entries of `start` (the row's first column of the cache), `length`
    (tokens drawn), `token` (the last of them), `finished`, `uniform`, and `token_ST` and `logp_ST`, what was drawn.
    """

    def __init__(self, policy: Policy, seed: int, decoding: Decoding, slots: int, longest: int, width: int) -> None:
        self.policy = policy
        self.seed = seed
        self.decoding = decoding
        self.slots = slots
        self.longest = longest
        self.device = device = policy.device
        self.looks = STEPS_BETWEEN_LOOKS[device.type]
        self.cache = SlotCache(Columns(slots, width, begin=longest, end=longest))
        self.stop_ids = torch.tensor(decoding.stop_ids, dtype=torch.long, device=device)
        self.rows: list[Row] = []
        T = decoding.max_tokens
        self.start, self.length, self.token = torch.zeros(3, slots, dtype=torch.long, device=device)
        self.finished = torch.zeros(slots, dtype=torch.bool, device=device)
        self.uniform = torch.zeros(slots, T, dtype=torch.float64, device=device)
        # Column T takes what finished rows go on drawing until they are looked at.
        self.token_ST = torch.zeros(slots, T + 1, dtype=torch.long, device=device)
        self.logp_ST = torch.zeros(slots, T + 1, dtype=at_least_float32(policy.model.dtype), device=device)

    def fits(self, request: Request) -> bool:
        return request.decoding == self.decoding and len(request.context_S) <= self.longest

    def entering(self, queue: Queue) -> list[Request]:
        """The requests that enter now; one that does not fit lets those behind it wait too."""
        free = self.slots - len(self.rows)
        if not free:
            return []
        queue.fill(free + 1)
        waiting = sum(1 for _ in takewhile(self.fits, queue.waiting))
        if free < min(waiting, FREE_SHARE_TO_ENTER * self.slots):
            return []
        return queue.take(min(free, waiting))

    def advance(self, policy: Policy, version: int, entering: Sequence[Request]) -> Finished:
        """Take in the requests `entering`, and decode until some rows are finished."""
        self.policy = policy
        if entering:
            self.enter(entering, version)
        while not any(finished := self.look()):
            for _ in range(self.looks):
                self.step()
        return self.leave(finished)

    def look(self) -> list[bool]:
        """Which rows are finished."""
        if self.decoding.stop:
            self.find_strings()
        found: list[bool] = self.finished[: len(self.rows)].tolist()
        return found

    def find_strings(self) -> None:
        """Let the watches read what was drawn since the last look; a row whose string is complete ends there."""
        R, T = len(self.rows), self.decoding.max_tokens
        watches = [row.watch for row in self.rows if row.watch is not None]
        seen_R = torch.tensor([len(watch.token_T) for watch in watches], device=self.device)
        column_RL = (seen_R[:, None] + torch.arange(self.looks, device=self.device)).clamp(max=T)
        drawn_RL, length_R = self.token_ST[:R].gather(1, column_RL).tolist(), self.length[:R].tolist()
        for row, (watch, drawn_L, length) in enumerate(zip(watches, drawn_RL, length_R, strict=True)):
            watch.read(drawn_L[: length - len(watch.token_T)])
            if watch.length is not None:
                self.length[row], self.finished[row] = watch.length, True

    def enter(self, requests: Sequence[Request], version: int) -> None:
        """Encode the prompts, one that follows itself once, and draw the first token of each request."""
        prompts: list[list[int]] = []
        places: list[int] = []
        for request in requests:
            if not prompts or request.context_S != prompts[-1]:
                prompts.append(request.context_S)
            places.append(len(prompts) - 1)
        prompt_PS, attention_PS = pad_left(prompts, self.policy.pad_id, self.device)
        encoded = prompt_cache(self.policy.model.config)
        logits_PV = self.forward(prompt_PS, attention_PS, positions(attention_PS), encoded)
        of_M = torch.tensor(places, device=self.device)
        at = slice(len(self.rows), len(self.rows) + len(requests))
        self.cache.enter(encoded, of_M)
        stop = self.decoding.stop
        self.rows += [
            Row(request, version, Watch(self.policy.tokenizer, stop) if stop else None) for request in requests
        ]
        self.start[at] = self.cache.at.end - attention_PS.sum(1)[of_M]
        self.length[at] = 0
        self.finished[at] = False
        T = self.decoding.max_tokens
        self.uniform[at] = torch.stack([uniforms(self.seed, request.key, T) for request in requests]).to(self.device)
        self.take(at, logits_PV[of_M])

    def step(self) -> None:
        """One token more for every row."""
        cache, held = self.cache, self.cache.at
        if held.end == held.width:
            cache.shift(moved := min(held.begin, held.end - self.longest))
            self.start -= moved
        rows = slice(held.rows)
        column_S = torch.arange(held.begin, held.end + 1, device=self.device)
        attention_RS = (column_S >= self.start[rows, None]).long()
        position_R1 = held.end - self.start[rows, None]
        logits_RV = self.forward(self.token[rows, None], attention_RS, position_R1, cache)
        held.end += 1
        self.take(rows, logits_RV)

    def take(self, at: slice, logits_RV: Tensor) -> None:
        """Draw and keep the next token of the rows `at`."""
        T, finished_R = self.decoding.max_tokens, self.finished[at]
        place_R1 = self.length[at, None]
        uniform_R = self.uniform[at].gather(1, place_R1.clamp(max=T - 1)).squeeze(1)
        token_R, logp_R = sample_token(logits_RV, uniform_R, self.decoding.temperature)
        column_R1 = torch.where(finished_R[:, None], T, place_R1)
        self.token_ST[at].scatter_(1, column_R1, token_R[:, None])
        self.logp_ST[at].scatter_(1, column_R1, logp_R[:, None])
        self.token[at] = token_R
        self.length[at] += ~finished_R
        self.finished[at] |= torch.isin(token_R, self.stop_ids) | (self.length[at] >= T)

    def leave(self, finished: Sequence[bool]) -> Finished:
        """Give up the slots of finished rows; the last rows that go on move into the gaps."""
        gone = [row for row, done in enumerate(finished) if done]
        kept = len(finished) - len(gone)
        gone_M = torch.tensor(gone, device=self.device)
        left = Finished(
            [self.rows[row] for row in gone],
            self.token_ST[gone_M].cpu(),
            self.logp_ST[gone_M].cpu(),
            self.length[gone_M].tolist(),
        )
        target = [row for row in gone if row < kept]
        source = [row for row in range(kept, len(finished)) if not finished[row]]
        for to, come_from in zip(target, source, strict=True):
            self.rows[to] = self.rows[come_from]
        del self.rows[kept:]
        source_M, target_M = (torch.tensor(rows, dtype=torch.long, device=self.device) for rows in (source, target))
        described = (self.start, self.length, self.token, self.finished, self.uniform, self.token_ST, self.logp_ST)
        for held in described:
            held[target_M] = held[source_M]
        begin = int(self.start[:kept].min()) if kept else self.cache.at.end
        self.cache.keep(kept, begin, source_M, target_M)
        return left

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

    def completions(self, finished: Finished) -> Iterator[Completion]:
        for row, token_T, logp_T, length in zip(
            finished.rows, finished.token_MT, finished.logp_MT, finished.length_M, strict=True
        ):
            tokens = token_T[:length].tolist()
            stopped = tokens[-1] in self.decoding.stop_ids or (row.watch is not None and row.watch.length is not None)
            # A copy made out of inference mode can be saved for a backward pass.
            yield Completion(
                key=row.request.key,
                token_T=tokens,
                logp_T=logp_T[:length].clone(),
                finish="stop" if stopped else "length",
                version=row.version,
            )
