"""`sspo train --dry-run`: what would run, its size, its first prompt, the resolved configuration. Builds nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sspo_cli.build import calibrated
from sspo_cli.config.compose import to_dict
from sspo_cli.config.defaults import changed
from sspo_cli.config.describe import batch_sentence, checkpoints_at_once, notes, response_tokens, reward_sentence
from sspo_cli.config.errors import all_or_problems
from sspo_cli.config.paths import missing_graders
from sspo_cli.config.schema import SoftGateSection, TrainConfig
from sspo_cli.engine.device import device_of
from sspo_cli.engine.first_prompt import beginning
from sspo_cli.models.load import architecture
from sspo_cli.models.size import checkpoint_bytes, memory_estimate, parameter_count, trained_count
from sspo_cli.models.source import NotCached
from sspo_cli.runs.folder import free_space
from sspo_cli.views.console import print_json
from sspo_cli.views.preview import print_preview

GIB = 1024**3


def facts_of(config: TrainConfig) -> dict[str, Any]:
    """What `config` would do.

    Raises:
        ConfigError: if a local model folder, the problems or the chat template cannot be read, or no temperature gives
            the gate the width asked for.
    """
    temperatures, (parameters, trained, memory, checkpoint), prompts = all_or_problems(
        lambda: solved(config), lambda: size(config), lambda: beginning(config)
    )
    free = free_space(Path(config.output_dir))
    return {
        "parameters": parameters,
        "trained_parameters": trained,
        "memory_gib": {part: size / GIB for part, size in memory.items()},
        "checkpoint_gib": None if checkpoint is None else checkpoint / GIB,
        "checkpoints_at_once": checkpoints_at_once(config),
        "free_gib": free / GIB,
        "response_tokens_per_step": response_tokens(config),
        "batch": batch_sentence(config),
        "first_prompt": prompts[0],
        "first_prompts_of_other_sources": prompts[1:],
        "stop_strings": config.rollout.stop,
        "reward": reward_sentence(config.reward),
        "notes": [*temperatures, *notes(config), *missing_graders(config)],
        "changed": changed(config),
    }


def show(config: TrainConfig, facts: dict[str, Any], *, as_json: bool) -> None:
    """Print these facts and the configuration."""
    if as_json:
        print_json({"config": to_dict(config), **facts})
    else:
        print_preview(config, facts)


def solved(config: TrainConfig) -> list[str]:
    """The temperatures that objective.gate.calibrate leads to, if it is set."""
    gate = config.objective.gate
    if not isinstance(gate, SoftGateSection) or gate.calibrate is None:
        return []
    found = calibrated(gate, config.objective.pool)
    return [f"objective.gate.calibrate: tau_pos = {found.tau_pos:.6g}, tau_neg = {found.tau_neg:.6g}"]


def size(config: TrainConfig) -> tuple[int | None, int | None, dict[str, int], int | None]:
    """Parameters, trained ones, bytes of memory by purpose and of a checkpoint; unknown of a hub model not here."""
    try:
        shape = architecture(config.model)
    except NotCached:
        return None, None, {}, None
    memory = memory_estimate(shape, config, device_of(config.engine))
    return parameter_count(shape), trained_count(shape, config.lora), memory, checkpoint_bytes(shape, config.lora)
