"""Commands that run: train, compare, sweep, eval."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sspo_cli.completers import run_words
from sspo_cli.config.errors import ConfigError
from sspo_cli.parse.app import app, examples
from sspo_cli.parse.options import (
    CompareWords,
    DryRun,
    EvalWords,
    GridDryRun,
    Json,
    Name,
    Probe,
    Quiet,
    Seed,
    SweepWords,
    TrainWords,
    with_options,
)


@app.command(
    epilog=examples(
        "sspo train objective=sspo",
        "sspo train objective=sspo objective/gate=erf objective.gate.tau_pos=5 --seed 1",
        "sspo train objective=grpo dataset=file dataset.path=problems.jsonl --dry-run",
        "sspo train --config outputs/train/sspo-addition-s0/config.yaml --name again",
        "sspo train --resume outputs/train/sspo-addition-s0",
        "sspo train --profile train.steps=2",
    )
)
def train(
    overrides: TrainWords = None,
    name: Name = None,
    seed: Seed = None,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="Start from a run's config.yaml.")
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            "--resume", metavar="RUN", help="Continue the interrupted run in this folder.", autocompletion=run_words
        ),
    ] = None,
    profile: Annotated[
        bool,
        typer.Option("--profile", help="Profile the first evaluated step after one of warm-up: its phases and ops."),
    ] = False,
    allow_change: Annotated[
        bool,
        typer.Option(
            "--allow-change",
            help="With --resume: go on though settings or files have changed since, and write that down.",
        ),
    ] = False,
    folder: Annotated[
        Path | None, typer.Option("--folder", metavar="FOLDER", help="Write the run into this new or empty folder.")
    ] = None,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    as_json: Json = False,
    parent: Annotated[int | None, typer.Option("--parent", hidden=True)] = None,
    multirun: Annotated[bool, typer.Option("--multirun", "-m", hidden=True)] = False,
) -> int:
    """Train a model with one objective and write a run folder."""
    if multirun:
        raise ConfigError(
            ["--multirun: sspo train runs one configuration; a grid runs with `sspo compare` or `sspo sweep`"]
        )
    words = with_options(overrides, name, seed)
    if resume is not None:
        from sspo_cli.commands import train_resume

        return train_resume.run(
            resume, words, quiet=quiet, as_json=as_json, profile=profile, allow_change=allow_change, parent=parent
        )
    if allow_change:
        raise ConfigError(
            ["--allow-change: goes with --resume RUN only; a new run has nothing that could have changed"]
        )
    from sspo_cli.commands import train as command

    return command.run(
        words,
        config=config,
        profile=profile,
        dry_run=dry_run,
        quiet=quiet,
        as_json=as_json,
        folder=folder,
        parent=parent,
    )


@app.command(
    epilog=examples(
        "sspo compare",
        "sspo compare objective=grpo,sspo seed=0,1 --dry-run",
        "sspo compare objective=grpo,gspo,sspo seed=0,1,2,3,4 dataset=addition_hard batch.epochs=2 --name harder",
        "sspo compare objective=grpo,sspo train.steps=1000 train.max_minutes=10",
        "sspo compare hydra/launcher=submitit_slurm hydra.launcher.partition=gpu hydra.launcher.timeout_min=240",
    )
)
def compare(
    overrides: CompareWords = None,
    name: Name = None,
    allow: Annotated[
        list[str] | None,
        typer.Option("--allow", metavar="KEY", help="Let cells differ in this key too; can be repeated."),
    ] = None,
    dry_run: GridDryRun = False,
    probe: Probe = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """Compare objectives under identical conditions, over seeds.

    Each objective is trained with each seed, a run of its own in its own process. Cells may differ in objective and
    seed only. The same command again runs what is missing, goes on with what was interrupted, and adds new seeds.
    """
    from sspo_cli.commands import compare as command

    words = with_options(overrides, name, None)
    return command.run(words, allowed=allow or [], dry_run=dry_run, probe=probe, quiet=quiet, as_json=as_json)


@app.command(
    epilog=examples(
        "sspo sweep objective=sspo objective.gate.tau_pos=2,5,10 seed=0,1",
        "sspo sweep 'objective.gate.tau_pos=range(2,11,4)' optim.lr=1e-5,3e-5 --dry-run",
        "sspo sweep 'objective/gate=glob(log_*)' seed=0,1,2 hydra/launcher=joblib hydra.launcher.n_jobs=4",
    )
)
def sweep(
    overrides: SweepWords = None,
    name: Name = None,
    dry_run: GridDryRun = False,
    probe: Probe = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """Try every combination of several values of settings.

    The grammar of lists is Hydra's: a,b, range(start,stop,step), choice(a,b) and glob(pattern). Each combination is
    trained with each seed, a run of its own in its own process. The same command again runs what is missing.
    """
    from sspo_cli.commands import sweep as command

    words = with_options(overrides, name, None)
    return command.run(words, dry_run=dry_run, probe=probe, quiet=quiet, as_json=as_json)


@app.command(
    "eval",
    epilog=examples(
        "sspo eval outputs/train/sspo-addition-s0",
        "sspo eval outputs/train/sspo-addition-s0 dataset=addition_hard eval.samples=8",
        "sspo eval ~/models/my-model dataset=file dataset.path=problems.jsonl --json",
    ),
)
def evaluate(
    target: Annotated[
        str,
        typer.Argument(
            metavar="RUN_OR_MODEL",
            help="A run, a checkpoint, a model folder, a GGUF file, or a choice of `sspo show model`.",
            autocompletion=run_words,
        ),
    ],
    overrides: EvalWords = None,
    name: Name = None,
    seed: Seed = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """Measure a run or a model folder on held-out problems."""
    from sspo_cli.commands import eval as command

    return command.run(target, with_options(overrides, name, seed), quiet=quiet, as_json=as_json)
