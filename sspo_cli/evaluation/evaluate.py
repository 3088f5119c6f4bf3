"""Evaluation on held-out problems: the same code during training and in `sspo eval`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import SupportsFloat

import numpy as np
from numpy.typing import NDArray

from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import EvalConfig
from sspo_cli.data.problem import Problem
from sspo_cli.rollout.collect import Collector, Group, Progress, decoding_of, errors_of
from sspo_cli.runs.eval_rows import EvalRow
from sspo_cli.statistics.pass_at_k import bootstrap_interval, pass_at_k, pass_interval


@dataclass(frozen=True)
class Evaluation:
    """rows: one per problem and sample. metrics: eval/accuracy, eval/pass@k, eval/length, each with _low and _high."""

    rows: list[EvalRow]
    metrics: dict[str, float]


def evaluate(
    collector: Collector, problems: list[Problem], config: EvalConfig, progress: Progress, *, step: int | None = None
) -> Evaluation:
    """Sample `eval.samples` responses to each problem and score them; step: after which a training run does so.

    Raises:
        ConfigError: if no problem has an answer to compare with, or the rewards do not say what is correct.
        GuardStop: naming the part and the response.
    """
    G = config.eval.samples
    decoding = decoding_of(
        collector.policy, config.eval.temperature, config.eval.max_response_length, config.rollout.stop
    )
    groups = collector.collect("eval", step or 0, problems, G, decoding, progress)
    if all(score.correct is None for group in groups for score in group.scores):
        raise ConfigError([f"dataset: none of the {len(problems)} held-out problems has an answer to compare with"])
    rows = [row_of(group, k, step, collector.rewarder.rule(group.problem)) for group in groups for k in range(G)]
    errors = {"eval/errors": errors_of(groups)} if config.reward.on_error == "skip" else {}
    return Evaluation(rows, {**summarise(rows, G), **errors})


def row_of(group: Group, k: int, step: int | None, rule: str) -> EvalRow:
    problem, score, completion = group.problem, group.scores[k], group.completions[k]
    return EvalRow(
        step=step,
        problem=problem.id,
        sample=k,
        prompt=problem.text,
        response=group.texts[k],
        answer=problem.answer if isinstance(problem.answer, str) else list(problem.answer),
        reward=score.reward,
        reward_parts=score.parts,
        correct=score.correct,
        correct_if=rule,
        length=len(completion.token_T),
        truncated=completion.truncated,
        error=score.error,
        source=problem.source or None,
        rendered=group.rendered,
        spelled=group.spelled[k],
    )


def summarise(rows: list[EvalRow], samples: int) -> dict[str, float]:
    """Means with 95 % intervals over problems: `pass_interval` of accuracy and pass@k, a bootstrap of the length.

    Problems without an answer to compare with have no part in accuracy and pass@k.
    """
    correct_PG = correct_of(rows, samples)
    length_PG = np.array([row.length for row in rows], dtype=float).reshape(-1, samples)
    reward_n = np.array([row.reward for row in rows], dtype=float)
    correct_P = correct_PG.sum(1).astype(int)
    problems_C = np.bincount(correct_P, minlength=samples + 1)
    metrics = accuracy("eval/accuracy", correct_PG)
    for source in sorted({row.source for row in rows if row.source}):
        metrics |= accuracy(
            f"eval/accuracy/{source}", correct_of([row for row in rows if row.source == source], samples)
        )
    length_P = length_PG.mean(1)
    metrics |= with_interval("eval/length", float(length_P.mean()), bootstrap_interval(length_P))
    for k in passes(samples):
        value = float(np.mean([pass_at_k(samples, int(correct), k) for correct in correct_P]))
        metrics |= with_interval(f"eval/pass@{k}", value, pass_interval(problems_C, k))
    unscored_n = np.isnan(reward_n)
    return metrics | {
        "eval/reward": float(reward_n[~unscored_n].mean()) if not unscored_n.all() else float("nan"),
        "eval/unscored": float(unscored_n.mean()),
        "eval/truncated": float(np.mean([row.truncated for row in rows])),
    }


def correct_of(rows: list[EvalRow], samples: int) -> NDArray[np.float64]:
    """Which responses are correct, [P, G], of the problems with an answer to compare with."""
    judged = [row.correct for row in rows if row.correct is not None]
    return np.array(judged, dtype=float).reshape(-1, samples)


def accuracy(name: str, correct_PG: NDArray[np.float64]) -> dict[str, float]:
    """The share of correct responses with its interval; nothing where no problem has an answer to compare with."""
    if not len(correct_PG):
        return {}
    counts_C = np.bincount(correct_PG.sum(1).astype(int), minlength=correct_PG.shape[1] + 1)
    return with_interval(name, float(correct_PG.mean(1).mean()), pass_interval(counts_C))


def metric_names(samples: int, sources: Sequence[str] = ()) -> set[str]:
    """The metrics of an evaluation with so many samples per problem, of a mixture of `sources` if there are any."""
    row = EvalRow(
        problem="",
        sample=0,
        prompt="",
        response="",
        answer="",
        reward=1.0,
        reward_parts={},
        correct=True,
        length=1,
        truncated=False,
    )
    rows = [replace(row, source=source) for source in sources or (None,) for _ in range(samples)]
    return set(summarise(rows, samples))


def passes(samples: int) -> list[int]:
    """The k of pass@k: powers of two up to the number of samples, and that number."""
    return sorted({*(2**power for power in range(1, int(math.log2(samples)) + 1)), samples} - {1})


def with_interval(name: str, value: float, interval: tuple[SupportsFloat, SupportsFloat]) -> dict[str, float]:
    """The metric, and the ends of its interval under the names that end in _low and _high."""
    low, high = interval
    return {name: value, f"{name}_low": float(low), f"{name}_high": float(high)}
