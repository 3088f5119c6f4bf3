"""report.html of one run: its figures, curves, responses and command on one page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sspo_cli.metrics import BOUNDS, is_of_source, metric
from sspo_cli.plural import count
from sspo_cli.runs.eval_rows import read_evaluations
from sspo_cli.runs.folder import command_of
from sspo_cli.runs.sample_rows import read_samples
from sspo_cli.runs.text import read_mapping, read_text, replace_text, text_if_any
from sspo_cli.study.verdict import run_answer
from sspo_cli.views import page
from sspo_cli.views.charts import CHARTS

SAMPLES_SHOWN = 12
PROBLEMS = ("eval/truncated", "eval/unscored", "eval/errors", "response/truncated", "reward/unscored", "reward/errors")
# Charts that are not folded, each with the metrics of which one has to be anything but zero.
VISIBLE: dict[str, tuple[str, ...]] = {"learning_curve": (), "response": ("response/truncated",)}


@dataclass(frozen=True)
class MetricRow:
    """values: first, best, last, and the interval of the last where it has one."""

    name: str
    title: str
    meaning: str
    values: list[str]


def write_report(folder: Path, commands: Sequence[str] = ()) -> Path:
    """Build report.html from what the run folder holds. commands: to try next."""
    summary = read_mapping(folder / "summary.json")
    shown = [name for name, keys in VISIBLE.items() if not keys or any(is_raised(summary, key) for key in keys)]
    drawn = {plot.stem: page.figure(plot, caption(plot.stem)) for plot in sorted((folder / "plots").glob("*.svg"))}
    text = page.render(
        "run.html.j2",
        title=folder.name,
        headline=headline(summary),
        answer=run_answer(summary, held_out_problems(folder)),
        next=list(commands),
        warnings=summary.get("warnings", ()),
        metrics=metric_rows(summary),
        drawings=[drawn[name] for name in shown if name in drawn],
        others=[drawing for name, drawing in drawn.items() if name not in shown],
        samples=last_samples([row.as_json() for row in read_samples(folder)]),
        command=command_of(folder) or "",
        config=read_text(folder / "config.yaml"),
        manifest=text_if_any(folder / "manifest.json"),
    )
    file = folder / "report.html"
    replace_text(file, text)
    return file


def headline(summary: Mapping[str, Any]) -> str:
    return (
        f"objective {summary['objective']}, seed {summary['seed']}, {count(summary['steps'], 'step')} in"
        f" {summary['minutes']:.1f} minutes, {summary['status']}"
    )


def held_out_problems(folder: Path) -> int:
    """Of the last evaluation; 0 where there is none."""
    rows = read_evaluations(folder)
    return len({row.problem for row in rows if row.step == rows[-1].step})


def is_raised(summary: Mapping[str, Any], key: str) -> bool:
    """Whether the metric was anything but zero at a value that the summary keeps."""
    values = summary.get(key)
    return isinstance(values, Mapping) and any(value for value in values.values())


def caption(name: str) -> str:
    """The meaning of every line of a chart."""
    chart = next((chart for chart in CHARTS if chart.name == name), None)
    lines = [f"{panel.metric.title}: {panel.metric.meaning}" for panel in chart.panels] if chart else []
    return " ".join(lines)


def metric_rows(summary: dict[str, Any]) -> list[MetricRow]:
    """The metrics that a person reads first."""
    wanted = ["eval/accuracy", "eval/length", "reward/mean", "response/length", "policy/entropy"]
    wanted += [name for name in PROBLEMS if is_raised(summary, name)]
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
