"""run.json: written first, told from a run of before, and refused where it is newer than this version reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sspo_cli.config.errors import ConfigError
from sspo_cli.runs import format as run_format
from sspo_cli.runs.began import newest_whole, read_settings
from sspo_cli.runs.diff import read_side
from sspo_cli.runs.eval_rows import read_evaluations
from sspo_cli.runs.find import existing_run, find_runs, run_of
from sspo_cli.runs.folder import checkpoints, create_folder, folder_problems, is_run
from sspo_cli.runs.format import FORMAT, Layout, UnreadableFormat, begin, check
from sspo_cli.runs.integrity import check as check_checkpoint
from sspo_cli.runs.manifest import read as read_manifest
from sspo_cli.runs.metric_rows import read_metrics
from sspo_cli.runs.record import read_record
from sspo_cli.runs.sample_rows import read_samples
from sspo_cli.runs.settings import read_tree
from sspo_cli.runs.status import read_state
from sspo_cli.runs.summary import read_eval_summary, read_run_summary, summarise_run


def newer(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_text(json.dumps({"kind": "train", "format": FORMAT + 1, "more": []}))
    return folder


def test_it_is_the_first_file_of_a_new_folder_and_stays_as_it_is(tmp_path: Path) -> None:
    folder = create_folder(str(tmp_path), "eval", "mine", "stem")
    assert [path.name for path in folder.iterdir()] == ["run.json"]
    assert run_format.read(folder) == Layout("eval", FORMAT)
    before = (folder / "run.json").stat().st_ino
    begin(folder, "eval")
    assert (folder / "run.json").stat().st_ino == before, "it is written once"
    with pytest.raises(ConfigError, match="holds a run of kind eval, and not of kind train"):
        begin(folder, "train")
    begin(tmp_path / "cells" / "sspo" / "seed_0", "train")
    assert run_format.read(tmp_path / "cells/sspo/seed_0") == Layout("train", FORMAT)


def test_a_folder_of_before_passes_and_is_read_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\n')
    assert run_format.read(tmp_path) is None
    check(tmp_path)
    assert read_metrics(tmp_path) == [{"step": 1}]
    check(tmp_path / "nothing")
    check(tmp_path / "metrics.jsonl")


READERS: dict[str, Callable[[Path], object]] = {
    "state of began": lambda folder: newest_whole(folder),
    "began": read_settings,
    "diff": read_side,
    "diff of files": lambda folder: read_side(folder / "config.yaml"),
    "existing": lambda folder: existing_run(str(folder)),
    "run of": run_of,
    "run of a checkpoint": lambda folder: run_of(folder / "checkpoints" / "step_000001"),
    "is run": is_run,
    "checkpoints": checkpoints,
    "a checkpoint": lambda folder: check_checkpoint(folder / "checkpoints" / "step_000001"),
    "--folder": lambda folder: folder_problems(folder, None),
    "begin": lambda folder: begin(folder, "train"),
    "manifest": read_manifest,
    "metrics": read_metrics,
    "samples": read_samples,
    "evaluations": read_evaluations,
    "settings": lambda folder: read_tree(folder / "config.yaml"),
    "summary": read_run_summary,
    "summary of an evaluation": read_eval_summary,
    "making a summary": lambda folder: summarise_run(folder, status="done", seconds=1, seed=0, objective="sspo"),
}


@pytest.mark.parametrize("name", READERS)
def test_every_reader_refuses_a_newer_format_in_one_line_and_touches_nothing(tmp_path: Path, name: str) -> None:
    folder = newer(tmp_path / "run")
    (folder / "config.yaml").write_text("seed: 0\nchoices: {}\n")
    (folder / "checkpoints" / "step_000001").mkdir(parents=True)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    with pytest.raises(UnreadableFormat) as refused:
        READERS[name](folder)
    (line,) = refused.value.problems
    assert (
        line == f"{folder}: has format {FORMAT + 1}, and this version of sspo reads formats up to {FORMAT}; update sspo"
    )
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_newer_run_is_listed_with_why_it_is_not_read(tmp_path: Path) -> None:
    folder = newer(tmp_path / "outputs" / "train" / "a")
    assert read_state(folder).word == "unknown"
    assert find_runs(tmp_path) == [folder]
    record = read_record(folder)
    assert (record.status, record.kind, record.figures) == ("unknown", "train", {})
    assert record.notes == [
        f"has format {FORMAT + 1}, and this version of sspo reads formats up to {FORMAT}; update sspo"
    ]


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "1", '{"kind": "train"}', '{"format": 1}', '{"kind": 3, "format": 1}']
    + [f'{{"kind": "train", "format": {number}}}' for number in ('"1"', "1.5", "0", "-1", "true", "null")],
)
def test_a_file_that_says_no_format_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(UnreadableFormat, match=r"run\.json: does not say a kind and a format"):
        check(tmp_path)
    assert read_state(tmp_path).word == "unknown"


def test_only_runs_are_listed_whatever_else_a_folder_has(tmp_path: Path) -> None:
    """A grid, an inspection and a report are no runs from their first file on."""
    for kind in ("train", "eval", "compare", "sweep", "inspect", "report"):
        begin(tmp_path / "outputs" / kind / "a", kind)
    begin(tmp_path / "outputs" / "compare" / "a" / "cells" / "sspo" / "seed_0", "train")
    found = [run.relative_to(tmp_path / "outputs").as_posix() for run in find_runs(tmp_path / "outputs")]
    assert found == ["compare/a/cells/sspo/seed_0", "eval/a", "train/a"]
