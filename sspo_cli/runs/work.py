"""The runs at work now, and the grids that they belong to."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from pathlib import Path

from sspo_cli.runs.find import find_runs, grid_of
from sspo_cli.runs.record import Record, read_record
from sspo_cli.runs.status import RUNNING, read_state


def at_work(folders: Iterable[Path], known: AbstractSet[Path]) -> tuple[list[Record], list[Path]]:
    """The record of every run below `folders` that is running, and of those in `known`; the grids that are running, or
    have one of these runs."""
    places = places_in(folders)
    runs = [read_record(place) for place in places if place in known or read_state(place).word == RUNNING]
    owners = {grid_of(run.folder) for run in runs}
    grids = [grid for grid in dict.fromkeys(map(grid_of, places)) if grid]
    return runs, [grid for grid in grids if grid in owners or read_state(grid).word == RUNNING]


def places_in(folders: Iterable[Path]) -> list[Path]:
    """Every run below `folders`, each once."""
    return list(dict.fromkeys(place for folder in folders for place in find_runs(folder)))
