"""A table for people, and what every table says of its figures."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]
Results = dict[str, Any]

DISTURBED = 0.05


@dataclass(frozen=True)
class Table:
    """A Markdown table that reads well as plain text too; words are the sentences under it."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: Sequence[str]

    def __str__(self) -> str:
        lines = [list(self.header), *map(list, self.rows)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(self.header))]
        rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
        padded = [
            [line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))]
            for line in [lines[0], rule, *lines[1:]]
        ]
        body = "\n".join("| " + " | ".join(line) + " |" for line in padded)
        return "\n\n".join([f"## {self.title}", body, *self.words])


def of(result: Results, name: str) -> list[Row]:
    """The jobs called `name`, in order."""
    return [job for job in result["jobs"] if job["name"] == name]


def spread(values: Sequence[float], form: str = "{:.2f}") -> str:
    """Median, and the range if there is one."""
    median, low, high = (form.format(value) for value in (statistics.median(values), min(values), max(values)))
    return median if low == high else f"{median} ({low} to {high})"


def stood_on(result: Results) -> str:
    """Where the figures come from, and whether the machine was left alone."""
    e = result["environment"]
    peers = f", trl {e['trl']}" if e["trl"] else ""
    disturbed = [job["others"] for job in result["jobs"] if (job["others"] or 0) > DISTURBED]
    trouble = (
        f" Other processes had {min(disturbed):.0%} to {max(disturbed):.0%} of the cores during {len(disturbed)} of "
        f"{len(result['jobs'])} measurements."
        if disturbed
        else ""
    )
    return (
        f"{e['processor']}, {e['cores']} cores, {e['threads']} threads, Python {e['python']}, torch {e['torch']}, "
        f"transformers {e['transformers']}{peers}, sspo {e['sspo']}, {e['date']}.{trouble}"
    )
