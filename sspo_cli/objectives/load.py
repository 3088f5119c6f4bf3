"""The Python door: an objective by its name and overrides, composed from the same YAML as the command line."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sspo_cli.config.compose import load_config
from sspo_cli.config.rules import objective_problems
from sspo_cli.config.schema import ClipGate, GateConfig, LogClipGate, ObjectiveConfig, SoftGate, TrainConfig
from sspo_cli.objectives import gate
from sspo_cli.objectives.objective import Objective


def load_objective(name: str, overrides: Sequence[str] = ()) -> Objective:
    """The objective `name` of conf/objective (the user's ./conf included) with Hydra overrides.

    >>> load_objective("sspo", overrides=["objective/gate=erf", "objective.gate.tau_pos=5"])

    Raises:
        ConfigError: for an unknown name, key or value.
    """
    return build_objective(
        load_config(TrainConfig, [f"objective={name}", *overrides], rules=objective_problems).objective
    )


def build_objective(config: ObjectiveConfig) -> Objective:
    """The parts that `config` names."""
    return Objective(
        ratio=config.ratio,
        gate=build_gate(config.gate),
        pool=config.pool,
        normalize=config.normalize,
        form=config.form,
    )


def build_gate(config: GateConfig) -> gate.Gate:
    """Clip bounds become log-ratio bounds here: 1 - eps_low = 0 has no logarithm, so the schema asks eps_low < 1."""
    if isinstance(config, ClipGate):
        return gate.BoundGate(lower=math.log1p(-config.eps_low), upper=math.log1p(config.eps_high))
    if isinstance(config, LogClipGate):
        return gate.BoundGate(lower=-config.eps_low, upper=config.eps_high)
    if isinstance(config, SoftGate):
        return gate.SoftGate(gate.CURVES[config.name], config.tau_pos, config.tau_neg, config.one_sided)
    return gate.IdentityGate() if config.name == "identity" else gate.ConstantGate()
