"""The off-policy study: objectives over how far the sampling policy lies behind the one that learns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sspo_cli.analysis.grid.cells import Grid, Point
from sspo_cli.analysis.grid.comparisons import compare_pair

UPDATE_KEYS = ("batch.minibatches", "batch.epochs")
STALENESS = "rollout.staleness"
AXES = (("updates", "staleness"), ("staleness", "updates"))  # what is looked at, and what is held while looking


@dataclass(frozen=True)
class Place:
    """Where a point stands: its objective, its updates per rollout, how many rollouts old its samples are."""

    objective: str
    updates: int
    staleness: int
    point: Point


def places(grid: Grid) -> list[Place]:
    """Every point on the off-policy axes; none where the grid is no such study.

    It is one if nothing varies but the objective and these keys, so that a point is known by its place.
    """
    axes = {*UPDATE_KEYS, STALENESS} & set(grid.varied)
    if "objective" not in grid.varied or not axes or set(grid.varied) - axes - {"objective"}:
        return []
    found = []
    for point in grid.points:
        config = next((cell.config for cell in grid.at(point) if cell.config), None)
        if config is not None:
            batch, rollout = config["batch"], config["rollout"]
            updates = batch["minibatches"] * batch["epochs"]
            found.append(Place(str(point["objective"]), updates, rollout["staleness"], point))
    return found


def changes(grid: Grid) -> list[dict[str, Any]]:
    """What each objective loses or gains from the nearest to the farthest place on either axis, paired by seed.

    The other axis is held at the lowest value where the objective has two places or more.
    """
    studied = places(grid)
    found = []
    for key, other in AXES:
        for objective in dict.fromkeys(place.objective for place in studied):
            for level in sorted({getattr(place, other) for place in studied}):
                line = [place for place in studied if place.objective == objective and getattr(place, other) == level]
                line.sort(key=lambda place: int(getattr(place, key)))
                near, far = line[:1], line[-1:]
                if near and far and getattr(near[0], key) < getattr(far[0], key):
                    ends = {"axis": key, "from": getattr(near[0], key), "to": getattr(far[0], key)}
                    found.append(ends | compare_pair(grid, far[0].point, near[0].point) | {"objective": objective})
                    break
    return found
