"""What README.md and the pages beside it show is true; the commands themselves run in tests/cli/test_guides.py."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

from sspo_cli.config.compose import load_config
from sspo_cli.config.schema import TrainConfig
from tests.cli.guides import Command, blocks_of

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md", ROOT / "docs" / "faq.md",
    *sorted((ROOT / "docs" / "guides").glob("*.md")),
]  # fmt: skip
FROM_A_RUN = ("--resume", "--config")


def train_commands(page: Path) -> list[Command]:
    found = [command for block in blocks_of(page) if block.kind == "bash" for command in block.commands()]
    return [command for command in found if command.words[:2] == ["sspo", "train"]]


def test_the_readme_is_short_and_says_how_to_begin() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.split()) <= 1000
    assert {"make train", "make test"} <= set(re.findall(r"^make \w+", text, flags=re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_train_command_composes(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for block in blocks_of(page):
        if block.title.startswith("conf/"):
            file = tmp_path / block.title
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text)
    monkeypatch.chdir(tmp_path)
    for command in train_commands(page):
        words, options = command.words[2:], {"--name"}
        values = {i + 1 for i, word in enumerate(words) if word in options}
        if not set(FROM_A_RUN) & set(words):
            load_config(
                TrainConfig, [word for i, word in enumerate(words) if i not in values and not word.startswith("-")]
            )


def test_the_python_example_runs_and_prints_a_number() -> None:
    guide = ROOT / "docs" / "guides" / "write_an_objective.md"
    (code,) = [block.text for block in blocks_of(guide) if block.title == "loss.py"]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "loss.py", "exec"), {})
    number = re.search(r"[\d.]+", printed.getvalue())
    assert number is not None and 0 < float(number[0]) < 2


def test_the_example_reward_reads_whole_numbers() -> None:
    (code,) = [block.text for block in blocks_of(ROOT / "README.md") if block.title == "my_reward.py"]
    found: dict[str, object] = {}
    exec(compile(code, "my_reward.py", "exec"), found)
    score = found["score"]
    assert callable(score)
    assert [score("1+2=", response, "3") for response in ("13", "1+2=3>3", "3.0", "none", "3 or 4", "-3")] == [
        0, 1, 1, 0, 0, 0,
    ]  # fmt: skip
