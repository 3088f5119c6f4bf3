"""A user's words sorted: axes, settings that all cells share, what is the grid's own, and what is wrong with any."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override

from sspo_cli.config.complete import known_keys, open_keys, text_keys
from sspo_cli.config.compose import load_config
from sspo_cli.config.errors import ConfigError, did_you_mean
from sspo_cli.config.locate import groups
from sspo_cli.config.schema import CompareConfig, TrainConfig
from sspo_cli.config.tree import is_under
from sspo_cli.config.wording import unknown_key
from sspo_cli.config.words import as_typed, read_words
from sspo_cli.study.fairness import FREE

Kind = Literal["compare", "sweep"]
KINDS = get_args(Kind)
MOST = 1000  # cells of one grid: each is composed and checked before the first begins
ONE_FOR_ALL = ("name", "output_dir")


@dataclass(frozen=True)
class Axis:
    """A key with its values: as the override grammar writes them, and as they are."""

    key: str
    words: tuple[str, ...]
    values: tuple[Any, ...]

    @property
    def typed(self) -> str:
        return f"{self.key}={','.join(self.words)}"


@dataclass
class Words:
    """The user's words by what they are for; of two for one key, the later."""

    shared: dict[str, str] = field(default_factory=dict)
    own: dict[str, str] = field(default_factory=dict)
    axes: dict[str, Axis] = field(default_factory=dict)
    launcher: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def is_launcher_word(word: str) -> bool:
    return word.startswith(("hydra/launcher=", "hydra.launcher."))


def sort_words(kind: Kind, words: Sequence[str]) -> Words:
    """Tell axes from settings that all cells share, and both from what is the grid's own."""
    read, problems = read_words(words, kind)
    found = Words(problems=problems)
    for override in read:
        key, word = override.key_or_group, str(override.input_line)
        if override.is_hydra_override() or key == "hydra":
            if is_launcher_word(word) and not override.is_sweep_override():
                found.launcher.append(word)
            else:
                found.problems.append(
                    f"'{word}': has no effect; of Hydra's settings, hydra/launcher and hydra.launcher.KEY can be set"
                )
        elif key.split(".")[0] in KINDS and key.split(".")[0] != kind:
            found.problems.append(
                f"'{word}': has no effect on sspo {kind}; it is a setting of sspo {key.split('.')[0]}"
            )
        elif key.split(".")[0] in (kind, *ONE_FOR_ALL):
            if override.is_sweep_override():
                found.problems.append(f"'{word}': a {kind} takes one value for {key}, not a list of them")
            (found.shared if key == "output_dir" else found.own)[key] = word
        elif override.is_sweep_override() or (key in FREE and not override.is_delete()):
            found.shared.pop(key, None)
            found.axes.pop(key, None)
            found.axes |= {axis.key: axis for axis in [read_axis(override, found.problems)] if axis}
        else:
            found.axes.pop(key, None)
            found.shared[key] = word
    return found


def read_axis(override: Override, problems: list[str]) -> Axis | None:
    """The values of an override; None, with the problem noted, if they cannot be listed."""
    key, value = override.key_or_group, override.value()
    if not override.is_sweep_override():
        words = [override.get_value_element_as_str()]
    elif isinstance(value, Glob):
        words = value.filter(groups().get(key, []))
    elif override.is_discrete_sweep():
        words = list(itertools.islice(override.sweep_string_iterator(), MOST + 1))
        if len(words) > MOST:
            problems.append(f"'{override.input_line}': more than {MOST:,} values; a grid has at most {MOST:,} cells")
            return None
        typed = str(override.input_line).partition("=")[2].split(",")
        if key in text_keys(TrainConfig) and len(typed) == len(words):
            words = [word.strip() for word in typed]
    else:
        problems.append(f"'{override.input_line}': has endless values; write a list, or range(start,stop,step)")
        return None
    if not words:
        problems.append(f"'{override.input_line}': stands for no value at all")
        return None
    repeated = [word for word in dict.fromkeys(words) if words.count(word) > 1]
    if repeated:
        problems.append(f"'{override.input_line}': has {', '.join(repeated)} more than once; every cell is run once")
    parser = OverridesParser.create()
    return Axis(key, tuple(words), tuple(typed_value(key, parser.parse_override(f"{key}={word}")) for word in words))


def typed_value(key: str, override: Override) -> Any:
    return as_typed(override, is_text=key in text_keys(TrainConfig))


def allow_problems(allowed: Sequence[str]) -> list[str]:
    known = [*known_keys(TrainConfig), *groups()]
    return [f"--allow {key}: unknown key{did_you_mean(key, known)}" for key in allowed if key not in known]


def axis_problems(kind: Kind, read: Words, allowed: Sequence[str]) -> list[str]:
    """What is wrong with the axes, before any cell is read."""
    axes = [axis for axis in read.axes.values() if len(axis.words) > 1]
    if (cells := math.prod(len(axis.words) for axis in axes)) > MOST:
        keys = ", ".join(axis.key for axis in axes)
        return [f"{keys}: make {cells:,} cells together; a grid has at most {MOST:,}: give fewer values"]
    if kind == "sweep":
        if axes or read.problems:
            return []
        return [
            "sspo sweep: nothing to sweep; give a key several values, such as objective.gate.tau_pos=2,5,10 seed=0,1"
        ]
    known = [*known_keys(CompareConfig), *groups()]
    unknown = [axis for axis in axes if axis.key not in known and not is_under(axis.key, open_keys(CompareConfig))]
    if unknown:
        return [unknown_key(axis.key, ",".join(axis.words), known) for axis in unknown]
    problems = [
        f"{axis.typed}: cells of a compare may differ in objective and seed only; use `sspo sweep {axis.typed}`,"
        f" or --allow {axis.key}"
        for axis in axes
        if not is_under(axis.key, (*FREE, *allowed))
    ]
    objective = read.axes.get("objective")
    if objective is not None and len(objective.words) == 1:
        problems.append(
            f"{objective.typed}: a compare needs two objectives or more, such as objective=grpo,sspo; try the values of"
            " a setting with `sspo sweep`, or run it once with `sspo train`"
        )
    return problems


def complete(axes: dict[str, Axis], objective: str, seed: int) -> list[Axis]:
    """Every axis: objective first, then the others as they were typed, seed last. objective and seed: if not typed."""
    first = axes.get("objective", Axis("objective", (objective,), (objective,)))
    last = axes.get("seed", Axis("seed", (str(seed),), (seed,)))
    return [first, *(axis for key, axis in axes.items() if key not in FREE), last]


def problems_of(words: Sequence[str], schema: type[TrainConfig] = TrainConfig) -> list[str]:
    try:
        load_config(schema, words)
    except ConfigError as error:
        return error.problems
    return []
