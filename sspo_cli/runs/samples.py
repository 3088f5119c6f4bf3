"""The responses that a run wrote down: those it learned from (samples.jsonl) and held-out ones (eval.jsonl)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sspo_cli.config.errors import ConfigError
from sspo_cli.runs import eval_rows, sample_rows
from sspo_cli.runs.eval_rows import EvalRow, read_evaluations
from sspo_cli.runs.sample_rows import SampleRow, read_samples
from sspo_cli.runs.status import read_state

LEARNED, HELD_OUT = sample_rows.FILE, eval_rows.FILE
UNSCORED = -1e9  # below every reward


@dataclass(frozen=True)
class Sample:
    """One row of a file.

    step: None in an evaluation of its own. prompt and sample: its places, from 1, among the `prompts` of its step and
    among the `samples` of its problem there.
    """

    row: SampleRow | EvalRow
    step: int | None
    prompt: int
    prompts: int
    sample: int
    samples: int

    @property
    def reward(self) -> float:
        return UNSCORED if self.row.reward is None else self.row.reward

    @property
    def advantage(self) -> float:
        return (self.row.advantage if isinstance(self.row, SampleRow) else None) or 0.0

    def as_json(self) -> dict[str, Any]:
        """The row of the file, with its places."""
        return {**self.row.as_json(), "prompt_number": self.prompt, "sample_number": self.sample}


Pair = tuple[Sample, Sample]


def placed_samples(folder: Path, name: str) -> list[Sample]:
    """Every row of a file of `folder`, in order; none where it is missing.

    Raises:
        ConfigError: if the file holds something else.
    """
    try:
        rows: Sequence[SampleRow | EvalRow] = (read_samples if name == LEARNED else read_evaluations)(folder)
    except (OSError, ValueError) as error:
        raise ConfigError([f"{folder / name}: cannot be read as responses: {error}"]) from error
    keys = [(row.step, row.problem) for row in rows]
    seen: Counter[tuple[int | None, str]] = Counter()
    numbers: dict[int | None, dict[str, int]] = {}
    places = []
    for step, problem in keys:
        seen[step, problem] += 1
        of_step = numbers.setdefault(step, {})
        places.append((of_step.setdefault(problem, len(of_step) + 1), seen[step, problem]))
    return [
        Sample(row, step, prompt, len(numbers[step]), sample, seen[step, problem])
        for row, (step, problem), (prompt, sample) in zip(rows, keys, places, strict=True)
    ]


def choose(folder: Path, step: int | None, prompt: str | None) -> tuple[str, list[Sample]]:
    """Samples of a run, and the file that has them: what it learned from, else held-out responses.

    step: the latest, if None. prompt: a prompt's number in its step; or a problem or part of its prompt, which is
    looked for in every step if none is given.

    Raises:
        ConfigError: telling what there is, if neither file has any.
    """
    files = {name: placed_samples(folder, name) for name in (LEARNED, HELD_OUT)}
    every_step = step is None and prompt is not None and not prompt.isdecimal()
    for name, samples in files.items():
        wanted = samples if every_step else at(samples, last_step(samples) if step is None else step)
        if found := about(wanted, prompt):
            return name, found
    status = "" if any(files.values()) else f" (status: {read_state(folder)})"
    raise ConfigError([f"{folder}: {why_none(files, step, prompt)}{status}"])


def pair_up(a: Path, b: Path, step: int | None, prompt: str | None) -> tuple[str, list[Pair]]:
    """Samples of two runs that are the same sample of the same problem, and the file that has them.

    Held-out problems are the same at every evaluation, so without `step` each run's own latest one is taken. Where they
    do not pair, what the runs learned from is, at the latest step of both.

    Raises:
        ConfigError: telling what there is, if nothing pairs.
    """
    files = {name: (placed_samples(a, name), placed_samples(b, name)) for name in (HELD_OUT, LEARNED)}
    for name, sides in files.items():
        ends = [last_step(side) for side in sides]
        if name == LEARNED:
            ends = [max(steps_of(sides[0]) & steps_of(sides[1]), default=None)] * 2
        left, right = (
            about(at(side, end if step is None else step), prompt) for side, end in zip(sides, ends, strict=True)
        )
        others = {(item.row.problem, item.sample): item for item in right}
        keyed = [(item, (item.row.problem, item.sample)) for item in left]
        if pairs := [(item, others[key]) for item, key in keyed if key in others]:
            return name, pairs
    for folder in (a, b):
        choose(folder, step, prompt)  # tells what is wrong with one of them alone
    raise ConfigError([f"{a} and {b} have no problem in common there; runs of one dataset and seed do"])


def about(samples: Iterable[Sample], prompt: str | None) -> list[Sample]:
    if prompt is None:
        return list(samples)
    if prompt.isdecimal():
        return [item for item in samples if item.prompt == int(prompt)]
    return [item for item in samples if prompt == item.row.problem or prompt in item.row.prompt]


def at(samples: Iterable[Sample], step: int | None) -> list[Sample]:
    return [item for item in samples if item.step == step]


def steps_of(samples: Iterable[Sample]) -> set[int]:
    return {item.step for item in samples if item.step is not None}


def last_step(samples: Iterable[Sample]) -> int | None:
    return max(steps_of(samples), default=None)


def why_none(files: dict[str, list[Sample]], step: int | None, prompt: str | None) -> str:
    """Why nothing was found, and what there is to find."""
    if not any(files.values()):
        return f"no responses yet: neither {LEARNED} nor {HELD_OUT} has any"
    steps = {name: sorted(steps_of(samples)) for name, samples in files.items()}
    if step is not None and not any(step in found for found in steps.values()):
        there = [f"{name} has {listed(found)}" for name, found in steps.items() if found]
        return f"no responses of step {step}; {', '.join(there) or 'it is one evaluation, without steps'}"
    last = next(samples for samples in files.values() if samples)[-1]
    return f"no prompt {prompt}; give a number up to {last.prompts}, or part of a prompt, as in '{last.row.prompt}'"


def listed(steps: Sequence[int]) -> str:
    """A range where no step is missing."""
    whole = len(steps) > 2 and steps[-1] - steps[0] == len(steps) - 1
    return f"{steps[0]} to {steps[-1]}" if whole else ", ".join(map(str, steps))


def by_reward(samples: Iterable[Sample], *, worst: bool) -> list[Sample]:
    """The worst or the best first; of equals, those whose group did better or worse."""
    return sorted(samples, key=lambda item: (item.reward, item.advantage), reverse=not worst)


def by_change(pairs: Iterable[Pair], *, worst: bool) -> list[Pair]:
    """Those first where the first run does worst, or best, beside the second; of equals, its own worst or best."""
    return sorted(pairs, key=lambda pair: (pair[0].reward - pair[1].reward, pair[0].reward), reverse=not worst)
