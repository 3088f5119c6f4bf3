"""Problems of a configuration as lines for a person."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from sspo_cli.config.complete import known_keys
from sspo_cli.config.earlier import renamed
from sspo_cli.config.errors import did_you_mean
from sspo_cli.config.locate import groups
from sspo_cli.config.schema import TrainConfig


def key_problem(key: str, item: Any, choices: Mapping[str, str]) -> str:
    """One line for one of pydantic's problems."""
    parent = key.rpartition(".")[0]
    group = key.split(".")[0]
    hint = f" (see `sspo show {group}`)" if group in groups() else ""
    discriminator = str(item.get("ctx", {}).get("discriminator", "")).strip("'")
    if item["type"] == "unexpected_keyword_argument":
        choice = choices.get(parent.replace(".", "/"))
        where = f" with {parent.replace('.', '/')}={choice}" if choice else ""
        known = [other for other in known_keys(TrainConfig) if other != key and not choice]
        return f"unknown key '{key}'{where}{did_you_mean(key, known)}{hint}"
    if item["type"] == "missing":
        return f"missing key '{key}': set it with {key}=...{hint}"
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
    reason = re.sub(r"^(Input|String) should", "must", item["msg"])
    return f"{key}={show_value(item['input'])}: {reason}{hint}"


def nearest_key(key: str, known: Iterable[str]) -> str:
    """A question naming the key that was probably meant: beside it, of the same last name elsewhere, or alike."""
    known = [other for other in known if not key.startswith(f"{other}.")]
    parent, _, name = key.rpartition(".")
    beside = [other.rpartition(".")[2] for other in known if other.rpartition(".")[0] == parent]
    close = did_you_mean(name, beside) if parent else ""
    if close:
        return close.replace("'", f"'{parent}.", 1)
    elsewhere = [other for other in known if other.rpartition(".")[2] == name]
    return did_you_mean(elsewhere[0], elsewhere) if elsewhere else did_you_mean(key, known)


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
