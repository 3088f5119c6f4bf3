from __future__ import annotations

from pathlib import Path

import pytest

from sspo_cli.config.errors import ConfigError
from sspo_cli.data.problem import Problem
from sspo_cli.rewards.exact import exact_reward
from sspo_cli.rewards.math import math_reward
from sspo_cli.rewards.python import python_reward

SUM = Problem(id="p", prompt="37+85=", answer="122", solution=None)


@pytest.mark.parametrize(
    ("response", "reward"),
    [("37+85=122>122", 1), (">122", 1), (">12>122 ", 1), ("122", 0), (">1222", 0), (">122>", 0), ("", 0)],
)
def test_exact_compares_what_follows_the_last_marker(response: str, reward: float) -> None:
    assert exact_reward(">")(SUM, response) == {"exact": reward}


def test_exact_without_a_marker_compares_the_whole_response() -> None:
    assert exact_reward(None)(SUM, " 122\n") == {"exact": 1.0}
    assert exact_reward(None)(SUM, "it is 122") == {"exact": 0.0}


@pytest.mark.parametrize(
    ("response", "reward"),
    [
        ("so the answer is \\boxed{122}", 1),
        ("\\boxed{122.0}", 1),
        ("$\\frac{244}{2}$", 1),
        ("\\boxed{121}", 0),
        ("", 0),
    ],
)
def test_math_accepts_equal_values_in_other_forms(response: str, reward: float) -> None:
    assert math_reward()(SUM, response) == {"math": reward}


def test_a_function_of_the_users_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "def score(prompt, response, answer):\n    return 0.5 * (answer in response)\n"
        "def parts(prompt, response, answer):\n    return {'right': 1.0, 'short': 0.25}\n"
    )
    assert python_reward(str(file), "score")(SUM, "122!") == {"score": 0.5}
    assert python_reward(str(file), "parts")(SUM, "") == {"right": 1.0, "short": 0.25}


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
