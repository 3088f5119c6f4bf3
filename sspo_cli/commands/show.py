"""`sspo show`: every group, its choices, and what one choice sets and why."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml
from omegaconf import DictConfig, OmegaConf
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sspo_cli.commands.screen import print_json, results
from sspo_cli.config.compose import Request, compose_tree
from sspo_cli.config.errors import ConfigError, did_you_mean
from sspo_cli.config.locate import choice_file, groups, shipped
from sspo_cli.config.schema import TrainConfig
from sspo_cli.config.wording import show_value

GLOBAL = "# @package _global_"
FILE_WIDTH = 120


@dataclass(frozen=True)
class Setting:
    key: str
    value: Any
    source: str


def run(group: str | None, name: str | None, *, as_json: bool) -> int:
    """Print all groups, one group, or one choice.

    Raises:
        ConfigError: for an unknown group or choice.
    """
    known = groups()
    if group is not None and group not in known:
        raise ConfigError([f"{group}: unknown group{did_you_mean(group, known)} (allowed: {', '.join(known)})"])
    if group is None or name is None:
        show_groups([group] if group else list(known), as_json)
        return 0
    if name not in known[group]:
        allowed = ", ".join(known[group])
        raise ConfigError([f"{group}={name}: unknown choice{did_you_mean(name, known[group])} (allowed: {allowed})"])
    show_choice(group, name, as_json)
    return 0


def show_groups(names: list[str], as_json: bool) -> None:
    listing = {group: choices_of(group) for group in names}
    if as_json:
        print_json(listing)
        return
    console = results()
    for group, choices in listing.items():
        console.print(Text(group, style="bold"))
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
        for name, choice in choices.items():
            mark = Text(" (yours)", style="green") if choice["yours"] else Text()
            table.add_row(Text("  " + name, style="cyan") + mark, Text(choice["about"]))
        console.print(table)
        console.print()
    console.print(Text(f"One choice: sspo show {names[0]} {next(iter(listing[names[0]]))}", style="dim"))


def choices_of(group: str) -> dict[str, dict[str, Any]]:
    """Each choice of `group` with its first line and whether the user wrote it."""
    found = {}
    for name in groups()[group]:
        file = file_of(group, name)
        found[name] = {"about": header(file).split("\n")[0], "yours": is_users(file)}
    return found


def show_choice(group: str, name: str, as_json: bool) -> None:
    file = file_of(group, name)
    settings = settings_of(group, name)
    if as_json:
        rows = [{"key": row.key, "value": row.value, "source": row.source} for row in settings]
        print_json(
            {"group": group, "name": name, "yours": is_users(file), "about": header(file), "settings": rows},
        )
        return
    console = results()
    title = Text(f"{group}={name}", style="bold")
    console.print(title + Text(f"  yours: {file.relative_to(Path.cwd())}", style="green") if is_users(file) else title)
    console.print()
    console.print(Text(unwrapped(header(file))))
    if settings:
        console.print()
        print_settings(console, settings)


def print_settings(console: Console, settings: list[Setting]) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("key", no_wrap=True)
    table.add_column("value")
    table.add_column("source")
    for row in settings:
        table.add_row(Text(row.key, style="cyan"), Text(readable(row.value)), Text(row.source))
    table.columns[-1].header = "source" if any(row.source for row in settings) else ""
    console.print(table)


def settings_of(group: str, name: str) -> list[Setting]:
    """The composed values of a choice, each with the comment beside it in the file that sets it."""
    tree = compose_tree(Request(choices=[f"{group}={name}"]), None, TrainConfig)
    sources = comments(group, name, dict(tree.choices))
    if is_global(file_of(group, name)):
        return [Setting(key, OmegaConf.select(tree, key), source) for key, source in sources.items()]
    prefix = group.replace("/", ".")
    content = OmegaConf.to_container(cast(DictConfig, OmegaConf.select(tree, prefix)))
    return [Setting(key, value, sources.get(key, "")) for key, value in leaves(content, f"{prefix}.")]


def comments(group: str, name: str, chosen: dict[str, str]) -> dict[str, str]:
    """The comment beside every key that a choice's file, or a file in its `defaults`, sets; the last one counts."""
    file = choice_file(group, name)
    content = yaml.safe_load(file.read_text()) if file else None
    if not file or not content:
        return {}
    prefix = "" if is_global(file) else group.replace("/", ".") + "."
    found: dict[str, str] = {}
    for entry in [*content.get("defaults", []), "_self_"]:
        if entry == "_self_":
            found |= trailing_comments(yaml.compose(file.read_text()), file.read_text().split("\n"), prefix)
        elif isinstance(entry, str):
            found |= comments(group, entry, chosen)
        else:
            for target in (absolute(nested, group) for nested in entry):
                found |= comments(target, chosen.get(target, ""), chosen)
    return found


def absolute(nested: str, group: str) -> str:
    """The group that a key of a defaults list names, seen from a file of `group`."""
    nested = nested.removeprefix("override ")
    return nested[1:] if nested.startswith("/") else f"{group}/{nested}"


def trailing_comments(node: Any, lines: list[str], prefix: str) -> dict[str, str]:
    """The comment beside every leaf under a YAML mapping node, empty where there is none."""
    found: dict[str, str] = {}
    for key, value in node.value:
        if key.value == "defaults":
            continue
        if isinstance(value, yaml.MappingNode):
            found |= trailing_comments(value, lines, f"{prefix}{key.value}.")
        else:
            rest = lines[value.end_mark.line][value.end_mark.column :].strip()
            found[prefix + key.value] = rest.removeprefix("#").strip()
    return found


def leaves(content: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def header(file: Path) -> str:
    """The comment block at the top of a choice's file, without its `# @package` line."""
    lines: list[str] = []
    for line in file.read_text().split("\n"):
        if not line.startswith("#"):
            break
        if not line.startswith("# @package"):
            lines.append(line[1:].removeprefix(" "))
    return "\n".join(lines).strip()


def unwrapped(text: str) -> str:
    """Lines that the file breaks only because they are full, joined again: a narrow terminal breaks them elsewhere."""
    lines = text.split("\n")
    joined = lines[0]
    for before, line in itertools.pairwise(lines):
        is_full = len(f"# {before} {line.partition(' ')[0]}") > FILE_WIDTH
        joined += (" " if is_full and line else "\n") + line
    return joined


def readable(value: Any) -> str:
    if value == "???":
        return "(you must set it)"
    return json.dumps(value) if isinstance(value, str) and "\n" in value else show_value(value)


def is_global(file: Path) -> bool:
    return file.read_text().startswith(GLOBAL)


def is_users(file: Path) -> bool:
    return not file.is_relative_to(shipped("conf"))


def file_of(group: str, name: str) -> Path:
    file = choice_file(group, name)
    assert file is not None, "groups() lists only files"
    return file
