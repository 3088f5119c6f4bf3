"""The `sspo` command: names, help, examples. It parses, then imports: `sspo --help` loads neither torch nor Hydra."""

from __future__ import annotations

import sys
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from sspo_cli import __version__
from sspo_cli.completers import (
    choice_words,
    compare_words,
    eval_words,
    group_words,
    objective_words,
    recipe_words,
    run_words,
    sweep_words,
    train_words,
)
from sspo_cli.config.errors import ConfigError
from sspo_cli.guards import OutOfMemory, no_space
from sspo_cli.streams import lost, open_streams

TrainWords = Annotated[
    list[str] | None,
    typer.Argument(metavar="KEY=VALUE", help="Settings to change; see `sspo show`.", autocompletion=train_words),
]
EvalWords = Annotated[
    list[str] | None,
    typer.Argument(metavar="KEY=VALUE", help="Settings to change; see `sspo show`.", autocompletion=eval_words),
]
CompareWords = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="KEY=VALUE,...", help="Objectives, seeds, and settings of all cells.", autocompletion=compare_words
    ),
]
SweepWords = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="KEY=VALUE,...", help="Axes, several values each, and settings.", autocompletion=sweep_words
    ),
]
RunFolder = Annotated[
    str, typer.Argument(metavar="RUN", help="A run folder; see `sspo runs`.", autocompletion=run_words)
]
RecipeName = Annotated[str, typer.Argument(metavar="NAME", help="See `sspo recipe list`.", autocompletion=recipe_words)]
Name = Annotated[str | None, typer.Option("--name", metavar="NAME", help="The run folder's name; name=NAME.")]
Seed = Annotated[str | None, typer.Option("--seed", metavar="N", help="The seed; seed=N.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print the configuration, its size and its batch; build nothing.")
]
GridDryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print the cells, what they cost, and what their seeds can show; run nothing.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only the result.")]
Json = Annotated[bool, typer.Option("--json", help="The result as JSON on stdout.")]


class Direction(StrEnum):
    """Which end of a metric is better."""

    max = "max"
    min = "min"


class Commands(TyperGroup):
    """Commands whose exit code is what they return: nothing below them, such as a user's reward, ends sspo with one.

    The name of a command may have two words, such as `runs push` beside `runs`.
    """

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> Any:  # type: ignore[override]
        both = " ".join(args[:2])
        return super().resolve_command(ctx, [both, *args[2:]] if both in self.commands else args)

    def shell_complete(self, ctx: typer.Context, incomplete: str) -> Any:  # type: ignore[override]
        """A shell offers one word at a time."""
        return [item for item in super().shell_complete(ctx, incomplete) if " " not in item.value]

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        try:
            return super().invoke(ctx)
        except SystemExit as error:
            raise RuntimeError(f"something below this command raised {error!r}") from error


app = typer.Typer(
    name="sspo",
    cls=Commands,
    help="Compare policy-optimization objectives for language models: one engine, one word to change.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
recipes = typer.Typer(help="Complete experiments: list, read, run, check, copy.", rich_markup_mode=None)
app.add_typer(recipes, name="recipe")


def examples(*lines: str) -> str:
    """An epilog whose line breaks are kept: a paragraph after \\b is not wrapped."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


def with_options(overrides: list[str] | None, name: str | None, seed: str | None) -> list[str]:
    """The options that are another way to write an override, written as one."""
    words = list(overrides or [])
    words += [f"name={name}"] if name is not None else []
    words += [f"seed={seed}"] if seed is not None else []
    return words


def print_version(wanted: bool) -> None:
    if wanted:
        print(f"sspo {__version__}")
        raise typer.Exit


@app.callback(
    invoke_without_command=True,
    epilog=examples("sspo train objective=sspo", "sspo show objective", "sspo eval outputs/train/sspo-addition-s0"),
)
def root(
    ctx: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=print_version, is_eager=True)
    ] = False,
) -> None:
    help_without_command(ctx)


@recipes.callback(
    invoke_without_command=True,
    epilog=examples("sspo recipe list", "sspo recipe run quickstart --check", "sspo recipe copy quickstart"),
)
def help_without_command(ctx: typer.Context) -> None:
    if ctx.invoked_subcommand is None:
        print(ctx.get_help())


@app.command(
    epilog=examples(
        "sspo train objective=sspo",
        "sspo train objective=sspo objective/gate=erf objective.gate.tau_pos=5 --seed 1",
        "sspo train objective=grpo dataset=jsonl dataset.path=problems.jsonl --dry-run",
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
        raise ConfigError(["--multirun: sspo train runs one configuration; a grid runs with `sspo sweep`"])
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
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """Compare objectives under identical conditions, over seeds.

    Each objective is trained with each seed, a run of its own in its own process. Cells may differ in objective and
    seed only. The same command again runs what is missing, goes on with what was interrupted, and adds new seeds.
    """
    from sspo_cli.commands import compare as command

    words = with_options(overrides, name, None)
    return command.run(words, allowed=allow or [], dry_run=dry_run, quiet=quiet, as_json=as_json)


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
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """Try every combination of several values of settings.

    The grammar of lists is Hydra's: a,b, range(start,stop,step), choice(a,b) and glob(pattern). Each combination is
    trained with each seed, a run of its own in its own process. The same command again runs what is missing.
    """
    from sspo_cli.commands import sweep as command

    return command.run(with_options(overrides, name, None), dry_run=dry_run, quiet=quiet, as_json=as_json)


@app.command(
    "eval",
    epilog=examples(
        "sspo eval outputs/train/sspo-addition-s0",
        "sspo eval outputs/train/sspo-addition-s0 dataset=addition_hard eval.samples=8",
        "sspo eval ~/models/my-model dataset=jsonl dataset.path=problems.jsonl --json",
    ),
)
def evaluate(
    target: Annotated[
        str,
        typer.Argument(metavar="RUN_OR_MODEL", help="A run folder or a model folder.", autocompletion=run_words),
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


@app.command(
    epilog=examples(
        "sspo show",
        "sspo show objective",
        "sspo show objective sspo",
        "sspo show objective sspo objective/gate=erf objective.gate.calibrate='{at: 1.2, multiplier: 0.5}'",
        "sspo show objective sspo sapo gmpo grpo --plot",
        "sspo show metric update/effective_ratio",
    )
)
def show(
    group: Annotated[
        str | None, typer.Argument(metavar="GROUP", help="For example objective.", autocompletion=group_words)
    ] = None,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME|KEY=VALUE",
            help="For example sspo; of objectives, settings to change in each.",
            autocompletion=choice_words,
        ),
    ] = None,
    plot: Annotated[
        bool,
        typer.Option(
            "--plot",
            help="Draw objectives, all if none is named, here and as outputs/show/objective-NAMES.svg (-2, -3 and so on"
            " where another picture has that name). With --json, print the curves instead.",
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Where --plot writes the SVG; never over another file."),
    ] = None,
    as_json: Json = False,
) -> int:
    """List the choices of every group, or explain some; `sspo show metric` tells what runs measure.

    A choice is told in full: what it is, its settings, and where each setting comes from.
    """
    from sspo_cli.commands import show as command

    return command.run(group, words or [], plot=plot, out=out, as_json=as_json)


@app.command(
    epilog=examples(
        "sspo selftest", "sspo selftest mine", "sspo selftest sspo sapo objective/gate=erf", "sspo selftest --json"
    )
)
def selftest(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME... KEY=VALUE...",
            help="Objectives, all if none is named, and settings to change in each.",
            autocompletion=objective_words,
        ),
    ] = None,
    as_json: Json = False,
) -> int:
    """Check that objectives, yours included, are sound.

    Each is asked the laws that make a policy-optimization objective right, one column of the table each; a line with
    the numbers tells what is broken.
    """
    from sspo_cli.commands import selftest as command

    return command.run(words or [], as_json=as_json)


@app.command(
    epilog=examples(
        "sspo inspect",
        "sspo inspect objective=sspo,gspo objective/gate=identity",
        "sspo inspect outputs/train/sspo-addition-s0 --updates 16",
    )
)
def inspect(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN] [KEY=VALUE]", help="A run to start from; settings.", autocompletion=train_words),
    ] = None,
    updates: Annotated[
        int | None,
        typer.Option(
            "--updates", min=0, metavar="K", help="Updates between sampling and measuring.", show_default=False
        ),
    ] = None,
    rollouts: Annotated[int, typer.Option("--rollouts", min=1, metavar="N", help="Rollouts to measure on.")] = 1,
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """Compare the gradients of objectives on identical rollouts, off-policy.

    Takes every objective, or those in objective=a,b. The policy moves by K updates (as many as a rollout serves, if not
    given), then each objective's gradient is taken on the same responses: cosines, norms, signal to noise, effective
    ratio, silenced tokens, weights.
    """
    from sspo_cli.commands import inspect as command

    return command.run(list(words or []), updates=updates, rollouts=rollouts, quiet=quiet, as_json=as_json)


@app.command(
    epilog=examples(
        "sspo report outputs/compare/grpo-sspo-addition",
        "sspo report outputs/train/sspo-addition-s0",
        "sspo report outputs/train/*-addition-s? --baseline grpo --name all_runs",
        "sspo report outputs/sweep/updates outputs/sweep/staleness --metric reward/mean",
    )
)
def report(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Run folders and grid folders.")],
    metric: Annotated[
        str | None,
        typer.Option("--metric", metavar="METRIC", help="Any metric of metrics.jsonl; its last value counts."),
    ] = None,
    direction: Annotated[
        Direction | None, typer.Option("--direction", help="Which end of the metric is better.", show_default=False)
    ] = None,
    baseline: Annotated[
        str | None, typer.Option("--baseline", metavar="OBJECTIVE", help="What the others are compared with.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="Of the folder in outputs/report.")] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """Build the report of a run or a grid anew, or one of several.

    One grid or run is reported in its own folder. Several, or one with other wishes, are reported together in
    outputs/report: the keys in which they differ become the axes, their seeds the replicates.
    """
    from sspo_cli.commands import report as command

    return command.run(
        folders,
        metric=metric,
        direction=direction.value if direction else None,
        baseline=baseline,
        name=name,
        quiet=quiet,
        as_json=as_json,
    )


@app.command(
    epilog=examples(
        "sspo runs",
        "sspo runs --where objective=sspo,grpo --where 'eval/accuracy>0.5' --sort -eval/accuracy",
        "sspo runs outputs/compare --where status=failed",
        "sspo runs --where 'age<24' --sort optim.lr --json",
    )
)
def runs(
    folders: Annotated[
        list[Path] | None, typer.Argument(metavar="DIR", help="Where to look.", show_default="outputs")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where",
            metavar="KEY=VALUE",
            help="Only runs with this status, choice, setting or last value of a metric; also !=, <, <=, >, >=, and"
            " KEY=A,B for either. May be repeated.",
        ),
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option("--sort", metavar="KEY", help="Sort by KEY; by -KEY from the highest.", show_default="age"),
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, metavar="N", help="The first N only.")] = None,
    as_json: Json = False,
) -> int:
    """List runs: what they are, how far they got, what they reached.

    Cells of compares and sweeps are runs too. Besides settings and metrics, runs have: folder, kind (train or eval),
    status, step, steps, minutes and age (hours since they were last written to).
    """
    from sspo_cli.commands import runs as command

    return command.run(folders or [], where=where or [], sort=sort, limit=limit, as_json=as_json)


@app.command(
    "runs push",
    epilog=examples(
        "sspo runs push outputs/train/sspo-addition-s0 --to wandb tracker.mode=offline",
        "sspo runs push outputs/train/sspo-addition-s0 --to tensorboard",
    ),
)
def runs_push(
    run: RunFolder,
    words: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Settings of the tracker, tracker.KEY=VALUE.")
    ] = None,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="TRACKER", help="wandb, trackio or tensorboard.", show_default="the run's own"),
    ] = None,
) -> int:
    """Mirror a run to a tracker: what it has not got of metrics.jsonl, and samples of its evaluations."""
    from sspo_cli.commands import push as command

    return command.run(Path(run), words or [], to=to)


@app.command(
    epilog=examples(
        "sspo diff outputs/train/sspo-addition-s0 outputs/train/grpo-addition-s0",
        "sspo diff outputs/train/sspo-addition-s0/config.yaml other.yaml --json",
    )
)
def diff(
    a: Annotated[
        str, typer.Argument(metavar="A", help="A run folder, or a config.yaml file.", autocompletion=run_words)
    ],
    b: Annotated[str, typer.Argument(metavar="B", help="The other.", autocompletion=run_words)],
    as_json: Json = False,
) -> int:
    """Show what sets two runs apart.

    Settings, versions and content hashes, where they differ; then the metrics of both, with what B has more than A.
    """
    from sspo_cli.commands import diff as command

    return command.run(a, b, as_json=as_json)


@app.command(
    epilog=examples(
        "sspo samples outputs/train/sspo-addition-s0",
        "sspo samples outputs/train/sspo-addition-s0 --worst --limit 10",
        "sspo samples outputs/train/sspo-addition-s0 --step 5 --prompt 3",
        "sspo samples outputs/train/sspo-addition-s0 --with outputs/train/grpo-addition-s0 --worst",
    )
)
def samples(
    run: RunFolder,
    worst: Annotated[bool, typer.Option("--worst", help="Lowest rewards first; with --with, most lost first.")] = False,
    best: Annotated[bool, typer.Option("--best", help="Highest rewards first; with --with, most won first.")] = False,
    step: Annotated[
        int | None, typer.Option("--step", min=0, metavar="N", help="Of step N.", show_default="the latest")
    ] = None,
    prompt: Annotated[
        str | None,
        typer.Option("--prompt", metavar="K", help="Of prompt number K; or of prompts with this text, at any step."),
    ] = None,
    beside: Annotated[
        str | None,
        typer.Option("--with", metavar="RUN2", help="Another run's beside them.", autocompletion=run_words),
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, metavar="N", help="The first N only.")] = None,
    as_json: Json = False,
) -> int:
    """Read a run's responses, with reward, advantage and length.

    Shows what the run learned from at a step, or held-out responses where that is all there is. Beside another run,
    the same samples of the same held-out problems are shown; if there are none, of the same training problems.
    """
    from sspo_cli.commands import samples as command

    return command.run(
        run, worst=worst, best=best, step=step, prompt=prompt, beside=beside, limit=limit, as_json=as_json
    )


@app.command(
    epilog=examples(
        "sspo export outputs/train/sspo-addition-s0",
        "sspo export outputs/train/sspo-addition-s0 --step 20 --to mine",
        "sspo export outputs/train/sspo-gsm8k-s0 --merge",
    )
)
def export(
    run: RunFolder,
    step: Annotated[
        int | None, typer.Option("--step", min=0, metavar="N", help="Of step N.", show_default="the latest")
    ] = None,
    merge: Annotated[bool, typer.Option("--merge", help="Adapters as part of the weights, in float32.")] = False,
    to: Annotated[
        Path | None,
        typer.Option(
            "--to", metavar="FOLDER", help="A new folder.", show_default="exports/step_NNNNNN in the run folder"
        ),
    ] = None,
    as_json: Json = False,
) -> int:
    """Write a checkpoint as a plain folder that transformers loads.

    Weights and tokenizer, without what training needs to go on. Adapters are written as peft knows them, or with
    --merge as one model with what they stand on. Nothing is overwritten.
    """
    from sspo_cli.commands import export as command

    return command.run(run, step=step, merge=merge, to=to, as_json=as_json)


@recipes.command("list")
def recipe_list(as_json: Json = False) -> int:
    """List every recipe and where it was last verified."""
    from sspo_cli.commands import recipe

    return recipe.list_recipes(as_json=as_json)


@recipes.command("show")
def recipe_show(name: RecipeName) -> int:
    """Print a recipe's file."""
    from sspo_cli.commands import recipe

    return recipe.show(name)


@recipes.command("run", epilog=examples("sspo recipe run quickstart --check", "sspo recipe run quickstart seed=1"))
def recipe_run(
    name: RecipeName,
    overrides: TrainWords = None,
    check: Annotated[bool, typer.Option("--check", help="Exit 1 unless the result is as the recipe expects.")] = False,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """Run a recipe."""
    from sspo_cli.commands import recipe

    return recipe.run(name, overrides or [], check=check, dry_run=dry_run, quiet=quiet, as_json=as_json)


@recipes.command("copy")
def recipe_copy(name: RecipeName) -> int:
    """Copy a recipe into ./recipes, to change it there."""
    from sspo_cli.commands import recipe

    return recipe.copy(name)


def require_posix() -> None:
    """Locks of run folders and the peak of memory come from modules that Python has on POSIX systems only.

    Raises:
        ConfigError: naming the missing modules.
    """
    missing = [module for module in ("fcntl", "resource") if find_spec(module) is None]
    if missing:
        raise ConfigError(
            [
                f"Python on this system ({sys.platform}) lacks {' and '.join(missing)}: sspo needs a POSIX system,"
                " such as Linux, macOS, or Linux under Windows (WSL)"
            ]
        )


def main() -> None:
    """Run the command line: every error that a user can cause is told here, one line for each, with exit code 2; a lack
    of memory or of space on a disk with 1."""
    code = 2
    streams = open_streams()
    try:
        require_posix()
        code = app(prog_name="sspo", standalone_mode=False)
        problems = lost(streams)
        code = code or (1 if problems else 0)
    except typer.TyperException as error:
        context: typer.Context | None = getattr(error, "ctx", None)  # of an error of usage: the command that was typed
        command = context.command_path if context else "sspo"
        message = " ".join(error.format_message().split()).rstrip(".")
        problems = [f"{message[0].lower()}{message[1:]} (see `{command} --help`)"]
    except ConfigError as error:
        problems = error.problems
    except OutOfMemory as error:
        problems, code = [str(error)], 1
    except Exception as error:
        if (line := no_space(error)) is None:
            raise
        problems, code = [line], 1
    for problem in problems:
        print(f"sspo: {' '.join(problem.split())}", file=sys.stderr)
    sys.exit(code)
