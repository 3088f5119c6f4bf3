"""report.html of a grid: the answer first, then the tables, figures, responses and everything needed to check it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from sspo_cli.analysis.grid import notes
from sspo_cli.analysis.grid.cells import Grid, Point, point_name
from sspo_cli.analysis.grid.provenance import command, config_differences, environment
from sspo_cli.analysis.grid.samples import Case, SideBySide, side_by_side
from sspo_cli.analysis.grid.tables import (
    Table,
    cells_table,
    contrasts_table,
    course_table,
    ranked,
    results_table,
    tasks_table,
)
from sspo_cli.views import page

MOST_CONFIGURATIONS = 8
COURSE = ("reward", "entropy", "effective_ratio", "weight_variance", "response_length", "gradient_norm")
Summary = Mapping[str, Any]


def write_report(grid: Grid, summary: Summary, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Build report.html from what has been computed and drawn."""
    best_first = [point["point"] for point in ranked(summary)]
    sections = [
        f"<h1>{escape(grid.folder.name)}</h1>",
        f'<p class="dim">{escape(notes.headline(summary))}</p>',
        answer(summary["words"]),
        table(results_table(summary), notes.results(summary)),
        figures(grid, ("learning_curve", "off_policy", "forest", "heat_map", "parallel", "effects")),
        *contrasts(summary),
        *tasks(summary),
        best_command(summary),
        "<h2>How they got there</h2>",
        table(course_table(summary, rows), notes.course(summary)),
        figures(grid, COURSE),
        "<h2>The same problems side by side</h2>",
        responses(side_by_side(grid, best_first)),
        "<h2>Cells</h2>",
        failures(grid),
        table(cells_table(rows)),
        "<h2>What the configurations differ in</h2>",
        differences(grid, best_first),
        "<h2>To repeat it</h2>",
        f"<pre>{escape(command(grid) or 'This folder has no command.sh.')}</pre>",
        page.table(
            [], [[f"<td>{escape(key)}</td>", f"<td>{escape(value)}</td>"] for key, value in environment(grid).items()]
        ),
        *(page.details(name, text) for name, text in files(grid)),
        "<h2>How to read the figures</h2>",
        f"<ul>{''.join(f'<li>{escape(note)}</li>' for note in notes.methods(summary))}</ul>",
    ]
    file = grid.folder / "report.html"
    file.write_text(page.page(grid.folder.name, [section for section in sections if section]), encoding="utf-8")
    return file


def answer(words: Sequence[str]) -> str:
    return f'<div class="answer">{"".join(f"<p>{escape(sentence)}</p>" for sentence in words)}</div>'


def table(content: Table, note: str = "") -> str:
    """A table that sorts by the clicked title, with what its columns mean below."""
    heads = [page.head(title, number=i >= content.words, sortable=True) for i, title in enumerate(content.columns)]
    rows = []
    for row in content.rows:
        cells = []
        for place, entry in enumerate(row):
            kind = ' class="number"' if place >= content.words else ""
            value = "" if entry.value is None else entry.value
            cells.append(f'<td{kind} data-value="{escape(str(value))}">{escape(entry.text)}</td>')
        rows.append(cells)
    return page.table(heads, rows, sortable=True) + (f'<p class="dim">{escape(note)}</p>' if note else "")


def figures(grid: Grid, names: Sequence[str]) -> str:
    plots = [grid.folder / "plots" / f"{name}.svg" for name in names]
    drawn = "".join(page.figure(plot) for plot in plots if plot.is_file())
    return f'<div class="figures">{drawn}</div>' if drawn else ""


def contrasts(summary: Summary) -> list[str]:
    if not summary["contrasts"]:
        return []
    return ["<h2>Objectives at every setting</h2>", table(contrasts_table(summary), notes.contrasts(summary))]


def tasks(summary: Summary) -> list[str]:
    if not summary["over_tasks"]:
        return []
    return ["<h2>Over all datasets</h2>", table(tasks_table(summary), notes.TASKS)]


def best_command(summary: Summary) -> str:
    words = summary["best_command"]
    if words is None:
        return ""
    return f"<h2>The best point, as a command</h2><pre>{escape(words)}</pre>"


def responses(found: SideBySide | None) -> str:
    if found is None:
        return '<p class="dim">No seed has its answers kept under every objective.</p>'
    note = f"Seed {found.seed}: the same problems, decoded with the same random numbers, before training and after."
    parts = [f'<p class="dim">{note}</p>']
    heads = [page.head(title) for title in ("problem", "answer", "before training", *found.columns)]
    for title, cases in found.groups.items():
        parts += [f"<h3>{escape(title)}</h3>", page.table(heads, [case_cells(case) for case in cases])]
    return "".join(parts)


def case_cells(case: Case) -> list[str]:
    """Problem, expected answer, and each response with its verdict."""
    cells = [f"<td><pre>{escape(case.prompt)}</pre></td>", f"<td><pre>{escape(case.answer)}</pre></td>"]
    for row in case.rows:
        verdict = '<span class="right">right</span>' if row["correct"] else '<span class="wrong">wrong</span>'
        cells.append(f"<td><pre>{escape(row['response'])}</pre>{verdict}</td>")
    return cells


def failures(grid: Grid) -> str:
    """Every cell that is not done, with its reason and log."""
    lines = []
    for cell in grid.cells:
        if not cell.counts:
            log = f"; log: <code>{escape(str(cell.log))}</code>" if cell.log else ""
            reason = f": {escape(cell.reason)}" if cell.reason else ""
            lines.append(
                f'<li><span class="bad">{cell.state}</span> <code>{escape(cell.name)}</code>{reason}{log}</li>'
            )
    return f"<ul>{''.join(lines)}</ul>" if lines else ""


def differences(grid: Grid, best_first: Sequence[Point]) -> str:
    """The keys that differ, a column for every point; of many points the best."""
    points = [point for point in grid.points if point in best_first[:MOST_CONFIGURATIONS]]
    found = config_differences(grid, points)
    if not found:
        return '<p class="dim">Nothing but the seed.</p>'
    heads = [page.head(title) for title in ("key", *(point_name(point, grid.varied) for point in points))]
    return page.table(heads, [[f"<td>{escape(word)}</td>" for word in (key, *values)] for key, values in found.items()])


def files(grid: Grid) -> list[tuple[str, str]]:
    """What a reader may want to see in full."""
    found = [("Shared configuration", grid.folder / "config.yaml"), ("All overrides", grid.folder / "overrides.txt")]
    return [(title, file.read_text(encoding="utf-8")) for title, file in found if file.is_file()]
