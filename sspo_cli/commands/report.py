"""`sspo report`: build the report of a run or a grid anew, or one report of several."""

from __future__ import annotations

import json
from pathlib import Path

from sspo_cli.config.errors import all_or_problems
from sspo_cli.runs import format as run_format


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
    from sspo_cli.study.combine import run_summary
    from sspo_cli.study.combined_folder import combined_folder
    from sspo_cli.study.read import write_results
    from sspo_cli.views.display import phases
    from sspo_cli.views.run import next_commands, write_pages
    from sspo_cli.views.study_page import write_report
    from sspo_cli.views.study_screen import print_results

    all_or_problems(*(lambda folder=folder: run_format.check(folder) for folder in folders))
    own_folder = len(folders) > 1 or any((metric, direction, baseline, name))
    is_grid = own_folder or (folders[0] / "grid.json").is_file()
    if is_grid:
        with phases(quiet=quiet) as progress:
            folder = combined_folder(folders, metric, direction, baseline, name) if own_folder else folders[0]
            study = write_results(folder, progress)
            write_report(study, progress)
        print_results(study, as_json=as_json)
        return 0
    summary = run_summary(folders[0])
    write_pages(folders[0], next_commands(folders[0], summary), quiet=quiet)
    if as_json:
        print(json.dumps({"folder": str(folders[0]), **summary.as_json()}))
    else:
        print(f"report: {folders[0] / 'report.html'}")
    return 0
