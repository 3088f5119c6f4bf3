"""From bench.json to tables for people, and to one page with a figure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Row = dict[str, Any]
Results = dict[str, Any]

ERRORS_APART = 4


@dataclass(frozen=True)
class Table:
    """A Markdown table that reads well as plain text too; words are the sentences under it."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: Sequence[str]

    def __str__(self) -> str:
        lines = [list(self.header), *map(list, self.rows)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(self.header))]
        rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
        padded = [
            [line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))]
            for line in [lines[0], rule, *lines[1:]]
        ]
        body = "\n".join("| " + " | ".join(line) + " |" for line in padded)
        return "\n\n".join([f"## {self.title}", body, *self.words])


def tables_of(results: Results) -> list[Table]:
    makers: dict[str, Callable[[Results], list[Table]]] = {
        "peers": peer_tables,
        "memory": memory_tables,
        "limit": limit_tables,
        "growth": growth_tables,
        "overhead": overhead_tables,
    }
    return [table for name, make in makers.items() if name in results for table in make(results[name])]


def of(result: Results, name: str) -> list[Row]:
    """The jobs called `name`, in order."""
    return [job for job in result["jobs"] if job["name"] == name]


def spread(values: Sequence[float], form: str = "{:.2f}") -> str:
    """Median, and the range if there is one."""
    median, low, high = (form.format(value) for value in (statistics.median(values), min(values), max(values)))
    return median if low == high else f"{median} ({low} to {high})"


def scaled(job: Row, *phases: str) -> float:
    """Median seconds of `phases` together in a step of as many response tokens as the workload has on average."""
    workload = job["workload"]
    tokens = workload["mean_response_share"] * workload["max_response_length"]
    tokens *= workload["prompts"] * workload["samples_per_prompt"]
    return statistics.median(sum(row[p] for p in phases) * tokens / row["response_tokens"] for row in job["rows"])


def better_trl(result: Results) -> str:
    """TRL's configuration with the shorter median step."""
    return min(("trl", "trl static"), key=lambda name: statistics.median(scaled(j, "step_s") for j in of(result, name)))


def ratios(result: Results, phases: Sequence[str], our_phases: Sequence[str]) -> list[float]:
    """How many times as long TRL's better configuration takes, repetition by repetition."""
    pairs = zip(of(result, better_trl(result)), of(result, "sspo"), strict=True)
    return [scaled(theirs, *phases) / scaled(ours, *our_phases) for theirs, ours in pairs]


def peer_tables(result: Results) -> list[Table]:
    sides = ("sspo", "trl", "trl static")
    lines: list[tuple[str, Sequence[str], float | None]] = [
        ("rollout", ["rollout_s"], 3),
        ("old log-probabilities", ["scoring_s"], None),
        ("update", ["update_s"], None),
        ("old log-probabilities and update", ["scoring_s", "update_s"], 2),
        ("everything else", ["other_s"], None),
        ("whole step", ["step_s"], 3),
    ]
    rows = []
    for title, phases, target in lines:
        times = [spread([scaled(job, *phases) for job in of(result, side)]) for side in sides]
        ratio = spread(ratios(result, phases, phases)) if "scoring_s" not in phases or len(phases) > 1 else ""
        rows.append([title, *times, "" if title == "everything else" else ratio, f"{target:g}" if target else ""])
    lengths = [
        [row["response_tokens"] / row["responses"] for job in of(result, s) for row in job["rows"]] for s in sides
    ]
    rows.append(["response tokens, mean", *(spread(length, "{:.1f}") for length in lengths), "", ""])
    peaks = [[job["peak_mib"] for job in of(result, side)] for side in sides]
    rows.append(["peak memory above imports, MiB", *(spread(peak, "{:.0f}") for peak in peaks), "", ""])
    job = of(result, "sspo")[0]
    workload, best = job["workload"], better_trl(result)
    asked = workload["prompts"] * workload["samples_per_prompt"]
    again = spread(ratios(result, ["scoring_s", "update_s"], ["extra_scoring_s", "update_s"]))
    count = len(of(result, "sspo"))
    words = [
        f"Seconds a step, scaled to one number of response tokens; medians of {count} repetitions and their range. The "
        f"last two columns: how many times as long TRL's better configuration ({best}) takes, and the target. "
        f"{workload['prompts']} prompts x {workload['samples_per_prompt']} samples = {asked} responses of at most "
        f"{workload['max_response_length']} tokens, {workload['updates']} updates, AdamW, float32, objective SAPO.",
        "Our ratios start from the log-probabilities that the sampler kept; TRL computes them in a pass of its own. "
        "With such a pass on our side too (`objective.correction.level=token`), old log-probabilities and update are "
        f"{again} times as fast.",
    ]
    return [Table("Against TRL's GRPOTrainer", ["phase", *sides, "ratio", "target"], rows, [*words, stood_on(result)])]


def memory_tables(result: Results) -> list[Table]:
    names = list(dict.fromkeys(job["name"] for job in result["jobs"]))
    peaks = {name: [job["peak_mib"] for job in of(result, name)] for name in names}
    rows = []
    for name in names:
        seconds = [row["update_s"] for job in of(result, name) for row in job["rows"]]
        rows.append([name, spread(peaks[name], "{:.0f}"), spread(seconds, "{:.1f}")])
    share, share_one = (
        statistics.median(peaks[f"sspo{how}"]) / statistics.median(peaks[f"trl{how}"]) for how in ("", ", one by one")
    )
    job = of(result, "sspo")[0]
    workload = job["workload"]
    words = (
        f"Most memory held by the process above what its imports take (`ru_maxrss`), over two updates of "
        f"{workload['samples_per_prompt']} x 512 tokens at a vocabulary of {workload['vocabulary']:,} (hidden "
        f"{workload['hidden']}, {workload['layers']} layers). First as each comes, TRL with the update in one pass as in "
        f"the comparison: ours is {share:.2f} of TRL's, the target 0.33. Then both with one sequence a pass, "
        f"`engine.tokens_per_microbatch` here and gradient accumulation there: {share_one:.2f}. Weights, gradients and "
        f"AdamW's moments are {16 * job['parameters'] / 2**20:.0f} MiB of it in all four."
    )
    return [Table("Memory of an update", ["", "peak, MiB", "update, s"], rows, [words, stood_on(result)])]


def limit_tables(result: Results) -> list[Table]:
    update, decode = [], []
    for job in result["jobs"]:
        row = job["rows"][0]
        update.append(
            [
                job["name"],
                f"{row['parameters'] / 1e6:.2f}M",
                f"{row['update_flops'] / 1e9:,.0f}",
                f"{row['update_flops'] / row['update_limit_s'] / 1e9:.0f}",
                f"{row['square_flops_per_s'] / 1e9:.0f}",
                f"{row['update_limit_s']:.2f}",
                f"{row['update_s']:.2f}",
                f"{row['update_s'] / row['update_limit_s']:.2f}",
                f"{row['update_s'] * row['square_flops_per_s'] / row['update_flops']:.2f}",
            ]
        )
        bound = max(row["decode_product_limit_s"], row["decode_copy_limit_s"])
        decode.append(
            [
                job["name"],
                f"{row['decode_bytes'] / 1e9:.1f}",
                f"{row['copy_bytes_per_s'] / 1e9:.1f}",
                f"{row['decode_copy_limit_s']:.2f}",
                f"{row['decode_flops'] / 1e9:,.0f}",
                f"{row['decode_product_limit_s']:.2f}",
                f"{row['rollout_s']:.2f}",
                f"{row['rollout_s'] / bound:.2f}",
            ]
        )
    update_words = (
        "GFLOP that one update of 64 responses cannot do without: real tokens, the causal half of attention, logits of "
        "response tokens, nothing twice. The limit is what this machine's own products of those shapes would take; the "
        "last two columns: how many times as long the update takes, and how many times as long as if every operation "
        "ran at the rate of a large square product. The target at 25M was 2.5."
    )
    decode_words = (
        "Bytes: the weights once a step, keys and values of every unfinished row; their limit is a copy of 256 MiB. "
        "Operations: at the rate of products with as many rows as decode together on average. The last column: how "
        "many times as long the rollout takes as the longer of the two."
    )
    return [
        Table(
            "The update and the machine's limit",
            ["size", "parameters", "GFLOP", "GFLOP/s", "square", "limit, s", "update, s", "times", "times, square"],
            update,
            [update_words],
        ),
        Table(
            "Decoding and the machine's limit",
            ["size", "GB", "GB/s", "copy limit, s", "GFLOP", "product limit, s", "rollout, s", "times"],
            decode,
            [decode_words, stood_on(result)],
        ),
    ]


def growth_tables(result: Results) -> list[Table]:
    rows: list[list[str]] = []
    first: dict[str, list[float]] = {}
    for job in result["jobs"]:
        axis, value = job["name"].split("/")
        figures = per_token(job)
        base = first.setdefault(axis, figures)
        rollout, update, needed_rollout, needed_update = (now / then for now, then in zip(figures, base, strict=True))
        rows.append(
            [
                axis,
                value,
                f"{statistics.median(row['response_tokens'] / row['responses'] for row in job['rows']):.0f}",
                f"{figures[0] * 1e6:.1f}",
                f"{rollout:.2f}",
                f"{needed_rollout:.2f}",
                f"{figures[1] * 1e6:.1f}",
                f"{update:.2f}",
                f"{needed_update:.2f}",
                f"{job['peak_mib']:.0f}",
            ]
        )
    words = (
        "Microseconds per response token of the rollout, and per token of prompt and response of the update; beside "
        "each, its growth over the first row of the axis, and that of the operations needed. 64 responses and one "
        "update, but for the micro-batches: 256 responses. Peak memory in MiB above imports."
    )
    header = [
        "axis",
        "value",
        "mean response",
        "rollout, us",
        "times",
        "needed",
        "update, us",
        "times",
        "needed",
        "MiB",
    ]
    return [Table("Growth", header, rows, [words, stood_on(result)])]


def per_token(job: Row) -> list[float]:
    """Seconds of the rollout per response token and of the update per token, and the operations needed likewise."""
    rows = job["rows"]

    def median(value: Callable[[Row], float]) -> float:
        return statistics.median(value(row) for row in rows)

    def needed(row: Row, phase: str) -> float:
        return float(sum(flops for _, _, flops in row[f"{phase}_linear"]) + row[f"{phase}_attention"])

    def tokens(row: Row) -> int:
        return int(row["prompt_tokens"] + row["response_tokens"])

    return [
        median(lambda row: row["rollout_s"] / row["response_tokens"]),
        median(lambda row: row["update_s"] / tokens(row)),
        median(lambda row: needed(row, "decode") / row["response_tokens"]),
        median(lambda row: needed(row, "update") / tokens(row)),
    ]


def overhead_tables(result: Results) -> list[Table]:
    row = of(result, "step")[0]["rows"][0]
    parts = {name: seconds for name, seconds in row.items() if name != "step_s"}
    shares = [[name, f"{seconds * 1e3:.1f}", f"{seconds / row['step_s']:.2%}"] for name, seconds in parts.items()]
    total = sum(parts.values())
    shares.append(["together", f"{total * 1e3:.1f}", f"{total / row['step_s']:.2%}"])
    starts = [job["rows"][0] for job in of(result, "start")]
    words = [
        f"Of a step of `sspo train` on the embedded default, {row['step_s']:.2f} s; the target was 3 % together.",
        f"From `sspo train` to ready: {spread([row['ready_s'] for row in starts])} s; to its first rollout, the "
        f"evaluation of the untrained model behind it: {spread([row['first_rollout_s'] for row in starts])} s, the "
        "target 6 s.",
    ]
    return [Table("What is neither sampling nor learning", ["", "ms", "share"], shares, [*words, stood_on(result)])]


def stood_on(result: Results) -> str:
    """Where the figures come from, in one sentence."""
    e = result["environment"]
    peers = f", trl {e['trl']}" if e["trl"] else ""
    return (
        f"{e['processor']}, {e['cores']} cores, {e['threads']} threads, Python {e['python']}, torch {e['torch']}, "
        f"transformers {e['transformers']}{peers}, sspo {e['sspo']}, {e['date']}."
    )


def unequal_work(results: Results) -> list[str]:
    """In what the two sides of the comparison did not do the same work; nothing if they did."""
    if "peers" not in results:
        return []
    rows: dict[str, list[Row]] = {}
    for job in results["peers"]["jobs"]:
        rows.setdefault(job["name"], []).extend(job["rows"])
    problems = []
    for name in ("prompts_sha256", "responses", "prompt_tokens", "updates"):
        found = {side: sorted({row[name] for row in mine}) for side, mine in rows.items()}
        if len({str(values) for values in found.values()}) > 1 or any(len(values) > 1 for values in found.values()):
            problems.append(f"{name}: {found}")
    lengths = {side: mean_and_error(mine) for side, mine in rows.items()}
    ours, error = lengths.pop("sspo")
    for side, (theirs, their_error) in lengths.items():
        if abs(theirs - ours) > ERRORS_APART * math.hypot(error, their_error):
            problems.append(f"mean response length: sspo {ours:.1f}, {side} {theirs:.1f}")
    return problems


def mean_and_error(rows: Sequence[Row]) -> tuple[float, float]:
    """Mean length of the responses of all rollouts, and its standard error."""
    responses = sum(row["responses"] for row in rows)
    mean = sum(row["response_tokens"] for row in rows) / responses
    return mean, statistics.mean(row["response_tokens_sd"] for row in rows) / math.sqrt(responses)


def render(results: Results, tables: Sequence[Table], folder: Path) -> None:
    """bench.md and, where the comparison was measured, bench.svg."""
    opening = (
        "# Benchmarks\n\nWhat `make bench` measured; bench.json beside this page holds every repetition. How TRL was "
        "set up, and why: tests/benchmarks/trl_side.py."
    )
    picture = []
    if "peers" in results:
        from tests.benchmarks.figure import draw

        draw(results["peers"], folder / "bench.svg")
        picture = ["![Seconds of a rollout step by phase, and growth of time per token](bench.svg)"]
    page = "\n\n".join([opening, *picture, *(str(table) for table in tables)])
    (folder / "bench.md").write_text(page + "\n")
