"""Which files a user's reward is made of."""

from __future__ import annotations

from pathlib import Path

import pytest

from sspo_cli.rewards.sources import source_files


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def found(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in source_files(folder / "reward.py")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import json\nimport torch.nn\n", []),
        ("import near\n", ["near.py"]),
        ("import near as other, json\n", ["near.py"]),
        ("from near import something\n", ["near.py"]),
        ("def score(*args):\n    from near import something\n", ["near.py"]),
        ("try:\n    import near\nexcept ImportError:\n    near = None\n", ["near.py"]),
        ("import pack.deep.er\n", ["pack/__init__.py", "pack/deep/er.py"]),
        ("from pack import beside\n", ["pack/__init__.py", "pack/beside.py"]),
        ("from pack.deep import er\n", ["pack/__init__.py", "pack/deep/er.py"]),
        ("import pack.deep.up\n", ["pack/__init__.py", "pack/beside.py", "pack/deep/up.py"]),
        ("import pack.chained\n", ["pack/__init__.py", "pack/beside.py", "pack/chained.py", "pack/deep/er.py"]),
        ("from pack.deep import *\n", ["pack/__init__.py", "pack/beside.py", "pack/deep/er.py", "pack/deep/up.py"]),
        ("import circle_a\n", ["circle_a.py", "circle_b.py"]),
        ("import importlib\nimportlib.import_module('near')\n", ["near.py"]),
        ("from importlib import import_module\nimport_module('pack.beside')\n", ["pack/__init__.py", "pack/beside.py"]),
        ("import compiled\n", ["compiled.abi3.so"]),
        ("import unreadable\n", ["unreadable.py"]),
        ("from . import near\n", ["near.py"]),
    ],
)
def test_every_module_that_it_imports_from_its_folder_is_found_and_no_other(
    tmp_path: Path, text: str, expected: list[str]
) -> None:
    write(
        tmp_path,
        {
            "reward.py": text,
            "near.py": "something = 1\n",
            "unused.py": "",
            "pack/__init__.py": "",
            "pack/beside.py": "",
            "pack/chained.py": "from . import beside\nfrom .deep.er import x\n",
            "pack/deep/er.py": "x = 1\n",
            "pack/deep/up.py": "from ..beside import y\n",
            "circle_a.py": "import circle_b\n",
            "circle_b.py": "import circle_a\n",
            "compiled.abi3.so": "\x7fELF",
            "unreadable.py": "def (:\n",
        },
    )
    assert found(tmp_path) == ["reward.py", *expected]
