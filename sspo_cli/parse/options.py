"""Arguments and options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from sspo_cli.completers import compare_words, eval_words, recipe_words, run_words, sweep_words, train_words

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
    bool, typer.Option("--dry-run", help="Print the configuration, its size, its batch and the first prompt.")
]
GridDryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print the cells, what they cost, and what their seeds can show; run nothing.")
]
Probe = Annotated[
    bool, typer.Option("--probe", help="With --dry-run: take two steps of one cell, to tell how long all cells take.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only the result.")]
Json = Annotated[bool, typer.Option("--json", help="The result as JSON on stdout.")]


class Direction(StrEnum):
    """Which end of a metric is better."""

    max = "max"
    min = "min"


def with_options(overrides: list[str] | None, name: str | None, seed: str | None) -> list[str]:
    """The options that are another way to write an override, written as one."""
    words = list(overrides or [])
    words += [f"name={name}"] if name is not None else []
    words += [f"seed={seed}"] if seed is not None else []
    return words
