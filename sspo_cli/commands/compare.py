"""`sspo compare`: several objectives under identical conditions."""

from __future__ import annotations

from sspo_cli.commands import study


def run(words: list[str], *, allowed: list[str], dry_run: bool, probe: bool, quiet: bool, as_json: bool) -> int:
    """Run or go on with a compare; the exit code. allowed: keys that cells may differ in beside objective and seed."""
    return study.run("compare", words, allowed=allowed, dry_run=dry_run, probe=probe, quiet=quiet, as_json=as_json)
