"""Where results are printed: stdout, as wide as the terminal, or never cut when it is a file or a pipe."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console, RenderableType
from rich.pager import SystemPager

PIPE_WIDTH = 10_000


def results() -> Console:
    """A console on stdout. Text from files is printed as it is: no markup, no highlighting."""
    width = None if sys.stdout.isatty() else PIPE_WIDTH
    return Console(width=width, markup=False, highlight=False, emoji=False)


def print_json(content: Any) -> None:
    print(json.dumps(content, indent=2, ensure_ascii=False))


def page(console: Console, parts: Iterable[RenderableType]) -> None:
    """Print `parts`; on a terminal through the user's pager, if they are longer than its screen."""
    with console.capture() as capture:
        for part in parts:
            console.print(part)
    text = "\n".join(line.rstrip(" ") for line in capture.get().split("\n"))  # rich fills blocks up with blanks
    if text.count("\n") >= console.height:
        os.environ.setdefault("LESS", "-R")  # less would show colours as codes
        SystemPager().show(text)  # prints, where there is no terminal
    else:
        print(text, end="")
