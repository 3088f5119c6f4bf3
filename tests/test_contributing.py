"""What CONTRIBUTING.md points at is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PATHS = sorted(set(re.findall(r"`((?:sspo_cli|tests|conf|docs)/[\w./-]+)`", TEXT)))
CODE = "\n".join(
    file.read_text(encoding="utf-8") for top in ("sspo_cli", "tests") for file in (ROOT / top).rglob("*.py")
)
TABLES = sorted(set(re.findall(r"`([A-Z][A-Z_]{3,})`", TEXT)))


@pytest.mark.parametrize("path", PATHS)
def test_every_path_is_there(path: str) -> None:
    """NAME stands for a file to be written: its folder has others of its kind."""
    assert list(ROOT.glob(path.replace("NAME", "*")))


@pytest.mark.parametrize("table", TABLES)
def test_every_table_is_there(table: str) -> None:
    assert re.search(rf"^{table}\b.*=", CODE, flags=re.MULTILINE)
