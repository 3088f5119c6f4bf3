"""Fields of a row of a dataset as prompts and answers: what is accepted, and what is refused in words."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any

from sspo_cli.data.problem import Message

ROLES = ("system", "user", "assistant")


class BadField(ValueError):
    """What is wrong with a field, to stand behind its place."""


def read_prompt(value: Any) -> str | tuple[Message, ...]:
    """A text, or a conversation that ends with the user's message: [{"role": "user", "content": "2+2="}].

    Raises:
        BadField: for anything else.
    """
    if isinstance(value, str):
        if not value.strip():
            raise BadField("is empty")
        return whole(value)
    if not isinstance(value, list):
        raise BadField(f"is {kind(value)}: must be a text or a list of messages with role and content")
    if not value:
        raise BadField("is an empty list: must hold at least one message")
    messages = tuple(read_message(item, number) for number, item in enumerate(value, start=1))
    if messages[-1].role != "user":
        raise BadField(f"ends with a message of the {messages[-1].role}: the last one must be the user's")
    if not messages[-1].content.strip():
        raise BadField("ends with an empty message")
    return messages


def read_message(value: Any, number: int) -> Message:
    where = f"message {number}"
    if not isinstance(value, dict):
        raise BadField(f"{where} is {kind(value)}: must be an object with role and content")
    unread = [key for key, item in value.items() if key not in ("role", "content") and item is not None]
    if unread:
        raise BadField(f"{where} has the key '{unread[0]}', which is not read: only role and content are")
    role, content = value.get("role"), value.get("content")
    if role not in ROLES:
        raise BadField(f"{where} has the role {json.dumps(role)}: must be one of {', '.join(ROLES)}")
    if not isinstance(content, str):
        raise BadField(f"{where} has {kind(content)} as content: must be a text")
    return Message(role, whole(content))


def read_answer(value: Any) -> str | tuple[str, ...]:
    """A text or a number, or a list of them, any of which is right.

    Raises:
        BadField: for anything else.
    """
    if not isinstance(value, list):
        return as_text(value)
    if not value:
        raise BadField("is an empty list: must hold at least one accepted answer")
    try:
        return tuple(as_text(item) for item in value)
    except BadField as error:
        raise BadField(f"is a list with an item that {error}") from None


def as_text(value: Any) -> str:
    """A text as it is; a number as people write it: 11.0 as 11, others as the shortest decimal without exponent.

    Raises:
        BadField: for anything else.
    """
    if isinstance(value, str):
        return whole(value)
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or value in (math.inf, -math.inf)
        or value != value
    ):
        raise BadField(f"is {kind(value)}: must be a text or a number")
    if isinstance(value, int) or value.is_integer():
        return str(int(value))
    return format(Decimal(repr(value)), "f")


def whole(text: str) -> str:
    """`text`, if it can be written down.

    Raises:
        BadField: for half of a surrogate pair, which JSON allows and UTF-8 does not.
    """
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise BadField("holds half of a surrogate pair, which is no character")
    return text


def floats(value: Any) -> list[float]:
    """The numbers of an answer that JSON writes with a decimal point or an exponent."""
    return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, float)]


def kind(value: Any) -> str:
    """What a JSON value is, for a person."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"the number {value}"
    return "a text" if isinstance(value, str) else "a list" if isinstance(value, list) else "an object"
