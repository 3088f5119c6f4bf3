"""`sspo train --resume RUN`: go on from its newest whole checkpoint."""

from __future__ import annotations

from pathlib import Path

from sspo_cli.config.errors import ConfigError, all_or_problems
from sspo_cli.config.paths import missing
from sspo_cli.runs import folder as runs
from sspo_cli.runs.began import Began, newest_whole, read_settings, set_aside
from sspo_cli.runs.integrity import damage
from sspo_cli.runs.lock import hold
from sspo_cli.runs.status import read_state
from sspo_cli.startup import imports


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
    """Go on with the run in `folder`; the exit code. allow_change: with what has changed since it began.

    Raises:
        ConfigError: for anything wrong with the request; nothing has been written then.
    """
    if overrides:
        raise ConfigError(
            [f"--resume {folder}: takes no overrides ({' '.join(overrides)}); a run goes on as it was started"]
        )
    saved = runs.checkpoints(folder)
    if not saved:
        raise ConfigError([f"--resume {folder}: no checkpoint there; runs are folders such as outputs/train/NAME"])
    settings = read_settings(folder)
    if read_state(folder).word == "done" and not damage(saved[-1]):
        raise ConfigError([f"--resume {folder}: the run is done; evaluate it with `sspo eval {folder}`"])
    if problems := missing(settings):
        raise ConfigError([*problems, *Began(folder, allow=allow_change).elsewhere(settings)])
    with imports():
        from sspo_cli.commands.execute import execute, tell
        from sspo_cli.engine.profiler import step_to_profile
        from sspo_cli.engine.session import Continued, Session
        from sspo_cli.views.display import waiting

    with hold(folder):
        began = Began(folder, allow=allow_change)
        checkpoint, damaged = newest_whole(folder)
        continued = Continued(folder, checkpoint, began)
        session = Session(settings, continued=continued)
        try:
            with waiting("loading the checkpoint", quiet=quiet) as progress:
                _, profiled, _ = all_or_problems(
                    lambda: began.check_settings(session.config),
                    lambda: step_to_profile(settings, continued.step) if profile else None,
                    lambda: session.load(progress),
                )
        except ConfigError as error:
            raise ConfigError([*error.problems, *began.elsewhere(settings)]) from error
        tell(began.remarks(checkpoint))
        for other, faults in damaged.items():
            set_aside(other, faults, continued.step)
        if began.changes:
            began.record(session.standing(), continued.step)
        return execute(session, profiled, parent, quiet=quiet, as_json=as_json)
