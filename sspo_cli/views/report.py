"""report.html of one run: its figures, curves, responses and command on one page."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sspo_cli.metrics import BOUNDS, is_of_source, metric
from sspo_cli.runs import jsonl
from sspo_cli.runs.folder import command_of
from sspo_cli.views import page

SAMPLES_SHOWN = 12


@dataclass(frozen=True)
class MetricRow:
    """values: first, best, last, and the interval of the last where it has one."""

    name: str
    title: str
    meaning: str
    values: list[str]


def write_report(folder: Path) -> Path:
    """Build report.html from what the run folder holds."""
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    text = page.render(
        "run.html.j2",
        title=folder.name,
        headline=headline(summary),
        warnings=summary.get("warnings", ()),
        metrics=metric_rows(summary),
        drawings=[page.figure(plot) for plot in sorted((folder / "plots").glob("*.svg"))],
        samples=last_samples(jsonl.read(folder / "samples.jsonl")),
        command=command_of(folder) or "",
        config=(folder / "config.yaml").read_text(encoding="utf-8"),
        manifest=(folder / "manifest.json").read_text(encoding="utf-8"),
    )
    file = folder / "report.html"
    file.write_text(text, encoding="utf-8")
    return file


def headline(summary: dict[str, Any]) -> str:
    return (
        f"objective {summary['objective']}, seed {summary['seed']}, {summary['steps']} steps in"
        f" {summary['minutes']:.1f} minutes, {summary['status']}"
    )


def metric_rows(summary: dict[str, Any]) -> list[MetricRow]:
    """The metrics that a person reads first."""
    wanted = ["eval/accuracy", "eval/length", "reward/mean", "response/length", "response/truncated", "policy/entropy"]
    passes = [name for name in summary if name.startswith("eval/pass@") and not name.endswith(("_low", "_high"))]
    rows = []
    sources = [name for name in summary if is_of_source(name)]
    for name in (name for name in [*wanted[:1], *sources, *passes, *wanted[1:]] if name in summary):
        shown = metric(name)
        values = [shown.written(summary[name][part]) for part in ("first", "best", "last")]
        values[1] = values[1] if shown.better else ""
        bounds = [summary.get(f"{name}{end}") for end in BOUNDS]
        ends = [shown.written(bound["last"]) for bound in bounds if bound]
        rows.append(MetricRow(name, shown.title, shown.meaning, [*values, " to ".join(ends)]))
    return rows


def last_samples(samples: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first responses of the last step, whatever they are worth, their reward and advantage as text."""
    shown = [row for row in samples if row["step"] == samples[-1]["step"]][:SAMPLES_SHOWN]
    return [{**row, "numbers": [number(row["reward"]), number(row["advantage"])]} for row in shown]


def number(value: float | None) -> str:
    return "unscored" if value is None else f"{value:.2f}"
