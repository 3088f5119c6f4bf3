"""`sspo train --dry-run`: the resolved configuration, its size and its batch in a sentence. Builds nothing."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from sspo_cli.build import calibrated
from sspo_cli.config.compose import to_dict
from sspo_cli.config.describe import batch_sentence, notes
from sspo_cli.config.errors import all_or_problems
from sspo_cli.config.schema import SoftGate, TrainConfig
from sspo_cli.config.wording import show_value
from sspo_cli.engine.device import device_of
from sspo_cli.models.load import NotCached, architecture
from sspo_cli.models.size import memory_estimate, parameter_count
from sspo_cli.views.console import print_json, results

GIB = 1024**3


def preview(config: TrainConfig, *, as_json: bool) -> None:
    """Print what `config` would do.

    Raises:
        ConfigError: if a local model folder cannot be read, or no temperature gives the gate the width asked for.
    """
    temperatures, (parameters, memory) = all_or_problems(lambda: solved(config), lambda: size(config))
    facts = {
        "parameters": parameters,
        "memory_gib": {part: size / GIB for part, size in memory.items()},
        "response_tokens_per_step": response_tokens(config),
        "batch": batch_sentence(config),
        "notes": [*temperatures, *notes(config)],
    }
    if as_json:
        print_json({"config": to_dict(config), **facts})
        return
    console = results()
    console.print(tree_of(config))
    console.print()
    print_facts(console, facts)


def solved(config: TrainConfig) -> list[str]:
    """The temperatures that objective.gate.calibrate leads to, if it is set."""
    gate = config.objective.gate
    if not isinstance(gate, SoftGate) or gate.calibrate is None:
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


def response_tokens(config: TrainConfig) -> int | None:
    """The most tokens that one step can sample; None for reference solutions, which have their own length."""
    if config.objective.experience == "reference":
        return None
    return config.responses_per_rollout * config.objective.dynamic_sampling * config.rollout.max_response_length


def tree_of(config: TrainConfig) -> Tree:
    """Sections as branches; a section chosen from a group carries the name of the choice."""
    tree = Tree(Text("train", style="bold"), guide_style="dim")
    content = to_dict(config)
    choices = content.pop("choices")
    add_branches(tree, content, choices, "")
    if "preset" in choices:
        tree.add(Text.assemble(("preset", "cyan"), f" = {choices['preset']}"))
    return tree


def add_branches(tree: Tree, content: dict[str, Any], choices: dict[str, str], prefix: str) -> None:
    for key, value in content.items():
        if not isinstance(value, dict):
            tree.add(Text.assemble((key, "cyan"), f": {show_value(value)!s}"))
            continue
        choice = choices.get(prefix + key)
        label = Text.assemble((key, "bold cyan"), f" = {choice}" if choice else "")
        add_branches(tree.add(label), value, choices, f"{prefix}{key}/")


def print_facts(console: Console, facts: dict[str, Any]) -> None:
    parameters, memory = facts["parameters"], facts["memory_gib"]
    if parameters is None:
        console.print(Text("parameters: unknown until downloaded"))
    else:
        terms = " + ".join(f"{part} {gib:.3g}" for part, gib in memory.items())
        console.print(Text(f"parameters: {parameters:,}"))
        console.print(Text(f"memory: {sum(memory.values()):.3g} GiB without activations = {terms}"))
    if facts["response_tokens_per_step"]:
        console.print(Text(f"tokens: at most {facts['response_tokens_per_step']:,} response tokens per step"))
    console.print(Text(facts["batch"], style="bold"))
    for note in facts["notes"]:
        console.print(Text(note, style="yellow"))
