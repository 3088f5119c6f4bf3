"""Evaluation on held-out problems: the same code during training and in `sspo eval`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, SupportsFloat

import numpy as np

from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import EvalConfig
from sspo_cli.data.encode import Encoder
from sspo_cli.data.problem import Problem
from sspo_cli.models.policy import Policy
from sspo_cli.rewards.base import Rewarder
from sspo_cli.rollout.sampler import Decoding, Progress, sample, seeded, tokens_in_flight
from sspo_cli.statistics.pass_at_k import bootstrap_interval, pass_at_k, pass_interval

Item = tuple[Problem, str]


@dataclass(frozen=True)
class Evaluation:
    """rows: one per problem and sample. metrics: eval/accuracy, eval/pass@k, eval/length, each with _low and _high."""

    rows: list[dict[str, Any]]
    metrics: dict[str, float]


def evaluate(
    policy: Policy,
    problems: list[Problem],
    rewarder: Rewarder,
    config: EvalConfig,
    progress: Progress,
) -> Evaluation:
    """Sample `eval.samples` responses to each problem and score them.

    Raises:
        ConfigError: if no problem has an answer to compare with, or the rewards do not say what is correct.
        GuardStop: naming the part and the response.
    """
    G = config.eval.samples
    decoding = Decoding(
        samples_per_prompt=G,
        temperature=config.eval.temperature,
        max_response_length=config.eval.max_response_length,
        tokens_in_flight=tokens_in_flight(policy, config.engine),
    )
    uniforms = seeded(config.seed, decoding.max_response_length, "evaluation")
    encoder = Encoder(policy.tokenizer, config.prompt_time)
    prompts = [encoder.prompt(problem) for problem in problems]
    responses = sample(policy, prompts, decoding, uniforms, progress)
    items = [(problems[i // G], policy.decode(response.token_ids)) for i, response in enumerate(responses)]
    scores = rewarder.score(watched(items, progress))
    if all(score.correct is None for score in scores):
        raise ConfigError([f"dataset: none of the {len(problems)} held-out problems has an answer to compare with"])
    rows = [
        {
            "problem": problem.id,
            "sample": i % G,
            "prompt": problem.text,
            "response": text,
            "answer": problem.answer if isinstance(problem.answer, str) else list(problem.answer),
            "reward": score.reward,
            "reward_parts": dict(score.parts),
            "correct": score.correct,
            "correct_if": rewarder.rule,
            "length": len(response.token_ids),
            "truncated": response.truncated,
        }
        for i, ((problem, text), score, response) in enumerate(zip(items, scores, responses, strict=True))
    ]
    return Evaluation(rows, summarise(rows, G))


def watched(items: list[Item], progress: Progress) -> Iterator[Item]:
    """`items`, one after the other; `progress` can end it between two of them."""
    for item in items:
        progress(len(items), len(items))
        yield item


def summarise(rows: list[dict[str, Any]], samples: int) -> dict[str, float]:
    """Means with 95 % intervals over problems: `pass_interval` of accuracy and pass@k, a bootstrap of the length.

    Problems without an answer to compare with have no part in accuracy and pass@k.
    """
    judged = [row["correct"] for row in rows if row["correct"] is not None]
    correct_PG = np.array(judged, dtype=float).reshape(-1, samples)
    length_PG = np.array([row["length"] for row in rows], dtype=float).reshape(-1, samples)
    reward_n = np.array([row["reward"] for row in rows], dtype=float)
    correct_P = correct_PG.sum(1).astype(int)
    problems_C = np.bincount(correct_P, minlength=samples + 1)
    metrics = with_interval("eval/accuracy", float(correct_PG.mean(1).mean()), pass_interval(problems_C))
    length_P = length_PG.mean(1)
    metrics |= with_interval("eval/length", float(length_P.mean()), bootstrap_interval(length_P))
    for k in passes(samples):
        value = float(np.mean([pass_at_k(samples, int(correct), k) for correct in correct_P]))
        metrics |= with_interval(f"eval/pass@{k}", value, pass_interval(problems_C, k))
    unscored_n = np.isnan(reward_n)
    return metrics | {
        "eval/reward": float(reward_n[~unscored_n].mean()) if not unscored_n.all() else float("nan"),
        "eval/unscored": float(unscored_n.mean()),
        "eval/truncated": float(np.mean([row["truncated"] for row in rows])),
    }


def passes(samples: int) -> list[int]:
    """The k of pass@k: powers of two up to the number of samples, and that number."""
    return sorted({*(2**power for power in range(1, int(math.log2(samples)) + 1)), samples} - {1})


def with_interval(name: str, value: float, interval: tuple[SupportsFloat, SupportsFloat]) -> dict[str, float]:
    """The metric, and the ends of its interval under the names that end in _low and _high."""
    low, high = interval
    return {name: value, f"{name}_low": float(low), f"{name}_high": float(high)}
