"""The folder outputs/report/NAME of a report of several runs: a grid that refers to runs elsewhere."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

from sspo_cli.config.errors import ConfigError
from sspo_cli.runs import folder as runs
from sspo_cli.runs import format as run_format
from sspo_cli.runs.grid_file import read_grid_file
from sspo_cli.runs.text import BrokenFile, replace_text
from sspo_cli.study.combine import check_metric, collect, combined, shared_config, without_repeats

OUTPUT_DIR = "outputs"
KIND: run_format.Kind = "report"
LONGEST_NAME = 60


def combined_folder(
    folders: list[Path], metric: str | None, direction: str | None, baseline: str | None, name: str | None
) -> Path:
    """A grid folder that refers to the runs in `folders`: that of an earlier report of the same, or a new one."""
    every = collect(folders)
    found = without_repeats(every)
    if len(found) < len(every):
        print(
            f"{len(every) - len(found)} runs repeat the settings and seed of another: each counts once", file=sys.stderr
        )
    if metric is not None:
        check_metric(found, metric)
    names = [name] if name else candidates("-".join(dict.fromkeys(folder.resolve().name for folder in folders)))
    for candidate in names:
        folder = Path(OUTPUT_DIR) / KIND / candidate
        content = combined(found, folder, metric=metric, direction=direction, baseline=baseline)
        if stored(folder) == content:
            return folder
        if name or not folder.exists():
            break
    if problems := runs.name_problems(OUTPUT_DIR, KIND, candidate):
        raise ConfigError(problems)
    run_format.begin(folder, KIND)
    options = {"metric": metric, "direction": direction, "baseline": baseline, "name": name}
    words = [word for key, value in options.items() if value is not None for word in (f"--{key}", value)]
    runs.write_request(folder, shared_config(found), [], ["sspo", KIND, *map(str, folders), *words])
    replace_text(folder / "grid.json", json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    runs.set_status(folder, "done")
    return folder


def candidates(wish: str) -> Iterator[str]:
    """Names like `wish`, without end."""
    stem = re.sub(r"[^\w.\-]", "_", wish)[:LONGEST_NAME]
    return (runs.numbered(stem, number) for number in count(1))


def stored(folder: Path) -> Any:
    try:
        return read_grid_file(folder)
    except (FileNotFoundError, BrokenFile):
        return None
