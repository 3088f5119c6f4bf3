"""Comments of the YAML files in conf/ that serve as help: the only place that reads them.

Of a file, the block of comments at its top tells what the choice is. The comment behind a value tells what its key is,
and continues in lines of comment below that begin to the right of the key.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import yaml

from sspo_cli.config.locate import choice_file, shipped
from sspo_cli.config.tree import load_yaml

GLOBAL = "# @package _global_"


def header(file: Path) -> str:
    """The comment block at the top of a choice's file, without its `# @package` line."""
    lines: list[str] = []
    for line in file.read_text().split("\n"):
        if not line.startswith("#"):
            break
        if not line.startswith("# @package"):
            lines.append(line[1:].removeprefix(" "))
    return "\n".join(lines).strip()


def comments_for_all(section: str) -> dict[str, str]:
    """The comments beside the keys that conf/train.yaml sets in `section`, and nothing for what is no section of it."""
    text = (shipped("conf") / "train.yaml").read_text()
    nodes = {key.value: value for key, value in cast(yaml.MappingNode, yaml.compose(text)).value}
    node = nodes.get(section)
    return trailing_comments(node, text.split("\n"), f"{section}.") if isinstance(node, yaml.MappingNode) else {}


def comments_of_choice(group: str, name: str, chosen: Mapping[str, str]) -> dict[str, str]:
    """The comment beside every key that a choice's file, or a file in its `defaults`, sets; the last one counts."""
    file = choice_file(group, name)
    content = load_yaml(file.read_text()) if file else None
    if not file or not content:
        return {}
    prefix = "" if is_global(file) else group.replace("/", ".") + "."
    found: dict[str, str] = {}
    for entry in [*content.get("defaults", []), "_self_"]:
        if entry == "_self_":
            found |= trailing_comments(yaml.compose(file.read_text()), file.read_text().split("\n"), prefix)
        elif isinstance(entry, str):
            found |= comments_of_choice(group, entry, chosen)
        else:
            for target in (absolute(nested, group) for nested in entry):
                found |= comments_of_choice(target, chosen.get(target, ""), chosen)
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
        if isinstance(value, yaml.MappingNode) and not value.flow_style:
            found |= trailing_comments(value, lines, f"{prefix}{key.value}.")
        else:
            found[prefix + key.value] = comment_at(lines, value.end_mark.line, value.end_mark.column)
    return found


def comment_at(lines: list[str], row: int, start: int) -> str:
    """The comment behind `start` in a line, with the lines of comment that go on below it."""
    rest = lines[row][start:].lstrip()
    if not rest.startswith("#"):
        return ""
    key = indentation(lines[row])
    below = itertools.takewhile(
        lambda line: line.lstrip().startswith("#") and indentation(line) > key, lines[row + 1 :]
    )
    return " ".join([rest[1:].strip(), *(line.lstrip()[1:].strip() for line in below)])


def indentation(line: str) -> int:
    return len(line) - len(line.lstrip())


def is_global(file: Path) -> bool:
    """Whether the keys of a choice's file begin at the root of the configuration, and not at its group."""
    return file.read_text().startswith(GLOBAL)
