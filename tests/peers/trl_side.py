"""TRL's own trainers, with our log-probabilities and rewards in the place of a model's."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

from sspo_cli.models.source import EMBEDDED
from sspo_cli.objectives.batch import PolicyBatch

os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"

trl = pytest.importorskip("trl", reason="`make peers` installs TRL")
gmpo = pytest.importorskip("trl.experimental.gmpo")
rewards = pytest.importorskip("trl.rewards")

TRAINERS = {
    "GRPO": (trl.GRPOConfig, trl.GRPOTrainer),
    "RLOO": (trl.RLOOConfig, trl.RLOOTrainer),
    "GMPO": (gmpo.GMPOConfig, gmpo.GMPOTrainer),
}
VERSIONS = f"trl {trl.__version__}, torch {torch.__version__}, on CPU"
soft_overlong_punishment = rewards.get_soft_overlong_punishment
PROMPT = {"prompt": "1+1="}
MAX_COMPLETION_LENGTH = 32


@dataclass(frozen=True)
class Setting:
    """A TRL trainer and the arguments of its config, as a user writes them."""

    trainer: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.trainer}Config({', '.join(f'{key}={value!r}' for key, value in self.arguments.items())})"


def build(
    setting: Setting,
    folder: Path,
    reward_PG: Tensor | None = None,
    accumulation_steps: int = 1,
    steps_per_generation: int | None = None,
) -> Any:
    """The trainer that `setting` names, ready for a training step; a NaN of `reward_PG` is a reward of None."""
    config_class, trainer_class = TRAINERS[setting.trainer]
    reward_PG = torch.zeros(1, 8) if reward_PG is None else reward_PG
    answers = [None if reward.isnan() else reward.item() for reward in reward_PG.flatten()]
    config = config_class(
        output_dir=str(folder),
        report_to="none",
        use_cpu=True,
        bf16=False,
        per_device_train_batch_size=reward_PG.numel(),
        num_generations=reward_PG.shape[1],
        gradient_accumulation_steps=accumulation_steps,
        steps_per_generation=steps_per_generation,
        max_completion_length=MAX_COMPLETION_LENGTH,
        **{**setting.arguments, "beta": 0.0, "use_vllm": False},
    )
    trainer = trainer_class(
        model=AutoModelForCausalLM.from_pretrained(EMBEDDED, dtype=torch.float32),
        reward_funcs=lambda completions, **_: answers,
        args=config,
        processing_class=AutoTokenizer.from_pretrained(EMBEDDED),
        train_dataset=Dataset.from_list([PROMPT] * reward_PG.numel()),
    )
    # Set here: with these in its config TRL loads a reference model and vLLM, whose log-probabilities are ours too.
    trainer.beta = setting.arguments.get("beta", 0.0)
    trainer.ref_model = trainer.model
    trainer.use_vllm = setting.arguments.get("use_vllm", False)
    # The training loop, which does not run here, does these two.
    trainer.model.train()
    trainer.current_gradient_accumulation_steps = accumulation_steps
    return trainer


def loss_of(trainer: Any, batch: PolicyBatch, tokens: int) -> Tensor:
    """TRL's loss of `batch`, one micro-batch of a generation batch that has `tokens` response tokens.

    With `use_vllm` the batch has as many responses as the trainer was built with rewards.
    """
    sampled = {"sampling_per_token_logps": batch.rollout_logp_BT} if trainer.use_vllm else {}
    weights = {"importance_sampling_ratio": sampler_weights(trainer, batch)} if trainer.use_vllm else {}
    trainer._get_per_token_logps_and_entropies = lambda *_, **__: (batch.logp_BT, batch.entropy_BT, None)
    ids_BT = batch.mask_BT.long()
    inputs = {
        "prompt_ids": ids_BT[:, :1],
        "prompt_mask": ids_BT[:, :1],
        "completion_ids": ids_BT,
        "completion_mask": ids_BT,
        "advantages": batch.advantage_B,
        "old_per_token_logps": batch.old_logp_BT,
        "old_logps": (batch.old_logp_BT * ids_BT).sum(1),
        "ref_per_token_logps": batch.reference_logp_BT,
        "num_items_in_batch": torch.tensor(tokens),
        **weights,
        **sampled,
    }
    with default_dtype(batch.logp_BT.dtype):
        loss: Tensor = trainer.compute_loss(trainer.model, inputs)
    return loss


def sampler_weights(trainer: Any, batch: PolicyBatch) -> Tensor:
    """Trainer's over sampler's probabilities, truncated by TRL's own code: [B, T], or [B, 1] in its sequence modes.

    No vLLM runs: `batch` stands for what it would have sampled.
    """
    ids, sampled = batch.mask_BT.long().tolist(), batch.needed("rollout_logp_BT").tolist()
    # Prompts, responses, their masks, their texts, log-probabilities of the sampler; no extra fields, no images.
    generated: tuple[object, ...] = ([[0]] * len(ids), ids, ids, [""] * len(ids), sampled, {}, None, [])
    trainer._generate = lambda _: generated
    trainer._get_per_token_logps_and_entropies = lambda *_, **__: (batch.old_logp_BT, None, None)
    with default_dtype(batch.logp_BT.dtype):
        scored = trainer._generate_and_score_completions([PROMPT] * len(ids))
    weights: Tensor = scored["importance_sampling_ratio"]
    return weights


def advantages(trainer: Any, P: int, G: int) -> Tensor:
    """TRL's advantages [P, G] of the rewards that the trainer was built with, after sampling from the model."""
    advantage_B: Tensor = trainer._generate_and_score_completions([PROMPT] * (P * G))["advantages"]
    return advantage_B.reshape(P, G)


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """TRL picks between Python numbers with torch.where, which answers in the default dtype."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
