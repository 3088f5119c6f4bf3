"""Commands that read runs: report, runs, diff, samples, export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sspo_cli.completers import run_words
from sspo_cli.parse.app import app, examples
from sspo_cli.parse.options import Direction, Json, Quiet, RunFolder


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
        "sspo runs --watch",
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
    watch: Annotated[
        bool, typer.Option("--watch", help="Show the runs and cells that are running, live, until none is.")
    ] = False,
    as_json: Json = False,
) -> int:
    """List runs: what they are, how far they got, what they reached.

    Cells of compares and sweeps are runs too. Besides settings and metrics, runs have: folder, kind (train or eval),
    status, step, steps, minutes and age (hours since they were last written to).
    """
    from sspo_cli.commands import runs as command

    return command.run(folders or [], where=where or [], sort=sort, limit=limit, as_json=as_json, watching=watch)


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
