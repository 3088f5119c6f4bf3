"""The screen of `sspo train --dry-run`: what would run, its size, its first prompt, and the configuration as a tree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from sspo_cli.config.compose import to_dict
from sspo_cli.config.schema import TrainConfig
from sspo_cli.config.wording import show_value
from sspo_cli.plural import count
from sspo_cli.views.console import results
from sspo_cli.views.summary import printable

INDENT = "  "
MARK = "*"
BREAK = "\\n"


def print_preview(config: TrainConfig, facts: dict[str, Any]) -> None:
    """What matters most in four lines; what is to be known before waiting; then every detail."""
    console = results()
    print_line(console, what_runs(config, facts), style="bold")
    print_line(console, batch_line(facts), style="bold")
    print_line(console, size_line(facts), style="bold")
    print_line(console, f"reward: {facts['reward']}", style="bold")
    for note in notes_of(facts):
        print_line(console, note, style="yellow")
    console.print()
    print_first_prompt(console, facts["first_prompt"], facts["stop_strings"])
    for prompt in facts["first_prompts_of_other_sources"]:
        print_prompt(console, prompt)
        print_answer(console, prompt)
    for line in sizes(facts):
        print_line(console, line)
    console.print()
    print_line(console, f"configuration; {MARK} is not the default")
    console.print(tree_of(config, facts["changed"]))


def what_runs(config: TrainConfig, facts: dict[str, Any]) -> str:
    choices, parameters, trained = config.choices, facts["parameters"], facts["trained_parameters"]
    name = str(getattr(config.model, "path", choices["model"]))
    share = "" if trained == parameters else f", {trained:,} of them trained: the adapters"
    size = "" if parameters is None else f" ({parameters:,} parameters{share})"
    return (
        f"train objective {choices['objective']} on dataset {choices['dataset']}, model {name}{size}:"
        f" {count(config.train.steps, 'step')}"
    )


def batch_line(facts: dict[str, Any]) -> str:
    most = facts["response_tokens_per_step"]
    return str(facts["batch"]) + (f"; at most {most:,} response tokens" if most else "")


def size_line(facts: dict[str, Any]) -> str:
    if facts["parameters"] is None:
        return "memory: unknown until the model is downloaded"
    each, most, free = facts["checkpoint_gib"], facts["checkpoints_at_once"], facts["free_gib"]
    return (
        f"memory: {sum(facts['memory_gib'].values()):.3g} GiB without activations; disk: {each * most:.3g} GiB for"
        f" checkpoints, {free:.3g} GiB are free there"
    )


def notes_of(facts: dict[str, Any]) -> list[str]:
    each = facts["checkpoint_gib"] or 0.0
    if each * facts["checkpoints_at_once"] <= facts["free_gib"]:
        return list(facts["notes"])
    return [*facts["notes"], "checkpoints: they do not fit; free space, or set output_dir=FOLDER"]


def sizes(facts: dict[str, Any]) -> list[str]:
    """What memory and disk consist of."""
    if facts["parameters"] is None:
        return []
    terms = " + ".join(f"{part} {gib:.3g}" for part, gib in facts["memory_gib"].items())
    each, most = facts["checkpoint_gib"], facts["checkpoints_at_once"]
    return [f"memory in GiB: {terms}", f"checkpoints: {each:.3g} GiB each, at most {most} at a time"]


def tree_of(config: TrainConfig, changed: Mapping[str, Any]) -> Tree:
    """Sections as branches; a section chosen from a group carries the name of the choice. changed: by key, the default
    of what has another value."""
    tree = Tree(Text("train", style="bold"), guide_style="dim")
    content = to_dict(config)
    choices = content.pop("choices")
    add_branches(tree, content, choices, "", changed)
    if "preset" in choices:
        tree.add(Text.assemble(("preset", "cyan"), f" = {choices['preset']}", mark("choices.preset", changed)))
    return tree


def add_branches(
    tree: Tree, content: dict[str, Any], choices: dict[str, str], prefix: str, changed: Mapping[str, Any]
) -> None:
    for key, value in content.items():
        if not isinstance(value, dict):
            dotted = f"{prefix}{key}".replace("/", ".")
            tree.add(Text.assemble((key, "cyan"), f": {show_value(value)!s}", mark(dotted, changed)))
            continue
        choice = choices.get(prefix + key)
        label = Text.assemble(
            (key, "bold cyan"), f" = {choice}" if choice else "", mark(f"choices.{prefix}{key}", changed)
        )
        add_branches(tree.add(label), value, choices, f"{prefix}{key}/", changed)


def mark(key: str, changed: Mapping[str, Any]) -> Text:
    """Behind a value that is not the default: a sign, and the default."""
    if key not in changed:
        return Text()
    default = "it has no default" if changed[key] == "???" else f"default {show_value(changed[key])}"
    return Text(f"  {MARK} {default}", style="yellow")


def print_first_prompt(console: Console, prompt: dict[str, Any], stop_strings: list[str]) -> None:
    """The first prompt with its answer, and what ends a response; or why they are unknown."""
    if "unknown" in prompt:
        print_line(console, f"first prompt: unknown: {prompt['unknown']}")
        return
    print_prompt(console, prompt)
    ends = ", ".join(f"{token} ({number})" for token, number in prompt["stop_tokens"].items())
    strings = "".join(f", {string!r}" for string in stop_strings)
    print_line(console, f"a response ends with: {ends}{strings}")
    print_answer(console, prompt)


def print_prompt(console: Console, prompt: dict[str, Any]) -> None:
    """A prompt as the model reads it, every special token and line break visible."""
    by = f"{prompt['tokens']} tokens, {prompt['template']}"
    print_line(console, f"first prompt ({prompt['problem']}): {by}")
    lines = safe(prompt["rendered"], console).split("\n")
    for line in [*(f"{line}{BREAK}" for line in lines[:-1]), *filter(None, lines[-1:])]:
        shown = Text(INDENT + line)
        shown.highlight_words([*prompt["special"], BREAK], "magenta")
        console.print(shown, soft_wrap=True)


def print_answer(console: Console, prompt: dict[str, Any]) -> None:
    answer = prompt["answer"]
    print_line(console, f"answer: {answer if isinstance(answer, str) else ' or '.join(answer) or 'none'}")


def print_line(console: Console, text: str, style: str = "") -> None:
    console.print(Text(safe(text, console), style=style), soft_wrap=True)


def safe(text: str, console: Console) -> str:
    return printable(text, console.encoding)
