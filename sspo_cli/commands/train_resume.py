"""`sspo train --resume RUN`: go on from its newest whole checkpoint."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path

from sspo_cli.config.errors import ConfigError, all_or_problems
from sspo_cli.config.paths import missing
from sspo_cli.ranks import launch, under_torchrun
from sspo_cli.runs import folder as runs
from sspo_cli.runs.began import Began, newest_whole, read_settings, set_aside
from sspo_cli.runs.further import LENGTH, done_problem, longer, no_checkpoint, schedule_notes, write_settings
from sspo_cli.runs.integrity import damage
from sspo_cli.runs.lock import hold
from sspo_cli.runs.status import read_state
from sspo_cli.startup import LOADING_TORCH, imports
from sspo_cli.views.display import waiting


def run(
    folder: Path,
    overrides: list[str],
    *,
    quiet: bool,
    as_json: bool,
    profile: bool = False,
    allow_change: bool = False,
    parent: int | None = None,
) -> int:
    """Go on with the run in `folder`; the exit code. overrides: its length, its engine. allow_change: of what it reads.

    Raises:
        ConfigError: for anything wrong with the request; nothing has been written then.
    """
    saved = runs.checkpoints(folder)
    if not saved:
        raise ConfigError([f"--resume {folder}: {no_checkpoint(folder)}"])
    began_as = read_settings(folder)
    settings = longer(folder, began_as, overrides)
    step = int(saved[-1].name.removeprefix("step_"))
    is_done = read_state(folder).word == "done" and not damage(saved[-1])
    if is_done and (problem := done_problem(folder, began_as, settings, step)):
        raise ConfigError([problem])
    if problems := missing(settings):
        raise ConfigError([*problems, *Began(folder, allow=allow_change).elsewhere(settings)])
    if settings.engine.kind != "single" and not under_torchrun():
        return launch(sys.argv[1:], settings.engine.processes)
    with waiting(LOADING_TORCH, quiet=quiet), imports():
        from sspo_cli.commands.execute import execute, tell
        from sspo_cli.engine.profiler import step_to_profile
        from sspo_cli.engine.session import Continued, Session
        from sspo_cli.engine.world import world_of

    with world_of(settings.engine) as world, hold(folder) if world.rank == 0 else nullcontext():
        quiet = quiet or world.rank > 0
        began = Began(folder, allow=allow_change, asked=LENGTH if overrides else ())
        checkpoint, damaged = newest_whole(folder)
        continued = Continued(folder, checkpoint, began)
        session = Session(settings, continued=continued, world=world)
        try:
            with waiting("loading the checkpoint", quiet=quiet) as progress:
                _, profiled, _ = all_or_problems(
                    lambda: began.check_settings(session.config),
                    lambda: step_to_profile(settings, continued.step) if profile else None,
                    lambda: session.load(progress),
                )
        except ConfigError as error:
            raise ConfigError([*error.problems, *began.elsewhere(settings)]) from error
        if session.writes:
            tell(began.remarks(checkpoint))
            for other, faults in damaged.items():
                set_aside(other, faults, continued.step)
            if settings != began_as:
                tell(schedule_notes(began_as, settings, continued.step))
                write_settings(folder, settings)
            if began.changes:
                began.record(session.standing(), continued.step)
        return execute(session, profiled, parent, quiet=quiet, as_json=as_json)
