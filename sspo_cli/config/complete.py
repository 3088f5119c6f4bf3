"""Completion candidates for `key=value` words, from the schema and the conf folders."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any, Literal, get_args, get_origin, get_type_hints


def known_keys(schema: type[Any]) -> dict[str, tuple[str, ...]]:
    """Every dotted key of `schema`, over all kinds of its unions, with its allowed words where they are few."""
    return dict(walk(schema, ""))


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
    if get_origin(hint) is Literal or not get_args(hint):
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
