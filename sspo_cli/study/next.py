"""What to type after a study: run what is missing, ask for more, and read what the models wrote."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence

from sspo_cli.runs.folder import command_of
from sspo_cli.statistics.intervals import FEWEST_SEEDS
from sspo_cli.statistics.power import MOST_SEEDS
from sspo_cli.study.compare import Comparison
from sspo_cli.study.results import Study
from sspo_cli.study.verdict import seeds_to_confirm

MORE = 2  # times as many seeds, or
MORE_PROBLEMS = 4  # times as many problems


def next_commands(study: Study) -> list[str]:
    """The commands, the most useful one first."""
    grid = study.grid
    words = shlex.split(command_of(grid.folder) or "")
    repeats = words[:2] == ["sspo", grid.kind]  # a report of several runs was made by another command
    found = []
    if repeats and study.failures:
        found.append(shlex.join(words))
    elif repeats and (asked := more(study)):
        replaced = (key_of(asked), *(["name"] if key_of(asked) != "seed" else []))  # other settings, another grid
        found.append(shlex.join([*(word for word in words if key_of(word) not in replaced), asked]))
    if study.best_command:
        found.append(again(study, study.best_command))
    return [*found, *read_responses(study), *([f"sspo runs {grid.folder}"] if repeats else [])]


def more(study: Study) -> str | None:
    """The seeds, or problems, that may settle what a compare left open, as a word of its command."""
    undecided = [item for item in study.comparisons if item.verdict != "separable" and not no_difference(item)]
    if study.grid.baseline is None or not undecided:
        return None
    size = study.worth_seeing or 0.0
    if study.problems and any(item.seeds_to_see(size) == MOST_SEEDS for item in undecided):
        return f"eval.problems={MORE_PROBLEMS * study.problems}"
    seeds = study.grid.axes["seed"]
    return seeds_word([*seeds, *new_seeds(seeds, seeds_to_add(study, undecided))])


def seeds_to_add(study: Study, undecided: Sequence[Comparison]) -> int:
    """As many as the sentences under the table ask for, if these are at most MORE times as many as there are."""
    have = len(study.grid.axes["seed"])
    to_see = [item.seeds_to_see(study.worth_seeing or 0.0) or 0 for item in undecided if item.tested]
    if to_see and have < max(to_see):
        asked = max(*to_see, seeds_to_confirm([item for item in study.comparisons if item.tested]))
        if asked <= MORE * have:
            return asked - have
    return max(FEWEST_SEEDS - have, (MORE - 1) * have)


def no_difference(item: Comparison) -> bool:
    """Whether the two ended alike on every problem with every seed."""
    return item.tested and item.low == item.high == 0


def again(study: Study, command: str) -> str:
    """The best point of a sweep with new seeds: those that chose it make its value too good."""
    words = shlex.split(command)[2:]
    seeds = new_seeds(study.grid.axes["seed"], FEWEST_SEEDS)
    return shlex.join(["sspo", "sweep", *(word for word in words if key_of(word) != "name"), seeds_word(seeds)])


def read_responses(study: Study) -> list[str]:
    """The best point's responses, beside those of the baseline or of the second best, with a seed that both have."""
    known = [point for point in study.ranked if point.known]
    other = next((point for point in known if point.name == study.grid.baseline), None)
    pair = [known[0], *[point for point in [other, *known[1:]] if point and point is not known[0]][:1]] if known else []
    seeds = set.intersection(*(set(point.seeds) for point in pair)) if pair else set()
    if not seeds:
        return []
    folders = [
        os.path.normpath(run.cell.folder)
        for point in pair
        for run in study.grid.done(point.point)
        if run.seed == min(seeds)
    ]
    return [shlex.join(["sspo", "samples", folders[0], *(["--with", folders[1]] if folders[1:] else [])])]


def new_seeds(seeds: Sequence[int], number: int) -> list[int]:
    first = max(map(int, seeds)) + 1
    return list(range(first, first + number))


def seeds_word(seeds: Sequence[int]) -> str:
    return f"seed={','.join(map(str, seeds))}"


def key_of(word: str) -> str:
    return word.partition("=")[0]
