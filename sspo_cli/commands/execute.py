"""What `sspo train` does with a session, new or resumed: run it before the user's eyes."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from sspo_cli.engine.profiler import StepProfiler
from sspo_cli.engine.session import FAILED, Session
from sspo_cli.runs.folder import reward_error_file, title
from sspo_cli.views.displays import open_display


def execute(session: Session, profiled: int | None, parent: int | None, *, quiet: bool, as_json: bool) -> int:
    """Train, and show each step and the end; the exit code. profiled: the step to profile. parent: a process without
    which the run stops and saves."""
    with session:
        profiler = StepProfiler(session.folder, profiled) if profiled else None
        first, steps = session.first_step, session.config.train.steps
        if first and not quiet:
            print(f"going on after step {first} of {steps}", file=sys.stderr)
        try:
            with open_display(title=title(session.folder), first_step=first, total_steps=steps, quiet=quiet) as display:
                outcome = session.train([display, *([profiler] if profiler else [])], parent)
        finally:
            if (ended := session.outcome) and ended.summary:
                from sspo_cli.views.run import show_end  # its plots take a second to import

                profile = profiler.found if profiler else None
                show_end(session.folder, ended.summary, profile, quiet=quiet, as_json=as_json)
    if outcome.code == FAILED and session.writes:
        file = reward_error_file(session.folder)
        of_reward = (
            f"; the response and the traceback are in {file}; with reward.on_error=skip a run goes on without such"
            " responses"
        )
        tell([f"{outcome.status}{of_reward if file.exists() else ''}"])
    return outcome.code


def tell(lines: Iterable[str]) -> None:
    """Lines for the user beside the run."""
    for line in lines:
        print(f"sspo: {line}", file=sys.stderr)


def tell_notes(lines: Iterable[str], *, quiet: bool) -> None:
    for line in [] if quiet else lines:
        print(line, file=sys.stderr)
