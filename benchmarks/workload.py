"""What is asked of both sides: one model from a seed, the same prompts, so many responses and updates."""

from __future__ import annotations

import hashlib
import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

# The reference asks for a mean response of 81 tokens under a cap of 128.
MEAN_RESPONSE_SHARE = 81 / 128
SEED = 0


@dataclass(frozen=True)
class Workload:
    """A Llama with tied embeddings and one rollout step of it: 1.06M parameters, 256 responses, 4 updates by default.

    prompt_length: tokens, from and to. mean_response_share: of max_response_length; the weights are made to meet it;
    None leaves them as they were drawn.
    """

    hidden: int = 128
    intermediate: int = 512
    layers: int = 4
    heads: int = 4
    vocabulary: int = 64
    prompts: int = 32
    samples_per_prompt: int = 8
    prompt_length: tuple[int, int] = (8, 24)
    max_response_length: int = 128
    mean_response_share: float | None = MEAN_RESPONSE_SHARE
    updates: int = 4
    learning_rate: float = 1e-6
    tokens_per_microbatch: int | None = None

    @property
    def responses(self) -> int:
        return self.prompts * self.samples_per_prompt

    @property
    def positions(self) -> int:
        return self.prompt_length[1] + self.max_response_length

    @property
    def parameters(self) -> int:
        """Weights of the model, the tied embedding once."""
        per_layer = 4 * self.hidden**2 + 3 * self.hidden * self.intermediate + 2 * self.hidden
        return self.layers * per_layer + self.vocabulary * self.hidden + self.hidden

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def overrides(self, folder: Path, reward: Path) -> list[str]:
        """What of a run's configuration follows from the workload, whose model and prompts are in `folder`."""
        problems = folder / "prompts.jsonl"
        return [
            "model=local",
            f"model.path={folder}",
            "dataset=jsonl",
            f"dataset.path={problems}",
            f"dataset.eval_path={problems}",
            "reward=python",
            f"reward.path={reward}",
            f"batch.prompts={self.prompts}",
            f"batch.samples_per_prompt={self.samples_per_prompt}",
            f"batch.minibatches={self.updates}",
            f"rollout.max_response_length={self.max_response_length}",
            f"optim.lr={self.learning_rate}",
        ]

    def replace(self, **changes: Any) -> Workload:
        return replace(self, **changes)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Workload:
        return cls(**{**values, "prompt_length": tuple(values["prompt_length"])})


EMBEDDED = Workload()
SIZES = {
    "1M": EMBEDDED,
    "5M": replace(EMBEDDED, hidden=256, intermediate=768, layers=6, heads=4),
    "25M": replace(EMBEDDED, hidden=512, intermediate=1664, layers=7, heads=8),
}


def work_of(prompts: Sequence[list[int]], responses: Sequence[int]) -> dict[str, Any]:
    """What a rollout was asked and how much came of it, to tell whether both sides did the same.

    prompts: token ids, one list per response. responses: their tokens.
    """
    asked = json.dumps(sorted({tuple(ids) for ids in prompts}))
    return {
        "prompts_sha256": hashlib.sha256(asked.encode()).hexdigest(),
        "responses": len(responses),
        "prompt_tokens": sum(len(ids) for ids in prompts),
        "response_tokens": sum(responses),
        "response_tokens_sd": statistics.pstdev(responses),
        "longest_response": max(responses),
    }
