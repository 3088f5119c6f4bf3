"""bench.json as tables, and as one page with a figure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.alone import growth_tables, limit_tables, overhead_tables
from benchmarks.table import Results, Table
from benchmarks.versus import memory_tables, peer_tables


def tables_of(results: Results) -> list[Table]:
    makers: dict[str, Callable[[Results], list[Table]]] = {
        "peers": peer_tables,
        "memory": memory_tables,
        "limit": limit_tables,
        "growth": growth_tables,
        "overhead": overhead_tables,
    }
    return [table for name, make in makers.items() if name in results for table in make(results[name])]


def render(results: Results, tables: Sequence[Table], folder: Path) -> None:
    """bench.md and, where the comparison was measured, bench.svg."""
    opening = (
        "# Benchmarks\n\n`make bench` measured these figures. bench.json, beside this page, has every repetition. "
        "benchmarks/trl_side.py says how TRL was set up, and why."
    )
    picture = []
    if "peers" in results:
        from benchmarks.figure import draw

        draw(results["peers"], folder / "bench.svg")
        picture = ["![Seconds of a rollout step by phase: sspo, TRL, TRL with a static cache](bench.svg)"]
    page = "\n\n".join([opening, *picture, *(str(table) for table in tables)])
    (folder / "bench.md").write_text(page + "\n")
