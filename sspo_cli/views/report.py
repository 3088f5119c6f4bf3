"""report.html of one run: its figures, curves, responses and command on one page."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import Any

from sspo_cli.metrics import BOUNDS, metric
from sspo_cli.runs import jsonl
from sspo_cli.runs.folder import command_of
from sspo_cli.views import page

SAMPLES_SHOWN = 12


def write_report(folder: Path) -> Path:
    """Build report.html from what the run folder holds."""
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    sections = [
        f"<h1>{escape(folder.name)}</h1>",
        f'<p class="dim">{escape(headline(summary))}</p>',
        *(f'<p class="warning">warning: {escape(line)}</p>' for line in summary.get("warnings", ())),
        metrics_table(summary),
        *(page.figure(plot) for plot in sorted((folder / "plots").glob("*.svg"))),
        "<h2>Responses of the last step</h2>",
        samples_table(jsonl.read(folder / "samples.jsonl")),
        "<h2>To repeat it</h2>",
        f"<pre>{escape(command_of(folder) or '')}</pre>",
        page.details("Configuration", (folder / "config.yaml").read_text(encoding="utf-8")),
        page.details("Versions, hardware and hashes", (folder / "manifest.json").read_text(encoding="utf-8")),
    ]
    file = folder / "report.html"
    file.write_text(page.page(folder.name, sections), encoding="utf-8")
    return file


def headline(summary: dict[str, Any]) -> str:
    return (
        f"objective {summary['objective']}, seed {summary['seed']}, {summary['steps']} steps in"
        f" {summary['minutes']:.1f} minutes, {summary['status']}"
    )


def metrics_table(summary: dict[str, Any]) -> str:
    """First, best and last of the metrics that a person reads first, and the interval of the last where it has one."""
    wanted = ["eval/accuracy", "eval/length", "reward/mean", "response/length", "response/truncated", "policy/entropy"]
    passes = [name for name in summary if name.startswith("eval/pass@") and not name.endswith(("_low", "_high"))]
    rows = []
    for name in (name for name in wanted[:1] + passes + wanted[1:] if name in summary):
        shown = metric(name)
        values = [shown.written(summary[name][part]) for part in ("first", "best", "last")]
        values[1] = values[1] if shown.better else ""
        bounds = [summary.get(f"{name}{end}") for end in BOUNDS]
        ends = [shown.written(bound["last"]) for bound in bounds if bound]
        values.append(" to ".join(ends))
        head = f'{escape(shown.title)} <span class="dim">{escape(name)}</span>'
        cells = (f'<td class="number">{value}</td>' for value in values)
        rows.append([f'<td title="{escape(shown.meaning)}">{head}</td>', *cells])
    parts = ("first", "best", "last", "95 % interval")
    heads = [page.head(""), *(page.head(part, number=True) for part in parts)]
    return page.table(heads, rows)


def samples_table(samples: list[dict[str, Any]]) -> str:
    """The first responses of the last step, whatever they are worth."""
    shown = [row for row in samples if row["step"] == samples[-1]["step"]][:SAMPLES_SHOWN]
    if not shown:
        return '<p class="dim">This run samples nothing while it learns.</p>'
    rows = [
        [
            *(f"<td><pre>{escape(row[name])}</pre></td>" for name in ("prompt", "response")),
            *(f'<td class="number">{number(row[name])}</td>' for name in ("reward", "advantage")),
        ]
        for row in shown
    ]
    heads = [
        page.head(name, number=place > 1) for place, name in enumerate(("prompt", "response", "reward", "advantage"))
    ]
    return page.table(heads, rows)


def number(value: float | None) -> str:
    return "unscored" if value is None else f"{value:.2f}"
