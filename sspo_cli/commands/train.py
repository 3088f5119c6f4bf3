"""`sspo train`: compose, check, run, show."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from sspo_cli.config.compose import load_config
from sspo_cli.config.describe import notes
from sspo_cli.config.errors import ConfigError
from sspo_cli.config.paths import missing
from sspo_cli.config.schema import LocalModel, TrainConfig
from sspo_cli.models.source import ask_ahead
from sspo_cli.runs import format as run_format
from sspo_cli.runs.integrity import remarks
from sspo_cli.startup import imports


def run(
    overrides: list[str],
    *,
    config: Path | None,
    dry_run: bool,
    quiet: bool,
    as_json: bool,
    profile: bool = False,
    folder: Path | None = None,
    parent: int | None = None,
) -> int:
    """Train as configured; the exit code.

    config: a resolved config.yaml to replay. profile: one step. folder: where the run is written, instead of a new
    folder under output_dir. parent: a process without which the run stops and saves.

    Raises:
        ConfigError: for anything wrong with the request; nothing has been written then.
    """
    if config is not None and not config.is_file():
        raise ConfigError([f"--config {config}: no such file"])
    if config is not None:
        run_format.check(config.parent)
    # A replay is a run of its own, with a folder of its own.
    settings = load_config(TrainConfig, ["name=null", *overrides] if config else overrides, base=config)
    if dry_run and profile:
        raise ConfigError(["--profile: a dry run has no step to profile; leave out --profile or --dry-run"])
    if dry_run:
        from sspo_cli.commands.preview import preview

        preview(settings, as_json=as_json)
        return 0
    if problems := missing(settings):
        raise ConfigError(problems)
    ask_ahead(settings.model)
    with imports():
        from sspo_cli.commands.execute import execute, tell
        from sspo_cli.engine.profiler import step_to_profile
        from sspo_cli.engine.session import Session
        from sspo_cli.views.display import waiting

    words = [word for word in overrides if not word.startswith("name=")]
    command = ["sspo", "train", *(["--config", str(config.absolute())] if config else []), *words]
    session = Session(settings, folder=folder, words=overrides, command=command)
    session.check()
    tell(remarks(Path(settings.model.path)) if isinstance(settings.model, LocalModel) else [])
    profiled = step_to_profile(settings, 0) if profile else None
    tell_notes(notes(settings), quiet=quiet)
    with waiting("loading model and problems", quiet=quiet) as progress:
        session.load(progress)
    tell_notes(session.parts.notes, quiet=quiet)
    return execute(session, profiled, parent, quiet=quiet, as_json=as_json)


def tell_notes(lines: Iterable[str], *, quiet: bool) -> None:
    for line in [] if quiet else lines:
        print(line, file=sys.stderr)
