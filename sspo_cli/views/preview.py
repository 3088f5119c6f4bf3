"""The screen of `sspo train --dry-run`: the configuration as a tree, its size and its batch."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from sspo_cli.config.compose import to_dict
from sspo_cli.config.schema import TrainConfig
from sspo_cli.config.wording import show_value
from sspo_cli.views.console import results


def print_preview(config: TrainConfig, facts: dict[str, Any]) -> None:
    console = results()
    console.print(tree_of(config))
    console.print()
    print_facts(console, facts)


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
    each, free = facts["checkpoint_gib"], facts["free_gib"]
    if each is not None:
        count = facts["checkpoints_at_once"]
        console.print(
            Text(f"checkpoints: {each:.3g} GiB each, at most {count} at a time; {free:.3g} GiB are free there")
        )
        if each * count > free:
            console.print(Text("checkpoints: they do not fit; free space, or set output_dir=FOLDER", style="yellow"))
    if facts["response_tokens_per_step"]:
        console.print(Text(f"tokens: at most {facts['response_tokens_per_step']:,} response tokens per step"))
    console.print(Text(facts["batch"], style="bold"))
    for note in facts["notes"]:
        console.print(Text(note, style="yellow"))
