"""Which runs, in which order: `--where KEY=VALUE` and `--sort KEY`, over everything that a record knows."""

from __future__ import annotations

import operator
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sspo_cli.config.errors import ConfigError, did_you_mean
from sspo_cli.config.wording import show_value
from sspo_cli.metrics import BOUNDS
from sspo_cli.runs.record import Record

ORDERINGS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
FACTS: dict[str, Callable[[Record], Any]] = {
    "folder": lambda run: str(run.folder),
    "kind": lambda run: run.kind,
    "status": lambda run: run.status,
    "step": lambda run: run.step,
    "steps": lambda run: run.steps,
    "minutes": lambda run: run.minutes,
    "age": lambda run: (time.time() - run.changed) / 3600,
}


def value_of(run: Record, key: str) -> Any:
    """A fact of the run (age in hours), a choice, a setting or the last value of a metric; None where it has none."""
    if key in FACTS:
        return FACTS[key](run)
    if key in run.choices:
        return run.choices[key]
    return run.config[key] if key in run.config else run.last(key)


def as_json(run: Record) -> dict[str, Any]:
    """Everything that is known of a run."""
    facts = {key: fact(run) for key, fact in FACTS.items()}
    metrics = {name: run.last(name) for name in run.figures}
    return {**facts, "notes": run.notes, "choices": run.choices, "config": run.config, "metrics": metrics}


def keys_of(runs: Iterable[Record]) -> list[str]:
    """Every key that some run has a value for."""
    found = dict.fromkeys(FACTS)
    for run in runs:
        found |= dict.fromkeys([*run.choices, *run.config, *run.figures])
    return list(found)


@dataclass(frozen=True)
class Condition:
    """`key` compared by `sign` (=, !=, <, <=, >, >=) with any of `values`."""

    text: str
    key: str
    sign: str
    values: tuple[str, ...]

    def holds(self, run: Record) -> bool:
        """Whether it does; never where the run has no value for the key."""
        value = value_of(run, self.key)
        if value is None and self.key not in run.config:
            return False
        if self.sign in ORDERINGS:
            return as_number(value) is not None and ORDERINGS[self.sign](as_number(value), float(self.values[0]))
        return (self.sign == "=") == any(same(value, wanted) for wanted in self.values)


def parse_condition(text: str) -> Condition:
    """Read KEY=VALUE, KEY=VALUE,VALUE, KEY!=VALUE, KEY<VALUE, KEY<=VALUE, KEY>VALUE or KEY>=VALUE.

    Raises:
        ConfigError: for anything else.
    """
    found = re.fullmatch(r"\s*([^=<>!]+?)\s*(!=|<=|>=|==?|<|>)\s*(.*?)\s*", text)
    if found is None:
        raise ConfigError([f"--where '{text}': write KEY=VALUE, such as objective=sspo, or 'eval/accuracy>0.5'"])
    key, sign, value = found.groups()
    if sign in ORDERINGS and as_number(value) is None:
        raise ConfigError([f"--where '{text}': {sign} compares numbers, and '{value}' is none; use = or !="])
    return Condition(text, key, "=" if sign == "==" else sign, tuple(value.split(",")))


def same(value: Any, wanted: str) -> bool:
    """Whether a value is the one written as `wanted`: 1e-5 is 0.00001."""
    number = as_number(value)
    return show_value(value) == wanted or (number is not None and number == as_number(wanted))


def as_number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def full_keys(keys: Iterable[str], runs: Sequence[Record]) -> dict[str, str]:
    """Each key as some run has it; the beginning of a last name is enough where it is of one only: acc, lr.

    Raises:
        ConfigError: with a line for each key that no run has a value for, or that several keys begin with.
    """
    known = keys_of(runs)
    found, problems = {}, []
    for key in keys:
        like = [key] if key in known else meant(key, known)
        if len(like) == 1:
            found[key] = like[0]
            continue
        near = f"; it can be {', '.join(like)}" if like else did_you_mean(key, known)
        problems.append(f"'{key}': no run has such a setting or metric{near} (all of them: `sspo runs --json`)")
    if problems:
        raise ConfigError(problems)
    return found


def meant(word: str, known: Iterable[str]) -> list[str]:
    """The keys whose last name is `word`, or else begins with it; settings before metrics, never ends of intervals."""
    last = {name: re.split(r"[./]", name)[-1] for name in known if not name.endswith(tuple(BOUNDS))}
    found = [name for name in last if last[name] == word] or [name for name in last if last[name].startswith(word)]
    return [name for name in found if "/" not in name] or found


def ordered(runs: Iterable[Record], key: str) -> list[Record]:
    """By `key`, or by -key from the highest; runs without a value come last in both."""
    name = key.removeprefix("-")
    having = [run for run in runs if value_of(run, name) is not None]
    having.sort(key=lambda run: rank(value_of(run, name)), reverse=key.startswith("-"))
    return having + [run for run in runs if value_of(run, name) is None]


def rank(value: Any) -> tuple[int, float, str]:
    """Numbers first, by size; then words, by the alphabet."""
    number = as_number(value)
    return (1, 0.0, show_value(value).casefold()) if number is None else (0, number, "")


def why_empty(folders: Sequence[Path], found: Sequence[Record], conditions: Sequence[Condition]) -> str:
    """Why no run below `folders`, of those `found` there, meets all conditions; and the way out."""
    places = ", ".join(str(folder) for folder in folders)
    if not found:
        return f"no runs in {places}; make one with `sspo train objective=sspo`, or name another folder"
    alone = [condition for condition in conditions if not any(condition.holds(run) for run in found)]
    if not alone:
        return f"none of the {len(found)} runs in {places} meets all conditions together"
    values = {show_value(value) for run in found if (value := value_of(run, alone[0].key)) is not None}
    few = ", ".join(sorted(values)[:8]) + (", ..." if len(values) > 8 else "")
    return f"none of the {len(found)} runs in {places} has {alone[0].text}; {alone[0].key} is {few}"
