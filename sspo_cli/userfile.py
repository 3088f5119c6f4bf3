"""A Python file of the user's: loaded as Python would, without a trace for anybody else."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType


class UserFile:
    """The module of a file that may import its neighbours.

    Only while its code runs, inside `running`, does its folder stand first on the path, and do the names of its
    neighbours mean them. A `datasets.py` beside it is its `datasets`, and nobody else's.
    """

    def __init__(self, file: Path) -> None:
        """Import `file`, under a name of its own.

        Raises:
            ImportError: if it is not a Python file.
            BaseException: whatever its code raises.
        """
        file = file.resolve()
        self.folder = str(file.parent)
        packages = (path.parent.name for path in file.parent.glob("*/__init__.py"))
        self.neighbours = {*(path.stem for path in file.parent.glob("*.py")), *packages}
        self.imported: dict[str, ModuleType] = {}
        name = f"user_{file.stem}_{hashlib.sha256(str(file).encode()).hexdigest()[:8]}"
        spec = importlib.util.spec_from_file_location(name, file)
        if spec is None or spec.loader is None:
            raise ImportError("not a Python file")
        self.module = importlib.util.module_from_spec(spec)
        sys.modules[name] = self.module
        with self.running():
            spec.loader.exec_module(self.module)

    @contextmanager
    def running(self) -> Iterator[None]:
        """The file's own view of modules inside the block; everybody else's, and their directory, again behind it."""
        of_others, directory = self.taken_out(), Path.cwd()
        sys.modules.update(self.imported)
        sys.path.insert(0, self.folder)
        try:
            yield
        finally:
            os.chdir(directory)
            if self.folder in sys.path:
                sys.path.remove(self.folder)
            self.imported = self.taken_out()
            sys.modules.update(of_others)

    def taken_out(self) -> dict[str, ModuleType]:
        """The modules with the names of neighbours, which are no longer imported then."""
        found = {name for name in self.neighbours if name in sys.modules}
        inside = [name for name in list(sys.modules) if name.partition(".")[0] in found] if found else []
        return {name: sys.modules.pop(name) for name in inside}
