"""Content hashes by which two runs can be shown to have started from the same place."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import torch

from sspo_cli.data.problem import Dataset
from sspo_cli.models.policy import Policy


def fingerprints(policy: Policy, dataset: Dataset, train_problems: int) -> dict[str, str]:
    """sha256 of the weights, the tokenizer, the first `train_problems` training prompts in order, the held-out ones."""
    weights = (
        name.encode() + value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes()
        for name, value in sorted(policy.model.state_dict().items())
    )
    order = (dataset.train_problem(index).prompt.encode() for index in range(train_problems))
    return {
        "initial_weights": digest(weights),
        "tokenizer": digest([policy.tokenizer.backend_tokenizer.to_str().encode()]),
        "data_order": digest(order),
        "evaluation_problems": digest(problem.prompt.encode() for problem in dataset.evaluation),
    }


def digest(chunks: Iterable[bytes]) -> str:
    hasher = hashlib.sha256()
    for chunk in chunks:
        hasher.update(len(chunk).to_bytes(8, "big") + chunk)
    return hasher.hexdigest()
