"""What stops a run before it does harm."""

from __future__ import annotations


class GuardStop(Exception):
    """A guard stopped the run; the weights are those before the offending update. Exit code 3."""
