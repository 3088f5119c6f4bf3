"""What `sspo compare` and `sspo sweep` share: read the request, run what is left of it, tell the result."""

from __future__ import annotations

import json
import shlex
import sys

from sspo_cli.config.describe import notes
from sspo_cli.config.errors import ConfigError
from sspo_cli.grid.axes import Kind
from sspo_cli.grid.folder import cell_folders, find_folder, write_grid
from sspo_cli.grid.follow import DIED, DONE, FAILED, Followed
from sspo_cli.grid.launcher import Launch, share
from sspo_cli.grid.request import Request, read_request
from sspo_cli.grid.run import Grid, Outcome, find_left, run_left, unfair, wait_for_others
from sspo_cli.runs.folder import set_status
from sspo_cli.runs.lock import hold

OK, FAILURE, STOPPED = 0, 1, 130


def run(kind: Kind, words: list[str], *, allowed: list[str], dry_run: bool, quiet: bool, as_json: bool) -> int:
    """Run the grid that `words` ask for, or what is left of it; the exit code.

    Raises:
        ConfigError: for anything wrong with the request; nothing has been written then.
    """
    from sspo_cli.views.display import waiting

    with waiting("reading the grid", quiet=quiet):
        request = read_request(kind, words, allowed)
        grid = locate(request)
        gpus = 0
        if any(found.todo != "nothing" for found in find_left(grid)):
            from sspo_cli.commands.grid_check import check_parts

            gpus = check_parts(request)
    how = share(request.launcher, len(request.cells), gpus)
    if dry_run:
        from sspo_cli.commands.grid_preview import preview

        preview(grid, how, quiet=quiet, as_json=as_json)
        return OK
    for note in [] if quiet else notes_of(request, how):
        print(note, file=sys.stderr)
    grid.folder.mkdir(parents=True, exist_ok=True)
    with hold(grid.folder):
        wait_for_others(grid, quiet=quiet)
        findings = find_left(grid)
        write_grid(grid.folder, request, [cell.folder.relative_to(grid.folder).as_posix() for cell in grid.cells])
        left = sum(found.todo != "nothing" for found in findings)
        if left and not quiet:
            print(f"{grid.folder}: {left} of {len(findings)} cells to run{together(how)}", file=sys.stderr)
        outcome = run_left(grid, findings, how, quiet=quiet)
        return finish(grid, outcome, quiet=quiet, as_json=as_json)


def locate(request: Request) -> Grid:
    """Where the grid lives, and what is there of it."""
    folder = find_folder(request)
    cells = [
        Followed(cell, folder / place, request.section.metric)
        for cell, place in zip(request.cells, cell_folders(folder, request), strict=True)
    ]
    for cell in cells:
        cell.look()
    return Grid(request, folder, cells)


def together(how: Launch) -> str:
    """How the cells share the machine, in words that follow others."""
    share = f", {how.threads} CPU thread{'s' if how.threads > 1 else ''} each" if how.threads else ""
    return f", {how.at_once} at once{share}" if how.at_once else f", as many at once as the cluster gives{share}"


def notes_of(request: Request, how: Launch) -> list[str]:
    """What a user should know before waiting for this."""
    found = list(dict.fromkeys(note for cell in request.cells for note in notes(cell.config)))
    if request.config.train.max_minutes and how.at_once != 1:
        found.append(
            "train.max_minutes: cells that run together share the machine; hydra/launcher=basic runs one at a time"
        )
    return found


def finish(grid: Grid, outcome: Outcome, *, quiet: bool, as_json: bool) -> int:
    """Say how the grid ended, in its STATUS, its results and here."""
    done = [cell for cell in grid.cells if cell.state == DONE]
    if outcome.stopped:
        set_status(grid.folder, "interrupted")
        print(f"interrupted, {len(done)} of {len(grid.cells)} cells done; go on with:", file=sys.stderr)
        print(f"  {command(grid.request)}", file=sys.stderr)
        return STOPPED
    problems = outcome.problems or unfair(grid.request, done)
    undone = len(grid.cells) - len(done)
    failure = problems[0] if problems else f"{undone} of {len(grid.cells)} cells" if undone else None
    set_status(grid.folder, f"failed: {failure}" if failure else "done")
    problems = problems or tell_results(grid, quiet=quiet, as_json=as_json)
    for problem in [*problems, *(failures(grid) if problems else [])]:
        print(f"sspo: {problem}", file=sys.stderr)
    return FAILURE if failure or problems else OK


def tell_results(grid: Grid, *, quiet: bool, as_json: bool) -> list[str]:
    """Write and print what came of the cells; why that cannot be done, if it cannot."""
    from sspo_cli.analysis.grid.results import print_results, write_results
    from sspo_cli.views.display import phases

    try:
        with phases(quiet=quiet) as progress:
            summary = write_results(grid.folder, progress)
    except ConfigError as error:
        return error.problems
    if as_json:
        print(json.dumps({"folder": str(grid.folder), **summary}))
    else:
        print_results(grid.folder, summary)
    return []


def command(request: Request) -> str:
    """The command that asks for the same once more."""
    allow = [word for key in request.allowed for word in ("--allow", key)]
    return shlex.join(["sspo", request.kind, *request.words, *allow])


def failures(grid: Grid) -> list[str]:
    """A line for every cell that failed, where there are no results to tell it."""
    return [
        f"{cell.cell.label}: {cell.status} (log: {cell.folder / 'log.txt'})"
        for cell in grid.cells
        if cell.state in (FAILED, DIED)
    ]
