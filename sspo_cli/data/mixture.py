"""Several datasets as one: every problem of the training stream is of a part, drawn by weight."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from sspo_cli.config.errors import ConfigError
from sspo_cli.data.apart import Avoiding, forms_of, told_apart, without_forms
from sspo_cli.data.listed import Listed
from sspo_cli.data.problem import CanLeaveOut, Dataset, Problem
from sspo_cli.seeds import stream

BLOCK = 1024  # draws at once


class Mixture:
    """Parts by name. Which part the index-th problem is of, and which of its problems, depends on seed and index alone:
    the parts of all earlier problems are drawn again to count them."""

    def __init__(
        self, parts: Mapping[str, Dataset], weights: Mapping[str, float], seed: int, notes: Sequence[str] = ()
    ) -> None:
        self.parts = parts
        self.weights = weights
        self.names = list(parts)
        total = sum(weights[name] for name in self.names)
        self.shares = np.array([weights[name] / total for name in self.names])
        self.seed = seed
        self.notes = notes
        self.evaluation = [of_part(name, problem) for name in self.names for problem in parts[name].evaluation]
        self.blocks: list[NDArray[np.int64]] = []
        self.before = [np.zeros(len(parts), dtype=np.int64)]  # of each block, the problems of each part before it

    @property
    def train_size(self) -> int | None:
        sizes = [part.train_size for part in self.parts.values()]
        return None if None in sizes else sum(size for size in sizes if size is not None)

    def train_problem(self, index: int) -> Problem:
        number, inner = self.place(index)
        name = self.names[number]
        return of_part(name, self.parts[name].train_problem(inner))

    def problems(self) -> Iterable[Problem]:
        return chain.from_iterable((of_part(name, item) for item in self.parts[name].problems()) for name in self.names)

    def without(self, problems: Collection[Problem]) -> Mixture:
        """The same parts without `problems`.

        Raises:
            ConfigError: if that leaves a part none to learn from, or to evaluate on.
        """
        parts = dict(self.parts)
        for name, part in self.parts.items():
            own = {item for item in [*part.problems(), *part.evaluation] if of_part(name, item) in problems}
            if own and isinstance(part, CanLeaveOut):
                parts[name] = left = part.without(own)
                if not left.train_size or not left.evaluation:
                    raise ConfigError(
                        [f"dataset.parts.{name}.max_prompt_length: leaves this part no problem; raise it"]
                    )
        return Mixture(parts, self.weights, self.seed, self.notes)

    def place(self, index: int) -> tuple[int, int]:
        """The number of the part that the index-th problem is of, and how many of its problems come before."""
        block, offset = divmod(index, BLOCK)
        while len(self.blocks) <= block:
            drawn = stream(self.seed, "mixture", len(self.blocks)).choice(len(self.names), size=BLOCK, p=self.shares)
            self.blocks.append(drawn)
            self.before.append(self.before[-1] + np.bincount(drawn, minlength=len(self.names)))
        drawn = self.blocks[block]
        part = int(drawn[offset])
        return part, int(self.before[block][part] + (drawn[:offset] == part).sum())


def of_part(name: str, problem: Problem) -> Problem:
    return replace(problem, id=f"{name}/{problem.id}", source=name)


def kept_apart(parts: Mapping[str, Dataset], seed: int) -> tuple[dict[str, Dataset], list[str]]:
    """The parts without the problems to learn from that any of them holds out, and lines about those.

    Raises:
        ConfigError: if that leaves a part none.
    """
    forms = forms_of(problem for part in parts.values() for problem in held_out_of(part))
    found: dict[str, Dataset] = {}
    notes: list[str] = []
    problems: list[str] = []
    for name, part in parts.items():
        found[name], dropped = without(part, forms, seed)
        notes += told_apart(f"dataset.parts.{name}", dropped)
        if found[name].train_size == 0:
            problems.append(f"dataset.parts.{name}: all of its problems are held out, and none is left to learn from")
    if problems:
        raise ConfigError(problems)
    return found, notes


def held_out_of(dataset: Dataset) -> Sequence[Problem]:
    if isinstance(dataset, Mixture):
        return [problem for part in dataset.parts.values() for problem in held_out_of(part)]
    return dataset.held_out if isinstance(dataset, Listed) else dataset.evaluation


def without(dataset: Dataset, forms: Set[str], seed: int) -> tuple[Dataset, int]:
    """`dataset` with a training stream that asks nothing of `forms`, and how many of its problems do."""
    if isinstance(dataset, Mixture):
        inner = {name: without(part, forms, seed) for name, part in dataset.parts.items()}
        parts = {name: part for name, (part, _) in inner.items()}
        return Mixture(parts, dataset.weights, seed, dataset.notes), sum(dropped for _, dropped in inner.values())
    if isinstance(dataset, Listed):
        train, dropped = without_forms(dataset.train, forms)
        return Listed(train, dataset.evaluation, seed, dataset.notes, dataset.held_out), dropped
    return Avoiding(dataset, forms), 0


def shares(count: int, names: Sequence[str]) -> dict[str, int]:
    """`count` problems over parts, as equal as can be, the first ones having one more."""
    each, more = divmod(count, len(names))
    return {name: each + (place < more) for place, name in enumerate(names)}
