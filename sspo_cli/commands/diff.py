"""`sspo diff`: what sets two runs apart, and how far apart it set them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sspo_cli.config.errors import all_or_problems
from sspo_cli.config.wording import show_value
from sspo_cli.metrics import BOUNDS, Metric, metric
from sspo_cli.runs.diff import (
    ABSENT,
    Figures,
    Pair,
    Side,
    differences,
    metric_pairs,
    read_side,
    same_hashes,
    setting_differences,
)
from sspo_cli.runs.find import existing_run
from sspo_cli.views.console import print_json, results
from sspo_cli.views.summary import printable

HASH_SHOWN = 12
PASS = "eval/pass@"
# The metrics on the screen, with all of pass@; of those that learning moves, the way they went.
SHOWN = (
    "eval/accuracy",
    PASS,
    "reward/mean",
    "response/length",
    "response/truncated",
    "policy/entropy",
    "update/effective_ratio",
    "weight/std",
    "grad/norm",
    "throughput/rollout_tokens_per_s",
    "tokens/total",
    "minutes",
)
LEARNED = ("eval/accuracy", "reward/mean")
PARTS = {"last": "final", "first": "first", "best": "best"}


def run(a: str, b: str, *, as_json: bool) -> int:
    """Print what differs between two run folders or config.yaml files.

    Raises:
        ConfigError: with everything that is wrong with either.
    """
    left, right = all_or_problems(lambda: side(a), lambda: side(b))
    settings = setting_differences(left, right)
    found = differences(left.manifest, right.manifest) if left.manifest and right.manifest else None
    same = same_hashes(left.manifest, right.manifest)
    metrics = metric_pairs(left, right)
    if as_json:
        print_json(
            {
                "a": str(left.path),
                "b": str(right.path),
                "settings": {key: to_json(pair) for key, pair in settings.items()},
                "manifest": None if found is None else {key: to_json(pair) for key, pair in found.items()},
                "same_hashes": same,
                "metrics": {
                    name: {"a": one, "b": other, "difference": difference(one, other, "last")}
                    for name, (one, other) in metrics.items()
                },
            }
        )
        return 0
    console = results()
    for name, path in (("A", left.path), ("B", right.path)):
        console.print(Text(printable(f"{name}  {path}", console.encoding), style="bold"), soft_wrap=True)
    print_pairs(console, "settings", folded(settings, left, right))
    if found is not None:
        print_pairs(console, "versions, machine, content", found)
    if same:
        console.print(Text(f"the same in both: {', '.join(same)}", style="dim"))
    if left.record and right.record:
        console.print()
        console.print(metric_table(metrics))
    for line in remarks(left, right):
        console.print(Text(printable(line, console.encoding), style="yellow"))
    return 0


def side(word: str) -> Side:
    return read_side(Path(word) if Path(word).is_file() else existing_run(word))


def to_json(pair: Pair) -> dict[str, Any]:
    """Both values; a side that has none has no key."""
    return {name: value for name, value in zip(("a", "b"), pair, strict=True) if value is not ABSENT}


def difference(a: Figures | None, b: Figures | None, part: str) -> float | None:
    one, other = (figures.get(part) if figures else None for figures in (a, b))
    return None if one is None or other is None else other - one


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


def metric_table(metrics: Mapping[str, tuple[Figures | None, Figures | None]]) -> Table:
    """Final values, of what is learned also the first and the best, and what B has more than A."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column(Text("metrics", style="bold not dim"), no_wrap=True)
    table.add_column("", style="dim")
    for title in ("A", "B", "B - A"):
        table.add_column(title, justify="right", no_wrap=True)
    for name in shown_of(metrics):
        one, other = metrics[name]
        known = metric(name)
        for part in PARTS if name in LEARNED else ["last"]:
            table.add_row(
                Text(name if part == "last" else "", style="cyan"),
                PARTS[part],
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
    return [name for shown in SHOWN for name in (passes if shown == PASS else [shown]) if name in known]


def gain(value: float | None, known: Metric) -> Text:
    if value is None or value == 0:
        return Text("-" if value is None else "same")
    return Text(f"{100 * value:+.1f} pts" if known.is_share else format(value, f"+{known.form}"))


def remarks(a: Side, b: Side) -> list[str]:
    """What to know before concluding anything."""
    if a.record is None or b.record is None:
        return []
    lines = []
    if None not in (a.record.step, b.record.step) and a.record.step != b.record.step:
        lines.append(f"the final values are of different steps: {a.record.step} and {b.record.step}")
    lines += [f"{record.folder}: {note}" for record in (a.record, b.record) for note in record.notes]
    return lines
