"""Fields of a row of a dataset as prompts and answers: what is accepted, and what is refused in words."""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal
from typing import Any

from sspo_cli.data.problem import Message

ROLES = ("system", "user", "assistant")
# The keys of a message, and its roles by their names there: of chat models, and of ShareGPT.
CHAT = ("role", "content")
SHAREGPT = ("from", "value")
MESSAGE_KEYS = (set(CHAT), set(SHAREGPT))
# A list of messages as JSON, or as Python prints it, in a cell of a table.
CHAT_AS_TEXT = re.compile(r"""\s*\[\s*\{\s*(['"])(?:role|content|from|value)\1\s*:""")
SPEAKERS = {"system": "system", "human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant"}


class BadField(ValueError):
    """What is wrong with a field, to stand behind its place; or with several, each a line."""

    def __init__(self, *lines: str) -> None:
        self.lines = lines
        super().__init__("; ".join(lines))


def read_prompt(value: Any) -> str | tuple[Message, ...]:
    """A text, or a conversation: [{"role": "user", "content": "2+2="}], or [{"from": "human", "value": "2+2="}].

    A conversation ends with the user's message, or with one of the assistant that the response goes on with.

    Raises:
        BadField: for anything else.
    """
    if isinstance(value, str):
        if CHAT_AS_TEXT.match(value):
            raise BadField("is a conversation written as text: make it a list of messages, in JSON lines or parquet")
        return not_empty(value)
    messages = read_messages(value)
    if messages[-1].role == "system":
        raise BadField("ends with a message of the system: the last one must be the user's, or one to go on with")
    if not messages[-1].content.strip():
        raise BadField("ends with an empty message")
    return messages


def read_messages(value: Any) -> tuple[Message, ...]:
    """A conversation of at least one message."""
    if not isinstance(value, list):
        raise BadField(f"is {kind(value)}: must be a text or a list of messages with role and content")
    if not value:
        raise BadField("is an empty list: must hold at least one message")
    return tuple(read_message(item, number) for number, item in enumerate(value, start=1))


def read_message(value: Any, number: int) -> Message:
    where = f"message {number}"
    if not isinstance(value, dict):
        raise BadField(f"{where} is {kind(value)}: must be an object with role and content")
    role_key, content_key = SHAREGPT if value.get("from") is not None and value.get("role") is None else CHAT
    unread = [key for key, item in value.items() if key not in (role_key, content_key, "weight") and item is not None]
    if unread:
        raise BadField(f"{where} has the key '{unread[0]}', which is not read: only {role_key} and {content_key} are")
    roles = SPEAKERS if role_key == "from" else {role: role for role in ROLES}
    role, content = value.get(role_key), value.get(content_key)
    if not isinstance(role, str) or role not in roles:
        raise BadField(f"{where} has the role {json.dumps(role)}: must be one of {', '.join(roles)}")
    return Message(roles[role], read_content(content, where))


def read_content(value: Any, where: str) -> str:
    """A text, or a list of parts that are texts: [{"type": "text", "text": "2+2="}]."""
    if isinstance(value, str):
        return whole(value)
    if not isinstance(value, list):
        raise BadField(f"{where} has {kind(value)} as content: must be a text")
    texts: list[Any] = [
        part.get("text") if isinstance(part, dict) and part.get("type") == "text" else None for part in value
    ]
    for part, text in zip(value, texts, strict=True):
        if not isinstance(text, str):
            what = f"the type {json.dumps(part.get('type'))}" if isinstance(part, dict) else kind(part)
            raise BadField(f"{where} has a part of {what} in its content: a prompt is made of texts alone")
    return whole("".join(texts))


def is_conversation(value: Any) -> bool:
    """Whether a field holds messages, of whichever roles."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(item, dict) and any(keys <= item.keys() for keys in MESSAGE_KEYS) for item in value)
    )


def as_reply(value: Any) -> Any:
    """The words of one message of the assistant in a list, as TRL has completions; anything else as it is."""
    if not is_conversation(value):
        return value
    messages = read_messages(value)
    if len(messages) > 1 or messages[0].role != "assistant":
        raise BadField("is a conversation: an answer is a text, or one message of the assistant")
    return messages[0].content


def read_answer(value: Any) -> str | tuple[str, ...]:
    """A text or a number, or a list of them, any of which is right; or a list of one message of the assistant.

    Raises:
        BadField: for anything else.
    """
    value = as_reply(value)
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


def not_empty(text: str) -> str:
    """`text`, if it holds more than white space.

    Raises:
        BadField: if it does not, or cannot be written down.
    """
    if not text.strip():
        raise BadField("is empty")
    return whole(text)


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
