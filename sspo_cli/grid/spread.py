"""How much paired differences vary over seeds, and so how many seeds it takes to see a difference."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sspo_cli.config.compose import to_dict
from sspo_cli.grid.cost import done_cells
from sspo_cli.grid.differ import differences, is_under, settings, written_settings
from sspo_cli.grid.request import Request
from sspo_cli.statistics.power import seeds_needed

FEWEST_SEEDS = 3
GUESSES = (0.5, 1.0, 2.0)  # of the spread, in units of the difference looked for


@dataclass(frozen=True)
class Spread:
    """The standard deviation over seeds of the difference between two points, and what it was measured on."""

    sd: float
    seeds: int
    folder: Path


def measured_spread(request: Request) -> Spread | None:
    """Of the earlier grid with most seeds whose cells differ from this request's in nothing but objective and seed."""
    wanted = settings(to_dict(request.cells[0].config))
    values: dict[Path, dict[str, dict[int, float]]] = {}
    for folder in done_cells(request.config.output_dir):
        written = written_settings(folder)
        if written is None or any(not is_under(key, ("objective", "seed")) for key in differences(written, wanted)):
            continue
        value = last_value(folder, request.section.metric)
        if value is not None:
            points = values.setdefault(folder.parents[2], {})
            points.setdefault(folder.parent.name, {})[int(written["seed"])] = value
    found = [spread for grid, points in values.items() if (spread := spread_of(grid, points.values()))]
    return max(found, key=lambda spread: spread.seeds, default=None)


def last_value(folder: Path, metric: str) -> float | None:
    try:
        return float(json.loads((folder / "summary.json").read_text())[metric]["last"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def spread_of(folder: Path, points: Iterable[dict[int, float]]) -> Spread | None:
    """Pooled over the points, each paired by seed with the first; None with fewer than `FEWEST_SEEDS` pairs each."""
    first, *others = points
    variances = []
    fewest = len(first)
    for other in others:
        paired = [value - first[seed] for seed, value in other.items() if seed in first]
        if len(paired) >= FEWEST_SEEDS:
            variances.append(statistics.variance(paired))
            fewest = min(fewest, len(paired))
    return Spread(statistics.fmean(variances) ** 0.5, fewest, folder) if any(variances) else None


def power_sentence(request: Request) -> str:
    """Whether the seeds of `request` suffice to see the difference that it looks for."""
    difference, metric = request.section.difference, request.section.metric
    have = len(request.axes[-1].words)
    aim = f"to see a difference of {difference:g} in {metric} (power 80 %, level 5 %)"
    if spread := measured_spread(request):
        needed = seeds_needed(difference, spread.sd)
        verdict = "enough" if have >= needed else "too few"
        return (
            f"{aim} takes {needed} seeds: paired differences had a standard deviation of {spread.sd:.2g} over"
            f" {spread.seeds} seeds in {spread.folder}; here are {have}: {verdict}"
        )
    guesses = ", ".join(f"{seeds_needed(1.0, guess)} if it is {guess * difference:g}" for guess in GUESSES)
    return (
        f"{aim} takes as many seeds as the standard deviation of paired differences asks for, which no run here has"
        f" shown yet: {guesses}; here are {have}"
    )
