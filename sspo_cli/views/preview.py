"""The screen of `sspo train --dry-run`: the configuration as a tree, its size, its batch and its first prompt."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from sspo_cli.config.compose import to_dict
from sspo_cli.config.schema import TrainConfig
from sspo_cli.config.wording import show_value
from sspo_cli.views.console import results
from sspo_cli.views.summary import printable

INDENT = "  "
BREAK = "\\n"


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
        trained = facts["trained_parameters"]
        share = f"; trained: {trained:,}, of the adapters" if trained != parameters else ""
        console.print(Text(f"parameters: {parameters:,}{share}"))
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
    print_prompt(console, facts["first_prompt"], facts["stop_strings"])
    print_line(console, f"reward: {facts['reward']}")
    for note in facts["notes"]:
        console.print(Text(note, style="yellow"))


def print_prompt(console: Console, prompt: dict[str, Any], stop_strings: list[str]) -> None:
    """The first prompt as the model reads it, every special token and line break visible; and what ends a response."""
    if "unknown" in prompt:
        print_line(console, f"first prompt: unknown: {prompt['unknown']}")
        return
    by = f"{prompt['tokens']} tokens, {prompt['template']}"
    print_line(console, f"first prompt ({prompt['problem']}): {by}")
    lines = safe(prompt["rendered"], console).split("\n")
    for line in [*(f"{line}{BREAK}" for line in lines[:-1]), *filter(None, lines[-1:])]:
        shown = Text(INDENT + line)
        shown.highlight_words([*prompt["special"], BREAK], "magenta")
        console.print(shown, soft_wrap=True)
    ends = ", ".join(f"{token} ({number})" for token, number in prompt["stop_tokens"].items())
    strings = "".join(f", {string!r}" for string in stop_strings)
    print_line(console, f"a response ends with: {ends}{strings}")
    answer = prompt["answer"]
    print_line(console, f"answer: {answer if isinstance(answer, str) else ' or '.join(answer) or 'none'}")


def print_line(console: Console, text: str) -> None:
    console.print(Text(safe(text, console)), soft_wrap=True)


def safe(text: str, console: Console) -> str:
    return printable(text, console.encoding)
