"""What a person wants to know at the end of a training run."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sspo_cli.runs import folder as runs
from sspo_cli.runs.eval_rows import EvalRow, read_evaluations
from sspo_cli.runs.sample_rows import read_samples
from sspo_cli.runs.summary import RunSummary
from sspo_cli.views.display import waiting
from sspo_cli.views.plots import plot_run
from sspo_cli.views.profile import print_profile, write_tables
from sspo_cli.views.report import write_report
from sspo_cli.views.summary import HeldOut, print_summary


def show_end(
    folder: Path, summary: RunSummary, profile: Mapping[str, Any] | None, *, quiet: bool, as_json: bool
) -> None:
    """Draw the plots and the report of the run in `folder`, and print its summary, with the profile of a step."""
    commands = next_commands(folder, summary)
    write_pages(folder, commands, quiet=quiet)
    if profile:
        write_tables(runs.profile_files(folder, profile["step"])[0], profile)
    if as_json:
        print(json.dumps({"folder": str(folder), **summary.as_json(), **({"profile": profile} if profile else {})}))
        return
    evaluations = read_evaluations(folder)
    samples = [row.as_json() for row in read_samples(folder) or evaluations]
    print_summary(folder, summary.as_json(), samples, commands, of_the_last(evaluations))
    if profile:
        print_profile(profile, folder)


def write_pages(folder: Path, commands: Sequence[str], *, quiet: bool) -> None:
    """The plots and the report of a run. commands: what to type next."""
    with waiting("drawing the plots and the report", quiet=quiet):
        plot_run(folder)
        write_report(folder, commands)


def of_the_last(evaluations: Sequence[EvalRow]) -> HeldOut | None:
    """What the last evaluation of a run was made of."""
    problems = Counter(row.problem for row in evaluations if row.step == evaluations[-1].step)
    return HeldOut(len(problems), max(problems.values())) if problems else None


def next_commands(folder: Path, summary: RunSummary) -> list[str]:
    """What to type next: read, evaluate and compare a run that is done, go on with one that is not."""
    if summary.status != "done":
        return [runs.way_on(folder)]
    saved = runs.checkpoints(folder)
    if not saved:  # somebody has made room
        return [f"sspo samples {folder}"]
    objective, last, best = summary.objective, saved[-1], summary.best_checkpoint
    found = [f"sspo samples {folder}", f"sspo eval {folder}"]
    if best is not None and folder / best != last:
        found.append(f"sspo eval {folder / best}")
    if objective == "sft":
        return [*found, f"sspo train objective=sspo model=local model.path={last}"]
    other = "grpo" if objective != "grpo" else "sspo"
    return [*found, compare_command(folder, objective, other)]


def compare_command(folder: Path, objective: str, other: str) -> str:
    """The run's settings under two objectives and three seeds; those of the objective itself fit no other one."""
    words = shlex.split(runs.command_of(folder) or "")
    if "--config" in words:
        return f"sspo train --config {folder}/config.yaml objective={other}"
    # Every cell of a comparison is one process.
    unfit = ("objective", "seed=", "name=", "engine=", "engine.processes=")
    kept = [word for word in words[2:] if not word.startswith(unfit)]
    return shlex.join(["sspo", "compare", f"objective={other},{objective}", "seed=0,1,2", *kept])
