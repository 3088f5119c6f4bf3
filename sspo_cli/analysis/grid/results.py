"""A grid folder -> results.csv, summary.json, report.md, report.html, plots/. No torch here."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sspo_cli.analysis.grid.cells import Grid, Progress, read_grid, silent
from sspo_cli.analysis.grid.course import Row, run_rows, write_csv
from sspo_cli.analysis.grid.figures.forest import plot_forest
from sspo_cli.analysis.grid.figures.landscape import plot_landscape
from sspo_cli.analysis.grid.figures.lines import plot_curves
from sspo_cli.analysis.grid.figures.offpolicy import plot_offpolicy
from sspo_cli.analysis.grid.markdown import write_markdown
from sspo_cli.analysis.grid.report import write_report
from sspo_cli.analysis.grid.screen import print_results
from sspo_cli.analysis.grid.summary import summarise
from sspo_cli.analysis.grid.tables import ranked
from sspo_cli.analysis.grid.words import conclusions
from sspo_cli.runs import jsonl

__all__ = ["print_results", "read_results", "write_results"]


def write_results(folder: Path, progress: Progress = silent) -> dict[str, Any]:
    """Read grid.json and the cells of `folder`, write everything that can be said of them, return summary.json.

    Cells that failed, are missing or damaged are counted and told, never left out silently. progress is told with
    (phase, done, total).

    Raises:
        ConfigError: no grid there, or no cell has the metric.
    """
    grid, rows, summary = read_results(folder, progress)
    write_csv(folder / "results.csv", rows)
    (folder / "summary.json").write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    draw(grid, summary, progress)
    write_markdown(grid, summary, rows)
    write_report(grid, summary, rows)
    return summary


def read_results(folder: Path, progress: Progress = silent) -> tuple[Grid, list[Row], dict[str, Any]]:
    """The grid in `folder`, the figures of its cells, and the content of its summary.json. Nothing is written.

    Raises:
        ConfigError: no grid there, or no cell has the metric.
    """
    grid = read_grid(folder, progress)
    rows = run_rows(grid)
    summary: dict[str, Any] = jsonl.without_nan(summarise(grid, rows))
    return grid, rows, summary | {"words": conclusions(summary)}


def draw(grid: Grid, summary: dict[str, Any], progress: Progress) -> None:
    """Every figure that the grid has data for, in the place of those of an earlier report."""
    for old in (grid.folder / "plots").glob("*.svg"):
        old.unlink()
    best_first = [point["point"] for point in ranked(summary)]
    kinds: list[Callable[[], object]] = [lambda: plot_curves(grid, best_first), lambda: plot_forest(grid, summary)]
    if grid.baseline is None:
        kinds += [lambda: plot_landscape(grid), lambda: plot_offpolicy(grid, summary)]
    for done, plot in enumerate(kinds):
        progress("drawing", done, len(kinds))
        plot()
