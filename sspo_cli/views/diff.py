"""The screen of `sspo diff`: the values of both sides, one beside the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sspo_cli.config.wording import show_value
from sspo_cli.metrics import BOUNDS, Metric, is_of_source, metric
from sspo_cli.runs.diff import ABSENT, Diff, Figures, Pair, Side, difference
from sspo_cli.views.console import results
from sspo_cli.views.summary import printable

HASH_SHOWN = 12
PASS = "eval/pass@"
# The metrics on the screen, with all of pass@; of those that learning moves, the way they went.
SHOWN = (
    "eval/accuracy",
    PASS,
    "eval/truncated",
    "eval/errors",
    "reward/mean",
    "response/length",
    "response/truncated",
    "reward/errors",
    "policy/entropy",
    "update/effective_ratio",
    "weight/std",
    "grad/norm",
    "throughput/rollout_tokens_per_s",
    "tokens/total",
    "minutes",
)
LEARNED = ("eval/accuracy", "reward/mean")
NAMES = {"last": "final", "first": "first", "best": "best"}


def print_diff(found: Diff) -> None:
    """What differs, a table for each kind of difference, and what to know before concluding anything."""
    console = results()
    a, b = found.a, found.b
    for name, path in (("A", a.path), ("B", b.path)):
        console.print(Text(printable(f"{name}  {path}", console.encoding), style="bold"), soft_wrap=True)
    print_pairs(console, "settings", folded(found.settings, a, b))
    if found.manifest is not None:
        print_pairs(console, "versions, machine, content", found.manifest)
    if found.same_hashes:
        console.print(Text(f"the same in both: {', '.join(found.same_hashes)}", style="dim"))
    if a.record and b.record:
        console.print()
        console.print(metrics_table(found.metrics))
    for line in remarks(a, b):
        console.print(Text(printable(line, console.encoding), style="yellow"))


def folded(pairs: Mapping[str, Pair], a: Side, b: Side) -> dict[str, Pair]:
    """The differences, with one line for a section that only one side has, such as `optim` of a run beside an eval."""
    left, right = (Counter(key.split(".")[0] for key in side.settings if "." in key) for side in (a, b))
    found: dict[str, Pair] = {}
    for key, pair in pairs.items():
        section = key.split(".")[0]
        if "." in key and not (left[section] and right[section]) and left[section] + right[section] > 1:
            found[f"{section}.*"] = ("set" if left[section] else ABSENT, "set" if right[section] else ABSENT)
        else:
            found[key] = pair
    return found


def print_pairs(console: Console, title: str, pairs: Mapping[str, Pair]) -> None:
    """A line for each key, the values on both sides of a bar."""
    console.print()
    if not pairs:
        console.print(Text.assemble((title, "bold"), ": no difference"))
        return
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    table.add_column(Text(title, style="bold not dim"), style="cyan", overflow="fold")
    table.add_column("A", justify="right", overflow="fold")
    table.add_column("|", style="dim")
    table.add_column("B", overflow="fold")
    for key, pair in pairs.items():
        left, right = (Text(printable(shown(key, value), console.encoding)) for value in pair)
        table.add_row(Text(key, no_wrap=True), left, "|", right)
    console.print(table)


def shown(key: str, value: Any) -> str:
    if value is ABSENT:
        return "-"
    return show_value(value)[:HASH_SHOWN] if key.startswith("hashes.") or key == "git.commit" else show_value(value)


def metrics_table(metrics: Mapping[str, tuple[Figures | None, Figures | None]]) -> Table:
    """Final values, of what is learned also the first and the best, and what B has more than A."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column(Text("metrics", style="bold not dim"), no_wrap=True)
    table.add_column("", style="dim")
    for title in ("A", "B", "B - A"):
        table.add_column(title, justify="right", no_wrap=True)
    for name in shown_of(metrics):
        one, other = metrics[name]
        known = metric(name)
        for part in NAMES if name in LEARNED else ["last"]:
            table.add_row(
                Text(name if part == "last" else "", style="cyan"),
                NAMES[part],
                *(Text(known.written(figures[part] if figures else None) or "-") for figures in (one, other)),
                gain(difference(one, other, part), known),
                style="" if part == "last" else "dim",
            )
    return table


def shown_of(names: Iterable[str]) -> list[str]:
    """Those of `names` that the screen shows, in its order."""
    passes = [name for name in names if name.startswith(PASS) and not name.endswith(tuple(BOUNDS))]
    passes.sort(key=lambda name: int(name.removeprefix(PASS)))
    known = set(names)
    found = [name for shown in SHOWN for name in (passes if shown == PASS else [shown]) if name in known]
    return found + sorted(filter(is_of_source, known))


def gain(value: float | None, known: Metric) -> Text:
    if value is None or value == 0:
        return Text("-" if value is None else "same")
    return Text(f"{100 * value:+z.1f} pts" if known.is_share else format(value, f"+z{known.form}"))


def remarks(a: Side, b: Side) -> list[str]:
    """What to know before concluding anything."""
    if a.record is None or b.record is None:
        return []
    lines = []
    if None not in (a.record.step, b.record.step) and a.record.step != b.record.step:
        lines.append(f"the final values are of different steps: {a.record.step} and {b.record.step}")
    lines += [f"{record.folder}: {note}" for record in (a.record, b.record) for note in record.notes]
    return lines
