"""Every command of the guides runs, in the order of its page, and prints what the page quotes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import environment, run_sspo
from tests.cli.guides import NEEDS, Block, Command, blocks_of, is_long, missing_from

ROOT = Path(__file__).parents[2]
GUIDES = sorted((ROOT / "docs" / "guides").glob("*.md"))
# Pages whose commands stand alone; what they read is made by `others_files`.
OTHERS = [ROOT / "README.md", ROOT / "docs" / "faq.md"]
FILES = ("yaml", "python", "json", "jsonl", "csv", "jinja")


def marked(pages: list[Path]) -> list[object]:
    return [
        pytest.param(page, id=page.stem, marks=[pytest.mark.slow, *([pytest.mark.long] if is_long(page) else [])])
        for page in pages
    ]


@pytest.mark.parametrize("page", marked(GUIDES))
def test_the_commands_of_a_guide_run_in_order(page: Path, tmp_path: Path) -> None:
    follow(page, tmp_path)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("page", OTHERS, ids=lambda page: page.stem)
def test_the_commands_of_other_pages_run(page: Path, tmp_path: Path) -> None:
    others_files(tmp_path)
    follow(page, tmp_path)


def follow(page: Path, home: Path) -> None:
    """Write the files and run the commands of a page in `home`."""
    printed = ""
    for block in blocks_of(page):
        if block.kind == "bash":
            printed = "".join(run(command, block, home) for command in block.commands() if command.needs is None)
        elif block.kind == "text" and block.title.startswith("Output"):
            missing = missing_from(printed, block.text, figures_differ="figures differ" in block.title)
            assert not missing, f"{page.name} quotes lines that are not printed: {missing}\nprinted:\n{printed}"
        elif block.kind in FILES and block.title:
            file = home / block.title
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text)


def run(command: Command, block: Block, home: Path) -> str:
    """What a command prints, to both outputs, after it has ended with the exit code that the page says."""
    program, *words = command.words
    if program == "make":
        assert re.search(rf"^{words[0]}:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE), words
    if program in ("make", "source"):
        return ""
    extra = [word for word in block.extra if takes(words[0], word)]
    if program == "python":
        done = subprocess.run(
            [sys.executable, *words], cwd=home, env={**environment(), "HOME": str(home)}, capture_output=True, text=True
        )
    else:
        assert program == "sspo", f"{' '.join(command.words)}: the test runs sspo and python"
        named = [word.replace("=~/", f"={home}/") for word in words]
        expanded = [path for word in named for path in matching(word, home)]
        done = run_sspo([*expanded, *extra], home, HOME=str(home))
    assert done.returncode == command.exit_code, f"{' '.join(command.words)}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def takes(command: str, word: str) -> bool:
    """Whether the command takes this word of a mark; `eval` has no presets, and others have no settings."""
    return command in ("train", "compare", "sweep", "recipe", "inspect") or (command == "eval" and "preset" not in word)


def matching(word: str, home: Path) -> list[str]:
    """What a shell in `home` makes of a word: the paths that it matches, or the word."""
    return sorted(str(path.relative_to(home)) for path in home.glob(word)) if "/*" in word else [word]


def others_files(home: Path) -> None:
    """A model folder and a file of problems, as the README and the questions name them."""
    model = home / "models" / "my-model"
    shutil.copytree(ROOT / "sspo_cli" / "models" / "tiny", model)
    problems = "".join(f'{{"question": "{i}+{i + 7}=", "result": {2 * i + 7}}}\n' for i in range(12, 40))
    (home / "problems.jsonl").write_text(problems)


@pytest.mark.parametrize("page", [*GUIDES, *OTHERS], ids=lambda page: page.stem)
def test_the_blocks_of_a_page_are_read_as_they_are_meant(page: Path) -> None:
    """A misspelt mark or title would leave a block out of the tests."""
    text = page.read_text(encoding="utf-8")
    assert len(blocks_of(page)) == len(re.findall(r"^```\w", text, flags=re.MULTILINE))
    assert text.count("<!-- test:") == sum(bool(block.extra) for block in blocks_of(page)) + is_long(page)
    for block in blocks_of(page):
        assert block.kind in ("bash", "text", *FILES), block.kind
        for remark in re.findall(r" # .*\bneeds\b.*", block.text if block.kind == "bash" else ""):
            assert any(need in remark for need in NEEDS), remark
    assert os.linesep == "\n"


def test_a_quoted_line_that_is_not_printed_is_told() -> None:
    output = "accuracy  6.2%\n\nlength    6.7\nreport: x\n"
    assert missing_from(output, "accuracy 6.2%\nlength 6.7\n", figures_differ=False) == []
    assert missing_from(output, "accuracy 9.9%\n...\nreport: x\n", figures_differ=True) == []
    assert missing_from(output, "accuracy 9.9%\n", figures_differ=False) == ["accuracy 9.9%"]
    assert missing_from(output, "accuracy 6.2%\nreport: x\n", figures_differ=False) == ["report: x"]
    assert missing_from(output, "report: x\naccuracy 6.2%\n", figures_differ=True) == ["accuracy 6.2%"]
