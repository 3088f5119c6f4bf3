"""What `sspo compare` and `sspo sweep` share: read the request, run what is left of it, tell the result."""

from __future__ import annotations

import json
import shlex
import sys

from sspo_cli.config.describe import notes
from sspo_cli.grid.axes import Kind
from sspo_cli.grid.folder import cell_folders, find_folder, write_grid
from sspo_cli.grid.follow import DONE, FAILED, Followed
from sspo_cli.grid.job import last_line
from sspo_cli.grid.launcher import share
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
    from sspo_cli.tracking.display import waiting

    with waiting("reading the grid", quiet=quiet):
        request = read_request(kind, words, allowed)
        grid = locate(request)
        gpus = 0
        if any(cell.state != DONE for cell in grid.cells):
            from sspo_cli.commands.grid_check import check_parts

            gpus = check_parts(request)
    how = share(request.launcher, len(request.cells), gpus)
    if dry_run:
        from sspo_cli.commands.grid_preview import preview

        preview(grid, how, quiet=quiet, as_json=as_json)
        return OK
    for note in [] if quiet else notes_of(request):
        print(note, file=sys.stderr)
    grid.folder.mkdir(parents=True, exist_ok=True)
    with hold(grid.folder):
        wait_for_others(grid, quiet=quiet)
        findings = find_left(grid)
        write_grid(grid.folder, request, [cell.folder.relative_to(grid.folder).as_posix() for cell in grid.cells])
        outcome = run_left(grid, findings, how, quiet=quiet)
        return finish(grid, outcome, as_json=as_json)


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


def notes_of(request: Request) -> list[str]:
    return list(dict.fromkeys(note for cell in request.cells for note in notes(cell.config)))


def finish(grid: Grid, outcome: Outcome, *, as_json: bool) -> int:
    """Say how the grid ended, in its STATUS, its results and here."""
    from sspo_cli.analysis.grid import print_results, write_results

    done = [cell for cell in grid.cells if cell.state == DONE]
    others = [cell for cell in grid.cells if cell.state != DONE]
    if outcome.stopped:
        set_status(grid.folder, "interrupted")
        print(f"interrupted, {len(done)} of {len(grid.cells)} cells done; go on with:", file=sys.stderr)
        print(f"  {command(grid.request)}", file=sys.stderr)
        return STOPPED
    problems = outcome.problems or unfair(grid.request, done)
    failure = problems[0] if problems else f"{len(others)} of {len(grid.cells)} cells" if others else None
    set_status(grid.folder, f"failed: {failure}" if failure else "done")
    for problem in problems:
        print(f"sspo: {problem}", file=sys.stderr)
    if not problems:
        summary = write_results(grid.folder)
        if as_json:
            print(json.dumps({"folder": str(grid.folder), **summary}))
        else:
            print_results(grid.folder, summary)
    tell_failures(others)
    return FAILURE if failure else OK


def command(request: Request) -> str:
    """The command that asks for the same once more."""
    allow = [word for key in request.allowed for word in ("--allow", key)]
    return shlex.join(["sspo", request.kind, *request.words, *allow])


def tell_failures(cells: list[Followed]) -> None:
    for cell in cells:
        log = cell.folder / "log.txt"
        reason = cell.status.removeprefix("failed: ") if cell.state == FAILED else last_line(log)
        print(f"{cell.cell.label}: {cell.state}: {reason} (log: {log})", file=sys.stderr)
