"""The tables of a grid as plain data: the terminal, the page and the Markdown show the same ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sspo_cli.analysis.grid.cells import plain, short_keys
from sspo_cli.analysis.grid.metric import is_share

Summary = Mapping[str, Any]


@dataclass(frozen=True)
class Entry:
    """What a table shows, and the value that it is sorted by."""

    text: str
    value: float | str | None = None


@dataclass(frozen=True)
class Table:
    """words: columns of names, aligned to the left; the others hold numbers."""

    columns: list[str]
    rows: list[list[Entry]]
    words: int = 1


def ranked(summary: Summary) -> list[Mapping[str, Any]]:
    """Points from best to worst, equal ones in the order of the grid; those without a value last."""
    sign = -1 if summary["direction"] == "max" else 1
    return sorted(summary["points"], key=lambda point: (point["mean"] is None, sign * (point["mean"] or 0.0)))


def results_table(summary: Summary) -> Table:
    """Mean, interval, and the paired difference from the baseline, or the best point."""
    metric = summary["metric"]
    against = summary["baseline"] or ("best" if summary["comparisons"] else None)
    unit = " %" if is_share(metric) else ""
    columns = [*heads(summary), "seeds", f"{metric.rpartition('/')[2]}{unit}", span_title(summary["points"])]
    if against is not None:
        columns += [f"- {against}", span_title(summary["comparisons"]), "p Holm", "p", "improves"]
    pairs = {item["name"]: item for item in summary["comparisons"]}
    rows = []
    for point in ranked(summary):
        row = [*names(summary, point), seeds(point), number(point["mean"], metric), span(point, metric)]
        if against is not None:
            row += difference_entries(pairs.get(point["name"]), summary)
        rows.append(row)
    return Table(columns, rows, words=len(heads(summary)))


def difference_entries(item: Mapping[str, Any] | None, summary: Summary) -> list[Entry]:
    if item is None:
        return [Entry("baseline" if summary["baseline"] else "best", 0.0), *[Entry("")] * 4]
    return [
        number(item["difference"], summary["metric"], "+"),
        span(item, summary["metric"]),
        p_entry(item["p_holm"]),
        p_entry(item["p"]),
        digits(item["probability_of_improvement"], ".2f"),
    ]


def course_table(summary: Summary, rows: Sequence[Mapping[str, Any]] = ()) -> Table:
    """How each point got there: means over seeds, of what matters most first; with the cells' rows, minutes too."""
    metric = summary["metric"]
    columns = ["area", "steps to", "drop", "entropy", "eff. ratio", "weight var", "length", "tokens", "best", "fell"]
    lines = [
        [
            *names(summary, point),
            number(point["area"], metric),
            steps(point),
            number(point["drawdown"], metric),
            digits(point["entropy"], ".3f"),
            digits(point["effective_ratio"], ".3f"),
            digits(point["weight_variance"], ".1e"),
            digits(point["length"], ".1f"),
            digits(point["tokens"], ",.0f"),
            number(point["best"], metric),
            Entry(str(point["collapsed"]), point["collapsed"]) if point["seeds"] else Entry("-"),
            *([minutes(point, rows)] if rows else []),
        ]
        for point in ranked(summary)
    ]
    return Table([*heads(summary), *columns, *(["minutes"] if rows else [])], lines, words=len(heads(summary)))


def minutes(point: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Entry:
    """Mean over the seeds that are done."""
    found = [
        row["minutes"]
        for row in rows
        if row["state"] == "done"
        and row["minutes"] is not None
        and all(row[key] == value for key, value in point["point"].items())
    ]
    return digits(sum(found) / len(found), ".1f") if found else Entry("-")


def contrasts_table(summary: Summary) -> Table:
    """Each objective against the first one at the same setting of the other keys."""
    items = summary["contrasts"]
    metric = summary["metric"]
    against = items[0]["against"].split(", ")[0]
    return Table(
        [*heads(summary), "seeds", f"- {against}", span_title(items), "p Holm", "p", "improves"],
        [
            [
                *names(summary, item),
                Entry(str(len(item["seeds"])), len(item["seeds"])),
                number(item["difference"], metric, "+"),
                span(item, metric),
                p_entry(item["p_holm"]),
                p_entry(item["p"]),
                digits(item["probability_of_improvement"], ".2f"),
            ]
            for item in items
        ],
        words=len(heads(summary)),
    )


def tasks_table(summary: Summary) -> Table:
    """The interquartile mean over all datasets and seeds."""
    metric = summary["metric"]
    return Table(
        ["setting", "datasets", "seeds", "IQM", span_title(summary["over_tasks"])],
        [
            [
                Entry(item["name"], item["name"]),
                Entry(str(item["tasks"]), item["tasks"]),
                Entry(str(len(item["seeds"])), len(item["seeds"])),
                number(item["iqm"], metric),
                span(item, metric),
            ]
            for item in summary["over_tasks"]
        ],
    )


def heads(summary: Summary) -> list[str]:
    """The keys that tell the points apart, as column titles."""
    keys = varied(summary)
    return list(short_keys(keys).values()) or ["objective"]


def varied(summary: Summary) -> list[str]:
    return [
        key
        for key in summary["axes"]
        if key != "seed" and len({str(point["point"].get(key)) for point in summary["points"]}) > 1
    ]


def names(summary: Summary, point: Mapping[str, Any]) -> list[Entry]:
    keys = varied(summary)
    if not keys:
        return [Entry(point["name"], point["name"])]
    return [Entry(plain(point["point"].get(key)), point["point"].get(key)) for key in keys]


def seeds(point: Mapping[str, Any]) -> Entry:
    done, missing = len(point["seeds"]), len(point["not_done"])
    return Entry(f"{done} of {done + missing}" if missing else str(done), done)


def steps(point: Mapping[str, Any]) -> Entry:
    """Mean step at which the threshold was reached, and by how many seeds where not by all."""
    reached, done = point["reached_threshold"], len(point["seeds"])
    if not reached:
        return Entry("-" if not done else "never")
    mean = point["steps_to_threshold"]
    return Entry(f"{mean:.0f}" if reached == done else f"{mean:.0f} ({reached} of {done})", mean)


def number(value: float | None, metric: str, sign: str = "") -> Entry:
    """The value without its unit, which the column's title has."""
    if value is None:
        return Entry("-")
    return Entry(f"{100 * value:{sign}.1f}" if is_share(metric) else f"{value:{sign}.4g}", value)


def span(item: Mapping[str, Any], metric: str) -> Entry:
    """The interval, sorted by its width; the values of the seeds where they are too few for one."""
    low, high = item["low"], item["high"]
    if low is None or high is None:
        return Entry("; ".join(number(value, metric).text for value in item["last"].values()) or "-")
    return Entry(f"{number(low, metric).text} to {number(high, metric).text}", high - low)


def span_title(items: Sequence[Mapping[str, Any]]) -> str:
    """What span shows of these."""
    kinds = {"95 % interval" if item["low"] is not None else "each seed" for item in items if item["last"]}
    return " or ".join(sorted(kinds)) or "95 % interval"


def digits(value: float | None, form: str) -> Entry:
    return Entry("-") if value is None else Entry(format(value, form), value)


def p_entry(p: float | None) -> Entry:
    if p is None:
        return Entry("-")
    return Entry("< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}", p)


def cells_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Every cell with its state."""
    return Table(
        ["cell", "state", "steps", "last", "best", "tokens", "minutes"],
        [
            [
                Entry(row["cell"], row["cell"]),
                Entry(row["state"], row["state"]),
                *(digits(row.get(name), form) for name, form in (("steps", ".0f"), ("last", ".4g"), ("best", ".4g"))),
                digits(row.get("tokens"), ",.0f"),
                digits(row.get("minutes"), ".1f"),
            ]
            for row in rows
        ],
        words=2,
    )
