"""What `sspo compare` and `sspo sweep` share: read the request, run what is left of it, tell the result."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from sspo_cli.config.describe import notes
from sspo_cli.grid.folder import cell_folders, find_folder, write_grid
from sspo_cli.grid.follow import DONE, FAILED, Followed
from sspo_cli.grid.job import last_line
from sspo_cli.grid.launcher import share
from sspo_cli.grid.request import Kind, Request, read_request
from sspo_cli.grid.run import Outcome, check_fair, find_left, run_left
from sspo_cli.runs.folder import set_status
from sspo_cli.runs.lock import hold

OK, FAILURE, BAD, INTERRUPTED = 0, 1, 2, 130


def run(kind: Kind, words: list[str], *, allowed: list[str], dry_run: bool, quiet: bool, as_json: bool) -> int:
    """Run the grid that `words` ask for, or what is left of it; the exit code.

    Raises:
        ConfigError: for anything wrong with the request; nothing has been written then.
    """
    from sspo_cli.analysis.grid import print_results, write_results

    request = read_request(kind, words, allowed)
    folder = find_folder(request)
    folders = cell_folders(folder, request)
    find_left(folder, request, folders)
    folder.mkdir(parents=True, exist_ok=True)
    with hold(folder):
        findings = find_left(folder, request, folders)
        write_grid(folder, request, folders)
        how = share(request.launcher, len(request.cells), 0)
        for note in [] if quiet else notes(request.config):
            print(note, file=sys.stderr)
        outcome = run_left(folder, request, folders, findings, how, quiet=quiet)
        if outcome.stopped or outcome.problem:
            return stopped(folder, request, outcome)
        unfair = check_fair(
            folder, request, [place for place, cell in zip(folders, outcome.cells, strict=True) if cell.state == DONE]
        )
        undone = [cell for cell in outcome.cells if cell.state != DONE]
        set_status(folder, f"failed: {len(undone)} of {len(outcome.cells)} cells" if undone else "done")
        if unfair:
            set_status(folder, f"failed: {unfair[0]}")
            for line in unfair:
                print(f"sspo: {line}", file=sys.stderr)
            return FAILURE
        summary = write_results(folder)
    if as_json:
        print(json.dumps({"folder": str(folder), **summary}))
    else:
        print_results(folder, summary)
    tell_failures(undone)
    return FAILURE if undone else OK


def stopped(folder: Path, request: Request, outcome: Outcome) -> int:
    set_status(folder, "interrupted" if outcome.stopped else f"failed: {outcome.problem}")
    if not outcome.stopped:
        print(f"sspo: {outcome.problem}", file=sys.stderr)
        return BAD
    done = sum(cell.state == DONE for cell in outcome.cells)
    print(f"interrupted, {done} of {len(outcome.cells)} cells done; go on with:", file=sys.stderr)
    allow = [word for key in request.allowed for word in ("--allow", key)]
    print(f"  {shlex.join(['sspo', request.kind, *request.words, *allow])}", file=sys.stderr)
    return INTERRUPTED


def tell_failures(cells: Sequence[Followed]) -> None:
    for cell in cells:
        reason = cell.status.removeprefix("failed: ") if cell.state == FAILED else last_line(cell.folder / "log.txt")
        print(f"{cell.cell.label}: {cell.state}: {reason} (log: {cell.folder / 'log.txt'})", file=sys.stderr)
