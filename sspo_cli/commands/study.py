"""What `sspo compare` and `sspo sweep` share: run what is left of a grid, or tell what that would cost."""

from __future__ import annotations

import sys

from sspo_cli.config.errors import ConfigError
from sspo_cli.study.axes import Kind
from sspo_cli.study.launcher import share
from sspo_cli.study.plan import Plan, command_line, missing, read_plan
from sspo_cli.study.run import Outcome, find_left, follow, running
from sspo_cli.views.display import phases, waiting

OK, FAILURE, STOPPED = 0, 1, 130


def run(
    kind: Kind, words: list[str], *, allowed: list[str], dry_run: bool, quiet: bool, as_json: bool, probe: bool = False
) -> int:
    """Run the grid that `words` ask for, or go on with it; the exit code. allowed: keys that the cells of a compare may
    differ in beside objective and seed. probe: a dry run takes steps.

    Raises:
        ConfigError: for anything wrong with the request; nothing has been written then.
    """
    if probe and not dry_run:
        raise ConfigError(["--probe: goes with --dry-run only; a run takes every step"])

    with waiting("reading the grid", quiet=quiet):
        plan = read_plan(kind, words, allowed)
        if problems := missing(plan):
            raise ConfigError(problems)
        todo = [found.todo for found in find_left(plan, follow(plan))]
        how = share(plan.launcher, len(plan.cells), gpus_for(plan) if set(todo) != {"nothing"} else 0)
    if dry_run:
        from sspo_cli.study.cost import preview
        from sspo_cli.views.study_screen import print_preview

        with waiting("taking two steps, to see how long they take", quiet=quiet or not probe):
            found = preview(plan, how, todo, probing=probe)
        print_preview(found, as_json=as_json)
        return OK
    from sspo_cli.views.study_live import open_screen

    screen = open_screen(f"{kind} {plan.folder.name}", quiet=quiet)
    for note in plan.notes(how):
        screen.say(note)
    with running(plan, how, screen) as outcome:
        return finish(plan, outcome, quiet=quiet, as_json=as_json)


def gpus_for(plan: Plan) -> int:
    """Check the parts of every cell; the number of GPUs that cells can have."""
    from sspo_cli.commands.study_check import check_parts

    return check_parts(plan)


def finish(plan: Plan, outcome: Outcome, *, quiet: bool, as_json: bool) -> int:
    """Write and print what came of the cells, or why there are no results."""
    from sspo_cli.study.read import write_results
    from sspo_cli.views.study_page import write_report
    from sspo_cli.views.study_screen import print_results

    if outcome.stopped:
        print(f"interrupted, {outcome.done} of {outcome.total} cells done; go on with:", file=sys.stderr)
        print(f"  {command_line(plan)}", file=sys.stderr)
        return STOPPED
    problems = outcome.problems
    if not problems:
        try:
            with phases(quiet=quiet) as progress:
                study = write_results(plan.folder, progress)
                write_report(study, progress)
            print_results(study, as_json=as_json)
        except ConfigError as error:
            problems = error.problems
    for problem in [*problems, *(outcome.failures if problems else [])]:
        print(f"sspo: {problem}", file=sys.stderr)
    return OK if outcome.status == "done" and not problems else FAILURE
