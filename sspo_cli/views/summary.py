"""The last screen of a run, on stdout: what it reached, what the model says now, what to do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sspo_cli.metrics import BOUNDS, is_of_source, metric
from sspo_cli.plural import count
from sspo_cli.views.console import print_commands, results
from sspo_cli.views.values import number, time_taken

ACCURACY = "eval/accuracy"
SHOWN = (
    "eval/accuracy",
    "eval/truncated",
    "reward/mean",
    "response/length",
    "response/truncated",
    "throughput/rollout_tokens_per_s",
)
MAX_CHARACTERS = 400
SAMPLES = 3


@dataclass(frozen=True)
class HeldOut:
    """What the last evaluation was made of."""

    problems: int
    samples: int


def print_summary(
    folder: Path,
    summary: Mapping[str, Any],
    samples: Sequence[Mapping[str, Any]],
    commands: Sequence[str],
    held_out: HeldOut | None = None,
) -> None:
    """Print a run's figures, three of its latest responses, its folder and the commands to try next.

    Args:
        folder: the run folder.
        summary: the content of summary.json.
        samples: rows of samples.jsonl, or of eval.jsonl; of the latest step, the best, a middling and the worst
            response are shown.
        commands: shown one per line, never wrapped.
        held_out: None where nothing was evaluated.
    """
    console = results()
    console.print(Text(headline(summary), style="bold"))
    for warning in summary.get("warnings", ()):
        console.print(Text(printable(f"warning: {warning}", console.encoding), style="yellow"), soft_wrap=True)
    table = figures(summary)
    console.print(Padding(table, (1, 0)) if table.rows else Text())
    if held_out is not None:
        interval = "the interval is over problems" if f"{ACCURACY}_low" in summary else "no interval was recorded"
        console.print(
            f"held out: {count(held_out.problems, 'problem')} x {count(held_out.samples, 'sample')}; {interval}\n"
        )
    if samples:
        console.print(f"{'held-out' if 'advantage' not in samples[0] else 'training'} responses of the last step:")
    for row in choose(samples):
        console.print(Padding(sample(row, console.encoding), (0, 0, 1, 0)))
    line(console, f"run folder: {folder}")
    line(console, f"report: {folder / 'report.html'}")
    print_commands(console, [printable(command, console.encoding) for command in commands])


def line(console: Console, text: str) -> None:
    """One copyable line: never wrapped, cut or read as markup."""
    console.print(Text(printable(text, console.encoding)), soft_wrap=True)


def headline(summary: Mapping[str, Any]) -> str:
    steps = number(summary, "steps")
    words = [str(summary.get("status", "?"))]
    minutes = number(summary, "minutes")
    words += (
        [f"{count(int(steps), 'step')} in {time_taken(60 * minutes) if minutes is not None else '?'}"]
        if steps is not None
        else []
    )
    return ", ".join([*words, f"objective {summary.get('objective', '?')}", f"seed {summary.get('seed', '?')}"])


def figures(summary: Mapping[str, Any]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("")
    for name in ("start", "best", "final", "95 % interval"):
        table.add_column(name, justify="right", no_wrap=True)
    for shown in map(metric, [*SHOWN, *filter(is_of_source, summary)]):
        if isinstance(found := summary.get(shown.name), Mapping):
            first, best, last = (shown.written(number(found, part)) for part in ("first", "best", "last"))
            bounds = [summary.get(f"{shown.name}{end}") for end in BOUNDS]
            ends = [shown.written(number(bound, "last")) for bound in bounds if isinstance(bound, Mapping)]
            best = best if shown.better else ""
            table.add_row(shown.label, first, best, Text(last, style="bold"), " to ".join(ends))
    return table


def choose(samples: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Of the latest step: the best, a middling and the worst response."""
    latest = max((number(row, "step") or 0 for row in samples), default=0)
    rows = [row for row in samples if (number(row, "step") or 0) == latest]
    rows.sort(key=lambda row: number(row, "reward") or 0, reverse=True)
    places = {round(place * (len(rows) - 1) / (SAMPLES - 1)) for place in range(SAMPLES)} if rows else set()
    return [rows[place] for place in sorted(places)]


def sample(row: Mapping[str, Any], encoding: str) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_row(Text("prompt", style="dim"), Text(printable(cut(str(row.get("prompt", ""))), encoding)))
    if "answer" in row:
        table.add_row(Text("answer", style="dim"), Text(printable(cut(answer_text(row["answer"])), encoding)))
    table.add_row(Text("response", style="dim"), Text(printable(cut(str(row.get("response", ""))), encoding)))
    table.add_row(Text("reward", style="dim"), Text(metric("reward/mean").written(number(row, "reward")), style="bold"))
    return table


def answer_text(answer: str | Sequence[str]) -> str:
    """The reference answer; several, of which each counts, beside each other."""
    return answer if isinstance(answer, str) else " or ".join(answer) or "none"


def cut(text: str) -> str:
    return text if len(text) <= MAX_CHARACTERS else f"{text[:MAX_CHARACTERS]} ... ({len(text):,} characters)"


def printable(text: str, encoding: str) -> str:
    """`text` without what would steer the terminal, and without what stdout cannot encode."""
    visible = "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)
    return visible.encode(encoding, errors="backslashreplace").decode(encoding)
