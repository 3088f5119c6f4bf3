from __future__ import annotations

from pathlib import Path

import pytest
from rich.cells import cell_len

from sspo_cli.views.display import Display, PlainDisplay, phases, waiting
from sspo_cli.views.displays import open_display
from sspo_cli.views.values import SHOWN, duration, sparkline
from tests.views.runs import ODD_ROWS, metric_rows
from tests.views.terminal import COLOUR, in_terminal, lines

LIVE = """
from sspo_cli.views.displays import open_display
from runs import ODD_ROWS, metric_rows
with open_display(title="a name with [brackets]", first_step=0, total_steps=9, quiet={quiet}) as display:
    for row in metric_rows(8) + {odd}:
        display.phase("rollout", 700, 1000)
        display.step(row)
    if hasattr(display, "live"):
        display.live.refresh()
print("after")
"""


def live(home: Path, columns: int = 80, quiet: bool = False, odd: str = "[]", **environment: str) -> str:
    status, output = in_terminal(LIVE.format(quiet=quiet, odd=odd), columns, home, **environment)
    assert status == 0, output
    assert output.rstrip().endswith("after")
    return output


def show_plainly(rows: list[dict[str, object]], first_step: int, total_steps: int) -> None:
    with open_display(title="run", first_step=first_step, total_steps=total_steps, quiet=False) as display:
        assert isinstance(display, PlainDisplay)
        for row in rows:
            display.phase("rollout", 1, 2)
            display.step(row)


def test_without_a_terminal_every_step_is_one_aligned_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    show_plainly(metric_rows(12), 0, 12)
    out, err = capsys.readouterr()
    shown = err.splitlines()
    assert out == ""
    assert len(shown) == 13
    assert len({line.index("ETA") for line in shown}) == 1
    assert " ".join(shown[0].split()) == "step 0/12 accuracy 38.1% ETA --:--"
    assert " ".join(shown[3].split()) == (
        "step 3/12 reward 0.430 entropy 0.167 effective 0.980 length 18.0 tok/s 5,003 ETA 0:18"
    )
    assert "accuracy  44.0%" in shown[2]
    assert shown[-1].endswith("ETA 0:00")


def test_a_resumed_run_counts_only_the_steps_that_are_left(capsys: pytest.CaptureFixture[str]) -> None:
    show_plainly([{"step": 31, "time/total_s": 6.0}], 30, 51)
    assert capsys.readouterr().err.endswith("ETA 2:00\n")


def test_odd_and_missing_metrics_cost_no_line_and_no_exception(capsys: pytest.CaptureFixture[str]) -> None:
    show_plainly(ODD_ROWS, 0, 9)
    shown = capsys.readouterr().err.splitlines()
    assert len(shown) == len(ODD_ROWS)
    assert "reward   nan" in shown[2]


def test_a_closed_stderr_does_not_end_the_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with (tmp_path / "stderr").open("w") as gone:
        monkeypatch.setattr("sys.stderr", gone)
    with PlainDisplay(0, 2) as display:
        display.step({"step": 1})


def test_quiet_shows_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with open_display(title="run", first_step=0, total_steps=2, quiet=True) as display:
        assert type(display) is Display
        display.phase("rollout", 1, 2)
        display.step({"step": 1, "reward/mean": 0.5})
    assert capsys.readouterr() == ("", "")
    assert lines(live(tmp_path, quiet=True)) == ["after"]


@pytest.mark.parametrize("columns", [80, 120])
def test_the_live_view_fits_its_terminal_and_names_every_metric(columns: int, tmp_path: Path) -> None:
    output = live(tmp_path, columns)
    drawn = lines(output)
    assert max(cell_len(line) for line in drawn) == columns
    for name in SHOWN:
        assert any(name in line for line in drawn)
    assert "a name with [brackets]" in output
    assert "step 8/9" in output
    assert "700/1,000" in output
    assert "56.0%" in output
    assert "▁▂▃▄▅▆▇█" in output
    assert COLOUR.search(output)


def test_the_live_view_survives_odd_rows_in_a_narrow_terminal(tmp_path: Path) -> None:
    output = live(tmp_path, 30, odd="ODD_ROWS")
    assert "Traceback" not in output
    assert max(cell_len(line) for line in lines(output)) <= 30


def test_no_color_means_no_colour_codes(tmp_path: Path) -> None:
    assert not COLOUR.search(live(tmp_path, NO_COLOR="1"))


def test_a_terminal_without_unicode_gets_ascii(tmp_path: Path) -> None:
    output = live(tmp_path, PYTHONIOENCODING="ascii")
    assert output.isascii()
    assert ".:-=+*#@" in output


def test_a_dumb_terminal_gets_plain_lines(tmp_path: Path) -> None:
    drawn = live(tmp_path, TERM="dumb").splitlines()
    assert [line[:8] for line in drawn] == [f"step {step}/9" for step in range(9)] + ["after"]


def test_sparklines_span_lowest_to_highest_and_average_what_does_not_fit() -> None:
    nan = float("nan")
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7], 8) == "▁▂▃▄▅▆▇█"
    assert sparkline([0, 2, 10, 12, 4, 4], 3) == "▁█▃"
    assert sparkline([nan, 1, nan, 2], 9) == " ▁ █"
    assert sparkline([3, 3], 9) == "▅▅"
    assert sparkline([], 9) == sparkline([1, 2], 0) == ""


def test_durations_read_as_clocks() -> None:
    assert [duration(seconds) for seconds in (0, 65, 7265, None, float("nan"))] == [
        "0:00",
        "1:05",
        "2:01:05",
        "--:--",
        "--:--",
    ]


WAITING = """
import time
from sspo_cli.views import display
with display.waiting("loading", quiet={quiet}) as progress:
    progress(1, 9000)
    time.sleep(0.3)
    display.LONG_S = 0.2
    progress(4500, 9000)
    time.sleep(0.3)
"""


@pytest.mark.parametrize("quiet", [True, False])
def test_a_long_load_tells_how_many_prompts_are_done(quiet: bool, tmp_path: Path) -> None:
    status, output = in_terminal(WAITING.format(quiet=quiet), 80, tmp_path)
    assert status == 0 and "1 of 9,000" not in output
    assert ("loading: 4,500 of 9,000 prompts, ETA 0:00" in output) == (not quiet)


def test_where_there_is_no_terminal_a_long_phase_is_told_in_lines_with_the_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One after five seconds, then one every ten; none of what is quick, none if quiet."""
    clock = [0.0]
    monkeypatch.setattr("sspo_cli.views.display.time.monotonic", lambda: clock[0])
    for quiet in (False, True):
        with phases(quiet=quiet) as progress, waiting("loading", quiet=quiet) as prompts:
            for second in range(30):
                clock[0] += 1.0
                progress("measuring", second, 30)
                prompts(second, 30)
                progress("quick", min(second, 4), 4)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        f"{what}: {done} of 30, ETA 0:{30 - done:02}"
        for done in (5, 15, 25)
        for what in ("measuring", "loading, prompts")
    ]
