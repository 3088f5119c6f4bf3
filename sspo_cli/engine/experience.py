"""What one step learns from: sampled responses with their advantages, or reference solutions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sspo_cli.build import build_sampler
from sspo_cli.config.schema import OverlongSection, TrainConfig
from sspo_cli.data.encode import Encoder
from sspo_cli.data.problem import Problem
from sspo_cli.engine.measure import phase
from sspo_cli.engine.parts import Parts
from sspo_cli.engine.score import score
from sspo_cli.engine.trajectory import Trajectory
from sspo_cli.models.reference import Reference
from sspo_cli.objectives.advantage import ADVANTAGES, tied
from sspo_cli.objectives.kl import KlPenalty
from sspo_cli.rewards.base import Score
from sspo_cli.types import Completion, Decoding, Key, Request

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Experience:
    """trajectories: grouped by prompt. samples: one row per response for people. metrics: of this collection."""

    trajectories: list[Trajectory]
    samples: list[dict[str, Any]]
    metrics: dict[str, float]


@dataclass(frozen=True)
class Group:
    """The G responses to one prompt, with their texts and scores."""

    problem: Problem
    prompt: list[int]
    responses: list[Completion]
    texts: list[str]
    scores: list[Score]

    @property
    def rewards(self) -> list[float]:
        return [score.reward for score in self.scores]

    @property
    def largest_part(self) -> float:
        """The largest size of a reward part: rounding errors of the rewards grow with it."""
        return largest(value for score in self.scores for value in score.parts.values())

    @property
    def tied(self) -> bool:
        """Whether the rewards that could be given are equal up to rounding: the group has no advantages."""
        return bool(tied(self.rewards_1G, torch.tensor([self.largest_part], dtype=torch.float64)))

    @property
    def rewards_1G(self) -> Tensor:
        return torch.tensor([self.rewards], dtype=torch.float64)


def collect(parts: Parts, config: TrainConfig, step: int, first_problem: int, progress: Progress) -> Experience:
    """The experience of step `step` (from 1), drawn with the current weights.

    Takes problems of the training stream from number `first_problem`: batch.prompts of them, or with dynamic sampling
    as many as it takes until so many groups do not tie, within its limit. The metric prompts/generated says how many.
    """
    P = config.batch.prompts
    if config.objective.experience == "reference":
        encoder = Encoder(parts.policy.tokenizer, config.prompt_time)
        return reference_solutions(encoder, problems_from(parts, first_problem, P))
    limit = P * config.objective.dynamic_sampling
    groups: list[Group] = []
    missing = P
    while missing and len(groups) < limit:
        problems = problems_from(parts, first_problem + len(groups), min(missing, limit - len(groups)))
        groups += draw(parts, config, problems, step, len(groups), progress)
        missing = P - sum(not group.tied for group in groups)
    live_first = sorted(range(len(groups)), key=lambda place: groups[place].tied)
    kept = [groups[place] for place in sorted(live_first[:P])]
    with phase("reward"):
        learned = learn_from(kept, parts, config)
    return Experience(learned.trajectories, learned.samples, {**metrics_of(groups), **learned.metrics})


def problems_from(parts: Parts, first: int, count: int) -> list[Problem]:
    return [parts.dataset.train_problem(first + p) for p in range(count)]


def reference_solutions(encoder: Encoder, problems: list[Problem]) -> Experience:
    trajectories = [Trajectory(encoder.prompt(item), encoder.solution(item), None, 1.0) for item in problems]
    tokens = sum(len(item.response) for item in trajectories)
    metrics = {
        "response/length": tokens / len(trajectories),
        "tokens/generated": tokens,
        "prompts/generated": len(problems),
    }
    return Experience(trajectories, [], metrics)


def draw(
    parts: Parts, config: TrainConfig, problems: Sequence[Problem], step: int, place: int, progress: Progress
) -> list[Group]:
    """Sample and judge the responses to `problems`, of which the first is number `place` of its step."""
    policy, G = parts.policy, config.batch.samples_per_prompt
    encoder = Encoder(policy.tokenizer, config.prompt_time)
    prompts = [encoder.prompt(problem) for problem in problems]
    section = config.rollout
    decoding = Decoding(section.temperature, section.max_response_length, tuple(policy.stop_ids))
    requests = [
        Request(Key("train", step, place + p, k), prompt, decoding)
        for p, prompt in enumerate(prompts)
        for k in range(G)
    ]
    sampler = build_sampler(config, policy)
    responses: list[Completion] = []
    for response in sampler.sample(iter(requests)):
        responses.append(response)
        progress(len(responses), len(requests))
    responses.sort(key=lambda response: response.key)
    with phase("reward"):
        texts = [policy.decode(response.token_T) for response in responses]
        scores = parts.rewarder.score((problems[i // G], text) for i, text in enumerate(texts))
    return [
        Group(problem, prompt, responses[i : i + G], texts[i : i + G], scores[i : i + G])
        for problem, prompt, i in zip(problems, prompts, range(0, len(responses), G), strict=True)
    ]


def learn_from(groups: Sequence[Group], parts: Parts, config: TrainConfig) -> Experience:
    """Compare every response with its group, by its reward less what the objective takes from it."""
    objective = config.objective
    trajectories = [
        Trajectory(group.prompt, item.token_T, item.logp_T, 0.0) for group in groups for item in group.responses
    ]
    reward_PG = torch.cat([group.rewards_1G for group in groups])
    shaping: dict[str, Tensor] = {}
    if objective.overlong.penalty:
        shaping["overlong"] = -overlong(trajectories, objective.overlong, config.rollout.max_response_length)
    if parts.reference is not None and objective.kl.place == "reward":
        shaping["kl"] = -kl_of_responses(trajectories, parts.reference, config)
    taken_BS = torch.stack([torch.zeros(reward_PG.numel()), *shaping.values()], dim=1).double()
    shaped_PG = reward_PG + taken_BS.sum(1).reshape(reward_PG.shape)
    size_P = torch.tensor([group.largest_part for group in groups], dtype=torch.float64)
    size_P = torch.maximum(size_P, taken_BS.abs().amax(1).reshape(reward_PG.shape).amax(1))
    advantage_B = ADVANTAGES[objective.advantage](shaped_PG, size_P).flatten().tolist()
    G = config.batch.samples_per_prompt
    samples = [
        {
            "problem": groups[i // G].problem.id,
            "prompt": groups[i // G].problem.text,
            "response": groups[i // G].texts[i % G],
            "reward": groups[i // G].rewards[i % G],
            "reward_parts": dict(groups[i // G].scores[i % G].parts),
            **({"shaping": {name: float(value_B[i]) for name, value_B in shaping.items()}} if shaping else {}),
            "advantage": advantage_B[i],
            "length": len(item.response),
            "truncated": groups[i // G].responses[i % G].truncated,
        }
        for i, item in enumerate(trajectories)
    ]
    learned = [
        Trajectory(item.prompt, item.response, item.old_logp_T, advantage)
        for item, advantage in zip(trajectories, advantage_B, strict=True)
    ]
    metrics = {f"shaping/{name}": float(value_B.mean()) for name, value_B in shaping.items()}
    return Experience(learned, samples, {"prompts/kept": sum(not group.tied for group in groups), **metrics})


def overlong(trajectories: Sequence[Trajectory], section: OverlongSection, max_response_length: int) -> Tensor:
    """DAPO's soft limit on length (arXiv 2503.14476), [B]: 0 up to the buffer, growing to the penalty at its end."""
    length_B = torch.tensor([float(len(item.response)) for item in trajectories])
    buffer = section.buffer * max_response_length
    return section.penalty * ((length_B - (max_response_length - buffer)) / buffer).clamp(0, 1)


def kl_of_responses(trajectories: Sequence[Trajectory], reference: Reference, config: TrainConfig) -> Tensor:
    """kl.coef times the estimate of KL(sampler || reference), summed over the tokens of each response: [B]."""
    kl = config.objective.kl
    penalty = KlPenalty(kl.coef, kl.against, kl.estimator)
    with reference.active() as policy:
        logps = score(policy, trajectories, config)
    sums = [
        penalty.per_token(reference_T - item.old_logp_T).sum()
        for reference_T, item in zip(logps, trajectories, strict=True)
        if item.old_logp_T is not None
    ]
    return kl.coef * torch.stack(sums)


def metrics_of(groups: Sequence[Group]) -> dict[str, float]:
    """Of everything that was sampled, whether it is learned from or not."""
    reward_PG = torch.cat([group.rewards_1G for group in groups])
    scores = [score for group in groups for score in group.scores]
    responses = [response for group in groups for response in group.responses]
    names = sorted({name for score in scores for name in score.parts})
    tokens = sum(len(response.token_T) for response in responses)
    return {
        "reward/mean": float(reward_PG.nanmean()),
        **{f"reward/{name}": mean_of_part(name, scores) for name in names},
        "reward/unscored": float(reward_PG.isnan().double().mean()),
        "group/dead": sum(group.tied for group in groups) / len(groups),
        "prompts/generated": len(groups),
        "tokens/generated": tokens,
        "response/length": tokens / len(responses),
        "response/truncated": sum(response.truncated for response in responses) / len(responses),
    }


def mean_of_part(name: str, scores: Sequence[Score]) -> float:
    """Over the responses whose part could be scored; a part that a scored response lacks counts as 0."""
    known = [value for score in scores if score.parts and not math.isnan(value := score.parts.get(name, 0.0))]
    return sum(known) / len(known) if known else math.nan


def largest(values: Iterable[float]) -> float:
    return max((abs(value) for value in values if not math.isnan(value)), default=0.0)
