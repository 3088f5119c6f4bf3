"""`sspo samples` on real runs: which responses, in which order, beside whose."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from sspo_cli.runs import jsonl
from sspo_cli.runs.sample_rows import SampleRow
from sspo_cli.runs.samples import Sample, by_change, by_reward
from tests.cli.conftest import Sspo
from tests.cli.test_runs import in_screen
from tests.views.terminal import COLOUR, CONTROL, in_terminal

pytestmark = pytest.mark.slow


FIRST, SECOND, AGAIN = "outputs/train/first", "outputs/train/second", "outputs/eval/again"
PLACES = ("prompt_number", "sample_number")


def found(sspo: Sspo, *words: str) -> Any:
    done = sspo("samples", *words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def without_places(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key not in PLACES} for row in rows]


def learned(home: Path, folder: str, step: int) -> list[dict[str, Any]]:
    return [row for row in jsonl.read(home / folder / "samples.jsonl") if row["step"] == step]


def test_the_latest_step_is_shown_in_its_order(sspo: Sspo, runs_home: Path) -> None:
    rows = found(sspo, SECOND)
    assert without_places(rows) == learned(runs_home, SECOND, 3)
    assert [row["sample_number"] for row in rows[:9]] == [1, 2, 3, 4, 5, 6, 7, 8, 1]
    assert rows[-1]["prompt_number"] == 8
    shown = sspo("samples", SECOND).stdout.splitlines()
    assert shown[0] == f"{SECOND}/samples.jsonl: 64 responses to training problems"
    heads = [line for line in shown if line.startswith("step ")]
    assert heads == [f"step 3, training prompt {p} of 8" for p in range(1, 9)]
    answer = str(sum(map(int, rows[0]["prompt"].rstrip("=").split("+"))))
    assert rows[0]["answer"] == answer and shown[shown.index(heads[0]) + 2] == f"reference answer {answer}"
    assert shown.count(f"  {rows[5]['response']}") >= 1


def test_a_step_a_prompt_and_a_number_can_be_asked_for(sspo: Sspo, runs_home: Path) -> None:
    second_prompt = learned(runs_home, SECOND, 2)[8:16]
    assert without_places(found(sspo, SECOND, "--step", "2", "--prompt", "2")) == second_prompt
    problem = second_prompt[0]["problem"]
    assert without_places(found(sspo, SECOND, "--prompt", problem, "--limit", "3")) == second_prompt[:3]
    assert {row["step"] for row in found(sspo, SECOND, "--prompt", "=")} == {1, 2, 3}


def test_held_out_responses_are_shown_where_nothing_else_is(sspo: Sspo, runs_home: Path) -> None:
    evaluations = jsonl.read(runs_home / FIRST / "eval.jsonl")
    at_start = [row for row in evaluations if row["step"] == 0]
    assert without_places(found(sspo, FIRST, "--step", "0")) == at_start
    held_out = found(sspo, FIRST, "--prompt", at_start[0]["problem"])
    assert [(row["step"], row["sample"]) for row in held_out] == [(0, 0), (0, 1), (2, 0), (2, 1)]
    assert without_places(found(sspo, AGAIN)) == jsonl.read(runs_home / AGAIN / "eval.jsonl")
    shown = sspo("samples", AGAIN).stdout
    assert f"reference answer {at_start[0]['answer']}" in shown and " to held-out problems\n" in shown
    assert "\nheld-out prompt 1 of 8\n" in shown


def test_the_worst_and_the_best_come_first(sspo: Sspo, runs_home: Path) -> None:
    rewards = [row["reward"] for row in learned(runs_home, SECOND, 3)]
    assert 0 < sum(rewards) < len(rewards), "this run has good and bad responses"
    assert [row["reward"] for row in found(sspo, SECOND, "--worst")] == sorted(rewards)
    best = found(sspo, SECOND, "--best", "--limit", "2")
    assert [row["reward"] for row in best] == [1.0, 1.0] and best[0]["advantage"] >= best[1]["advantage"]
    assert "2 of 64 responses" in sspo("samples", SECOND, "--best", "--limit", "2").stdout


def test_two_runs_are_paired_by_held_out_problem_and_sample_at_the_end_of_each(sspo: Sspo, runs_home: Path) -> None:
    pairs = found(sspo, FIRST, "--with", SECOND)
    ends = [
        [row for row in jsonl.read(runs_home / folder / "eval.jsonl") if row["step"] == step]
        for folder, step in ((FIRST, 2), (SECOND, 3))
    ]
    assert without_places([pair["a"] for pair in pairs]) == ends[0]
    assert without_places([pair["b"] for pair in pairs]) == ends[1]
    assert all((a["problem"], a["sample"]) == (b["problem"], b["sample"]) for a, b in zip(*ends, strict=True))
    beside_eval = found(sspo, AGAIN, "--with", FIRST)
    assert len(beside_eval) == 16, "of four samples there, two have a partner"
    heading = sspo("samples", FIRST, "--with", SECOND).stdout.splitlines()[1].split()
    assert heading == [f"{FIRST},", "step", "2", f"{SECOND},", "step", "3"]


def test_without_held_out_responses_what_both_learned_from_is_paired(sspo: Sspo, runs_home: Path) -> None:
    (runs_home / SECOND / "eval.jsonl").unlink()
    pairs = found(sspo, FIRST, "--with", SECOND)
    assert without_places([pair["a"] for pair in pairs]) == learned(runs_home, FIRST, 2)
    assert without_places([pair["b"] for pair in pairs]) == learned(runs_home, SECOND, 2)
    assert found(sspo, FIRST, "--with", SECOND, "--step", "1")[0]["b"]["step"] == 1


def test_the_most_lost_and_the_most_won_come_first(sspo: Sspo, runs_home: Path) -> None:
    for word, sign in (("--worst", 1), ("--best", -1)):
        gains = [pair["a"]["reward"] - pair["b"]["reward"] for pair in found(sspo, FIRST, "--with", SECOND, word)]
        assert gains == sorted(gains, key=lambda gain: sign * gain) and len(set(gains)) > 1


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["outputs/train/frist"], "did you mean 'outputs/train/first'"),
        ([FIRST, "--worst", "--best"], "ask for one of them"),
        ([FIRST, "--step", "9"], "samples.jsonl has 1, 2, eval.jsonl has 0, 2"),
        ([SECOND, "--step", "9"], "samples.jsonl has 1 to 3"),
        ([AGAIN, "--step", "1"], "one evaluation, without steps"),
        ([FIRST, "--prompt", "9"], "give a number up to 8"),
        ([FIRST, "--prompt", "why"], "no prompt why"),
        ([FIRST, "--with", SECOND, "--prompt", "why"], "no prompt why"),
        ([FIRST, "--with", SECOND, "--step", "3"], f"{FIRST}: no responses of step 3"),
        (["outputs/train"], "is a folder of runs; name one of them"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(sspo: Sspo, runs_home: Path, words: list[str], named: str) -> None:
    done = sspo("samples", *words)
    assert done.returncode == 2 and done.stdout == ""
    assert len(done.stderr.splitlines()) == 1 and named in done.stderr


def test_a_file_of_something_else_is_refused(sspo: Sspo, runs_home: Path) -> None:
    (runs_home / FIRST / "samples.jsonl").write_text('{"step": 1}\n[2]\n')
    done = sspo("samples", FIRST)
    assert done.returncode == 2 and f"{FIRST}/samples.jsonl: cannot be read as responses" in done.stderr


def test_responses_are_printed_whole_and_cannot_steer_the_terminal(sspo: Sspo, runs_home: Path) -> None:
    row = {
        "step": 1, "problem": "p", "prompt": "[red]p[/red]", "response": "two\nlines \x1b[31m " + "long " * 200 + "end",
        "reward": None, "reward_parts": {"exact": None, "format": -0.5}, "shaping": {"overlong": -0.25},
        "advantage": 0.0, "length": 400, "truncated": True,
    }  # fmt: skip
    (runs_home / "outputs/train/odd").mkdir()
    jsonl.append(runs_home / "outputs/train/odd/samples.jsonl", [row])
    shown = sspo("samples", "outputs/train/odd").stdout
    assert "[red]p[/red]\n" in shown and "\\x1b[31m" in shown and not CONTROL.search(shown)
    assert "  two\n" in shown and "long end" in shown
    assert "reward unscored" in shown and "400 tokens, cut" in shown
    (runs_home / "outputs/train/odd/samples.jsonl").write_text(json.dumps({**row, "reward": 0.5}) + "\n")
    scored = sspo("samples", "outputs/train/odd").stdout
    assert "reward 0.50 = exact unscored, format -0.50 (overlong -0.25)" in scored


def test_only_what_is_longer_than_the_screen_goes_through_the_pager(sspo: Sspo, runs_home: Path) -> None:
    pager = "sed s/^/PAGED/"
    long = in_screen(runs_home, 80, "samples", FIRST, PAGER=pager)
    assert long.startswith("PAGED") and COLOUR.search(long) and "prompt 8 of 8" in long
    assert max(len(line) for line in CONTROL.sub("", long).splitlines()) <= 80 + len("PAGED")
    short = in_screen(runs_home, 80, "samples", FIRST, "--limit", "2", PAGER=pager)
    assert "PAGED" not in short and "2 of 64" in short
    beside = in_screen(runs_home, 80, "samples", FIRST, "--with", SECOND, "--limit", "3", PAGER=pager, NO_COLOR="1")
    assert max(map(len, CONTROL.sub("", beside).splitlines())) <= 80 and not COLOUR.search(beside)
    assert "PAGED" not in sspo("samples", FIRST, PAGER=pager).stdout, "a pipe is never paged"
    to_file = (
        f"import os; os.chdir({str(runs_home)!r}); os.system('{sys.executable} -m sspo_cli samples {FIRST} > out')"
    )
    assert in_terminal(to_file, 80, runs_home, PAGER=pager) == (0, "")
    assert "prompt 8 of 8" in (runs_home / "out").read_text(), "nor is a file that a terminal writes to"


def sample(reward: float | None, advantage: float | None = None) -> Sample:
    return Sample(
        SampleRow(
            step=1,
            problem="p",
            prompt="",
            response="",
            reward=reward,
            reward_parts={},
            advantage=advantage,
            length=1,
            truncated=False,
        ),
        1,
        1,
        1,
        1,
        1,
    )


def test_unscored_responses_count_as_the_worst_and_ties_go_by_advantage() -> None:
    samples = [sample(0.5, -1.0), sample(1.0), sample(None), sample(0.5, -2.0)]
    assert [samples.index(item) for item in by_reward(samples, worst=True)] == [2, 3, 0, 1]
    assert [samples.index(item) for item in by_reward(samples, worst=False)] == [1, 0, 3, 2]
    pairs = [
        (sample(1.0), sample(1.0)),
        (sample(0.0), sample(1.0)),
        (sample(0.0), sample(0.0)),
        (sample(None), sample(0.0)),
    ]
    assert [pairs.index(pair) for pair in by_change(pairs, worst=True)] == [3, 1, 2, 0]
