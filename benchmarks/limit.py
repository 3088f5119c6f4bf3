"""How far the engine is from what this machine's matrix products and memory allow."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks import ours
from benchmarks.arithmetic import FORWARD_AND_BACKWARD
from benchmarks.workload import Workload

# Rows of the products that stand for those of an update.
ROWS = 4096
SQUARE = 2048
COPIED = 2**26  # float32 entries, 256 MiB
ROUNDS, SECONDS_A_ROUND = 5, 0.05


def measure(workload: Workload, folder: Path, threads: int, steps: int) -> list[dict[str, Any]]:
    """One row: what the last rollout and its updates need, the time that the machine's own rates give that, and the
    time that the engine took."""
    rows = ours.measure(workload, folder, threads, steps)
    torch.set_num_threads(threads)
    row = rows[-1]
    # Rows that decode together: on average over the steps.
    live = max(1, (row["response_tokens"] - row["responses"]) // (row["longest_response"] - 1))
    update_flops, update_s = 0, 0.0
    for inputs, outputs, flops in [*row["update_linear"], [workload.hidden, workload.hidden, row["update_attention"]]]:
        forward, backward = product_rates(ROWS, inputs, outputs)
        update_flops += FORWARD_AND_BACKWARD * flops
        update_s += flops / forward + 2 * flops / backward
    decode_flops, decode_s = 0, 0.0
    for inputs, outputs, flops in [*row["decode_linear"], [workload.hidden, workload.hidden, row["decode_attention"]]]:
        decode_flops += flops
        decode_s += flops / product_rates(live, inputs, outputs)[0]
    bandwidth = copy_bandwidth()
    return [
        {
            "parameters": workload.parameters,
            "tokens": row["prompt_tokens"] + row["response_tokens"],
            "response_tokens": row["response_tokens"],
            "update_flops": update_flops,
            "update_limit_s": update_s,
            "update_s": statistics.median(row["update_s"] for row in rows),
            "square_flops_per_s": product_rates(SQUARE, SQUARE, SQUARE)[0],
            "decode_flops": decode_flops,
            "decode_product_limit_s": decode_s,
            "decode_bytes": row["decode_bytes"],
            "copy_bytes_per_s": bandwidth,
            "decode_copy_limit_s": row["decode_bytes"] / bandwidth,
            "rollout_s": statistics.median(row["rollout_s"] for row in rows),
        }
    ]


def product_rates(rows: int, inputs: int, outputs: int) -> tuple[float, float]:
    """Operations a second of a linear layer's product over `rows` rows, and of the two of its backward pass."""
    x, y, weight = torch.randn(rows, inputs), torch.randn(rows, outputs), torch.randn(outputs, inputs)
    flops = 2 * rows * inputs * outputs
    forward_s = fastest(lambda: torch.nn.functional.linear(x, weight))
    backward_s = fastest(lambda: (y @ weight, y.T @ x))
    return flops / forward_s, 2 * flops / backward_s


def copy_bandwidth() -> float:
    """Bytes a second, read and written ones both counted."""
    source, target = torch.randn(COPIED), torch.empty(COPIED)
    return 2 * source.nbytes / fastest(lambda: target.copy_(source))


def fastest(function: Callable[[], Tensor | tuple[Tensor, ...]]) -> float:
    """Seconds of one call, in the fastest of some rounds: the limit is what the machine can do undisturbed."""
    function()
    seconds = []
    for _ in range(ROUNDS):
        begun, calls = time.perf_counter(), 0
        while not calls or time.perf_counter() - begun < SECONDS_A_ROUND:
            function()
            calls += 1
        seconds.append((time.perf_counter() - begun) / calls)
    return min(seconds)
