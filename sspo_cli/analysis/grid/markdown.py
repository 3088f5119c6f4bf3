"""report.md: the answer, the tables and the figures, for a repository or an issue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sspo_cli.analysis.grid import notes
from sspo_cli.analysis.grid.cells import Grid
from sspo_cli.analysis.grid.provenance import command, environment
from sspo_cli.analysis.grid.tables import Table, cells_table, contrasts_table, course_table, results_table, tasks_table

Summary = Mapping[str, Any]


def write_markdown(grid: Grid, summary: Summary, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Build report.md; its pictures are the files in plots/."""
    answer, *others = summary["words"]
    parts = [
        f"# {grid.folder.name}",
        notes.headline(summary),
        f"**{answer}**",
        *others,
        table(results_table(summary)),
        notes.results(summary),
        *([table(contrasts_table(summary)), notes.contrasts(summary)] if summary["contrasts"] else []),
        *([table(tasks_table(summary)), notes.TASKS] if summary["over_tasks"] else []),
        table(course_table(summary, rows)),
        notes.course(summary),
        *(
            f"![{plot.stem.replace('_', ' ')}](plots/{plot.name})"
            for plot in sorted((grid.folder / "plots").glob("*.svg"))
        ),
        "## Cells",
        table(cells_table(rows)),
        *(f"- {item['state']}: `{item['cell']}` {item['reason']}".rstrip() for item in summary["failures"]),
        "## To repeat it",
        *([f"```\n{command(grid)}\n```"] if command(grid) else []),
        *([f"Best point:\n\n```\n{summary['best_command']}\n```"] if summary["best_command"] else []),
        "\n".join(f"- {key}: {value}" for key, value in environment(grid).items()),
        "## How to read the figures",
        "\n".join(f"- {note}" for note in notes.methods(summary)),
    ]
    file = grid.folder / "report.md"
    file.write_text("\n\n".join(part for part in parts if part) + "\n", encoding="utf-8")
    return file


def table(content: Table) -> str:
    lines = [content.columns, [":--" if i < content.words else "--:" for i in range(len(content.columns))]]
    lines += [[entry.text.replace("|", "\\|") for entry in row] for row in content.rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
