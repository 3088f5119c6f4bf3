"""`sspo runs` on real runs, whole and broken ones."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Sspo
from tests.views.terminal import COLOUR, CONTROL, in_terminal, lines

pytestmark = pytest.mark.slow


FIRST, SECOND, AGAIN = "outputs/train/first", "outputs/train/second", "outputs/eval/again"
CELL = "outputs/compare/two/cells/grpo/seed_0"
Listed = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def listed(sspo: Sspo) -> Listed:
    """What `sspo runs ... --json` prints."""

    def run(*words: str) -> list[dict[str, Any]]:
        done = sspo("runs", *words, "--json")
        assert done.returncode == 0, done.stderr
        rows: list[dict[str, Any]] = json.loads(done.stdout)
        return rows

    return run


def folders(found: list[dict[str, Any]]) -> list[str]:
    return [run["folder"] for run in found]


@pytest.fixture
def with_cells(runs_home: Path) -> Path:
    """The home with a compare of which one cell is whole and one was never started."""
    shutil.copytree(runs_home / SECOND, runs_home / CELL)
    (runs_home / CELL / "STATUS").write_text("failed: RuntimeError: out of memory\n")
    grid = runs_home / "outputs/compare/two"
    (grid / "grid.json").write_text("{}")
    shutil.copy(runs_home / SECOND / "config.yaml", grid)
    (grid / "cells/sspo/seed_0").mkdir(parents=True)
    return runs_home


def test_every_run_says_what_it_is_and_what_it_reached(listed: Listed, with_cells: Path) -> None:
    found = {run["folder"]: run for run in listed()}
    assert set(found) == {FIRST, SECOND, AGAIN, CELL, "outputs/compare/two/cells/sspo/seed_0"}
    summary = json.loads((with_cells / SECOND / "summary.json").read_text())
    second = found[SECOND]
    assert (second["kind"], second["status"], second["step"], second["steps"]) == ("train", "done", 3, 3)
    assert second["choices"]["objective"] == "grpo" and second["config"]["optim.lr"] == 1e-4
    assert second["minutes"] == summary["minutes"]
    assert second["metrics"]["eval/accuracy"] == summary["eval/accuracy"]["last"]
    assert second["metrics"]["grad/norm"] == summary["grad/norm"]["last"]
    again = json.loads((with_cells / AGAIN / "summary.json").read_text())
    assert found[AGAIN]["kind"] == "eval" and found[AGAIN]["step"] is None
    assert found[AGAIN]["metrics"]["eval/accuracy_low"] == again["eval/accuracy_low"]
    assert found[CELL]["status"] == "failed" and found[CELL]["notes"] == ["RuntimeError: out of memory"]
    assert found["outputs/compare/two/cells/sspo/seed_0"]["status"] == "half-written"


def test_runs_are_filtered_by_anything_and_sorted_by_anything(listed: Listed, with_cells: Path) -> None:
    assert set(folders(listed("--where", "objective=grpo"))) == {SECOND, CELL}
    assert folders(listed("--where", "objective=grpo", "--where", "status=done")) == [SECOND]
    assert set(folders(listed("--where", "optim.lr<0.00005"))) == {FIRST}
    assert set(folders(listed("--where", "status!=done"))) == {CELL, "outputs/compare/two/cells/sspo/seed_0"}
    assert folders(listed("--sort", "train.steps"))[:1] == [FIRST]
    assert folders(listed("--sort", "-train.steps", "--limit", "3"))[2:] == [FIRST]
    entropy = [run["metrics"]["policy/entropy"] for run in listed(FIRST, SECOND, "--sort", "-policy/entropy")]
    assert len(entropy) == 2 and entropy == sorted(entropy, reverse=True)
    assert folders(listed("outputs/train", FIRST, "--sort", "folder")) == [FIRST, SECOND]


def test_the_newest_come_first(listed: Listed, runs_home: Path) -> None:
    for age, folder in enumerate((SECOND, AGAIN, FIRST)):
        for file in (runs_home / folder).iterdir():
            os.utime(file, (file.stat().st_atime, 1.8e9 - 3600 * age))
    found = listed()
    assert folders(found) == [SECOND, AGAIN, FIRST]
    assert found[2]["age"] - found[0]["age"] == pytest.approx(2, abs=0.01)


def break_config(folder: Path) -> None:
    file = folder / "config.yaml"
    file.write_bytes(file.read_bytes()[:200])


def break_metrics(folder: Path) -> None:
    (folder / "summary.json").unlink()
    (folder / "metrics.jsonl").write_text('half a row\n{"step": 1}\n')


def remove_files(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_file():
            path.unlink()


def tear_metrics(folder: Path) -> None:
    """As a run that was killed while it wrote step 3, and had been interrupted at step 1 before."""
    file = folder / "metrics.jsonl"
    file.write_bytes(file.read_bytes()[:-30])
    (folder / "STATUS").write_text("running\n")
    summary = json.loads((folder / "summary.json").read_text())
    (folder / "summary.json").write_text(json.dumps({**summary, "steps": 1, "status": "interrupted"}))


BROKEN: dict[str, tuple[Callable[[Path], object], str, int | None, str]] = {
    "empty": (remove_files, "half-written", None, "there is no config.yaml"),
    "torn configuration": (break_config, "half-written", 3, "config.yaml is torn"),
    "no status": (lambda folder: (folder / "STATUS").unlink(), "not started", 3, ""),
    "a status of bytes": (lambda folder: (folder / "STATUS").write_bytes(b"\xff\xfe"), "unknown", 3, "STATUS: is no"),
    "no metrics that can be read": (break_metrics, "done", None, "metrics.jsonl:1: not JSON"),
    "a torn last row": (tear_metrics, "died", 2, "go on with `sspo train --config outputs/train/second/config.yaml`"),
    "a torn summary": (lambda folder: (folder / "summary.json").write_text('{"status": "do'), "done", 3, ""),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_run_is_listed_as_what_it_is(sspo: Sspo, runs_home: Path, what: str) -> None:
    broke, status, step, note = BROKEN[what]
    broke(runs_home / SECOND)
    done = sspo("runs", "--json")
    assert done.returncode == 0 and done.stderr == ""
    found = {run["folder"]: run for run in json.loads(done.stdout)}
    assert set(found) == {FIRST, SECOND, AGAIN}
    assert (found[SECOND]["status"], found[SECOND]["step"]) == (status, step)
    assert note in " ".join(found[SECOND]["notes"]) and bool(note) == bool(found[SECOND]["notes"])
    shown = sspo("runs")
    assert shown.returncode == 0 and (f"{SECOND}: " in shown.stdout) == bool(note)


def test_what_is_not_a_run_is_not_listed(listed: Listed, runs_home: Path) -> None:
    (runs_home / "outputs/compare/begun/cells").mkdir(parents=True)
    shutil.copy(runs_home / FIRST / "config.yaml", runs_home / "outputs/compare/begun")
    (runs_home / "outputs/inspect/one").mkdir(parents=True)
    shutil.copy(runs_home / FIRST / "config.yaml", runs_home / "outputs/inspect/one")
    (runs_home / "outputs/inspect/one/inspect.json").write_text("{}")
    (runs_home / "outputs/show").mkdir()
    (runs_home / "data/train/images").mkdir(parents=True)
    (runs_home / "data/train/images/one.png").touch()
    assert set(folders(listed("."))) == {FIRST, SECOND, AGAIN}


def test_without_runs_the_way_to_the_first_one_is_told(sspo: Sspo, tmp_path: Path) -> None:
    done = sspo("runs")
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout == "no runs in outputs; make one with `sspo train objective=sspo`, or name another folder\n"
    assert json.loads(sspo("runs", "--json").stdout) == []


def test_a_filter_that_leaves_nothing_says_what_there_is(sspo: Sspo, runs_home: Path) -> None:
    done = sspo("runs", "--where", "objective=gspo")
    assert done.returncode == 0
    assert done.stdout == "none of the 3 runs in outputs has objective=gspo; objective is grpo, sspo\n"
    together = sspo("runs", "--where", "objective=grpo", "--where", "train.steps=2")
    assert together.stdout == "none of the 3 runs in outputs meets all conditions together\n"


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["nowhere", "nor-here"], ["nowhere: no such folder", "nor-here: no such folder"]),
        (["--where", "objectve=grpo", "--sort", "eval/accurcy"],
         ["'objectve': no run has", "did you mean 'eval/accuracy'"]),
        (["--where", "objective"], ["--where 'objective': write KEY=VALUE"]),
        (["--where", "seed>one"], ["compares numbers"]),
        (["--limit", "0"], ["--limit"]),
    ],
)  # fmt: skip
def test_a_mistake_is_told_in_a_line_each(sspo: Sspo, runs_home: Path, words: list[str], named: list[str]) -> None:
    done = sspo("runs", *words)
    assert done.returncode == 2 and done.stdout == ""
    told = done.stderr.splitlines()
    assert len(told) == len(named) and all(part in line for part, line in zip(named, told, strict=True))


def in_screen(home: Path, columns: int, *words: str, **environment: str) -> str:
    program = (
        f"import os, sys; os.chdir({str(home)!r}); sys.argv = {['sspo', *words]!r}; import sspo_cli.cli as c; c.main()"
    )
    status, output = in_terminal(program, columns, home, **environment)
    assert status == 0, output
    return output


def test_the_table_fits_the_terminal_and_never_cuts_a_path(with_cells: Path) -> None:
    narrow = lines(in_screen(with_cells, 80, "runs"))
    assert max(len(line) for line in narrow if ": " not in line) <= 80
    assert narrow[0].split()[:3] == ["run", "status", "step"] and "no room for" in " ".join(narrow)
    assert {FIRST, SECOND, AGAIN, CELL} <= {line.split()[0] for line in narrow}
    wide = lines(in_screen(with_cells, 140, "runs"))
    assert " ".join(wide[0].split()) == (
        "run status objective model dataset seed step accuracy 95 % interval minutes age"
    )
    assert "no room" not in " ".join(wide)
    assert lines(in_screen(with_cells, 80, "runs", "--sort", "seed"))[0].split()[2] == "seed"
    tiny = "".join(line[:24].strip() for line in lines(in_screen(with_cells, 40, "runs")))
    assert CELL in tiny, "a path that does not fit is folded"


def test_a_model_is_listed_by_its_name(sspo: Sspo, runs_home: Path) -> None:
    """Of an evaluation the run and the step, not the choice that every path has."""
    rows = [line.split("  ") for line in sspo("runs").stdout.splitlines()]
    models = {cells[0]: [cell.strip() for cell in cells if cell.strip()][3] for cells in rows if "outputs" in cells[0]}
    assert models == {AGAIN: "first step 2", FIRST: "tiny", SECOND: "tiny"}
    config = runs_home / AGAIN / "config.yaml"
    config.write_text(re.sub(r"path: .*step_000002", "path: ../models/mine", config.read_text()))
    assert "  ../models/mine  " in sspo("runs").stdout


WATCHED = """
import threading, time
from pathlib import Path
from sspo_cli.runs.folder import set_status
from sspo_cli.runs.lock import hold
from sspo_cli.views import watch
import sys

watch.LOOK_EVERY_S = 0.2
cell = Path({cell!r})

def work():
    with hold(cell):
        set_status(cell, "running")
        ready.set()
        time.sleep(1.5)
        set_status(cell, "done")

ready = threading.Event()
thread = threading.Thread(target=work)
thread.start()
ready.wait()
sys.argv = ["sspo", "runs", "--watch", "--where", "status=running"]
from sspo_cli.cli import main
main()
"""


def test_runs_at_work_are_watched_until_they_end(sspo: Sspo, with_cells: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grid = with_cells / "outputs/compare/two"
    names = ["grpo", "sspo"]
    cells = [{"folder": f"cells/{name}/seed_0", "point": {"objective": name}, "seed": 0} for name in names]
    content = {"kind": "compare", "axes": {"objective": names, "seed": [0]}, "metric": "eval/accuracy", "cells": cells}
    content |= {"direction": "max", "baseline": "grpo", "allowed": []}
    (grid / "grid.json").write_text(json.dumps(content))
    program = f"import os; os.chdir({str(with_cells)!r})" + WATCHED.format(cell=CELL)
    status, output = in_terminal(program, 80, with_cells)
    assert status == 0, output
    drawn = lines(output)
    assert any(line.startswith("compare/two: 0 of 2 cells done, 1 running") for line in drawn), drawn
    assert any(line.split()[:3] == ["two/grpo/seed_0", "running", "3/3"] for line in drawn)
    assert drawn[-3].startswith("compare/two: 1 of 2 cells done") and drawn[-1].split()[1] == "done"
    assert max(map(len, drawn)) <= 80 and FIRST not in output, "what is done already is not watched"
    piped = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert piped.returncode == 0, piped.stderr
    told = piped.stdout.splitlines()
    assert told[0].startswith(f"{CELL}: running, step 3/3, accuracy ") and told[-1].startswith(
        f"{CELL}: done, step 3/3"
    )
    assert sspo("runs", "--watch").stdout == "no run is running; `sspo runs` lists those there are\n"
    assert sspo("runs", "--watch", "--json").returncode == 2


def test_colours_are_for_terminals_that_want_them(sspo: Sspo, runs_home: Path) -> None:
    assert COLOUR.search(in_screen(runs_home, 100, "runs"))
    assert not COLOUR.search(in_screen(runs_home, 100, "runs", NO_COLOR="1"))
    assert not CONTROL.search(sspo("runs").stdout)


def test_a_column_is_added_for_what_was_asked_about(sspo: Sspo, runs_home: Path) -> None:
    shown = sspo("runs", "--where", "optim.lr>0", "--sort", "-reward/mean").stdout.splitlines()
    assert shown[0].split()[-2:] == ["optim.lr", "reward/mean"]
    assert [line.split()[-2] for line in shown[2:4]].count("0.0001") == 1


def test_run_folders_are_completed(sspo: Sspo, with_cells: Path) -> None:
    def complete(*words: str) -> list[str]:
        line = "\n".join(["sspo", *words])
        return sspo(COMP_WORDS=line, COMP_CWORD=str(len(words)), _SSPO_COMPLETE="complete_bash").stdout.split()

    everything = complete("samples", "")
    assert {FIRST, SECOND, AGAIN, CELL} <= set(everything)
    assert complete("diff", FIRST, "outputs/tr") == [FIRST, SECOND]
    assert complete("samples", FIRST, "--with", "outputs/train/s") == [SECOND]
    assert complete("eval", "outputs/train/f") == [FIRST]
    assert complete("train", "--resume", "outputs/train/s") == [SECOND]
    (with_cells / "outputs").rename(with_cells / "kept")
    assert complete("samples", "kept/train/f") == ["kept/train/first"]
