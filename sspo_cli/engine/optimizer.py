"""AdamW with a learning rate that depends on the number of the update alone."""

from __future__ import annotations

import math
from typing import Any

import torch

from sspo_cli.config.schema import OptimSection


def make_optimizer(model: Any, config: OptimSection) -> torch.optim.AdamW:
    """AdamW over all parameters that learn; weight decay spares vectors (norms and biases)."""
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    matrices = [parameter for parameter in learning if parameter.ndim >= 2]
    vectors = [parameter for parameter in learning if parameter.ndim < 2]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.lr, betas=(0.9, 0.999), eps=1e-8, fused=True)


def learning_rate(config: OptimSection, update: int, updates: int) -> float:
    """The rate of update number `update` (from 0) of `updates`: linear warm-up, then the schedule."""
    if update < config.warmup_steps:
        return config.lr * (update + 1) / config.warmup_steps
    if config.schedule == "constant":
        return config.lr
    progress = (update - config.warmup_steps) / max(1, updates - config.warmup_steps)
    factor = 1 - progress if config.schedule == "linear" else 0.5 * (1 + math.cos(math.pi * progress))
    return config.lr * factor
