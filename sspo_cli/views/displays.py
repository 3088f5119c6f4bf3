"""Which display a run has."""

from __future__ import annotations

import sys

from sspo_cli.views.display import Display, PlainDisplay


def open_display(*, title: str, first_step: int, total_steps: int, quiet: bool) -> Display:
    """The display that fits stderr.

    Args:
        title: what runs, in a few words.
        first_step: steps already done, 0 for a new run.
        total_steps: the step at which the run ends.
        quiet: show nothing.
    """
    if quiet:
        return Display()
    if not sys.stderr.isatty():
        return PlainDisplay(first_step, total_steps)
    from rich.console import Console

    from sspo_cli.views.live import LiveDisplay

    console = Console(stderr=True)
    if console.is_dumb_terminal:
        return PlainDisplay(first_step, total_steps)
    return LiveDisplay(console, title, first_step, total_steps)
