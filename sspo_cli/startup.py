"""What lets a command start quickly."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

LOADING_TORCH = "loading torch"  # what takes the first seconds of every command that needs it


@contextmanager
def imports() -> Iterator[None]:
    """Import torch, transformers and what stands on them inside this block.

    They make a million objects that stay as long as the process. Looking among them for garbage, over and over while
    they come, takes a seventh of the time to the first rollout, so it is left off, and never done again: they are set
    aside, before there are weights that could be set aside with them.
    """
    if "torch" in sys.modules:
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
