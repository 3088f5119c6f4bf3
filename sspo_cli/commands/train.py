"""`sspo train`: compose, check, run, show."""

from __future__ import annotations

import sys
from pathlib import Path

from sspo_cli.config.compose import load_config
from sspo_cli.config.describe import notes
from sspo_cli.config.errors import ConfigError
from sspo_cli.config.paths import missing
from sspo_cli.config.schema import LocalModel, TrainConfig
from sspo_cli.models.source import ask_ahead
from sspo_cli.ranks import launch, under_torchrun
from sspo_cli.runs import format as run_format
from sspo_cli.runs.folder import name_problems
from sspo_cli.runs.further import way_on
from sspo_cli.runs.integrity import remarks
from sspo_cli.startup import LOADING_TORCH, imports
from sspo_cli.views.display import waiting


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
    if config is not None:
        run_format.check_config(config)
    # A replay is a run of its own, with a folder of its own.
    settings = load_config(TrainConfig, ["name=null", *overrides] if config else overrides, base=config)
    if dry_run and profile:
        raise ConfigError(["--profile: a dry run has no step to profile; leave out --profile or --dry-run"])
    if dry_run:
        with waiting("reading model and problems", quiet=quiet), imports():
            from sspo_cli.commands.preview import facts_of, show

            facts = facts_of(settings)
        show(settings, facts, as_json=as_json)
        return 0
    placed = name_problems(settings.output_dir, "train", settings.name, way_on) if folder is None else []
    if problems := [*placed, *missing(settings)]:
        raise ConfigError(problems)
    if settings.engine.kind != "single" and not under_torchrun():
        return launch(sys.argv[1:], settings.engine.processes)
    ask_ahead(settings.model)
    with waiting(LOADING_TORCH, quiet=quiet), imports():
        from sspo_cli.commands.execute import execute, tell, tell_notes
        from sspo_cli.engine.profiler import step_to_profile
        from sspo_cli.engine.session import Session
        from sspo_cli.engine.world import world_of

    words = [word for word in overrides if not word.startswith("name=")]
    command = ["sspo", "train", *(["--config", str(config.absolute())] if config else []), *words]
    with world_of(settings.engine) as world:
        quiet = quiet or world.rank > 0
        session = Session(settings, folder=folder, words=overrides, command=command, world=world)
        session.check()
        if isinstance(settings.model, LocalModel) and session.writes:
            tell(remarks(Path(settings.model.path)))
        profiled = step_to_profile(settings, 0) if profile else None
        tell_notes(notes(settings), quiet=quiet)
        with waiting("loading model and problems", quiet=quiet) as progress:
            session.load(progress)
        tell_notes(session.parts.notes, quiet=quiet)
        return execute(session, profiled, parent, quiet=quiet, as_json=as_json)
