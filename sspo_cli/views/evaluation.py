"""The figures of one evaluation, with their intervals."""

from __future__ import annotations

import shlex
from pathlib import Path

from rich.table import Table
from rich.text import Text

from sspo_cli.metrics import metric
from sspo_cli.plural import count
from sspo_cli.runs.folder import command_of
from sspo_cli.runs.summary import EvalSummary
from sspo_cli.views.console import print_commands, results


def print_evaluation(folder: Path, summary: EvalSummary, what: str) -> None:
    """Accuracy, pass@k and length with their intervals, warnings, and what to type next. what: which model on which
    problems."""
    metrics = summary.metrics
    console = results()
    console.print(Text(what, style="bold"))
    decoding = f"temperature {summary.temperature:g}" if summary.temperature else "greedy decoding"
    console.print(
        f"{count(summary.problems, 'held-out problem')} x {count(summary.samples, 'sample')}, {decoding};"
        " intervals over problems (length: bootstrap)"
    )
    table = Table(box=None, pad_edge=False)
    for title in ("", "mean", "95 % interval"):
        table.add_column(title, justify="left" if not title else "right")
    for name in [key for key in metrics if f"{key}_low" in metrics]:
        mean, low, high = (metric(name).written(metrics[key]) for key in (name, f"{name}_low", f"{name}_high"))
        table.add_row(name.removeprefix("eval/"), mean, f"{low} to {high}")
    console.print(table)
    told = [f"{metrics['eval/truncated'] or 0.0:.1%} of the responses cut at the limit (eval.max_response_length)"]
    told += [f"{metrics['eval/unscored']:.1%} could not be scored"] if metrics["eval/unscored"] else []
    console.print(", ".join(told), soft_wrap=True)
    for warning in summary.warnings:
        console.print(Text(f"warning: {warning}", style="yellow"), soft_wrap=True)
    console.print(f"every response: {folder / 'eval.jsonl'}", soft_wrap=True)
    print_commands(console, next_commands(folder, summary.samples))


def next_commands(folder: Path, samples: int) -> list[str]:
    """Read what went wrong, measure more closely, and see it among the others."""
    words = [word for word in shlex.split(command_of(folder) or "") if not word.startswith(("eval.samples=", "name="))]
    closer = [shlex.join([*words, f"eval.samples={2 * samples}"])] if words else []
    return [f"sspo samples {folder} --worst", *closer, "sspo runs --sort -eval/accuracy"]
