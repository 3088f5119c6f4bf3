"""Content hashes by which two runs can be shown to have started from the same place, and one to go on from its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import torch

from sspo_cli.config.schema import RewardConfig, TrainConfig
from sspo_cli.data.encode import Encoder
from sspo_cli.data.problem import Dataset, Problem
from sspo_cli.models.base import Base
from sspo_cli.models.policy import Policy
from sspo_cli.rewards.sources import user_files
from sspo_cli.rollout.base import uniforms
from sspo_cli.types import Key

DRAWS = 64  # numbers of a random stream, or problems of the training stream, that stand for all of it


def fingerprints(policy: Policy, dataset: Dataset, base: Base | None, config: TrainConfig) -> dict[str, str]:
    """sha256 of what runs with one seed must have in common to be compared.

    initial_weights and tokenizer; data_order: the prompts of all steps as the training stream gives them;
    evaluation_problems; prompt_tokens: every prompt as the model reads it; reward: its code, where that is the user's;
    and what `of_draws`, `of_problems` and `base` tell.
    """
    weights = (
        name.encode() + value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes()
        for name, value in sorted(policy.model.state_dict().items())
    )
    encoder = Encoder(policy.tokenizer, config.prompt_time)
    prompts = dict.fromkeys([*dataset.problems(), *dataset.evaluation])
    return {
        "initial_weights": digest(weights),
        "tokenizer": digest([policy.tokenizer.backend_tokenizer.to_str().encode()]),
        **of_order(dataset, config),
        **of_draws(config),
        "reward": digest(
            [config.reward.kind.encode()]
            + [file.read_bytes() for files in user_files(config.reward).values() for file in files]
        ),
        **of_problems(dataset),
        "prompt_tokens": digest(json.dumps(encoder.prompt(problem)).encode() for problem in prompts),
        **({"base": str(base.sha256)} if base else {}),
    }


def of_order(dataset: Dataset, config: TrainConfig) -> dict[str, str]:
    """data_order and evaluation_problems, which every version has written down."""
    order = (dataset.train_problem(i).text.encode() for i in range(config.batch.prompts * config.train.steps))
    held_out = (text.encode() for problem in dataset.evaluation for text in (problem.text, *problem.answers))
    return {"data_order": digest(order), "evaluation_problems": digest(held_out)}


def of_draws(config: TrainConfig) -> dict[str, str]:
    """rollout_draws and evaluation_draws: the random numbers that choose tokens."""
    rollout = uniforms(config.seed, Key("train", 1, 0, 0), DRAWS)
    evaluation = uniforms(config.seed, Key("eval", 0, 0, 0), DRAWS)
    return {
        "rollout_draws": digest([rollout.numpy().tobytes()]),
        "evaluation_draws": digest([evaluation.numpy().tobytes()]),
    }


def of_problems(dataset: Dataset) -> dict[str, str]:
    """training_content and evaluation_content: every problem with prompt, answer and solution, wherever it was read."""
    first = [dataset.train_problem(i) for i in range(DRAWS)]
    return {
        "training_content": digest(content(problem) for problem in (*dataset.problems(), *first)),
        "evaluation_content": digest(content(problem) for problem in dataset.evaluation),
    }


def of_reward(config: RewardConfig) -> dict[str, str]:
    """Every file of a user's reward, by its name beside the reward's own; of several rewards behind the key of each."""
    return {
        name_of(key, files, number): digest([file.read_bytes()])
        for key, files in user_files(config).items()
        for number, file in enumerate(files)
    }


def name_of(key: str, files: list[Path], number: int) -> str:
    if not number:
        return f"at {key}"
    beside = files[number].relative_to(files[0].parent).as_posix()
    return beside if key == "reward.path" else f"{beside} beside {key}"


def content(problem: Problem) -> bytes:
    prompt = problem.prompt if isinstance(problem.prompt, str) else [asdict(message) for message in problem.prompt]
    return json.dumps([prompt, problem.answer, problem.solution]).encode()


def digest(chunks: Iterable[bytes]) -> str:
    hasher = hashlib.sha256()
    for chunk in chunks:
        hasher.update(len(chunk).to_bytes(8, "big") + chunk)
    return hasher.hexdigest()
