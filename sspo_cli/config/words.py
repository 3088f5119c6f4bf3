"""The words of a command line as overrides of Hydra's grammar, and values as they were typed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from sspo_cli.config.hints.words import joined, lone_word
from sspo_cli.config.literal import escaped

ESCAPES = {"\\": "\\", "n": "\n", "r": "\r", "t": "\t"}


def read_words(words: Sequence[str], command: str) -> tuple[list[Override], list[str]]:
    """Every word that is KEY=VALUE, and a problem for each of the others."""
    parser = OverridesParser.create()
    alone, problems = joined(words)
    found: list[Override] = []
    for word in alone:
        try:
            override = parser.parse_override(with_home(word))
        except (HydraException, RecursionError, ValueError):  # no override, brackets too deep, a number too long
            problems.append(lone_word(word, command))
            continue
        if override.package is None:
            found.append(override)
        elif not override.key_or_group:
            problems.append(lone_word(word, command))
        else:
            problems.append(f"'{word}': '@' moves a choice elsewhere, which has no effect; write {plain(override)}")
    return found, problems


def plain(override: Override) -> str:
    """KEY=VALUE without the package."""
    return f"{override.key_or_group}={str(override.input_line).partition('=')[2]}"


def as_typed(override: Override, *, is_text: bool) -> Any:
    """The value of an override; of a key whose type is text, the word itself, which may look like a number.

    Escapes such as \\n stand for a character inside double quotes alone, in lists and mappings too.
    """
    value, word = override.value(), str(override.input_line).partition("=")[2].strip()
    if is_text and isinstance(value, bool | int | float):
        return word
    if isinstance(value, str):
        return with_escapes(value) if word[:1] == '"' else value
    return escapes_read(value, word)


def escapes_read(value: Any, word: str) -> Any:
    """A list or a mapping, with the escapes in the texts that `word` has in double quotes."""
    if isinstance(value, str):
        return with_escapes(value) if f'"{value}"' in word else value
    if isinstance(value, list):
        return [escapes_read(item, word) for item in value]
    return {key: escapes_read(item, word) for key, item in value.items()} if isinstance(value, dict) else value


def with_escapes(text: str) -> str:
    return re.sub(r"\\([\\nrt])", lambda found: ESCAPES[found[1]], text)


def with_home(word: str) -> str:
    """`key=~/folder` with the home directory filled in: shells leave it, and the grammar cannot read it."""
    key, equals, value = word.partition("=")
    return f"{key}={in_quotes(str(Path(value).expanduser()))}" if equals and value.startswith("~/") else word


def quoted(text: str) -> str:
    """`text` as a value of the override grammar, whatever characters it holds."""
    return in_quotes(escaped(text))


def in_quotes(text: str) -> str:
    """`text` as a value of the override grammar, but for the interpolations in it."""
    # The grammar reads a backslash as an escape only where a quote follows the backslashes.
    return "'" + re.sub(r"(\\*)('|$)", lambda run: 2 * run[1] + ("\\'" if run[2] else ""), text) + "'"
