"""`sspo sweep`: a grid over any settings."""

from __future__ import annotations

from sspo_cli.commands import study


def run(words: list[str], *, dry_run: bool, probe: bool, quiet: bool, as_json: bool) -> int:
    """Run or go on with a sweep; the exit code."""
    return study.run("sweep", words, allowed=[], dry_run=dry_run, probe=probe, quiet=quiet, as_json=as_json)
