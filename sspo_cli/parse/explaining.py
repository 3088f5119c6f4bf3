"""Commands that explain and check: show, selftest, inspect, doctor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sspo_cli.completers import choice_words, group_words, objective_words, train_words
from sspo_cli.parse.app import app, examples
from sspo_cli.parse.options import Json, Quiet


@app.command(
    epilog=examples(
        "sspo show",
        "sspo show objective",
        "sspo show sspo",
        "sspo show train",
        "sspo show optim.lr",
        "sspo show objective sspo objective/gate=erf objective.gate.calibrate='{at: 1.2, multiplier: 0.5}'",
        "sspo show objective sspo sapo gmpo grpo --plot",
        "sspo show metric update/effective_ratio",
    )
)
def show(
    group: Annotated[
        str | None,
        typer.Argument(
            metavar="GROUP_OR_NAME",
            help="A group such as objective; a choice, a setting such as optim.lr, or a section such as train.",
            autocompletion=group_words,
        ),
    ] = None,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME|KEY=VALUE",
            help="Choices of the group, such as sspo; of objectives, settings to change in each.",
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
    """List the choices of every group, or explain choices, settings and metrics.

    A choice is told in full: what it is, its settings, and where each setting comes from. `sspo show train` lists the
    settings that belong to no group, `sspo show metric` what runs measure.
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
    """Compare the gradients of objectives on identical rollouts.

    Takes every objective, or those in objective=a,b. The policy moves by K updates (as many as a rollout serves, if not
    given), then each objective's gradient is taken on the same responses: cosines, norms, signal to noise, effective
    ratio, silenced tokens, weights.
    """
    from sspo_cli.commands import inspect as command

    return command.run(list(words or []), updates=updates, rollouts=rollouts, quiet=quiet, as_json=as_json)


@app.command(epilog=examples("sspo doctor", "sspo doctor --json"))
def doctor(as_json: Json = False) -> int:
    """Check this machine: Python, torch, memory, disk, hub, trackers, extras.

    Each line is ok, a warning, or a problem with the command that mends it. The exit code is 1 if there is a problem.
    """
    from sspo_cli.commands import doctor as command

    return command.run(as_json=as_json)
