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
        "`GFLOP` counts the operations that one update of 64 responses needs at least: without padding, with the "
        "causal half of attention, with logits of response tokens only, and with nothing computed twice. `GFLOP/s` is "
        "the measured rate of matrix products of these shapes on this machine, and `limit` the time of the operations "
        "at this rate. `times` is the time of the update divided by the limit. `square` is the rate of a large square "
        "product, and `times, square` the same quotient for that rate. The target for `times` at 25M was 2.5."
    )
    decode_words = (
        "`GB` counts the bytes that decoding must read: the weights once per decoding step, and the keys and values of "
        "every unfinished row. `copy limit` is their time at the measured rate of a copy of 256 MiB. `product limit` "
        "is the time of the operations at the measured rate of products with as many rows as the average decoding step "
        "has. `times` is the time of the rollout divided by the larger limit."
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
        "The rollout is in microseconds per response token, and the update in microseconds per token of prompt and "
        "response. `times` is the time divided by that of the first row of the axis, and `needed` the same quotient "
        "for the number of operations needed. `outside` is the quotient for the time of the rollout without attention; "
        "the time of attention grows with the length, because it reads all earlier keys and values. Every row has 64 "
        "responses and one update, except those of the micro-batches, which have 256 responses. `encoded` is the "
        "number of prompt tokens that the sampler reads, divided by the prompt tokens of the groups. `MiB` is the peak "
        "memory without that of the imports."
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
        f"The shares are those of a step of `sspo train` with the included model, which takes {row['step_s']:.2f} s. "
        "The target was 3 % for all together.",
        f"`sspo train` is ready to run after {spread([row['ready_s'] for row in starts])} s. Its first rollout begins "
        f"after {spread([row['first_rollout_s'] for row in starts])} s, with the evaluation of the untrained model "
        "included; the target was 6 s.",
    ]
    return [Table("What is neither sampling nor learning", ["", "ms", "share"], shares, [*words, stood_on(result)])]
