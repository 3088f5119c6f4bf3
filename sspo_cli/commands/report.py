"""`sspo report`: build the report of a run or a grid anew, or one report of several."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

from sspo_cli.config.errors import ConfigError
from sspo_cli.runs import folder as runs

OUTPUT_DIR, KIND = "outputs", "report"
LONGEST_NAME = 60


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
    from sspo_cli.study.read import write_results
    from sspo_cli.views.display import phases
    from sspo_cli.views.study_page import write_report
    from sspo_cli.views.study_screen import print_results

    own_folder = len(folders) > 1 or any((metric, direction, baseline, name))
    is_grid = own_folder or (folders[0] / "grid.json").is_file()
    with phases(quiet=quiet) as progress:
        if is_grid:
            folder = combine(folders, metric, direction, baseline, name) if own_folder else folders[0]
            study = write_results(folder, progress)
            write_report(study, progress)
        else:
            summary = report_run(folders[0])
    if is_grid:
        print_results(study, as_json=as_json)
    elif as_json:
        print(json.dumps({"folder": str(folders[0]), **summary}))
    else:
        print(f"report: {folders[0] / 'report.html'}")
    return 0


def report_run(folder: Path) -> Any:
    """The pictures and the page of one run, and its summary, which is made where a run did not get to it."""
    from sspo_cli.runs import jsonl
    from sspo_cli.runs.status import DIED, RUNNING, read_state
    from sspo_cli.runs.summary import summarise_run
    from sspo_cli.study.combine import train_run
    from sspo_cli.views.plots import plot_run
    from sspo_cli.views.report import write_report

    found, state = train_run(folder), read_state(folder)
    try:
        rows = jsonl.read(folder / "metrics.jsonl")
    except ValueError as error:
        raise ConfigError([str(error)]) from error
    if not rows:
        raise ConfigError([f"{folder}: has no metrics yet (status: {state})"])
    file = folder / "summary.json"
    if not file.is_file() or state.word in (RUNNING, DIED):  # what is there is of an earlier stop
        seconds = sum(row.get("time/total_s") or 0.0 for row in rows)
        objective = str(found.choices["objective"])
        status, warnings = str(state), warnings_of(folder, rows)
        summarise_run(folder, status=status, seconds=seconds, seed=found.seed, objective=objective, warnings=warnings)
    plot_run(folder)
    write_report(folder)
    return json.loads(file.read_text(encoding="utf-8"))


def warnings_of(folder: Path, rows: list[dict[str, Any]]) -> list[str]:
    """What is wrong with a run, by its metrics; nothing where another version wrote its configuration."""
    from sspo_cli.config.compose import load_config
    from sspo_cli.config.schema import TrainConfig
    from sspo_cli.runs.alarms import run_alarms

    try:
        return list(run_alarms(rows, load_config(TrainConfig, [], base=folder / "config.yaml")).values())
    except ConfigError:
        return []


def combine(
    folders: list[Path], metric: str | None, direction: str | None, baseline: str | None, name: str | None
) -> Path:
    """A grid folder that refers to the runs in `folders`: that of an earlier report of the same, or a new one."""
    from sspo_cli.study.combine import check_metric, collect, combined, shared_config, without_repeats

    every = collect(folders)
    found = without_repeats(every)
    if len(found) < len(every):
        print(
            f"{len(every) - len(found)} runs repeat the settings and seed of another: each counts once", file=sys.stderr
        )
    if metric is not None:
        check_metric(found, metric)
    names = [name] if name else candidates("-".join(dict.fromkeys(folder.resolve().name for folder in folders)))
    for candidate in names:
        folder = Path(OUTPUT_DIR) / KIND / candidate
        content = combined(found, folder, metric=metric, direction=direction, baseline=baseline)
        if stored(folder) == content:
            return folder
        if name or not folder.exists():
            break
    if problems := runs.name_problems(OUTPUT_DIR, KIND, candidate):
        raise ConfigError(problems)
    folder.mkdir(parents=True)
    options = {"metric": metric, "direction": direction, "baseline": baseline, "name": name}
    words = [word for key, value in options.items() if value is not None for word in (f"--{key}", value)]
    runs.write_request(folder, shared_config(found), [], ["sspo", KIND, *map(str, folders), *words])
    (folder / "grid.json").write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    runs.set_status(folder, "done")
    return folder


def candidates(wish: str) -> Iterator[str]:
    """Names like `wish`, without end."""
    stem = re.sub(r"[^\w.\-]", "_", wish)[:LONGEST_NAME]
    return (runs.numbered(stem, number) for number in count(1))


def stored(folder: Path) -> Any:
    file = folder / "grid.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None
