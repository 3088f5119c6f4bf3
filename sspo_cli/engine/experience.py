"""What one step learns from: sampled responses with their advantages, or reference solutions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from sspo_cli.config.schema import TrainConfig
from sspo_cli.data.encode import encode_prompt, encode_solution
from sspo_cli.data.problem import Dataset, Problem
from sspo_cli.engine.trajectory import Trajectory
from sspo_cli.models.policy import Policy
from sspo_cli.objectives.advantage import ADVANTAGES
from sspo_cli.rewards.load import Reward
from sspo_cli.rollout.sampler import Decoding, Progress, Response, sample, seeded


@dataclass(frozen=True)
class Experience:
    """trajectories: grouped by prompt. samples: one row per response for people. metrics: of this collection."""

    trajectories: list[Trajectory]
    samples: list[dict[str, Any]]
    metrics: dict[str, float]


def collect(
    policy: Policy,
    dataset: Dataset,
    reward: Reward,
    config: TrainConfig,
    step: int,
    progress: Progress,
) -> Experience:
    """The experience of step `step` (from 1), drawn with the current weights."""
    first = (step - 1) * config.batch.prompts
    problems = [dataset.train_problem(first + p) for p in range(config.batch.prompts)]
    if config.objective.experience == "reference":
        return reference_solutions(policy, problems)
    prompts = [encode_prompt(policy.tokenizer, problem.prompt) for problem in problems]
    decoding = Decoding(
        samples_per_prompt=config.batch.samples_per_prompt,
        temperature=config.rollout.temperature,
        max_response_length=config.rollout.max_response_length,
        tokens_in_flight=config.engine.tokens_per_generation,
    )
    uniforms = seeded(config.seed, decoding.max_response_length, "rollout", step)
    responses = sample(policy, prompts, decoding, uniforms, progress)
    return judge(policy, problems, prompts, responses, reward, config)


def reference_solutions(policy: Policy, problems: list[Problem]) -> Experience:
    trajectories = [
        Trajectory(encode_prompt(policy.tokenizer, item.prompt), encode_solution(policy.tokenizer, item), None, 1.0)
        for item in problems
    ]
    length = sum(len(item.response) for item in trajectories) / len(trajectories)
    return Experience(trajectories, [], {"response/length": length})


def judge(
    policy: Policy,
    problems: list[Problem],
    prompts: list[list[int]],
    responses: list[Response],
    reward: Reward,
    config: TrainConfig,
) -> Experience:
    """Reward every response and compare it with its group."""
    G = config.batch.samples_per_prompt
    texts = [policy.decode(response.token_ids) for response in responses]
    parts = [reward(problems[i // G], text) for i, text in enumerate(texts)]
    reward_PG = torch.tensor([sum(part.values()) for part in parts]).reshape(-1, G)
    advantage_B = ADVANTAGES[config.objective.advantage](reward_PG).flatten().tolist()
    trajectories = [
        Trajectory(prompts[i // G], response.token_ids, response.logp_T, advantage_B[i])
        for i, response in enumerate(responses)
    ]
    samples = [
        {
            "problem": problems[i // G].id,
            "prompt": problems[i // G].prompt,
            "response": texts[i],
            "reward": float(reward_PG[i // G, i % G]),
            "reward_parts": dict(parts[i]),
            "advantage": advantage_B[i],
            "length": len(response.token_ids),
            "truncated": response.truncated,
        }
        for i, response in enumerate(responses)
    ]
    return Experience(trajectories, samples, rollout_metrics(responses, parts, reward_PG))


def rollout_metrics(
    responses: list[Response], parts: list[Mapping[str, float]], reward_PG: torch.Tensor
) -> dict[str, float]:
    tied_P = reward_PG.isnan().all(-1) | (
        reward_PG.nan_to_num(torch.inf).amin(-1) == reward_PG.nan_to_num(-torch.inf).amax(-1)
    )
    names = sorted({name for part in parts for name in part})
    return {
        "reward/mean": float(reward_PG.nanmean()),
        **{f"reward/{name}": float(torch.tensor([part.get(name, 0.0) for part in parts]).nanmean()) for name in names},
        "reward/unscored": float(reward_PG.isnan().float().mean()),
        "group/dead": float(tied_P.float().mean()),
        "response/length": sum(len(response.token_ids) for response in responses) / len(responses),
        "response/truncated": sum(response.truncated for response in responses) / len(responses),
    }
