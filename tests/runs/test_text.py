from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sspo_cli.runs import jsonl
from sspo_cli.runs.folder import get_status
from sspo_cli.runs.grid_file import read_grid_file
from sspo_cli.runs.lock import signature
from sspo_cli.runs.metric_rows import read_metrics
from sspo_cli.runs.summary import read_run_summary
from sspo_cli.runs.text import BrokenFile, read_json, read_text, replace_text, text_if_any

DEEP = "[" * 100_000
LONG = '{"step": ' + "9" * 5000 + "}"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda file: file.mkdir(), "is no plain file"),
        (os.mkfifo, "is no plain file"),
        (lambda file: file.write_bytes(b"\xbd\x00"), "is no UTF-8 text: invalid start byte at byte 0"),
        (lambda file: file.symlink_to(file.name), "cannot be read: Too many levels of symbolic links"),
    ],
    ids=["folder", "pipe", "binary", "link to itself"],
)
def test_what_is_no_text_is_told_in_one_line_with_its_name(
    tmp_path: Path, make: Callable[[Path], object], said: str
) -> None:
    """Every reader of a run folder comes by here; a pipe would be waited for."""
    for name, read in {"STATUS": get_status, "metrics.jsonl": read_metrics, "grid.json": read_grid_file}.items():
        make(tmp_path / name)
        with pytest.raises(BrokenFile) as raised:
            read(tmp_path)
        assert raised.value.problems == [f"{tmp_path / name}: {said}"]
    make(tmp_path / ".lock")
    make(tmp_path / "summary.json")
    assert signature(tmp_path) == "" and read_run_summary(tmp_path) is None


@pytest.mark.parametrize("text", [DEEP, LONG, '{"step": 1', ""])
def test_json_that_cannot_be_read_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "summary.json").write_text(text)
    with pytest.raises(BrokenFile, match=r"summary\.json: not JSON"):
        read_json(tmp_path / "summary.json")
    (tmp_path / "metrics.jsonl").write_text(f'{{"step": 0}}\n{text}\n{{"step": 2}}\n')
    with pytest.raises(BrokenFile, match=r"metrics\.jsonl:2: not JSON"):
        read_metrics(tmp_path)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ('{"loss": 1.0}', "step: is no whole number"),
        ('{"step": "1"}', "step: is no whole number"),
        ('{"step": 1.5}', "step: is no whole number"),
        ('{"step": true}', "step: is no whole number"),
        ('{"step": 1, "loss": "low"}', "loss: is no number"),
        ('{"step": 1, "loss": [1]}', "loss: is no number"),
    ],
)
def test_metrics_that_are_no_numbers_are_named(tmp_path: Path, row: str, said: str) -> None:
    (tmp_path / "metrics.jsonl").write_text(f'{{"step": 0}}\n{row}\n')
    with pytest.raises(BrokenFile, match=rf"metrics\.jsonl:2: {said}"):
        read_metrics(tmp_path)


def test_rows_without_a_step_are_not_cut(tmp_path: Path) -> None:
    file = tmp_path / "samples.jsonl"
    file.write_text('{"step": 1}\n{"step": null}\n')
    with pytest.raises(BrokenFile, match=r"samples\.jsonl:2: step"):
        jsonl.split_off(file, after_step=0)
    assert file.read_text() == '{"step": 1}\n{"step": null}\n' and list(tmp_path.iterdir()) == [file]


def test_a_file_is_written_in_one_step_in_the_place_of_whatever_is_there(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("of somebody else")
    (tmp_path / "link").symlink_to(other)
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe", "new"):
        replace_text(tmp_path / name, "é\n")
        assert read_text(tmp_path / name) == "é\n" and not (tmp_path / name).is_symlink()
    assert other.read_text() == "of somebody else"
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        replace_text(tmp_path / "folder", "x")
    replace_text(tmp_path / "new", "\ud800")
    assert read_text(tmp_path / "new") == "\\ud800"
    assert {path.name for path in tmp_path.iterdir()} == {"other", "link", "pipe", "new", "folder"}
    assert text_if_any(tmp_path / "nothing") == "" and text_if_any(other / "below a file") == ""


CELL = {"folder": "cells/a/seed_0", "point": {"objective": "a"}, "seed": 0}
GRID: dict[str, object] = {
    "kind": "compare",
    "axes": {"objective": ["a"], "seed": [0]},
    "metric": "m",
    "direction": "max",
    "baseline": None,
    "allowed": [],
    "cells": [CELL],
}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"cells": []}, "cells: List should have at least 1 item"),
        ({"cells": [1]}, "cells.0: "),
        ({"cells": [{**CELL, "folder": 1}]}, "cells.0.folder: "),
        ({"cells": [{**CELL, "point": "a"}]}, "cells.0.point: "),
        ({"cells": [CELL, CELL]}, "cells: cells/a/seed_0 has the point and the seed of another"),
        ({"axes": [1]}, "axes: "),
        ({"axes": {"objective": ["a"]}}, "axes: lacks seed"),
        ({"metric": 5}, "metric: "),
    ],
)
def test_a_grid_that_was_edited_by_hand_is_refused_with_the_key(
    tmp_path: Path, change: dict[str, object], said: str
) -> None:
    (tmp_path / "grid.json").write_text(json.dumps(GRID))
    assert read_grid_file(tmp_path)["cells"] == [CELL]
    (tmp_path / "grid.json").write_text(json.dumps({**GRID, **change}))
    with pytest.raises(BrokenFile) as raised:
        read_grid_file(tmp_path)
    assert raised.value.problems[0].startswith(f"{tmp_path}/grid.json: {said}") and len(raised.value.problems) == 1
