"""Content hashes by which two runs can be shown to have started from the same place."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import torch

from sspo_cli.config.schema import PythonReward, TrainConfig
from sspo_cli.engine.parts import Parts
from sspo_cli.rollout.sampler import seeded

DRAWS = 64  # numbers of a random stream that stand for all of it


def fingerprints(parts: Parts, config: TrainConfig) -> dict[str, str]:
    """sha256 of what runs with one seed must have in common to be compared.

    initial_weights and tokenizer; data_order: the prompts of all steps as the training stream gives them;
    evaluation_problems; rollout_draws and evaluation_draws: the random numbers that choose tokens; reward: its code,
    where that is the user's.
    """
    policy, dataset = parts.policy, parts.dataset
    weights = (
        name.encode() + value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes()
        for name, value in sorted(policy.model.state_dict().items())
    )
    order = (dataset.train_problem(i).text.encode() for i in range(config.batch.prompts * config.train.steps))
    rollout = seeded(config.seed, DRAWS, "rollout", 1)(0, 0)
    evaluation = seeded(config.seed, DRAWS, "evaluation")(0, 0)
    reward = [Path(config.reward.path).read_bytes()] if isinstance(config.reward, PythonReward) else []
    return {
        "initial_weights": digest(weights),
        "tokenizer": digest([policy.tokenizer.backend_tokenizer.to_str().encode()]),
        "data_order": digest(order),
        "evaluation_problems": digest(
            text.encode() for problem in dataset.evaluation for text in (problem.text, *problem.answers)
        ),
        "rollout_draws": digest([rollout.numpy().tobytes()]),
        "evaluation_draws": digest([evaluation.numpy().tobytes()]),
        "reward": digest([config.reward.kind.encode(), *reward]),
    }


def digest(chunks: Iterable[bytes]) -> str:
    hasher = hashlib.sha256()
    for chunk in chunks:
        hasher.update(len(chunk).to_bytes(8, "big") + chunk)
    return hasher.hexdigest()
