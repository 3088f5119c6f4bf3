"""Where tensors live, and how many and how exact their products are."""

from __future__ import annotations

import ctypes
import sys

import torch

from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import EngineSection

MIB = 2**20
# Of malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3


def choose_device(engine: EngineSection) -> torch.device:
    """The device of engine.device, with engine.threads CPU threads (0 leaves the number to PyTorch).

    Raises:
        ConfigError: for engine.device=cuda where PyTorch sees no GPU.
    """
    keep_freed_memory()
    if engine.threads:
        torch.set_num_threads(engine.threads)
    if engine.device == "cuda" and not torch.cuda.is_available():
        raise ConfigError(["engine.device=cuda: PyTorch sees no GPU here; use engine.device=cpu or auto"])
    device = device_of(engine)
    if device.type == "cuda":
        # PyTorch prefers cuDNN's attention on new cards. It makes a plan for every new shape, and while decoding every
        # step has a new shape: the first rollouts of a default run took 6 to 11 times as long with it
        # (docs/evidence/speed.md).
        torch.backends.cuda.enable_cudnn_sdp(False)
    return device


def device_of(engine: EngineSection) -> torch.device:
    """The device of engine.device, whether or not there is one."""
    automatic = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(automatic if engine.device == "auto" else engine.device)


def keep_freed_memory() -> None:
    """Let glibc keep what tensors free for the next ones, instead of giving it back and asking for it again zeroed.

    Blocks from 32 MiB on, the largest that glibc comes to keep by itself, still go back at once.
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(M_MMAP_THRESHOLD, 32 * MIB)
        libc.mallopt(M_TRIM_THRESHOLD, 256 * MIB)


def microbatch_tokens(engine: EngineSection, device: torch.device) -> int:
    """Tokens of one pass: a CPU is fastest when they stay within its caches, a GPU when they fill it."""
    return engine.tokens_per_microbatch or {"cpu": 2048, "cuda": 16384}[device.type]


def choose_precision(engine: EngineSection, device: torch.device) -> torch.dtype:
    """The precision of matrix products: bfloat16 where engine.precision=auto finds a GPU that gains from it."""
    if engine.precision == "auto":
        gains = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if gains else torch.float32
    return torch.bfloat16 if engine.precision == "bfloat16" else torch.float32
