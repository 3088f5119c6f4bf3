"""`sspo train --dry-run`: the resolved configuration, its size, its batch in a sentence, its first prompt. Builds
nothing."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sspo_cli.build import calibrated
from sspo_cli.config.compose import to_dict
from sspo_cli.config.describe import batch_sentence, notes, reward_sentence
from sspo_cli.config.errors import all_or_problems
from sspo_cli.config.schema import SoftGateSection, TrainConfig
from sspo_cli.engine.device import device_of
from sspo_cli.engine.first_prompt import NotAtHand, first_prompt
from sspo_cli.models.load import NotCached, architecture
from sspo_cli.models.size import memory_estimate, parameter_count
from sspo_cli.views.console import print_json
from sspo_cli.views.preview import print_preview

GIB = 1024**3


def preview(config: TrainConfig, *, as_json: bool) -> None:
    """Print what `config` would do.

    Raises:
        ConfigError: if a local model folder, the problems or the chat template cannot be read, or no temperature gives
            the gate the width asked for.
    """
    temperatures, (parameters, memory), prompt = all_or_problems(
        lambda: solved(config), lambda: size(config), lambda: beginning(config)
    )
    facts = {
        "parameters": parameters,
        "memory_gib": {part: size / GIB for part, size in memory.items()},
        "response_tokens_per_step": response_tokens(config),
        "batch": batch_sentence(config),
        "first_prompt": prompt,
        "stop_strings": config.rollout.stop,
        "reward": reward_sentence(config.reward),
        "notes": [*temperatures, *notes(config)],
    }
    if as_json:
        print_json({"config": to_dict(config), **facts})
        return
    print_preview(config, facts)


def solved(config: TrainConfig) -> list[str]:
    """The temperatures that objective.gate.calibrate leads to, if it is set."""
    gate = config.objective.gate
    if not isinstance(gate, SoftGateSection) or gate.calibrate is None:
        return []
    found = calibrated(gate, config.objective.pool)
    return [f"objective.gate.calibrate: tau_pos = {found.tau_pos:.6g}, tau_neg = {found.tau_neg:.6g}"]


def size(config: TrainConfig) -> tuple[int | None, dict[str, int]]:
    """Parameter count and bytes by purpose; unknown for a model of the hub that is not on this machine yet."""
    try:
        shape = architecture(config.model)
    except NotCached:
        return None, {}
    return parameter_count(shape), memory_estimate(shape, config, device_of(config.engine))


def beginning(config: TrainConfig) -> dict[str, Any]:
    """The first prompt and what ends its response; or why that is unknown, where something is not at hand yet."""
    try:
        return asdict(first_prompt(config))
    except NotAtHand as error:
        return {"unknown": "; ".join(error.problems)}


def response_tokens(config: TrainConfig) -> int | None:
    """The most tokens that one step can sample; None for reference solutions, which have their own length."""
    if config.objective.experience == "solutions":
        return None
    return config.responses_per_rollout * config.objective.dynamic_sampling * config.rollout.max_response_length
