"""TRL's own trainers, fed our numbers: only the log-probabilities and the rewards of the model are replaced."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

from sspo_cli.models.load import EMBEDDED
from sspo_cli.objectives import PolicyBatch

os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"

from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer
from trl.experimental.gmpo import GMPOConfig, GMPOTrainer

TRAINERS = {"GRPO": (GRPOConfig, GRPOTrainer), "RLOO": (RLOOConfig, RLOOTrainer), "GMPO": (GMPOConfig, GMPOTrainer)}
MAX_COMPLETION_LENGTH = 32


@dataclass(frozen=True)
class Setting:
    """A TRL trainer and the arguments of its config, as a user would write them."""

    trainer: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.trainer}Config({', '.join(f'{key}={value!r}' for key, value in self.arguments.items())})"


def build(setting: Setting, folder: Path, reward_PG: Tensor | None = None, microbatches: int = 1) -> Any:
    """A trainer on the embedded model whose reward function answers `reward_PG`, ready for a training step."""
    config_class, trainer_class = TRAINERS[setting.trainer]
    P, G = (1, 8) if reward_PG is None else reward_PG.shape
    arguments = {
        "output_dir": str(folder),
        "report_to": "none",
        "use_cpu": True,
        "bf16": False,
        "per_device_train_batch_size": P * G,
        "num_generations": G,
        "gradient_accumulation_steps": microbatches,
        "max_completion_length": MAX_COMPLETION_LENGTH,
        # The reference model is outside this comparison.
        "beta": 0.0,
    }
    trainer = trainer_class(
        model=AutoModelForCausalLM.from_pretrained(EMBEDDED, dtype=torch.float32),
        reward_funcs=lambda completions, **_: reward_PG.flatten().tolist(),
        args=config_class(**{**arguments, **setting.arguments}),
        processing_class=AutoTokenizer.from_pretrained(EMBEDDED),
        train_dataset=Dataset.from_dict({"prompt": ["1+1="] * (P * G)}),
    )
    trainer.model.train()
    # The training loop, which does not run here, would set this.
    trainer.current_gradient_accumulation_steps = microbatches
    return trainer


def loss_of(trainer: Any, batch: PolicyBatch, tokens: int) -> Tensor:
    """TRL's loss of one micro-batch of an update with `tokens` response tokens, differentiable by batch.logp_BT."""
    # TRL multiplies by the mask, so what stands where it is zero has to be finite.
    logp_BT = torch.where(batch.mask_BT, batch.logp_BT, 0)
    old_logp_BT = torch.where(batch.mask_BT, batch.old_logp_BT, 0)
    trainer._get_per_token_logps_and_entropies = lambda *_, **__: (logp_BT, torch.zeros_like(logp_BT).detach(), None)
    B, _ = logp_BT.shape
    ids_BT = batch.mask_BT.long()
    inputs = {
        "prompt_ids": ids_BT.new_ones(B, 1),
        "prompt_mask": ids_BT.new_ones(B, 1),
        "completion_ids": ids_BT,
        "completion_mask": ids_BT,
        "advantages": batch.advantage_B,
        "old_per_token_logps": old_logp_BT,
        "old_logps": old_logp_BT.sum(1),
        "num_items_in_batch": torch.tensor(tokens),
    }
    with default_dtype(logp_BT.dtype):
        return trainer.compute_loss(trainer.model, inputs)


def advantages(trainer: Any, responses: int) -> Tensor:
    """The advantages [P * G] that TRL computes from the rewards the trainer was built with."""
    return trainer._generate_and_score_completions([{"prompt": "1+1="}] * responses)["advantages"]


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """TRL chooses between Python numbers with torch.where, which gives the default dtype."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
