from __future__ import annotations

from pathlib import Path

import pytest

from sspo_cli.views.summary import print_summary

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
    assert "start best final" in shown
    assert "held-out accuracy 38.1% 95.2% 94.4%" in shown
    assert "response length 15.2 23.6" in shown
    assert "rollout tokens/s 4,911 5,400 5,209" in shown
    assert "outputs/train/a" in out


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
