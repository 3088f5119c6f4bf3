"""What tells the cells of a grid to stop: the file ORDER, or that their command is gone. STATUS never does."""

from __future__ import annotations

from pathlib import Path

import pytest

from sspo_cli.runs.folder import get_status, set_status
from sspo_cli.runs.lock import hold
from sspo_cli.study.job import order_to
from sspo_cli.study.store import ORDER, Order, give_order


@pytest.mark.parametrize("order", ["stop", "stop at once"])
def test_an_order_reaches_the_cells_until_the_next_command_begins(tmp_path: Path, order: Order) -> None:
    set_status(tmp_path, "running")
    with hold(tmp_path) as owner:
        assert order_to(tmp_path, owner) is None
        give_order(tmp_path, order)
        assert order_to(tmp_path, owner) == order
        assert get_status(tmp_path) == "running", "the grid still runs"
    with hold(tmp_path) as owner:
        give_order(tmp_path, None)
        assert order_to(tmp_path, owner) is None


def test_cells_stop_when_their_command_is_gone_or_another_took_its_place(tmp_path: Path) -> None:
    with hold(tmp_path) as first:
        assert order_to(tmp_path, first) is None
    assert order_to(tmp_path, first) == "stop"
    with hold(tmp_path):
        assert order_to(tmp_path, first) == "stop"


@pytest.mark.parametrize("status", ["stopping", "stopping at once", "failed: 1 of 2 cells", "done"])
def test_no_status_is_an_order(tmp_path: Path, status: str) -> None:
    """Earlier versions wrote their orders into STATUS: their grids are gone on with."""
    set_status(tmp_path, status)
    with hold(tmp_path) as owner:
        assert order_to(tmp_path, owner) is None


@pytest.mark.parametrize("text", ["", "halt\n", "STOP"])
def test_a_word_that_is_not_known_stops_and_loses_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / ORDER).write_text(text)
    with hold(tmp_path) as owner:
        assert order_to(tmp_path, owner) == "stop"
