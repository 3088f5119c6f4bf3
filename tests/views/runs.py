"""Metric rows as a run of `steps` steps writes them."""

from __future__ import annotations

from typing import Any


def metric_rows(steps: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [{"step": 0, "eval/accuracy": 0.381}]
    for step in range(1, steps + 1):
        row = {
            "step": step,
            "reward/mean": 0.4 + 0.01 * step,
            "policy/entropy": 0.5 / step,
            "update/effective_ratio": 0.98,
            "response/length": 15.0 + step,
            "throughput/rollout_tokens_per_s": 5000.0 + step,
            "grad/norm": 1.0 / step,
            "time/total_s": 2.0,
        }
        rows.append(row | ({"eval/accuracy": 0.4 + 0.02 * step} if step % 2 == 0 else {}))
    return rows


ODD_ROWS: list[dict[str, Any]] = [
    {},
    {"step": 1},
    {"step": 2, "reward/mean": float("nan"), "time/total_s": float("nan"), "grad/norm": float("inf")},
    {"step": 3, "reward/mean": None, "policy/entropy": "low", "eval/accuracy": [1], "time/total_s": -1.0},
    {"step": float("nan"), "reward/mean": 1e308, "response/length": -(10**400)},
    {"step": 5, "reward/mean": -1e308, "time/total_s": 1e308, "throughput/rollout_tokens_per_s": float("-inf")},
]
