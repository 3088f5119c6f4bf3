"""What values each setting takes, in words, from the types of the schema."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le, Lt

PLAIN = {str: "text", bool: "true or false", int: "a whole number", float: "a number"}


def allowed_values(schema: type[Any]) -> dict[str, str]:
    """Every dotted key of `schema` that holds a value, not a section, over all kinds of its unions."""
    found: dict[str, list[str]] = {}
    for key, hint in hints_of(schema, ""):
        told = found.setdefault(key, [])
        told += [words for words in words_of(hint) if words not in told]
    return {key: listed(told) for key, told in found.items()}


def hints_of(schema: type[Any], prefix: str) -> Iterator[tuple[str, Any]]:
    """Every dotted key with its annotation; a section that can be null counts as a value too."""
    hints = get_type_hints(schema, include_extras=True)
    for item in fields(schema):
        key, hint = prefix + item.name, hints[item.name]
        kinds = [kind for kind, _ in members(hint, ())]
        sections = [kind for kind in kinds if is_dataclass(kind)]
        if len(sections) < len(kinds):
            yield key, hint
            continue
        for kind in sections:
            assert isinstance(kind, type)
            yield from hints_of(kind, f"{key}.")


def words_of(hint: Any) -> list[str]:
    """The values of one annotation: a list of alternatives."""
    return list(dict.fromkeys(told for kind, bounds in members(hint, ()) for told in of_kind(kind, bounds)))


def of_kind(kind: Any, bounds: Sequence[Any]) -> list[str]:
    if kind is NoneType:
        return ["null"]
    if get_origin(kind) is Literal:
        return [str(value) for value in get_args(kind)]
    if get_origin(kind) is list:
        return [f"a list of {' or '.join(words_of(get_args(kind)[0]))}s"]
    if get_origin(kind) is dict:
        return ["names with values"]
    if is_dataclass(kind):
        return [f"{{{', '.join(item.name for item in fields(kind))}}}"]
    return [f"{PLAIN.get(kind, 'a value')}{range_of(bounds)}"]


def range_of(bounds: Sequence[Any]) -> str:
    """The limits of a number in words, such as " above 0 and below 1"."""
    told = []
    for bound in bounds:
        if isinstance(bound, Ge):
            told.append(f"of at least {bound.ge:g}")
        elif isinstance(bound, Gt):
            told.append(f"above {bound.gt:g}")
        elif isinstance(bound, Le):
            told.append(f"at most {bound.le:g}")
        elif isinstance(bound, Lt):
            told.append(f"below {bound.lt:g}")
    return f" {' and '.join(told)}" if told else ""


def members(hint: Any, bounds: Sequence[Any]) -> Iterator[tuple[Any, Sequence[Any]]]:
    """The plain types inside an annotation, each with what its Annotated layers say."""
    if hasattr(hint, "__metadata__"):
        inner, *found = get_args(hint)
        yield from members(inner, (*bounds, *found))
    elif get_origin(hint) in (Literal, list, dict) or not get_args(hint):
        yield hint, bounds
    else:
        for argument in get_args(hint):
            yield from members(argument, bounds)


def listed(words: Sequence[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last
