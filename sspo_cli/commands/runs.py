"""`sspo runs`: the runs there are, filtered and sorted by anything they know of themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sspo_cli.config.errors import ConfigError
from sspo_cli.runs.query import as_json as run_as_json
from sspo_cli.runs.query import full_keys, ordered, parse_condition, why_empty
from sspo_cli.runs.record import Record, read_record
from sspo_cli.runs.work import at_work, places_in
from sspo_cli.views.console import print_json
from sspo_cli.views.display import phases
from sspo_cli.views.runs import print_runs
from sspo_cli.views.watch import watch

OUTPUTS = Path("outputs")
NEWEST_FIRST = "age"
QUICK = 50  # so many are read before a bar could be seen


def run(
    folders: list[Path], *, where: list[str], sort: str | None, limit: int | None, as_json: bool, watching: bool = False
) -> int:
    """Print the runs below `folders` (outputs, if none is given) for which all of `where` holds.

    watching: those that are at work, until none is.

    Raises:
        ConfigError: for a folder that is not there, and for conditions and keys that make no sense of any run.
    """
    conditions = [parse_condition(text) for text in where]
    missing = [str(folder) for folder in folders if not folder.is_dir()]
    if missing:
        raise ConfigError(f"{folder}: no such folder; runs are in folders such as outputs/train" for folder in missing)
    if watching and (as_json or sort or limit):
        raise ConfigError(["--watch: shows every run that is running; leave out --json, --sort and --limit"])
    if watching:
        watch(lambda known: at_work(folders or [OUTPUTS], known), conditions)
        return 0
    found = read_all(folders or [OUTPUTS], quiet=as_json)
    keys = [condition.key for condition in conditions] + ([sort.removeprefix("-")] if sort else [])
    if found:
        named = full_keys(keys, found)
        conditions = [replace(condition, key=named[condition.key]) for condition in conditions]
        sort = sort and sort.replace(sort.removeprefix("-"), named[sort.removeprefix("-")])
        keys = list(named.values())
    chosen = [run for run in found if all(condition.holds(run) for condition in conditions)]
    chosen = ordered(chosen, sort or NEWEST_FIRST)
    shown = chosen[:limit]
    if as_json:
        print_json([run_as_json(run) for run in shown])
    elif not shown:
        print(why_empty(folders or [OUTPUTS], found, conditions))
    else:
        print_runs(shown, len(chosen), list(dict.fromkeys(keys)))
    return 0


def read_all(folders: Sequence[Path], *, quiet: bool) -> list[Record]:
    """The record of every run below `folders`, each once."""
    places = places_in(folders)
    with phases(quiet=quiet or len(places) < QUICK) as tell:
        found = []
        for number, place in enumerate(places, start=1):
            found.append(read_record(place))
            tell("reading runs", number, len(places))
    return found
