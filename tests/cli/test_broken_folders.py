"""Files of a run or a grid that somebody cut, deleted, or put something else in the place of: every command answers in
one line or reads the rest."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sspo_cli.runs import jsonl
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
        assert RUN in lines[0] or name in lines[0]
    if name == "summary.json" and spoil is not folder:
        assert sspo("report", RUN, "-q").returncode == 0, "it is made of other files"
        assert (runs_home / RUN / name).is_file()


@pytest.mark.parametrize("spoil", [binary, folder, pipe, other_values])
def test_a_run_whose_rows_are_broken_is_not_gone_on_with(
    sspo: Sspo, made_runs: Path, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    shutil.copytree(made_runs / RUN, tmp_path / RUN)
    spoil(tmp_path / RUN / "samples.jsonl")
    files = [path for path in (tmp_path / RUN).rglob("*") if path.is_file() and path.name != ".lock"]
    before = [path.read_bytes() for path in files]
    done = sspo("train", "--resume", RUN, "train.steps=3")
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2 and f"{RUN}/samples.jsonl" in line
    assert before == [path.read_bytes() for path in files], "nothing has been written"
    assert not (tmp_path / RUN / "samples.orphaned.jsonl").exists()


def test_a_file_that_cannot_be_replaced_is_one_line(sspo: Sspo, runs_home: Path) -> None:
    folder(runs_home / RUN / "report.html")
    done = sspo("report", RUN, "-q")
    assert (done.returncode, done.stderr) == (1, f"sspo: {RUN}/report.html: Is a directory\n")
    assert not list((runs_home / RUN).glob("*.tmp")) and (runs_home / RUN / "report.html").is_dir()


def test_what_models_and_graders_write_neither_steers_a_terminal_nor_ends_a_command(
    sspo: Sspo, runs_home: Path
) -> None:
    text = "<script>x</script>\x1b]0;title\x07 \u202e \x00 \ud800 [/bold]"
    for name in ("samples.jsonl", "eval.jsonl"):
        rows = jsonl.read(runs_home / RUN / name)
        (runs_home / RUN / name).unlink()
        changed = {"prompt": text, "response": text, "error": text, "reward": None, "reward_parts": {text: None}}
        jsonl.append(runs_home / RUN / name, ({**row, **changed} for row in rows))
    shown = sspo("samples", RUN)
    assert shown.returncode == 0 and "unscored: <script>x</script>\\x1b]0;title\\x07" in shown.stdout
    assert not set("\x1b\x07\x00\u202e") & set(shown.stdout)
    rows = json.loads(sspo("samples", RUN, "--json").stdout)
    assert rows[0]["response"] == text
    assert sspo("report", RUN, "-q").returncode == 0
    page = (runs_home / RUN / "report.html").read_text()
    assert "&lt;script&gt;x" in page and "<script>x" not in page and "\\ud800" in page
