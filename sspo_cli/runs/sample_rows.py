"""samples.jsonl: a row for each response that a run learned from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sspo_cli.runs import format as run_format
from sspo_cli.runs import jsonl

FILE = "samples.jsonl"
OPTIONAL = ("answer", "shaping", "error", "rendered", "spelled")


@dataclass(frozen=True, kw_only=True)
class SampleRow:
    """One response.

    step: from 1. problem: the id of its problem. answer: of the problem, or several that count; None in rows of earlier
    versions. reward: None or NaN where it could not be scored, like the part that
    could not. reward_parts: by name; their sum is the reward. shaping: what the objective added to the reward, by name;
    None where it adds nothing. advantage: within its group, or batch. length: in tokens. truncated: whether it was cut
    at the limit. error: what went wrong in the grader. rendered: the prompt as the model read it. spelled: the response
    with every special token, and what was cut from it for the reward; both None where they tell nothing more.
    """

    step: int
    problem: str
    prompt: str
    response: str
    answer: str | list[str] | None = None
    reward: float | None
    reward_parts: Mapping[str, float | None] = field(default_factory=dict)
    shaping: Mapping[str, float | None] | None = None
    advantage: float | None
    length: int
    truncated: bool
    error: str | None = None
    rendered: str | None = None
    spelled: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The row of the file; without what is OPTIONAL where there is none."""
        row = {**vars(self), "reward_parts": dict(self.reward_parts)}
        return {key: value for key, value in row.items() if key not in OPTIONAL or value is not None}


def append_samples(folder: Path, rows: Iterable[SampleRow]) -> None:
    jsonl.append(folder / FILE, (row.as_json() for row in rows))


def read_samples(folder: Path) -> list[SampleRow]:
    """Every row of a run, in order; none where there is no file.

    Raises:
        ValueError: naming file, line and key, if the file holds something else.
        UnreadableFormat: if the run is of a newer format.
    """
    run_format.check(folder)
    return jsonl.read_as(SampleRow, folder / FILE)
