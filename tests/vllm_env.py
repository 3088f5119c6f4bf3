"""The environment of vLLM, which `make vllm` makes, and the processes that it runs in."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from sspo_cli.config.schema import TinyModel
from sspo_cli.models.load import load_policy
from sspo_cli.models.policy import Policy

PYTHON = str(Path(__file__).parents[1] / ".venv-vllm" / "bin" / "python")


def tiny(seed: int = 0) -> Policy:
    """The embedded model, whose output layer shares the weights of its embedding."""
    policy = load_policy(TinyModel(kind="tiny"), seed, torch.device("cpu"))
    assert policy.model.config.tie_word_embeddings
    return policy


def moved(policy: Policy, by: float = 0.02, seed: int = 0) -> None:
    """Change all weights of `policy`, as an update does."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in policy.model.parameters():
            weight += by * torch.randn(weight.shape, generator=generator)


def workers(folder: Path) -> list[int]:
    """The processes of vLLM whose weights lie in `folder`."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = file.read_bytes().split(b"\0")
        except OSError:
            continue
        if any(word.endswith(b"vllm_worker.py") for word in words) and any(
            word.startswith(os.fsencode(folder)) for word in words
        ):
            found.append(int(file.parent.name))
    return found
