"""grid.json: what a comparison or a sweep was asked for, and where its cells are."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from annotated_types import MinLen
from pydantic import TypeAdapter, ValidationError

from sspo_cli.runs.text import BrokenFile, read_mapping

FILE = "grid.json"


@dataclass(frozen=True)
class CellEntry:
    """folder: from that of the grid. point: values by axis. id: of its settings; a combined grid has none."""

    folder: str
    point: dict[str, Any]
    seed: int
    id: str = ""
    overrides: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class GridEntry:
    """What every reader relies on."""

    kind: str
    axes: dict[str, list[Any]]
    metric: str
    direction: str
    baseline: str | None
    allowed: list[str]
    cells: Annotated[list[CellEntry], MinLen(1)]
    prompt_time: str | None = None


def read_grid_file(folder: Path) -> dict[str, Any]:
    """The content of grid.json in `folder`.

    Raises:
        FileNotFoundError: if there is none.
        BrokenFile: naming the key, if it holds something else than a `GridEntry`.
    """
    file = folder / FILE
    content = read_mapping(file)
    try:
        entry = TypeAdapter(GridEntry).validate_python(content)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise BrokenFile([f"{file}: {key}: {first['msg']}; bring it back"]) from None
    if absent := sorted({"seed", *(key for cell in entry.cells for key in cell.point)} - entry.axes.keys()):
        raise BrokenFile([f"{file}: axes: lacks {', '.join(absent)}; bring it back"])
    seen = [json.dumps([cell.point, cell.seed], sort_keys=True) for cell in entry.cells]
    if twice := [cell.folder for place, cell in enumerate(entry.cells) if seen[place] in seen[:place]]:
        raise BrokenFile([f"{file}: cells: {twice[0]} has the point and the seed of another; bring it back"])
    return content
