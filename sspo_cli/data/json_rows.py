"""JSON lines, and an array of objects."""

from __future__ import annotations

import json
from typing import Any

from sspo_cli.data.fields import BadField
from sspo_cli.data.rows import Row, Rows, Unreadable


def json_rows(name: str, text: str) -> Rows:
    """One object a line, or one array of them; a faulty line is a row with its fault.

    Raises:
        Unreadable: for an array that is not JSON, or one object over several lines.
    """
    if text.lstrip().startswith("["):
        return array_rows(name, text)
    if not text.strip().startswith("{"):
        return line_rows(name, text)
    first = next(line for line in text.split("\n") if line.strip())
    if first.strip() == "{" and is_json(text):
        raise Unreadable("one JSON object: must be one object a line, or an array of objects")
    return line_rows(name, text)


def line_rows(name: str, text: str) -> Rows:
    found = Rows()
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            found.rows.append(read_line(f"{name}:{number}", line))
    return found


def read_line(where: str, line: str) -> Row:
    try:
        return Row(where, json.loads(line, object_pairs_hook=without_repeats))
    except json.JSONDecodeError as error:
        return Row(where, None, f"not JSON: {error.msg} at column {error.colno}")
    except BadField as error:
        return Row(where, None, str(error))
    except (ValueError, RecursionError) as error:
        return Row(where, None, f"not JSON that can be read: {error}")


def array_rows(name: str, text: str) -> Rows:
    """The items of an array, each named by its number from 1."""
    try:
        items = json.loads(text, object_pairs_hook=without_repeats)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":
            return line_rows(name, text)
        raise Unreadable(f"not a JSON array: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"not a JSON array that can be read: {error}") from None
    return Rows([Row(f"{name}:{number}", item) for number, item in enumerate(items, start=1)])


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON.

    Raises:
        BadField: for a key that is there twice, of which one value would be lost.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise BadField(f"the key '{next(key for key in keys if keys.count(key) > 1)}' is there more than once")
    return found
