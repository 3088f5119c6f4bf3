"""The screens of a grid: a line per change without a terminal, a table of cells on one."""

from __future__ import annotations

from pathlib import Path

import pytest

from sspo_cli.runs import jsonl
from sspo_cli.runs.folder import set_status
from sspo_cli.runs.lock import hold
from sspo_cli.study.follow import Followed, Screen
from sspo_cli.study.run import follow
from sspo_cli.views.study_live import PlainScreen, open_screen
from tests.study.cells import plan_of
from tests.views.terminal import COLOUR, in_terminal, lines

pytestmark = pytest.mark.slow

LIVE = """
from pathlib import Path
from sspo_cli.study.follow import Followed
from sspo_cli.study.plan import read_plan
from sspo_cli.views.study_live import open_screen

plan = read_plan({kind!r}, {words!r}, [])
cells = [Followed(cell, "eval/accuracy") for cell in plan.cells]
for cell, state in zip(cells, ("done", "running", "failed", "interrupted"), strict=False):
    cell.state, cell.step, cell.value, cell.seconds, cell.fraction = state, 10, 0.4375, 30.0, 0.25
with open_screen("compare mine", quiet=False) as screen:
    screen.begin(cells, 2)
    screen.changed(cells)
    screen.say("a note")
    screen.live.refresh()
print("after")
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_without_a_terminal_every_change_is_one_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    cells = follow(plan_of("objective=grpo,sspo", "seed=0", "train.steps=4"))
    with open_screen("compare", quiet=False) as screen:
        screen.begin(cells, 1)
        assert isinstance(screen, PlainScreen)
        for cell, status, rows in zip(cells, ("done", "failed: a number is not finite"), (4, 1), strict=True):
            show(cell, "running", 0, screen)
            show(cell, status, rows, screen)
        set_status(cells[1].folder, "running")
        cells[1].look()
        screen.changed([cells[1]])
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "grpo seed 0: running (0 of 2 cells done, 1 running, ETA --:--)",
        "grpo seed 0: done, step 4, eval/accuracy 50.0% (1 of 2 cells done, ETA 0:08)",
        "sspo seed 0: running (1 of 2 cells done, 1 running, ETA 0:08)",
        "sspo seed 0: failed, a number is not finite (1 of 2 cells done, 1 failed, ETA 0:00)",
        "sspo seed 0: died, its process ended without an exit status (1 of 2 cells done, 1 died, ETA 0:00)",
    ]


def show(cell: Followed, status: str, rows: int, screen: Screen) -> None:
    cell.folder.mkdir(parents=True, exist_ok=True)
    set_status(cell.folder, status)
    new = [{"step": step, "time/total_s": 2.0, "eval/accuracy": 0.5} for step in range(1, rows + 1)]
    jsonl.append(cell.folder / "metrics.jsonl", new)
    with hold(cell.folder):
        cell.look()
    screen.changed([cell])


def test_quiet_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    cells = follow(plan_of("objective=grpo,sspo", "seed=0"))
    with open_screen("compare", quiet=True) as screen:
        screen.begin(cells, 1)
        screen.changed(cells)
        screen.say("a note")
    assert capsys.readouterr() == ("", "")


def live(kind: str, words: list[str], columns: int, home: Path, **environment: str) -> str:
    status, output = in_terminal(LIVE.format(kind=kind, words=words), columns, home, **environment)
    assert status == 0, output
    return output


def test_on_a_terminal_every_cell_is_in_the_table(tmp_path: Path) -> None:
    output = live("compare", ["objective=grpo,sspo", "seed=0,1"], 100, tmp_path)
    drawn = "\n".join(lines(output))
    for part in ("compare mine", "1 of 4 cells done, 1 running, 1 failed, 1 interrupted", "seed 0", "seed 1", "a note"):
        assert part in drawn
    rows = [line.split() for line in lines(output) if "grpo" in line or "sspo" in line]
    assert ["│", "grpo", "done", "43.8%", "10/40", "43.8%", "1:30", "│"] in rows
    assert ["│", "sspo", "failed", "interrupted", "│"] in rows
    assert max(len(line) for line in lines(output)) <= 100
    assert COLOUR.search(output)


def test_a_large_grid_shows_the_cells_at_work_and_no_colour_is_respected(tmp_path: Path) -> None:
    words = ["objective.gate.tau_pos=2,5", "seed=range(8)"]
    output = live("sweep", words, 80, tmp_path, NO_COLOR="1")
    drawn = "\n".join(lines(output))
    assert "tau_pos=2 seed 1" in drawn and "tau_pos=2 seed 2" in drawn and "tau_pos=5" not in drawn
    assert max(len(line) for line in lines(output)) <= 80
    assert not COLOUR.search(output)
