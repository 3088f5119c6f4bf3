"""What a run's own figures say is wrong with it, in words: a likely cause, and the key to change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sspo_cli.config.compose import load_config
from sspo_cli.config.errors import ConfigError
from sspo_cli.config.rules import GROUP_ADVANTAGES
from sspo_cli.config.schema import EvalConfig, TrainConfig

NEARLY_ALL = 0.95
EFFECTIVE_RATIO = "update/effective_ratio"
FIRST_EFFECTIVE_RATIO = "update/effective_ratio_first"  # of the first update of each rollout
OFTEN = 0.5

Row = Mapping[str, Any]


def run_alarms(rows: Sequence[Row], config: TrainConfig) -> dict[str, str]:
    """The alarms of all steps and of the last evaluation."""
    evaluations = [row for row in rows if "eval/truncated" in row]
    return {**training_alarms(rows, config), **evaluation_alarms(evaluations[-1] if evaluations else {}, config)}


def alarms_of_folder(folder: Path, rows: Sequence[Row]) -> list[str]:
    """The alarms of a run, in lines; none where another version wrote its configuration."""
    try:
        return list(run_alarms(rows, load_config(TrainConfig, [], base=folder / "config.yaml")).values())
    except ConfigError:
        return []


def training_alarms(rows: Sequence[Row], config: TrainConfig) -> dict[str, str]:
    """By topic, a line for each thing that kept the run from learning. rows: of metrics.jsonl."""
    steps = [row for row in rows if row.get("group/dead") is not None]
    failed = failed_graders(mean(rows, "reward/errors"), "responses", "reward/errors")
    scored = [row for row in steps if row.get("reward/mean") is not None]
    if not scored:
        return {"failed graders": failed} if failed else {}
    truncated = mean(steps, "response/truncated")
    found = {"failed graders": failed, "equal rewards": equal_rewards(scored, truncated, config)}
    if truncated >= NEARLY_ALL:
        found["truncated"] = (
            f"{truncated:.0%} of the responses were cut at rollout.max_response_length="
            f"{config.rollout.max_response_length}; raise it if they have not reached their answers by then"
        )
    found["rounding"] = gated_by_rounding(steps, config)
    return {topic: line for topic, line in found.items() if line}


def gated_by_rounding(steps: Sequence[Row], config: TrainConfig) -> str:
    """The line for an objective that gates tokens before any weight has changed, while all ratios should be 1."""
    if config.rollout.staleness or any(row.get(FIRST_EFFECTIVE_RATIO) is None for row in steps):
        return ""
    first = mean(steps, FIRST_EFFECTIVE_RATIO)
    level = "token" if config.objective.gate.name == "gamma" else "sequence"
    if not abs(first - 1) > 1 - NEARLY_ALL:
        return ""
    return (
        f"the gate scaled the first update of a rollout to {first:.0%} before any weight had changed; likely cause:"
        f" sampler and trainer differ by {mean(steps, 'rollout/logp_gap_mean'):.1g} nats through rounding, and"
        f" objective={config.choices['objective']} gates ratios this close to 1; set objective.correction.level={level}"
        " or engine.precision=float32"
    )


def equal_rewards(steps: Sequence[Row], truncated: float, config: TrainConfig) -> str:
    """Whether next to no reward differed from those beside it, so that there was nothing to learn from."""
    dead, reward = mean(steps, "group/dead"), mean(steps, "reward/mean")
    compared = config.objective.advantage in GROUP_ADVANTAGES
    still = all(row.get("grad/norm") == 0 for row in steps)
    if not still and not (compared and dead >= NEARLY_ALL):
        return ""
    return (
        f"{dead:.0%} of the groups had equal rewards (mean {reward:.3g}), which gives no advantage to learn from;"
        f" likely cause: {likely_cause(reward, truncated, config)}"
    )


def likely_cause(reward: float, truncated: float, config: TrainConfig) -> str:
    if truncated >= OFTEN:
        length = config.rollout.max_response_length
        return f"responses are cut before their answer; raise rollout.max_response_length={length}"
    if reward > OFTEN:
        return f"the problems are too easy for the model; set a harder dataset than dataset={config.choices['dataset']}"
    return (
        "the reward finds no answer, or the problems are too hard for the model; read responses with `sspo samples RUN`"
        f" and change reward={config.choices['reward']}, the prompts or the model"
    )


def evaluation_alarms(metrics: Row, config: EvalConfig) -> dict[str, str]:
    """By topic, a line for each thing that makes the figures of an evaluation say little."""
    found = {}
    if failed := failed_graders(metrics.get("eval/errors") or 0.0, "held-out responses", "eval/errors"):
        found["failed graders in evaluation"] = failed
    truncated, unscored = metrics.get("eval/truncated") or 0.0, metrics.get("eval/unscored") or 0.0
    if truncated >= NEARLY_ALL:
        found["truncated in evaluation"] = (
            f"{truncated:.0%} of the held-out responses were cut at eval.max_response_length="
            f"{config.eval.max_response_length}; raise it if they have not reached their answers by then"
        )
    if unscored >= OFTEN:
        found["unscored in evaluation"] = (
            f"{unscored:.0%} of the held-out responses could not be scored, and count as wrong; mend the reward"
        )
    return found


def failed_graders(share: float, of: str, name: str) -> str:
    if not share:
        return ""
    return (
        f"the graders of {share:.1%} of the {of} failed ({name}), so these have no reward and are not correct; read why"
        " with `sspo samples RUN`"
    )


def mean(steps: Sequence[Row], name: str) -> float:
    known = [row[name] for row in steps if row.get(name) is not None]
    return sum(known) / len(known) if known else 0.0
