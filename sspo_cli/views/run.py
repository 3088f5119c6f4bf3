"""What a person wants to know at the end of a training run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sspo_cli.runs import folder as runs
from sspo_cli.runs.eval_rows import read_evaluations
from sspo_cli.runs.sample_rows import read_samples
from sspo_cli.runs.summary import RunSummary
from sspo_cli.views.plots import plot_run
from sspo_cli.views.profile import print_profile, write_tables
from sspo_cli.views.report import write_report
from sspo_cli.views.summary import print_summary


def show_end(folder: Path, summary: RunSummary, profile: Mapping[str, Any] | None, *, as_json: bool) -> None:
    """Draw the plots and the report of the run in `folder`, and print its summary, with the profile of a step."""
    commands = next_commands(folder, summary.objective, summary.status)
    plot_run(folder)
    write_report(folder, commands)
    if profile:
        write_tables(runs.profile_files(folder, profile["step"])[0], profile)
    if as_json:
        print(json.dumps({"folder": str(folder), **summary.as_json(), **({"profile": profile} if profile else {})}))
        return
    samples = [row.as_json() for row in read_samples(folder) or read_evaluations(folder)]
    print_summary(folder, summary.as_json(), samples, commands)
    if profile:
        print_profile(profile, folder)


def next_commands(folder: Path, objective: str, status: str) -> list[str]:
    """What to type next: evaluate and compare a run that is done, go on with one that is not."""
    if status != "done":
        return [runs.way_on(folder)]
    if objective == "sft":
        last = runs.checkpoints(folder)[-1]
        return [f"sspo eval {folder}", f"sspo train objective=sspo model=local model.path={last}"]
    other = "grpo" if objective != "grpo" else "sspo"
    return [f"sspo eval {folder}", f"sspo train --config {folder}/config.yaml objective={other}", "sspo show objective"]
