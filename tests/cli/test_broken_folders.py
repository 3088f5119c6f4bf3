"""Files of a run or a grid that somebody cut, deleted, or put something else in the place of: every command answers in
one line or reads the rest."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Sspo

pytestmark = pytest.mark.slow

RUN, OTHER = "outputs/train/first", "outputs/train/second"


def binary(file: Path) -> None:
    file.write_bytes(b"\xbd\x00\n" * 9)


def folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def other_values(file: Path) -> None:
    file.write_text('{"step": "a", "cells": [1], "status": 1, "steps": []}\n')


@pytest.mark.parametrize("spoil", [binary, folder, pipe, other_values])
@pytest.mark.parametrize("name", ["metrics.jsonl", "summary.json", "config.yaml"])
def test_every_reader_of_a_run_answers_in_one_line(
    sspo: Sspo, runs_home: Path, name: str, spoil: Callable[[Path], None]
) -> None:
    spoil(runs_home / RUN / name)
    assert sspo("runs").returncode == 0
    refused = {
        "metrics.jsonl": [["report", RUN]],
        "summary.json": [],
        "config.yaml": [["report", RUN], ["diff", RUN, OTHER], ["train", "--config", f"{RUN}/config.yaml"]],
    }[name]
    for words in refused:
        done = sspo(*words)
        lines = done.stderr.splitlines()
        assert (done.returncode, len(lines)) == (2, 1) and lines[0].startswith("sspo: "), (words, done.stderr)
        assert f"{name}" in lines[0]
    if name == "summary.json" and spoil is not folder:
        assert sspo("report", RUN, "-q").returncode == 0, "it is made of other files"
        assert (runs_home / RUN / name).is_file()


@pytest.mark.parametrize("spoil", [binary, folder, pipe, other_values])
def test_a_run_whose_rows_are_broken_is_not_gone_on_with(
    sspo: Sspo, made_runs: Path, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    shutil.copytree(made_runs / RUN, tmp_path / RUN)
    spoil(tmp_path / RUN / "samples.jsonl")
    before = {
        path: path.read_bytes() for path in (tmp_path / RUN).rglob("*") if path.is_file() and path.name != ".lock"
    }
    done = sspo("train", "--resume", RUN, "train.steps=3")
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2 and f"{RUN}/samples.jsonl" in line
    assert before == {path: path.read_bytes() for path in before}, "nothing has been written"
    assert not (tmp_path / RUN / "samples.orphaned.jsonl").exists()


def test_a_folder_of_another_user_is_one_line(sspo: Sspo, runs_home: Path) -> None:
    """A file of the run that cannot be replaced, whoever runs the test: a folder lies in its place."""
    (runs_home / RUN / "report.html").mkdir(parents=True)
    done = sspo("report", RUN, "-q")
    (line,) = done.stderr.splitlines()
    assert (done.returncode == 1 and line.endswith(f"{RUN}/report.html: Is a directory")) or "report.html" in line
    assert not list((runs_home / RUN).glob("*.tmp"))
