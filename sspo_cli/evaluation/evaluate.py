"""Evaluation on held-out problems: the same code during training and in `sspo eval`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, SupportsFloat

import numpy as np

from sspo_cli.config.schema import EvalConfig
from sspo_cli.data.encode import encode_prompt
from sspo_cli.data.problem import Problem
from sspo_cli.evaluation.statistics import bootstrap_interval, pass_at_k, pass_interval
from sspo_cli.models.policy import Policy
from sspo_cli.rewards.load import Reward
from sspo_cli.rollout.sampler import Decoding, Progress, sample, seeded


@dataclass(frozen=True)
class Evaluation:
    """rows: one per problem and sample. metrics: eval/accuracy, eval/pass@k, eval/length, each with _low and _high."""

    rows: list[dict[str, Any]]
    metrics: dict[str, float]


def evaluate(
    policy: Policy,
    problems: list[Problem],
    reward: Reward,
    config: EvalConfig,
    progress: Progress,
) -> Evaluation:
    """`eval.samples` responses to each problem; a response is correct from reward 1 upwards."""
    G = config.eval.samples
    decoding = Decoding(
        samples_per_prompt=G,
        temperature=config.eval.temperature,
        max_response_length=config.eval.max_response_length,
        tokens_in_flight=config.engine.tokens_per_generation,
    )
    uniforms = seeded(config.seed, decoding.max_response_length, "evaluation")
    prompts = [encode_prompt(policy.tokenizer, problem.prompt) for problem in problems]
    rows = []
    for i, response in enumerate(sample(policy, prompts, decoding, uniforms, progress)):
        problem, text = problems[i // G], policy.decode(response.token_ids)
        score = sum(reward(problem, text).values())
        rows.append(
            {
                "problem": problem.id,
                "sample": i % G,
                "prompt": problem.prompt,
                "response": text,
                "answer": problem.answer,
                "reward": score,
                "correct": score >= 1,
                "length": len(response.token_ids),
                "truncated": response.truncated,
            }
        )
    return Evaluation(rows, summarise(rows, G))


def summarise(rows: list[dict[str, Any]], samples: int) -> dict[str, float]:
    """Means with 95 % intervals over problems: `pass_interval` of accuracy and pass@k, a bootstrap of the length."""
    correct_PG = np.array([row["correct"] for row in rows], dtype=float).reshape(-1, samples)
    length_PG = np.array([row["length"] for row in rows], dtype=float).reshape(-1, samples)
    reward_n = np.array([row["reward"] for row in rows], dtype=float)
    correct_P = correct_PG.sum(1).astype(int)
    problems_C = np.bincount(correct_P, minlength=samples + 1)
    metrics = with_interval("eval/accuracy", float(correct_PG.mean(1).mean()), pass_interval(problems_C))
    length_P = length_PG.mean(1)
    metrics |= with_interval("eval/length", float(length_P.mean()), bootstrap_interval(length_P))
    for k in (2**power for power in range(1, int(math.log2(samples)) + 1)):
        value = float(np.mean([pass_at_k(samples, int(correct), k) for correct in correct_P]))
        metrics |= with_interval(f"eval/pass@{k}", value, pass_interval(problems_C, k))
    unscored_n = np.isnan(reward_n)
    return metrics | {
        "eval/reward": float(reward_n[~unscored_n].mean()) if not unscored_n.all() else float("nan"),
        "eval/unscored": float(unscored_n.mean()),
        "eval/truncated": float(np.mean([row["truncated"] for row in rows])),
    }


def with_interval(name: str, value: float, interval: tuple[SupportsFloat, SupportsFloat]) -> dict[str, float]:
    """The metric, and the ends of its interval under the names that end in _low and _high."""
    low, high = interval
    return {name: value, f"{name}_low": float(low), f"{name}_high": float(high)}
