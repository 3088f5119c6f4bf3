"""Where run folders are, and which one a person means."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from sspo_cli.config.errors import ConfigError, did_you_mean
from sspo_cli.runs import format as run_format
from sspo_cli.runs.folder import is_run
from sspo_cli.runs.text import TEMPORARY

SIGNS = (run_format.FILE, "config.yaml", "STATUS", "metrics.jsonl", "eval.jsonl")
SEE_RUNS = "runs are folders such as outputs/train/NAME (`sspo runs` lists them)"
NOT_RUNS = ("inspect.json",)
RUNS, GRIDS = ("train", "eval"), ("compare", "sweep")  # of the kinds in run.json
# What else a run has, and may have before anything else.
BEFORE = {
    "log.txt",
    "overrides.txt",
    "command.sh",
    "manifest.json",
    "checkpoints",
    "plots",
}
# From outputs/ to outputs/compare/NAME/cells/OBJECTIVE/seed_0, with room for an output_dir of folders.
DEPTH = 7
LOOKS = 2000  # folders opened for an error's hint: somebody may name / or their home


def find_runs(root: Path) -> list[Path]:
    """Every run folder at or below `root`, sorted; also those that a crash left empty, where only runs stand.

    Cells of a grid are runs; the grid's own folder is none.
    """
    return sorted(walk(root, DEPTH)) if root.is_dir() else []


def walk(folder: Path, depth: int, looks: Iterator[int] | None = None) -> Iterator[Path]:
    """looks: one for each folder that may be opened."""
    if looks is not None and next(looks, None) is None:
        return
    names = {path.name: path for path in list_folder(folder)}
    kind = kind_of(folder) if run_format.FILE in names else None
    if any(name in names for name in NOT_RUNS) or kind not in (None, *RUNS, *GRIDS):
        return
    if kind in GRIDS or "grid.json" in names or "cells" in names:
        yield from walk(folder / "cells", depth - 1, looks)
        return
    whole = {name for name in names if not name.endswith(TEMPORARY)}
    if any(name in names for name in SIGNS) or (is_place_of_run(folder) and whole <= BEFORE):
        yield folder
        return
    if depth:
        for path in names.values():
            if not path.name.startswith(".") and is_folder(path):
                yield from walk(path, depth - 1, looks)


def kind_of(folder: Path) -> str:
    """What run.json says; train where it cannot be read, so that the folder is listed with its problem."""
    try:
        found = run_format.read(folder)
    except run_format.UnreadableFormat:
        found = None
    return found.kind if found else RUNS[0]


def list_folder(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:  # a folder that may not be read, or was deleted while we looked
        return []


def is_folder(path: Path) -> bool:
    """False, too, where nobody may look."""
    with suppress(OSError):
        return path.is_dir()
    return False


def is_place_of_run(folder: Path) -> bool:
    """outputs/train/NAME, outputs/eval/NAME or cells/OBJECTIVE/seed_0."""
    return folder.parent.name in ("train", "eval") or (
        re.fullmatch(r"seed_\d+", folder.name) is not None and folder.parent.parent.name == "cells"
    )


def grid_of(run: Path) -> Path | None:
    """The folder of the grid that a run is a cell of."""
    return run.parents[2] if len(run.parents) > 2 and run.parents[1].name == "cells" else None


def existing_run(word: str, outputs: Path = Path("outputs")) -> Path:
    """The run folder `word`.

    Raises:
        ConfigError: naming the run that was probably meant, if there is none; if it is of a newer format.
    """
    folder = Path(word)
    if folder.is_dir():
        run_format.check(folder)
        if not is_place_of_run(folder) and (what := holder_of_runs(folder)):
            raise ConfigError([f"{word}: {what}"])
        return folder
    known = {str(run): run for run in find_runs(outputs)}
    named = [path for path, run in known.items() if run.name == folder.name]
    hint = f", did you mean '{named[0]}'?" if named else did_you_mean(word, known)
    raise ConfigError([f"{word}: no such run folder{hint} (see `sspo runs`)"])


def holder_of_runs(folder: Path) -> str:
    """What a folder is that holds runs and is none: a grid, or a folder of them; "" if it holds none."""
    inside = sorted(walk(folder, DEPTH, iter(range(LOOKS))))
    if not inside or inside == [folder]:
        return ""
    kind = "a grid of runs" if (folder / "grid.json").is_file() else "a folder of runs"
    return f"is {kind}; name one of them, such as {inside[0]}"


def run_of(path: Path) -> Path | None:
    """The train run that `path` is, or is a checkpoint of; None if it is neither.

    Raises:
        UnreadableFormat: if it is one of a newer format.
    """
    return next((folder for folder in (path, *path.absolute().parents[:2]) if is_run(folder)), None)
