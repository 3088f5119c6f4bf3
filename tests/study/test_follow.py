"""Progress of cells, read from files that grow, are cut, and end in torn lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from sspo_cli.config.compose import load_config
from sspo_cli.config.schema import TrainConfig
from sspo_cli.runs import jsonl
from sspo_cli.runs.folder import set_status
from sspo_cli.runs.lock import hold
from sspo_cli.study.cell import PlannedCell
from sspo_cli.study.follow import Followed, left_s


def cell_in(folder: Path, *words: str) -> Followed:
    config = load_config(TrainConfig, ["train.steps=10", *words])
    return Followed(PlannedCell(folder, "", "grpo", {"objective": "grpo"}, 0, [], "id", config), "eval/accuracy")


def rows(first: int, last: int, seconds: float = 2.0) -> list[dict[str, float]]:
    return [{"step": step, "time/total_s": seconds, "tokens/total": 100.0 * step} for step in range(first, last + 1)]


def test_a_cell_is_followed_through_what_it_writes(tmp_path: Path) -> None:
    cell, file = cell_in(tmp_path), tmp_path / "metrics.jsonl"
    cell.look()
    assert (cell.state, cell.step, cell.value, cell.left_s) == ("waiting", 0, None, None)
    set_status(tmp_path, "running")
    jsonl.append(file, [{"step": 0, "eval/accuracy": 0.25}, *rows(1, 2)])
    with file.open("a") as stream:
        stream.write('{"step": 3, "time/tot')
    with hold(tmp_path):
        cell.look()
    assert (cell.state, cell.step, cell.value, cell.seconds) == ("running", 2, 0.25, 4.0)
    assert cell.left_s == pytest.approx(16.0)
    with file.open("a") as stream:
        stream.write('al_s": 2.0, "eval/accuracy": 0.5}\n')
    cell.look()
    assert (cell.step, cell.value, cell.seconds) == (3, 0.5, 6.0)


def test_a_resumed_run_is_read_anew_from_where_it_was_cut(tmp_path: Path) -> None:
    cell, file = cell_in(tmp_path), tmp_path / "metrics.jsonl"
    jsonl.append(file, [{"step": 0, "eval/accuracy": 0.25}, *rows(1, 6)])
    cell.look()
    jsonl.split_off(file, 4)
    jsonl.append(file, rows(5, 7, seconds=1.0))
    cell.look()
    assert (cell.step, cell.seconds) == (7, 11.0)


def test_what_an_earlier_attempt_said_does_not_count(tmp_path: Path) -> None:
    cell = cell_in(tmp_path)
    set_status(tmp_path, "interrupted")
    cell.look()
    cell.forget()
    cell.look()
    assert cell.state == "waiting"
    for status, state in (("running", "running"), ("interrupted", "interrupted"), ("failed: bad luck", "failed")):
        set_status(tmp_path, status)
        with hold(tmp_path):
            cell.look()
        assert cell.state == state
    set_status(tmp_path, "running")
    cell.look()
    assert cell.state == "died", "nobody holds its lock"


@pytest.mark.parametrize(
    ("word", "left"), [("train.max_tokens=400", 4.0), ("train.max_minutes=0.2", 8.0), ("train.max_tokens=9999", 16.0)]
)
def test_time_left_is_that_to_the_nearest_limit(tmp_path: Path, word: str, left: float) -> None:
    cell = cell_in(tmp_path, word)
    jsonl.append(tmp_path / "metrics.jsonl", rows(1, 2))
    cell.look()
    assert cell.left_s == pytest.approx(left)


def test_the_grid_is_done_when_its_longest_chain_of_cells_is(tmp_path: Path) -> None:
    cells = [cell_in(tmp_path / str(number)) for number in range(4)]
    assert left_s(cells, 2) is None
    for number, (status, steps) in enumerate([("done", 10), ("running", 5)]):
        (tmp_path / str(number)).mkdir()
        set_status(tmp_path / str(number), status)
        jsonl.append(tmp_path / str(number) / "metrics.jsonl", rows(1, steps))
        with hold(tmp_path / str(number)):
            cells[number].look()
    # 10 s are left of the second, the two that wait take 20 s each: 50 s in all, on two places.
    assert left_s(cells, 2) == pytest.approx(25.0)
    assert left_s(cells, 1) == pytest.approx(50.0)
    assert left_s(cells, 0) == pytest.approx(20.0)
    assert left_s(cells[:1], 2) == 0.0
