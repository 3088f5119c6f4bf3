"""Completion candidates for `key=value` words, from the schema and the conf folders."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from sspo_cli.config.locate import groups, shipped
from sspo_cli.config.schema import CompareConfig, EvalConfig, SweepConfig, TrainConfig
from sspo_cli.config.tree import load_yaml

SCHEMAS: dict[str, type[EvalConfig]] = {
    "train": TrainConfig,
    "eval": EvalConfig,
    "compare": CompareConfig,
    "sweep": SweepConfig,
}
GRIDS = ("compare", "sweep")
OPEN = ("model.template_args",)  # mappings of names, all of whose values are the user's
LAUNCHERS = {"hydra/launcher": ["basic", "joblib", "submitit_local", "submitit_slurm"]}


def override_words(command: str, incomplete: str) -> list[str]:
    """What may replace `incomplete`, the part of a `key=value` word that the shell hands over."""
    before = part_before(incomplete)
    return [word.removeprefix(before) for word in candidates(command, before + incomplete)]


def part_before(incomplete: str) -> str:
    """Bash breaks a word at `=` and completes only its last part: the part before it, `objective=` for instance."""
    words = os.environ.get("COMP_WORDS", "").split("\n")
    cursor = int(os.environ.get("COMP_CWORD", 0))
    if cursor < 2 or "=" in incomplete:
        return ""
    if words[cursor] == "=":
        return words[cursor - 1] + "="
    return words[cursor - 2] + "=" if words[cursor - 1] == "=" else ""


def candidates(command: str, word: str) -> list[str]:
    """The words one level beyond `word`; deeper while there is one only, which a shell would end with a space."""
    choices = choices_of(command)
    known = known_keys(SCHEMAS[command])
    key, equals, _ = word.partition("=")
    if equals:
        before = word[: word.rfind(",") + 1] if command in GRIDS and "," in word else f"{key}="
        values = choices.get(key) or known.get(key, ())
        listed = word.removeprefix(f"{key}=").split(",")[:-1]
        return [before + value for value in values if (before + value).startswith(word) and value not in listed]
    longer = [found for found in open_words(choices, known) if found.startswith(word)]
    level = sorted({up_to_dot(found, len(word)) for found in longer})
    if len(level) == 1 and level[0] != word:
        return candidates(command, level[0]) or level
    return level


def open_words(choices: dict[str, list[str]], known: dict[str, tuple[str, ...]]) -> Iterator[str]:
    """Every group and every key that can be set alone, each with its `=`."""
    yield from (f"{group}=" for group in choices)
    sections = {key.rpartition(".")[0] for key in known}
    tags = {f"{group.replace('/', '.')}.{tag}" for group in choices for tag in ("kind", "name")}
    yield from (f"{key}=" for key in known if key not in sections | tags | {"choices"})


def up_to_dot(word: str, start: int) -> str:
    return word[: word.find(".", start) + 1] or word


def choices_of(command: str) -> dict[str, list[str]]:
    """The groups in the defaults list of `command`, nested ones included, with their choices."""
    chosen = default_groups(command)
    found = {group: names for group, names in groups().items() if group.split("/")[0] in chosen}
    return {**found, **LAUNCHERS} if command in GRIDS else found


def default_groups(command: str) -> set[str]:
    """The groups that conf/COMMAND.yaml chooses from, through the file that it starts from if there is one."""
    defaults = load_yaml((shipped("conf") / f"{command}.yaml").read_text())["defaults"]
    chosen = {group for entry in defaults if isinstance(entry, dict) for group in entry}
    return chosen.union(*(default_groups(entry) for entry in defaults if isinstance(entry, str) and entry != "_self_"))


def known_keys(schema: type[Any]) -> dict[str, tuple[str, ...]]:
    """Every dotted key of `schema`, over all kinds of its unions, with its allowed words where they are few."""
    found: dict[str, tuple[str, ...]] = {}
    for key, allowed in walk(schema, ""):
        found[key] = tuple(dict.fromkeys([*found.get(key, ()), *allowed]))
    return found


def text_keys(schema: type[Any]) -> set[str]:
    """Every dotted key of `schema` whose values are texts, or null, in all kinds that have it."""
    found: dict[str, bool] = {}
    for key, kinds in kinds_of(schema, ""):
        found[key] = found.get(key, True) and set(kinds) <= {str, NoneType} and str in kinds
    return {key for key, is_text in found.items() if is_text}


def open_keys(schema: type[Any]) -> set[str]:
    """Every dotted key under which names are the user's own."""
    found = {key for key, kinds in kinds_of(schema, "") if any(get_origin(kind) is dict for kind in kinds)}
    return found - {"choices"}


def kinds_of(schema: type[Any], prefix: str) -> Iterator[tuple[str, list[Any]]]:
    """Every dotted key with the plain types of its values."""
    hints = get_type_hints(schema, include_extras=True)
    for item in fields(schema):
        kinds = members(hints[item.name])
        yield prefix + item.name, kinds
        for kind in kinds:
            if isinstance(kind, type) and is_dataclass(kind):
                yield from kinds_of(kind, f"{prefix}{item.name}.")


def walk(schema: type[Any], prefix: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    hints = get_type_hints(schema, include_extras=True)
    for item in fields(schema):
        key = prefix + item.name
        yield key, words(hints[item.name])
        for kind in members(hints[item.name]):
            if isinstance(kind, type) and is_dataclass(kind):
                yield from walk(kind, key + ".")


def members(hint: Any) -> list[Any]:
    """The plain types inside an annotation: Annotated and unions unwrapped."""
    if hasattr(hint, "__metadata__"):
        return members(get_args(hint)[0])
    if get_origin(hint) in (Literal, dict) or not get_args(hint):
        return [hint]
    return [inner for argument in get_args(hint) for inner in members(argument)]


def words(hint: Any) -> tuple[str, ...]:
    found: list[str] = []
    for kind in members(hint):
        if get_origin(kind) is Literal:
            found += [str(value) for value in get_args(kind)]
        elif kind is bool:
            found += ["true", "false"]
    return tuple(found)
