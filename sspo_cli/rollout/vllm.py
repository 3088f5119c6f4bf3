"""vLLM as a sampler: an engine in a process of its own that is given weights, and proves that it computes with them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import torch

from sspo_cli.guards import GuardStop, SamplerLost
from sspo_cli.models.policy import MASKED, Policy
from sspo_cli.models.size import cache_per_token
from sspo_cli.models.whole import save_whole
from sspo_cli.rollout.base import own_seed
from sspo_cli.rollout.probe import TOLERANCE, fixed_tokens, logp_of
from sspo_cli.rollout.stops import Watch
from sspo_cli.rollout.vllm_process import VllmProcess
from sspo_cli.types import Completion, Request

PROBE = 24  # fixed tokens that are scored after every exchange of weights
BEYOND = 8  # tokens that a check of the model may take beyond the longest sequence
BLOCKS_BESIDE = 2 * 128  # tokens: sequences take whole blocks of the cache, the largest of 128 tokens
LITTLE = 0.01  # share of a GPU that must be free: what is taken is said in bytes


@dataclass
class Drawn:
    """A request, and what was drawn for it so far. version: of the weights that it began with. watch: finds the strings
    that end it, where its decoding has any."""

    request: Request
    version: int
    watch: Watch | None
    token_T: list[int] = field(default_factory=list)
    logp_T: list[float] = field(default_factory=list)

    def take(self, tokens: Sequence[int], logps: Sequence[float]) -> bool:
        """Keep more tokens; whether a string has ended the response. What was drawn behind it is left out."""
        self.token_T += tokens
        self.logp_T += logps
        if self.watch is None:
            return False
        self.watch.read(tokens)
        if (end := self.watch.length) is None:
            return False
        del self.token_T[end:], self.logp_T[end:]
        return True

    def completion(self, *, ended: bool) -> Completion:
        """ended: by a string."""
        stopped = ended or self.token_T[-1] in self.request.decoding.stop_ids
        return Completion(
            key=self.request.key,
            token_T=self.token_T,
            logp_T=torch.tensor(self.logp_T, dtype=torch.float32),
            finish="stop" if stopped else "length",
            version=self.version,
        )


class VllmSampler:
    """python: of the environment that vLLM is in. tokens_in_flight: tokens of key/value cache that it may hold.
    longest: tokens of the longest prompt with its response.

    Each sample is drawn with a seed of its own, by vLLM's random numbers, not those of the other samplers.
    """

    def __init__(self, policy: Policy, seed: int, tokens_in_flight: int, python: str, longest: int) -> None:
        """Start vLLM with the weights of `policy`, as version 0.

        Raises:
            SamplerLost: if it does not start, or cannot serve the model.
        """
        self.seed = seed
        self.policy, self.version = policy, 0
        self.dtype = torch.bfloat16 if torch.bfloat16 in (policy.precision, policy.model.dtype) else torch.float32
        self.count = 0
        self.longest = longest_of(policy, longest)
        self.process = VllmProcess(python, environment_of(policy.device))
        try:
            model = self.process.folder / "model"
            save_whole(policy, model, self.dtype)
            self.process.send(self.settings(str(model), tokens_in_flight))
            ready = self.process.receive()
            if ready["device"] != policy.device.type:
                raise SamplerLost(f"vLLM of {python} computes on {ready['device']}, the run on {policy.device.type}")
            self.rows = int(ready["rows"])
            for file in model.glob("*.safetensors"):
                file.unlink()
        except BaseException:
            self.close()
            raise

    def settings(self, model: str, tokens_in_flight: int) -> Mapping[str, Any]:
        """What the engine is told first."""
        policy = self.policy
        tokens = max(tokens_in_flight, self.longest + BLOCKS_BESIDE)
        return {
            "options": {
                "model": model,
                "dtype": str(self.dtype).removeprefix("torch."),
                "max_model_len": self.longest,
                "kv_cache_memory_bytes": tokens * cache_per_token(policy.model.config, self.dtype.itemsize),
                "gpu_memory_utilization": LITTLE,
                "seed": self.seed % 2**32,
            },
            "masked": MASKED,
            "no_text": [] if policy.no_text_V is None else policy.no_text_V.nonzero().flatten().tolist(),
        }

    def sync(self, policy: Policy, version: int) -> None:
        if version == self.version and policy is self.policy:
            return
        self.policy, self.version = policy, version
        folder = self.process.folder / "weights"
        save_whole(policy, folder, self.dtype)
        self.process.send({"weights": str(folder)})
        self.answer("taken")
        shutil.rmtree(folder)
        self.prove()

    def answer(self, name: str) -> Any:
        """What the process answers under `name`; others are of responses that nobody waits for."""
        while name not in (found := self.process.receive()):
            pass
        return found[name]

    def prove(self) -> None:
        """Compare the log-probabilities of a few fixed tokens with the policy's: weights that did not arrive raise no
        error.

        Raises:
            GuardStop: if they differ on average, with the two numbers that differ most.
        """
        token_L = fixed_tokens(self.policy, min(PROBE, self.longest - 1))
        self.process.send({"score": token_L})
        sampler_L, trainer_L = torch.tensor(self.answer("scored")), logp_of(self.policy, token_L)
        gap_L = (sampler_L - trainer_L).abs().nan_to_num(nan=float("inf"))
        worst, mean, tolerance = int(gap_L.argmax()), float(gap_L.mean()), TOLERANCE[self.dtype]
        if mean > tolerance:
            raise GuardStop(
                f"vLLM does not compute with the weights of step {self.version}: it gives a token the log-probability"
                f" {sampler_L[worst]:.4f}, the trainer {trainer_L[worst]:.4f}; {mean:.2g} nats apart on average, more"
                f" than {tolerance:g}; go on with rollout=native"
            )

    def sample(self, requests: Iterator[Request]) -> Iterator[Completion]:
        """See `Sampler.sample`. vLLM has no more requests than it decodes together."""
        drawn: dict[int, Drawn] = {}
        more = True
        try:
            while True:
                while more and len(drawn) < self.rows:
                    request = next(requests, None)
                    if request is None:
                        more = False
                    else:
                        self.count += 1
                        drawn[self.count] = self.ask(self.count, request)
                if not drawn:
                    return
                found = self.process.receive()
                number = found.get("number")
                if number not in drawn:
                    continue  # of a response that nobody waits for
                ended = drawn[number].take(found["tokens"], found["logps"])
                if ended and not found["done"]:
                    self.process.send({"end": [number]})
                if ended or found["done"]:
                    yield drawn.pop(number).completion(ended=ended)
        finally:
            if drawn:
                with suppress(SamplerLost):
                    self.process.send({"end": list(drawn)})

    def ask(self, number: int, request: Request) -> Drawn:
        decoding = request.decoding
        self.process.send(
            {
                "number": number,
                "prompt": request.context_S,
                "seed": own_seed(self.seed, request.key),
                "temperature": decoding.temperature,
                "max_tokens": decoding.max_tokens,
                "stop_ids": decoding.stop_ids,
                "at_once": bool(decoding.stop),
            }
        )
        return Drawn(request, self.version, Watch(self.policy.tokenizer, decoding.stop) if decoding.stop else None)

    def close(self) -> None:
        self.process.close()


def longest_of(policy: Policy, longest: int) -> int:
    """Tokens of the longest sequence that the engine must take, for a run whose longest is `longest`."""
    longest = max(longest, PROBE) + BEYOND
    return longest if policy.positions is None else min(longest, policy.positions)


def environment_of(device: torch.device) -> dict[str, str]:
    """Variables that let vLLM compute where the policy does."""
    if device.type == "cpu":
        # Without compiling, which takes longer than it saves, and a compiler of C++.
        return {"OMP_NUM_THREADS": str(torch.get_num_threads()), "TORCHDYNAMO_DISABLE": "1"}
    index = torch.cuda.current_device() if device.index is None else device.index
    seen = os.environ.get("CUDA_VISIBLE_DEVICES")
    return {"CUDA_VISIBLE_DEVICES": seen.split(",")[index] if seen else str(index)}
