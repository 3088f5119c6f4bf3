"""`sspo report`: build the report of a run or a grid anew, or one report of several."""

from __future__ import annotations

import json
from pathlib import Path

from sspo_cli.config.errors import ConfigError, all_or_problems
from sspo_cli.runs import format as run_format
from sspo_cli.runs.alarms import alarms_of_folder
from sspo_cli.runs.metric_rows import read_metrics
from sspo_cli.runs.status import DIED, RUNNING, read_state
from sspo_cli.runs.summary import RunSummary, read_run_summary, summarise_run


def run(
    folders: list[Path],
    *,
    metric: str | None,
    direction: str | None,
    baseline: str | None,
    name: str | None,
    quiet: bool,
    as_json: bool,
) -> int:
    """Write the report of `folders`; the exit code.

    One grid or run is reported in its own folder, as it asked for. Several of them, and one with other wishes, get a
    folder of their own: outputs/report/<name>.

    Raises:
        ConfigError: for anything wrong with the request; nothing has been written then.
    """
    from sspo_cli.study.combined_folder import combined_folder
    from sspo_cli.study.read import write_results
    from sspo_cli.views.display import phases
    from sspo_cli.views.study_page import write_report
    from sspo_cli.views.study_screen import print_results

    all_or_problems(*(lambda folder=folder: run_format.check(folder) for folder in folders))
    own_folder = len(folders) > 1 or any((metric, direction, baseline, name))
    is_grid = own_folder or (folders[0] / "grid.json").is_file()
    with phases(quiet=quiet) as progress:
        if is_grid:
            folder = combined_folder(folders, metric, direction, baseline, name) if own_folder else folders[0]
            study = write_results(folder, progress)
            write_report(study, progress)
        else:
            summary = report_run(folders[0])
    if is_grid:
        print_results(study, as_json=as_json)
    elif as_json:
        print(json.dumps({"folder": str(folders[0]), **summary.as_json()}))
    else:
        print(f"report: {folders[0] / 'report.html'}")
    return 0


def report_run(folder: Path) -> RunSummary:
    """The pictures and the page of one run, and its summary, which is made where a run did not get to it."""
    from sspo_cli.study.combine import train_run
    from sspo_cli.views.plots import plot_run
    from sspo_cli.views.report import write_report

    found, state = train_run(folder), read_state(folder)
    try:
        rows = read_metrics(folder)
    except ValueError as error:
        raise ConfigError([str(error)]) from error
    if not rows:
        raise ConfigError([f"{folder}: has no metrics yet (status: {state})"])
    summary = read_run_summary(folder)
    if summary is None or state.word in (RUNNING, DIED):  # what is there is of an earlier stop
        seconds = sum(row.get("time/total_s") or 0.0 for row in rows)
        objective, warnings = str(found.choices["objective"]), alarms_of_folder(folder, rows)
        summary = summarise_run(
            folder, status=str(state), seconds=seconds, seed=found.seed, objective=objective, warnings=warnings
        )
    plot_run(folder)
    write_report(folder)
    return summary
