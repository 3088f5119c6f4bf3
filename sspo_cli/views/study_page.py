"""report.html and report.md of a study: the answer, the tables, the figures, and everything needed to check it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sspo_cli.metrics import metric as known_as
from sspo_cli.runs.folder import command_of
from sspo_cli.runs.text import read_text, replace_text
from sspo_cli.study.grid import Progress, silent
from sspo_cli.study.next import next_commands
from sspo_cli.study.provenance import config_differences, environment
from sspo_cli.study.results import Study
from sspo_cli.study.samples import side_by_side
from sspo_cli.views import page
from sspo_cli.views.figures.curves import ALARMS, DYNAMICS, plot_curves
from sspo_cli.views.figures.forest import plot_forest
from sspo_cli.views.figures.keys import plot_keys
from sspo_cli.views.study_tables import (
    cells_table,
    contrasts_table,
    course_table,
    headline,
    methods,
    results_table,
    tasks_table,
)

MOST_CONFIGURATIONS = 8
PAIRED = "Mean over seeds of the difference on the same problems with the same random numbers."
BY_KEY = "The means of the table over the values of each setting that varies."


def write_report(study: Study, progress: Progress = silent) -> None:
    """Draw plots/*.svg in place of those of an earlier report, and build report.html and report.md."""
    folder = study.grid.folder
    for old in (folder / "plots").glob("*.svg"):
        old.unlink()
    kinds = (plot_curves, plot_forest, plot_keys)
    for done, plot in enumerate(kinds):
        progress("drawing", done, len(kinds))
        plot(study)
    content = content_of(study)
    for template, name in (("study.html.j2", "report.html"), ("study.md.j2", "report.md")):
        replace_text(folder / name, page.render(template, **content))


def content_of(study: Study) -> dict[str, Any]:
    """What both templates are filled with."""
    grid = study.grid
    best_first = [point.point for point in study.ranked]
    compared = [point for point in grid.points if point in best_first[:MOST_CONFIGURATIONS]]
    return {
        "study": study,
        "title": grid.folder.name,
        "headline": headline(study),
        "results": results_table(study),
        "contrasts": contrasts_table(study),
        "tasks": tasks_table(study),
        "course": course_table(study),
        "cells": cells_table(study),
        "plots": sorted((grid.folder / "plots").glob("*.svg")),
        "drawings": {
            "results": drawings(
                grid.folder, {"learning_curve": known_as(grid.metric).meaning, "forest": PAIRED, "by_key": BY_KEY}
            ),
            "alarms": drawings(grid.folder, {quantity.name: quantity.caption for quantity in ALARMS}),
            "course": drawings(grid.folder, {quantity.name: quantity.caption for quantity in DYNAMICS}),
        },
        "next": next_commands(study),
        "side_by_side": side_by_side(grid, best_first),
        "compared": [grid.name(point) for point in compared],
        "differences": config_differences(grid, compared),
        "command": command_of(grid.folder),
        "environment": environment(grid),
        "files": {
            title: read_text(grid.folder / name)
            for title, name in (("Shared configuration", "config.yaml"), ("All overrides", "overrides.txt"))
            if (grid.folder / name).is_file()
        },
        "methods": methods(study),
    }


def drawings(folder: Path, captions: Mapping[str, str]) -> list[str]:
    """The figures that were drawn, each with its caption."""
    files = {folder / "plots" / f"{name}.svg": caption for name, caption in captions.items()}
    return [page.figure(file, caption) for file, caption in files.items() if file.is_file()]
