"""Which runs stand on a checkpoint of another run: each leaves a mark in it, and the other then does not delete it."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

from sspo_cli.runs.find import run_of

MARKS = ".runs_on_this"  # beside what is sealed: files whose names begin with a dot are no part of a checkpoint


def mark(checkpoint: Path, run: Path) -> None:
    """Write into `checkpoint`, if it is one of another run, that `run` stands on it. Where nothing can be written,
    nothing is deleted either."""
    owner = run_of(checkpoint)
    if owner is None or owner.resolve() in (run.resolve(), checkpoint.resolve()):
        return
    entry = {"run": str(run.resolve()), "from_here": os.path.relpath(run.resolve(), checkpoint.resolve())}
    with suppress(OSError), (checkpoint / MARKS).open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(entry) + "\n")


def holds(checkpoint: Path) -> bool:
    """Whether a run that stands on `checkpoint` is still there, where it was or where it moved to together with it."""
    with suppress(OSError):
        for line in (checkpoint / MARKS).read_text(encoding="utf-8").splitlines():
            with suppress(ValueError, KeyError, TypeError):
                entry = json.loads(line)
                places = (Path(entry["run"]), checkpoint / entry["from_here"])
                if any((place / "config.yaml").is_file() for place in places):
                    return True
    return False
