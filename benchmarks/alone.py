"""The engine beside the machine's limit, beside itself at other sizes, and what it spends on the side."""

from __future__ import annotations

import statistics
from collections.abc import Callable

from benchmarks.table import Results, Row, Table, of, spread, stood_on


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
        rollout, outside, update, needed_rollout, needed_update = (
            now / then for now, then in zip(figures, base, strict=True)
        )
        rows.append(
            [
                axis,
                value,
                f"{statistics.median(row['response_tokens'] / row['responses'] for row in job['rows']):.0f}",
                f"{figures[0] * 1e6:.1f}",
                f"{rollout:.2f}",
                f"{needed_rollout:.2f}",
                f"{outside:.2f}",
                f"{figures[2] * 1e6:.1f}",
                f"{update:.2f}",
                f"{needed_update:.2f}",
                prompts_encoded(job),
                f"{job['peak_mib']:.0f}",
            ]
        )
    words = (
        "Microseconds per response token of the rollout, and per token of prompt and response of the update; beside "
        "each, its growth over the first row of the axis, and that of the operations needed. Outside: the growth of "
        "what a rollout token takes outside of attention, which reads ever more keys and values. 64 responses and one "
        "update, but for the micro-batches: 256 responses. Encoded: how often the sampler reads a prompt for its "
        "group, by tokens. Peak memory in MiB above imports."
    )
    header = [
        "axis",
        "value",
        "mean response",
        "rollout, us",
        "times",
        "needed",
        "outside",
        "update, us",
        "times",
        "needed",
        "encoded",
        "MiB",
    ]
    return [Table("Growth", header, rows, [words, stood_on(result)])]


def per_token(job: Row) -> list[float]:
    """Seconds of the rollout per response token, of what of them is not attention, and of the update per token; and the
    operations needed of both."""
    rows = job["rows"]

    def median(value: Callable[[Row], float]) -> float:
        return statistics.median(value(row) for row in rows)

    def needed(row: Row, phase: str) -> float:
        return float(sum(flops for _, _, flops in row[f"{phase}_linear"]) + row[f"{phase}_attention"])

    def tokens(row: Row) -> int:
        return int(row["prompt_tokens"] + row["response_tokens"])

    return [
        median(lambda row: row["rollout_s"] / row["response_tokens"]),
        median(lambda row: (row["rollout_s"] - row["rollout_attention_s"]) / row["response_tokens"]),
        median(lambda row: row["update_s"] / tokens(row)),
        median(lambda row: needed(row, "decode") / row["response_tokens"]),
        median(lambda row: needed(row, "update") / tokens(row)),
    ]


def prompts_encoded(job: Row) -> str:
    """Prompt tokens that the sampler read over those of the prompts, each once; empty where they were not counted."""
    if "encoded_prompt_tokens" not in job["rows"][0]:
        return ""
    once = sum(row["prompt_tokens"] for row in job["rows"]) / job["workload"]["samples_per_prompt"]
    return f"{sum(row['encoded_prompt_tokens'] for row in job['rows']) / once:.2f}"


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
