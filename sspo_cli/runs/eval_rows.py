"""eval.jsonl: a row for each held-out response, of every evaluation of a train run, or of an `sspo eval`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sspo_cli.runs import format as run_format
from sspo_cli.runs import jsonl

FILE = "eval.jsonl"
OPTIONAL = ("step", "correct_if", "error", "source", "rendered", "spelled")


@dataclass(frozen=True, kw_only=True)
class EvalRow:
    """One response.

    step: after which a train run drew it; None in an evaluation of its own. problem and sample: the id of the problem,
    and the response's place among those to it, from 0. answer: of the problem, or several that count. reward: None or
    NaN where it could not be scored. correct: None where the problem has no answer to compare with. correct_if: by
    which rule; None in rows of earlier versions. length: in tokens. truncated: whether it was cut at the limit. error:
    what went wrong in the grader. source: the part of a mixture that the problem is of. rendered: the prompt as the
    model read it. spelled: the response with every special token, and what was cut from it for the reward; both None
    where they tell nothing more.
    """

    step: int | None = None
    problem: str
    sample: int
    prompt: str
    response: str
    answer: str | list[str]
    reward: float | None
    reward_parts: Mapping[str, float | None] = field(default_factory=dict)
    correct: bool | None
    correct_if: str | None = None
    length: int
    truncated: bool
    error: str | None = None
    source: str | None = None
    rendered: str | None = None
    spelled: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The row of the file; without what is OPTIONAL where there is none."""
        row = {**vars(self), "reward_parts": dict(self.reward_parts)}
        return {key: value for key, value in row.items() if key not in OPTIONAL or value is not None}


def append_evaluation(folder: Path, rows: Iterable[EvalRow]) -> None:
    jsonl.append(folder / FILE, (row.as_json() for row in rows))


def read_evaluations(folder: Path) -> list[EvalRow]:
    """Every row of a run, in order; none where there is no file.

    Raises:
        ValueError: naming file, line and key, if the file holds something else.
        UnreadableFormat: if the run is of a newer format.
    """
    run_format.check(folder)
    return jsonl.read_as(EvalRow, folder / FILE)
