"""Every example of docs/reference/datasets_and_formats.md is read as the page says."""

from __future__ import annotations

import re
import runpy
import shlex
from pathlib import Path

import pytest

from sspo_cli.build import build_rewarder
from sspo_cli.config.compose import load_config
from sspo_cli.config.schema import TrainConfig
from sspo_cli.data.asked import asked_dataset
from sspo_cli.data.problem import Message, Problem

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "datasets_and_formats.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r'```\w+ title="([^"]+)"\n(.*?)```', PAGE, flags=re.DOTALL))
COMMANDS = re.findall(r"```sh\n(sspo train .*?)\n```", PAGE, flags=re.DOTALL)


def test_every_example_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        Path(name).write_text(text)
    runpy.run_path("make_words.py")
    found: dict[str, Problem] = {}
    for command in COMMANDS:
        config = load_config(TrainConfig, shlex.split(command)[2:])
        data, _ = asked_dataset(config)
        build_rewarder(config.reward).close()
        problems = [*data.problems(), *data.evaluation]
        found |= {problem.text: problem for problem in problems}
    assert len(COMMANDS) == 6 and len(found) == 20
    assert (found["What is 3, plus 4?"].id, found["What is 3, plus 4?"].answer) == ("a1", "7")
    fractions = found["1/2 + 1/4 = ?"]
    assert fractions.answer == ("3/4", "0.75") and fractions.solution == "2/4 + 1/4 = 3/4"
    assert found["user: 2+3=\nassistant: It is "].answer == "5"
    shared = found["user: 4+4="]
    assert shared.prompt == (Message("user", "4+4="),) and shared.answer == shared.solution == "8"
    assert found["17+4="].answer == "21"
    assert found["Write 3 words."].answer == () and found["Write 3 words."].fields["words"] == 3
