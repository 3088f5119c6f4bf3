"""A row of a user's data as JSON values, with its place, and what is wrong with a file as a whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Row:
    """where: such as FILE:LINE. content: a JSON value; unread where `fault` says why it could not be read."""

    where: str
    content: Any
    fault: str = ""


@dataclass
class Rows:
    """Of one or more files. notes: lines for the user about how they were read."""

    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, others: Rows) -> None:
        self.rows += others.rows
        self.notes += others.notes


class Unreadable(ValueError):
    """What is wrong with a file, to stand behind its name."""
