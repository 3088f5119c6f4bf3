"""The parts of every cell, checked before any run begins: problems that all of them would run into."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from sspo_cli.build import build_objective, build_rewarder
from sspo_cli.config.compose import to_dict
from sspo_cli.config.errors import ConfigError, all_or_problems, did_you_mean
from sspo_cli.config.schema import TrainConfig
from sspo_cli.data.asked import asked_dataset
from sspo_cli.study.plan import Plan
from sspo_cli.trackers.mirror import check_tracker

ALWAYS_THERE = "eval/accuracy"


def check_parts(plan: Plan) -> int:
    """Load what is cheap to load of every cell: problems, reward, objective, shape of the model. The number of GPUs.

    Raises:
        ConfigError: with every problem found, each named once.
    """
    checks: dict[str, Callable[[TrainConfig], Any]] = {
        "dataset": asked_dataset,
        "reward": lambda config: build_rewarder(config.reward).close(),
        "model": check_model,
        "objective": lambda config: build_objective(config.objective),
        "tracker": check_login,
        "eval": lambda config: check_metric(plan.kind, plan.section.metric, config),
    }
    once: dict[str, Callable[[], Any]] = {}
    for cell in plan.cells:
        content = to_dict(cell.config)
        for section, check in checks.items():
            once.setdefault(section + json.dumps(content[section]), partial(check, cell.config))
    all_or_problems(*once.values())
    return 0 if plan.config.engine.device == "cpu" else torch.cuda.device_count()


def check_model(config: TrainConfig) -> None:
    """Refuse a model folder that lacks a part or is damaged; a hub model that is not here is left to the runs."""
    if config.model.kind in ("local", "hub"):
        from sspo_cli.models.base import verify
        from sspo_cli.models.load import architecture
        from sspo_cli.models.source import NotCached

        verify(config.model)
        with contextlib.suppress(NotCached):
            architecture(config.model)


def check_login(config: TrainConfig) -> None:
    if problems := check_tracker(config.tracker):
        raise ConfigError(problems)


def check_metric(kind: str, metric: str, config: TrainConfig) -> None:
    """Refuse a metric of eval/ that evaluations do not have; of the others the first run shows whether they exist."""
    if metric == ALWAYS_THERE or not metric.startswith("eval/"):
        return
    from sspo_cli.evaluation.evaluate import metric_names

    names = metric_names(config.eval.samples, config.sources)
    if metric not in names:
        shown = ", ".join(sorted(name for name in names if not name.endswith(("_low", "_high"))))
        raise ConfigError([f"{kind}.metric={metric}: no run has it{did_you_mean(metric, names)} (allowed: {shown})"])
