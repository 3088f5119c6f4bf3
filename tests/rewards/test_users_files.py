"""Users' Python files are loaded as Python would load them, and shadow nothing of ours."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sspo_cli.config.errors import ConfigError
from sspo_cli.data.problem import Problem
from sspo_cli.rewards.python import python_reward

SUM = Problem(id="p", prompt="1+1=", answer="2", solution=None)


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        file = folder / f"{name.replace('__', '/')}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder / "mine.py"


def test_a_reward_imports_its_neighbours_at_once_and_later(tmp_path: Path) -> None:
    mine = write(
        tmp_path,
        mine="from grade_utils import norm\n"
        "def score(p, r, a):\n    import later\n    return later.double(norm(r) == a)\n",
        grade_utils="from inner.text import strip\ndef norm(text):\n    return strip(text)\n",
        later="def double(value):\n    return 2.0 * value\n",
        inner__text="def strip(text):\n    return text.strip()\n",
    )
    (tmp_path / "inner" / "__init__.py").write_text("")
    before, path = set(sys.modules), list(sys.path)
    score = python_reward(str(mine), "score")
    assert [score(SUM, response) for response in (" 2 ", "3")] == [{"score": 2.0}, {"score": 0.0}]
    new = set(sys.modules) - before
    assert sys.path == path and len(new) == 1 and new.pop().startswith("user_mine_")


def test_a_neighbour_with_the_name_of_a_library_is_the_users_alone(tmp_path: Path) -> None:
    import json

    names = "import json, sys\ndef score(p, r, a):\n    import json as now\n    return json.MINE + (now is json)\n"
    mine = write(tmp_path, mine=names, json="MINE = 7\n", torch="raise RuntimeError('not this one')\n")
    score = python_reward(str(mine), "score")
    assert score(SUM, "") == {"score": 8}
    assert sys.modules["json"] is json and json.loads("[1]") == [1]


def test_two_rewards_with_neighbours_of_one_name_stay_apart(tmp_path: Path) -> None:
    text = "import utils\ndef score(p, r, a):\n    import utils as now\n    return now.VALUE\n"
    files = [write(tmp_path / str(value), mine=text, utils=f"VALUE = {value}\n") for value in (1, 2)]
    one, two = (python_reward(str(file), "score") for file in files)
    assert [rate(SUM, "") for rate in (one, two, one)] == [{"score": 1}, {"score": 2}, {"score": 1}]


def test_a_dataclass_of_the_users_works(tmp_path: Path) -> None:
    """dataclasses and typing look for the module by its name."""
    mine = write(
        tmp_path,
        mine="from __future__ import annotations\n"
        "from dataclasses import dataclass\nfrom typing import get_type_hints\n"
        "@dataclass\nclass Grade:\n    value: float = 1.0\n"
        "def score(p, r, a):\n    return Grade().value * len(get_type_hints(Grade))\n",
    )
    assert python_reward(str(mine), "score")(SUM, "") == {"score": 1.0}


def test_a_reward_that_changes_the_directory_changes_it_for_itself(tmp_path: Path) -> None:
    mine = write(tmp_path, mine="import os\ndef score(p, r, a):\n    os.chdir('/')\n    return 1.0\n")
    before = Path.cwd()
    assert python_reward(str(mine), "score")(SUM, "") == {"score": 1.0} and Path.cwd() == before


def test_a_neighbour_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"ModuleNotFoundError: No module named 'grade_utils'"):
        python_reward(str(write(tmp_path, mine="import grade_utils\n")), "score")
