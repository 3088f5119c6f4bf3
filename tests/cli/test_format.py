"""Runs of another format: one of a later version is refused by every command, one of before is read as it was."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Sspo

pytestmark = pytest.mark.slow

FIRST, SECOND, CHECKPOINT = "outputs/train/first", "outputs/train/second", "outputs/train/first/checkpoints/step_000002"


def contents(home: Path) -> dict[str, bytes]:
    return {path.relative_to(home).as_posix(): path.read_bytes() for path in home.rglob("*") if path.is_file()}


def test_a_newer_run_is_refused_in_one_line_and_stays_as_it_is(sspo: Sspo, made_runs: Path, tmp_path: Path) -> None:
    shutil.copytree(made_runs / "outputs", tmp_path / "outputs")
    assert json.loads((tmp_path / FIRST / "run.json").read_text()) == {"kind": "train", "format": 1}
    (tmp_path / FIRST / "run.json").write_text('{"kind": "train", "format": 2}')
    before = contents(tmp_path)
    for words in (
        ["samples", FIRST],
        ["samples", SECOND, "--with", FIRST],
        ["diff", FIRST, SECOND],
        ["diff", f"{FIRST}/config.yaml", SECOND],
        ["report", FIRST],
        ["report", SECOND, FIRST],
        ["eval", FIRST],
        ["eval", CHECKPOINT],
        ["inspect", FIRST],
        ["inspect", CHECKPOINT],
        ["train", "--resume", FIRST],
        ["train", "--config", f"{FIRST}/config.yaml"],
        ["train", "--folder", FIRST],
        ["train", "model=local", f"model.path={CHECKPOINT}"],
    ):
        done = sspo(*words)
        assert (done.returncode, done.stdout) == (2, ""), words
        (line,) = done.stderr.splitlines()
        told = f"{FIRST}: has format 2, and this version of sspo reads formats up to 1; update sspo"
        assert line.startswith("sspo: ") and line.endswith(told)
    listed = sspo("runs")
    assert listed.returncode == 0 and "has format 2" in listed.stdout and SECOND in listed.stdout
    assert contents(tmp_path) == before


def test_a_run_of_before_is_read_shown_and_gone_on_with(sspo: Sspo, made_runs: Path, tmp_path: Path) -> None:
    shutil.copytree(made_runs / "outputs", tmp_path / "outputs")

    def shown() -> tuple[str, list[dict[str, Any]]]:
        runs = json.loads(sspo("runs", "--json").stdout)
        return sspo("samples", FIRST).stdout, [{**run, "age": None} for run in runs]

    before = shown()
    for file in tmp_path.rglob("run.json"):
        file.unlink()
    assert shown() == before
    assert sspo("report", FIRST).returncode == 0
    (tmp_path / FIRST / "STATUS").write_text("interrupted\n")
    done = sspo("train", "--resume", FIRST)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / FIRST / "run.json").exists(), "its format stays that of before"
