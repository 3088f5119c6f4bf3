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
            found.append(parser.parse_override(with_home(word)))
        except HydraException:
            problems.append(lone_word(word, command))
    return found, problems


def as_typed(override: Override) -> Any:
    """The value of a key whose type is text: the word itself, which may look like a number, such as name=2026_02_14.

    Escapes such as \\n stand for a character inside double quotes alone, in a list of texts too.
    """
    value, word = override.value(), str(override.input_line).partition("=")[2].strip()
    if isinstance(value, bool | int | float):
        return word
    if isinstance(value, str) and word[:1] == '"':
        return with_escapes(value)
    if isinstance(value, list):
        return [with_escapes(item) if isinstance(item, str) and f'"{item}"' in word else item for item in value]
    return value


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
