"""Rewards: what they score, what counts as correct, and what they refuse."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from sspo_cli.build import function_reward
from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import FunctionRewardSection
from sspo_cli.data.problem import Message, Problem
from sspo_cli.guards import GuardStop
from sspo_cli.rewards.base import InProcessRewarder, Judge, RewardError
from sspo_cli.rewards.exact import ExactReward
from sspo_cli.rewards.python import python_reward
from sspo_cli.rewards.remarks import EMPTY
from sspo_cli.types import Key, Score

NAN = math.nan
SUM = Problem(id="p", prompt="37+85=", answer="122", solution=None)


@pytest.mark.parametrize(
    ("response", "reward"),
    [("37+85=122>122", 1), (">122", 1), (">12>122 ", 1), ("122", 0), (">1222", 0), (">122>", 0), ("", 0)],
)
def test_exact_compares_what_follows_the_last_marker(response: str, reward: float) -> None:
    assert ExactReward(">")(SUM, response) == {"exact": reward}


def test_exact_without_a_marker_compares_the_whole_response() -> None:
    assert ExactReward(None)(SUM, " 122\n") == {"exact": 1.0}
    assert ExactReward(None)(SUM, "it is 122") == {"exact": 0.0}


def test_an_empty_response_is_not_right_where_the_answer_is_blank() -> None:
    blank, half = replace(SUM, answer=" "), replace(SUM, answer=("", "2"))
    assert ExactReward(None)(blank, "") is None and ExactReward(None).remarks(blank) == [EMPTY]
    assert ExactReward(None)(half, "") == {"exact": 0.0} and ExactReward(None)(half, "2") == {"exact": 1.0}
    assert ExactReward(None).remarks(half) == []


def test_a_function_of_the_users_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "def score(prompt, response, answer):\n    return 0.5 * (answer in response)\n"
        "def parts(prompt, response, answer):\n    return {'right': 1.0, 'short': 0.25}\n"
    )
    assert python_reward(str(file), "score")(SUM, "122!") == {"score": 0.5}
    assert python_reward(str(file), "parts")(SUM, "") == {"right": 1.0, "short": 0.25}


def test_a_function_of_the_users_own_gets_messages_and_accepted_answers_as_lists(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("import json\ndef score(*given):\n    open(__file__ + '.json', 'w').write(json.dumps(given))\n")
    rate = python_reward(str(file), "score")
    problem = Problem("p", (Message("system", "Add."), Message("user", "1+1=")), ("2", "two"), None)
    assert rate(problem, "2") == {"score": None}
    messages = [{"role": "system", "content": "Add."}, {"role": "user", "content": "1+1="}]
    assert json.loads((tmp_path / "mine.py.json").read_text()) == [messages, "2", ["2", "two"]]


def test_exact_accepts_any_of_several_answers() -> None:
    several = Problem(id="p", prompt="1/2=", answer=("0.5", " 1/2"), solution=None)
    found = [ExactReward(">")(several, response) for response in (">0.5", ">1/2 ", ">2", "0.5")]
    assert found == [{"exact": 1}, {"exact": 1}, {"exact": 0}, {"exact": 0}]


def rewarder(parts: object, correct: str | float | None = None) -> InProcessRewarder:
    return InProcessRewarder(lambda problem, response: parts, Judge(correct))  # type: ignore[arg-type, return-value]


def scores(rewarder: InProcessRewarder, *responses: str) -> list[Score]:
    return list(rewarder.score((Key("train", 1, 0, i), SUM, response) for i, response in enumerate(responses)))


@pytest.mark.parametrize(
    ("parts", "correct", "reward", "is_correct"),
    [
        ({"score": 1}, None, 1, True),
        ({"score": True}, None, 1, True),
        ({"score": 0.99}, None, 0.99, False),
        ({"score": 0.4}, 0.4, 0.4, True),
        ({"format": 1.0, "right": 0.0}, "right", 1, False),
        ({"format": 0.0, "right": 1.0}, "right", 1, True),
        ({"format": 1.0, "right": 0.5}, 1.5, 1.5, True),
        ({"format": 1.0, "right": 0.4}, 1.5, 1.4, False),
        ({"right": 1.0, "cost": NAN}, "right", NAN, False),
        ({"right": None}, None, NAN, False),
        (None, None, NAN, None),
    ],
)
def test_what_counts_as_correct(parts: object, correct: str | float | None, reward: float, is_correct: object) -> None:
    [score] = scores(rewarder(parts, correct), "r")
    assert score.reward == pytest.approx(reward, nan_ok=True) and score.correct is is_correct


@pytest.mark.parametrize(
    ("parts", "correct", "expected"),
    [
        ({"format": 1.0, "right": 0.0}, None, r"reward\.correct: .*\(format, right\); set reward\.correct=PART"),
        ({"right": 1.0}, "rihgt", r"reward\.correct=rihgt: no response has such a part; the parts are right"),
        ({}, None, "p: the reward has no parts"),
        ({"score": "high"}, None, "p: the reward part 'score' is 'high': must be a number"),
        ({"mean": 1.0}, None, "reward/mean is another metric"),
        ({3: 1.0}, None, "p: the reward has a part named 3: must be a printable text"),
        ({"a\nb": 1.0}, None, "must be a printable text"),
    ],
)
def test_rewards_that_cannot_be_used_are_refused(parts: object, correct: str | None, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        scores(rewarder(parts, correct), "r")


def test_a_response_without_the_part_that_decides_is_not_correct() -> None:
    parts = iter([{"right": 1.0}, {"format": 1.0}])
    rewarder = InProcessRewarder(lambda problem, response: next(parts), Judge("right"))
    assert [score.correct for score in scores(rewarder, "a", "b")] == [True, False]


def test_parts_that_come_one_at_a_time_are_several_parts() -> None:
    parts = iter([{"format": 0.0}, {"right": 1.0}])
    several = InProcessRewarder(lambda problem, response: next(parts), Judge())
    with pytest.raises(ConfigError, match=r"several parts \(format, right\)"):
        scores(several, "a", "b")


@pytest.mark.parametrize(
    "parts", [{"a": math.inf}, {"a": -math.inf, "b": 1.0}, {"a": 10**400}, {"a": 1e308, "b": 1e308}]
)
def test_an_infinite_reward_names_its_part_and_its_response(parts: dict[str, float]) -> None:
    name = "sum" if parts["a"] == 1e308 else "a"
    with pytest.raises(GuardStop, match=rf"part '{name}' of p is -?inf, for the response 'so 122'"):
        scores(rewarder(parts, "a"), "so 122")


ENDS = {
    "sys.exit()": "SystemExit()", "sys.exit(0)": "SystemExit(0)", "sys.exit(3)": "SystemExit(3)",
    "sys.exit('a word')": "SystemExit('a word')", "raise SystemExit": "SystemExit()", "exit()": "SystemExit(None)",
    "quit()": "SystemExit(None)", "raise GeneratorExit": "GeneratorExit()", "raise StopIteration": "StopIteration()",
    "raise asyncio.CancelledError": "CancelledError()", "raise typer.Exit": "Exit()", "raise Mine": "Mine()",
    "1 / 0": "ZeroDivisionError('division by zero')",
}  # fmt: skip


@pytest.mark.parametrize("statement", ENDS)
def test_a_reward_ends_nothing_but_itself(tmp_path: Path, statement: str) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "import asyncio, sys, typer\nclass Mine(BaseException): pass\n"
        f"def score(prompt, response, answer):\n    {statement}\n"
    )
    with pytest.raises(RuntimeError) as raised:
        python_reward(str(file), "score")(SUM, "122")
    assert str(raised.value) == f"reward.path={file}: score raised {ENDS[statement]}"


@pytest.mark.parametrize(
    ("text", "function", "expected"),
    [
        (None, "score", "no such file"),
        ("def other(): pass", "score", "defines no such function"),
        ("import nonsense_module", "score", "ModuleNotFoundError"),
        ("import sys; sys.exit()", "score", "mine.py: SystemExit$"),
        ("import sys; sys.exit(0)", "score", "mine.py: SystemExit: 0"),
        ("raise GeneratorExit", "score", "mine.py: GeneratorExit"),
    ],
)
def test_a_bad_reward_file_is_a_clear_problem(tmp_path: Path, text: str | None, function: str, expected: str) -> None:
    file = tmp_path / "mine.py"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigError, match=expected):
        python_reward(str(file), function)


def test_a_reward_that_raises_stops_with_its_response_or_leaves_it_without_a_reward() -> None:
    def fails(problem: Problem, response: str) -> dict[str, float]:
        return {"score": 1 / float(response)}

    with pytest.raises(RewardError) as raised:
        scores(InProcessRewarder(fails, Judge()), "1", "0", "2")
    told = raised.value.to_json()
    assert told["error"] == "the reward raised ZeroDivisionError('float division by zero')"
    assert told["key"]["sample"] == 1 and (told["prompt"], told["answer"], told["response"]) == (SUM.text, "122", "0")
    assert "in fails" in told["traceback"] and told["traceback"].endswith("float division by zero\n")
    one, broken, half = scores(InProcessRewarder(fails, Judge(on_error="skip")), "1", "0", "2")
    assert (one.reward, one.correct, half.reward, half.correct) == (1, True, 0.5, False)
    assert math.isnan(broken.reward) and broken.parts == {} and broken.correct is False
    assert broken.error == told["error"] and one.error is None


def test_a_function_at_hand_is_a_reward() -> None:
    def length(prompt: str, response: str, answer: str) -> float:
        return len(response) / len(answer)

    section = FunctionRewardSection(kind="function", name="length", correct=None)
    rewarder = function_reward(length, section)
    [score] = rewarder.score(iter([(Key("train", 1, 0, 0), SUM, "122")]))
    assert score.parts == {"length": 1.0} and score.correct and rewarder.rule(SUM) == "length >= 1"
    with pytest.raises(RewardError, match=r"^the reward function length raised TypeError"):
        list(function_reward(length, section).score(iter([(Key("train", 1, 0, 0), SUM, None)])))  # type: ignore[list-item]
