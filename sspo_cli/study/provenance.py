"""Where the figures come from: what the configurations differ in, versions, hardware, the command."""

from __future__ import annotations

from collections.abc import Sequence

from sspo_cli.config.tree import leaves
from sspo_cli.study.cell import Point, plain
from sspo_cli.study.grid import Grid

# Keys that tell runs apart without changing what they are; whether prompts differ, their hash tells.
OF_THE_RUN = ("seed", "name", "output_dir", "prompt_time")


def config_differences(grid: Grid, points: Sequence[Point]) -> dict[str, list[str]]:
    """Every key in which the configurations of these points differ, with the value under each; "" where there is none.

    The configuration of a point is that of its first run that has one.
    """
    found = [dict(leaves(next((run.config for run in grid.at(point) if run.config), {}), "")) for point in points]
    keys = dict.fromkeys(key for config in found for key in config)
    values = {key: [plain(config[key]) if key in config else "" for config in found] for key in keys}
    return {key: row for key, row in values.items() if len(set(row)) > 1 and key not in OF_THE_RUN}


def environment(grid: Grid) -> dict[str, str]:
    """Versions, hardware and code of the cells: one value for each where all agree, else every one."""
    found: dict[str, dict[str, None]] = {}
    for run in grid.runs:
        git = run.manifest.get("git") or {}
        facts = {
            **{f"hardware.{key}": value for key, value in run.manifest.get("hardware", {}).items()},
            **run.manifest.get("versions", {}),
            "git commit": f"{git['commit'][:12]}{'' if git['clean'] else ', with changes'}" if git else None,
        }
        for name, value in facts.items():
            if value is not None:
                found.setdefault(name, {})[str(value)] = None
    return {name: " / ".join(values) for name, values in found.items()}
