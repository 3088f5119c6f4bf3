"""Where results are printed: stdout, as wide as the terminal, or never cut when it is a file or a pipe."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console

PIPE_WIDTH = 10_000


def results(*, to_stderr: bool = False) -> Console:
    """A console on stdout or stderr. Text from files is printed as it is: no markup, no highlighting."""
    width = None if (sys.stderr if to_stderr else sys.stdout).isatty() else PIPE_WIDTH
    return Console(stderr=to_stderr, width=width, markup=False, highlight=False, emoji=False)


def print_json(content: Any) -> None:
    print(json.dumps(content, indent=2, ensure_ascii=False))
