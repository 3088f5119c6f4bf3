"""Problems of a configuration as lines for a person."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sspo_cli.config.complete import known_keys
from sspo_cli.config.earlier import renamed
from sspo_cli.config.errors import closest, did_you_mean
from sspo_cli.config.fitting import section_of
from sspo_cli.config.hints.choices import fix_choice, fix_unlike
from sspo_cli.config.hints.settings import advice, explained_fix, fix_key, fix_section, fix_value
from sspo_cli.config.locate import groups
from sspo_cli.config.reference import below, explained, meaning_of
from sspo_cli.config.schema import TrainConfig

FIX = "; write "  # before the words that mend a problem
# Pydantic's problems with a value where a section of settings belongs.
NO_SECTION = ("dataclass_type", "dataclass_exact_type", "model_attributes_type", "dict_type")


def key_problem(key: str, item: Any, choices: Mapping[str, str]) -> str:
    """One line for one of pydantic's problems."""
    parent = key.rpartition(".")[0]
    group = key.split(".")[0]
    hint = f" (see `sspo show {group}`)" if group in groups() else ""
    discriminator = str(item.get("ctx", {}).get("discriminator", "")).strip("'")
    if item["type"] == "unexpected_keyword_argument":
        return unknown_beside(key, str(item["input"]), parent.replace(".", "/"), choices) + hint
    if item["type"] == "missing":
        meaning = meaning_of(key)
        return f"missing key '{key}': set it with {key}=...{f', {meaning}' if meaning else ''}{hint}"
    if item["type"] == "union_tag_not_found":
        choice = key.replace(".", "/")
        if choice in groups():
            return f"missing key '{key}': choose one with {choice}=NAME (see `sspo show {choice}`)"
        return f"missing key '{key}.{discriminator}'{hint}"
    if item["type"] == "union_tag_invalid":
        if now := renamed(f"{key}.{discriminator}", item["ctx"]["tag"]):
            return f"{key}.{discriminator}={item['ctx']['tag']}: is called {now} now; write {key}.{discriminator}={now}"
        return f"{key}.{discriminator}={item['ctx']['tag']}: allowed: {item['ctx']['expected_tags']}{hint}"
    if now := renamed(key, item["input"]):
        return f"{key}={item['input']}: is called {now} now; write {key}={now}"
    value = show_value(item["input"])
    if item["type"] in NO_SECTION and below(key):
        return f"{key}={value}: {fix_section(key, value)}"
    reason = re.sub(r"^(Input|String) should", "must", item["msg"])
    if item["type"] in NO_SECTION and key in explained():
        reason = f"must be {explained()[key].allowed}"
    fix = fix_value(key, item["input"], known_keys(TrainConfig).get(key, ()), item["type"])
    return f"{key}={value}: {reason}{f'{FIX}{key}={fix}' if fix else ''}{hint}"


def unknown_beside(key: str, value: str, group: str, choices: Mapping[str, str]) -> str:
    """The problem of a key that a section has not: with another choice of its group it may."""
    choice = choices.get(group)
    if choice and (others := choices_with(key, group, besides=choice)):
        return f"unknown key '{key}' with {group}={choice}; it is a setting of {group}={', '.join(others)}"
    return unknown_key(key, value, [other for other in known_keys(TrainConfig) if other != key])


def choices_with(key: str, group: str, *, besides: str) -> list[str]:
    """The choices of a group, `besides` left out, whose section has `key`, one of each kind."""
    kinds: dict[str, str] = {}
    for name in groups()[group]:
        if name == besides:
            continue
        section = section_of(group, name)
        if key.rpartition(".")[2] in section:
            kinds.setdefault(str(section.get("kind") or section.get("name")), name)
    return list(kinds.values())


def unknown_key(key: str, value: str, known: Iterable[str]) -> str:
    """The problem of a key that no section has, with the key that was meant where that can be told."""
    known = [other for other in known if not key.startswith(f"{other}.")]
    if fix := fix_key(key, value, known):
        return f"unknown key '{key}'; {advice(explained_fix(fix))}"
    near = nearest_key(key, known)
    meaning = meaning_of(near)
    told = f", did you mean '{near}'?" + (f" It is {meaning}" if meaning else "") if near else ""
    return f"unknown key '{key}'{told} (`sspo show train` lists settings)"


def nearest_key(key: str, known: Iterable[str]) -> str:
    """The key that was probably meant: beside it, of the same last name elsewhere, or alike; "" if none is close."""
    known = list(known)
    parent, _, name = key.rpartition(".")
    beside = [other.rpartition(".")[2] for other in known if other.rpartition(".")[0] == parent]
    if parent and (close := closest(name, beside)):
        return f"{parent}.{close}"
    elsewhere = [other for other in known if other.rpartition(".")[2] == name]
    return elsewhere[0] if elsewhere else closest(key, known)


def unknown_choice(group: str, choice: str, choices: Sequence[str]) -> str:
    """The problem of a choice that a group has not, with the words that were meant where that can be told."""
    allowed = f"(allowed: {', '.join(choices)}; see `sspo show {group}`)"
    if fix := fix_choice(group, choice):
        return f"{group}={choice}: unknown choice; {advice(fix)} (see `sspo show {group}`)"
    near = did_you_mean(choice, choices)
    unlike = "" if near else fix_unlike(group, choice)
    return f"{group}={choice}: unknown choice{near}{f'; {advice(unlike)}' if unlike else ''} {allowed}"


def for_several(word: str, words: Sequence[str]) -> str:
    """What runs several values of one key, given all `words` of the command."""
    key = word.partition("=")[0]
    others = [other for other in words if other.partition("=")[0] in ("objective", "seed") and other != word]
    line = " ".join([*others, word])
    if key == "objective" or (key == "seed" and not others):
        return f"; several are compared with `sspo compare {line}`"
    if key == "seed":
        return f"; several are tried with `sspo sweep {line}`, and objectives compared over seeds with `sspo compare`"
    return f"; several are tried with `sspo sweep {line}`"


def path_of(loc: tuple[int | str, ...], content: Any) -> list[int | str]:
    """The key path of a problem: pydantic's location without the union tags in it."""
    path: list[int | str] = []
    for part, following in zip(loc, [*loc[1:], None], strict=True):
        # A tag can also be the name of a key beside it: gate=cap has the key cap.
        is_tag = isinstance(content, dict) and (part not in content or following in content) and following is not None
        if is_tag or (path and isinstance(part, str) and not isinstance(content, dict)):
            continue
        path.append(part)
        content = content.get(part) if isinstance(content, dict) else None
    return path


def show_value(value: Any) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
