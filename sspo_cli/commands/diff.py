"""`sspo diff`: what sets two runs apart, and how far apart it set them."""

from __future__ import annotations

from sspo_cli.runs.diff import compare_runs
from sspo_cli.views.console import print_json
from sspo_cli.views.diff import print_diff


def run(a: str, b: str, *, as_json: bool) -> int:
    """Print what differs between two run folders or config.yaml files.

    Raises:
        ConfigError: with everything that is wrong with either.
    """
    found = compare_runs(a, b)
    if as_json:
        print_json(found.as_json())
    else:
        print_diff(found)
    return 0
