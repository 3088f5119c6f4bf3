"""Reads the fenced blocks of a page: the files that it asks for, the commands that it shows, the output that it quotes.

    ```bash                               commands, one a line
    ```yaml title="conf/objective/mine.yaml"   a file of the working directory
    ```text title="Output"                what the command before it prints; a line `...` stands for lines left out
    ```text title="Output (figures differ)"    the same, with other figures on another machine

A command that ends with `# needs the network`, or another of NEEDS, is not run. One that ends with `# exit code 2` has
that exit code. `<!-- test: preset=smoke -->` before a block adds words to its commands in the test. A page that begins
with `<!-- test: long -->` is left to `make test-long`.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

NEEDS = ("needs a GPU", "needs the network", "needs a cluster", "needs an account", "needs vLLM")
BLOCK = re.compile(
    r"(?:^<!-- test: (?P<words>[^\n]*?) -->\n\n?)?"
    r'^```(?P<kind>\w+)(?: title="(?P<title>[^"\n]*)")?\n(?P<text>.*?)^```$',
    flags=re.DOTALL | re.MULTILINE,
)
FIGURE = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?")


@dataclass(frozen=True)
class Command:
    """One line of a block; exit_code is the one that the page says it has."""

    words: list[str]
    exit_code: int
    needs: str | None


@dataclass(frozen=True)
class Block:
    """A fenced block of a page; extra: words that the test adds to its commands."""

    kind: str
    title: str
    text: str
    extra: list[str] = field(default_factory=list)

    def commands(self) -> list[Command]:
        lines = self.text.replace("\\\n", " ").splitlines()
        return [command_of(line) for line in lines if line.strip() and not line.startswith("#")]


def command_of(line: str) -> Command:
    command, _, remark = line.partition(" # ")
    needs = next((need for need in NEEDS if need in remark), None)
    code = re.search(r"exit code (\d+)", remark)
    return Command(shlex.split(command), int(code[1]) if code else 0, needs)


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(found["kind"], found["title"] or "", found["text"], shlex.split(found["words"] or ""))
        for found in BLOCK.finditer(text)
    ]


def is_long(page: Path) -> bool:
    return page.read_text(encoding="utf-8").startswith("<!-- test: long -->")


def missing_from(output: str, quoted: str, *, figures_differ: bool) -> list[str]:
    """The quoted lines that the output does not have, in their order; spaces and empty lines do not count.

    A line follows the one before it directly, but after `...`.
    """
    printed = [plain(line, figures_differ) for line in output.splitlines() if line.strip()]
    place, anywhere, missing = 0, True, []
    for line in quoted.splitlines():
        wanted = plain(line, figures_differ)
        if not wanted:
            continue
        if wanted == "...":
            anywhere = True
            continue
        stretch = printed[place:] if anywhere else printed[place : place + 1]
        if wanted in stretch:
            place += stretch.index(wanted) + 1
            anywhere = False
        else:
            missing.append(line)
    return missing


def plain(line: str, figures_differ: bool) -> str:
    line = FIGURE.sub("0", line) if figures_differ else line
    return " ".join(line.split())
