"""`${` in a resolved configuration: a backslash stands before it, so that nothing is resolved when it is read back."""

from __future__ import annotations

import re
from typing import Any


def escaped(value: Any) -> Any:
    """`value` as OmegaConf resolves to it, strings inside lists and mappings too."""
    # OmegaConf reads a backslash as an escape only in front of `${`.
    return mapped(value, r"(\\*)\$\{", lambda found: 2 * found[1] + r"\${")


def unescaped(value: Any) -> Any:
    """What `escaped` was made of."""
    return mapped(value, r"((?:\\\\)*)\\\$\{", lambda found: found[1][::2] + "${")


def mapped(value: Any, pattern: str, change: Any) -> Any:
    """`value` with every match of `pattern` replaced in every string of it."""
    if isinstance(value, str):
        return re.sub(pattern, change, value) if "${" in value else value
    if isinstance(value, dict):
        return {key: mapped(item, pattern, change) for key, item in value.items()}
    return [mapped(item, pattern, change) for item in value] if isinstance(value, list) else value
