"""Where results are printed: stdout, as wide as the terminal, or never cut when it is a file or a pipe."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console

PIPE_WIDTH = 10_000


def results() -> Console:
    """A console on stdout. Text from files is printed as it is: no markup, no highlighting."""
    width = None if sys.stdout.isatty() else PIPE_WIDTH
    return Console(width=width, markup=False, highlight=False, emoji=False)


def print_json(content: Any) -> None:
    print(json.dumps(content, indent=2, ensure_ascii=False))
