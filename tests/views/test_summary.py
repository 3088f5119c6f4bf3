from __future__ import annotations

from pathlib import Path

import pytest

from sspo_cli.metrics import metric
from sspo_cli.study.wording import bare
from sspo_cli.views.summary import HeldOut, print_summary

BOUNDS = {"low": 0.91, "high": 0.969}

SUMMARY = {
    "status": "done",
    "minutes": 1.34,
    "steps": 40,
    "seed": 3,
    "objective": "sspo",
    "eval/accuracy": {"first": 0.381, "best": 0.952, "last": 0.944},
    "response/length": {"first": 15.2, "best": 24.0, "last": 23.6},
    "throughput/rollout_tokens_per_s": {"first": 4911.0, "best": 5400.0, "last": 5209.0},
}


def response(step: int, reward: float, text: str) -> dict[str, object]:
    return {"step": step, "prompt": "1+2=", "response": text, "reward": reward, "advantage": 0.0}


def test_figures_are_percent_start_best_final(capsys: pytest.CaptureFixture[str]) -> None:
    print_summary(Path("outputs/train/a"), SUMMARY, [], [])
    out, err = capsys.readouterr()
    shown = [" ".join(line.split()) for line in out.splitlines()]
    assert err == ""
    assert shown[0] == "done, 40 steps in 1.3 minutes, objective sspo, seed 3"
    assert "start best final 95 % interval" in shown
    assert "held-out accuracy 38.1% 95.2% 94.4%" in shown
    assert "response length 15.2 23.6" in shown
    assert "rollout tokens/s 4,911 5,400 5,209" in shown
    assert "outputs/train/a" in out


def test_what_decides_stands_on_the_last_screen(capsys: pytest.CaptureFixture[str]) -> None:
    """The interval, the problems, what was cut, the reference answer, and a report to open."""
    bounds = {f"eval/accuracy_{end}": {"first": 0.3, "best": None, "last": last} for end, last in BOUNDS.items()}
    cut = {name: {"first": 0.5, "best": 0.0, "last": 0.25} for name in ("response/truncated", "eval/truncated")}
    rows = [response(2, 1.0, ">3") | {"answer": ["3", "three"]}]
    print_summary(Path("outputs/train/a"), SUMMARY | bounds | cut, rows, [], HeldOut(problems=128, samples=1))
    out = capsys.readouterr().out
    shown = [" ".join(line.split()) for line in out.splitlines()]
    assert "held-out accuracy 38.1% 95.2% 94.4% 91.0% to 96.9%" in shown
    assert "held-out responses cut at the limit 50.0% 0.0% 25.0%" in shown
    assert "responses cut at the limit 50.0% 0.0% 25.0%" in shown
    assert "held out: 128 problems x 1 sample; the interval is over problems" in shown
    assert "training responses of the last step:" in shown and "answer 3 or three" in shown
    assert "report: outputs/train/a/report.html" in shown
    assert [line for line in out.splitlines() if line != line.rstrip()] == []
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("steps", "minutes", "told"),
    [(1, 0.02, "1 step in 1 second"), (1200, 75.0, "1,200 steps in 75.0 minutes"), (2, 0.05, "2 steps in 3 seconds")],
)
def test_one_step_is_no_steps(steps: int, minutes: float, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_summary(Path("a"), {**SUMMARY, "steps": steps, "minutes": minutes}, [], [])
    assert capsys.readouterr().out.startswith(f"done, {told}, objective sspo")


def test_zero_has_no_sign() -> None:
    assert [metric("reward/mean").written(value) for value in (-0.0, -0.0004, -0.0005001)] == [
        "0.000",
        "0.000",
        "-0.001",
    ]
    assert bare(-0.0001, "eval/accuracy", "+") == "+0.0" and bare(-0.0, "reward/mean") == "0"


def test_commands_stay_whole_lines(capsys: pytest.CaptureFixture[str]) -> None:
    command = "sspo eval " + "outputs/" * 30 + " eval.samples=[8] 'dataset.path=[bold]x'"
    print_summary(Path("a"), SUMMARY, [], [command])
    assert command in [line.strip() for line in capsys.readouterr().out.splitlines()]


def test_the_latest_step_shows_its_best_a_middling_and_its_worst_response(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [response(1, 9.0, "stale")] + [response(2, reward / 4, f">{reward}!") for reward in (4, 0, 1, 2, 3)]
    print_summary(Path("a"), SUMMARY, rows, [])
    out = capsys.readouterr().out
    assert [text for text in ("stale", ">0!", ">1!", ">2!", ">3!", ">4!") if text in out] == [">0!", ">2!", ">4!"]
    assert out.index(">4!") < out.index("1.00") < out.index(">2!") < out.index("0.50") < out.index(">0!")


def test_what_a_model_writes_is_neither_markup_nor_terminal_control(capsys: pytest.CaptureFixture[str]) -> None:
    print_summary(Path("a"), SUMMARY, [response(1, 1.0, "[bold]7[/bold] [/x] \x1b[31mred\x07\nnext")], [])
    out = capsys.readouterr().out
    assert r"[bold]7[/bold] [/x] \x1b[31mred\x07" in out
    assert "next" in out
    assert "\x1b" not in out


def test_a_long_response_is_cut_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    print_summary(Path("a"), SUMMARY, [response(1, 1.0, "ab" * 5000)], [])
    out = capsys.readouterr().out
    assert len(out) < 3000
    assert "(10,000 characters)" in out


def test_a_run_that_failed_early_still_has_a_last_screen(capsys: pytest.CaptureFixture[str]) -> None:
    print_summary(Path("a"), {"status": "failed"}, [{}], ["sspo doctor"])
    assert capsys.readouterr().out.startswith("failed")
