"""Where tensors live, and how many and how exact their products are."""

from __future__ import annotations

import torch

from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import EngineSection


def choose_device(engine: EngineSection) -> torch.device:
    """The device of engine.device, with engine.threads CPU threads (0 leaves the number to PyTorch).

    Raises:
        ConfigError: for engine.device=cuda where PyTorch sees no GPU.
    """
    if engine.threads:
        torch.set_num_threads(engine.threads)
    if engine.device == "cuda" and not torch.cuda.is_available():
        raise ConfigError(["engine.device=cuda: PyTorch sees no GPU here; use engine.device=cpu or auto"])
    if engine.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(engine.device)


def microbatch_tokens(engine: EngineSection, device: torch.device) -> int:
    """Tokens of one pass: a CPU is fastest when they stay within its caches, a GPU when they fill it."""
    return engine.tokens_per_microbatch or {"cpu": 2048, "cuda": 16384}[device.type]


def choose_precision(engine: EngineSection, device: torch.device) -> torch.dtype:
    """The precision of matrix products: bfloat16 where engine.precision=auto finds a GPU that gains from it."""
    if engine.precision == "auto":
        gains = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if gains else torch.float32
    return torch.bfloat16 if engine.precision == "bfloat16" else torch.float32
