"""The figures of one evaluation, with their intervals."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sspo_cli.metrics import metric
from sspo_cli.runs.summary import EvalSummary


def print_evaluation(folder: Path, summary: EvalSummary, what: str) -> None:
    """Accuracy, pass@k and length with their intervals, and warnings. what: which model on which problems."""
    metrics = summary.metrics
    table = Table(box=None, pad_edge=False)
    for title in ("", "mean", "95 % interval"):
        table.add_column(title, justify="left" if not title else "right")
    for name in [key for key in metrics if f"{key}_low" in metrics]:
        mean, low, high = (metric(name).written(metrics[key]) for key in (name, f"{name}_low", f"{name}_high"))
        table.add_row(name.removeprefix("eval/"), mean, f"{low} to {high}")
    console = Console(soft_wrap=True, highlight=False)
    decoding = f"temperature {summary.temperature:g}" if summary.temperature else "greedy decoding"
    console.print(Text(what, style="bold"))
    console.print(
        f"{summary.problems} held-out problems x {summary.samples} samples, {decoding};"
        " intervals over problems (length: bootstrap)"
    )
    console.print(table)
    shares = {name: metrics[f"eval/{name}"] or 0.0 for name in ("truncated", "unscored")}
    told = [f"{share:.1%} of the responses {name}" for name, share in shares.items() if share or name == "truncated"]
    console.print(", ".join(told))
    for warning in summary.warnings:
        console.print(Text(f"warning: {warning}", style="yellow"))
    console.print(f"every response: {folder / 'eval.jsonl'}", markup=False)
