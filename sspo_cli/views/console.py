"""Where results are printed: stdout, as wide as the terminal, or never cut when it is a file or a pipe."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable
from typing import IO, Any, TextIO, cast

from rich.console import Console, RenderableType
from rich.pager import SystemPager

PIPE_WIDTH = 10_000


class Unpadded:
    """A stream that drops the blanks at the ends of lines, with which rich fills up tables."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        return self.stream.write(unpadded(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def unpadded(text: str) -> str:
    return re.sub(r" +$", "", text, flags=re.MULTILINE)


def results() -> Console:
    """A console on stdout. Text from files is printed as it is: no markup, no highlighting."""
    width = None if sys.stdout.isatty() else PIPE_WIDTH
    return Console(file=cast(IO[str], Unpadded(sys.stdout)), width=width, markup=False, highlight=False, emoji=False)


def print_commands(console: Console, commands: Iterable[str]) -> None:
    """What to type next, each command a whole line to copy."""
    console.print("try next:")
    for command in commands:
        console.print(f"  {command}", soft_wrap=True)


def print_json(content: Any) -> None:
    print(json.dumps(content, indent=2, ensure_ascii=False))


def page(console: Console, parts: Iterable[RenderableType]) -> None:
    """Print `parts`; on a terminal through the user's pager, if they are longer than its screen."""
    with console.capture() as capture:
        for part in parts:
            console.print(part)
    text = unpadded(capture.get())
    if text.count("\n") >= console.height:
        os.environ.setdefault("LESS", "-R")  # less would show colours as codes
        SystemPager().show(text)  # prints, where there is no terminal
    else:
        print(text, end="")
