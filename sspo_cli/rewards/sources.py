"""The files that a user's reward is made of: its own, and every module that it imports from its folder."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib.machinery import all_suffixes
from pathlib import Path

from sspo_cli.config.schema import MixtureRewardSection, PartReward, PythonReward, RewardConfig

BY_NAME = ("import_module", "__import__")


def user_files(config: RewardConfig) -> dict[str, list[Path]]:
    """The files of every function of the user's in a reward, by the key of its path; none that are missing."""
    parts: dict[str, RewardConfig | PartReward] = {"reward.path": config}
    if isinstance(config, MixtureRewardSection):
        parts = {f"reward.parts.{name}.path": part for name, part in config.parts.items()}
    return {
        key: source_files(Path(part.path))
        for key, part in parts.items()
        if isinstance(part, PythonReward) and Path(part.path).is_file()
    }


def source_files(file: Path) -> list[Path]:
    """`file` and the modules beside it and in folders below it that it imports, directly or through one another.

    Told from the text of the files, wherever in them an import stands; nothing is run. A module whose name is computed
    while the reward runs is not found, and neither are files that the reward opens.
    """
    root = file.parent
    found = {file: None}
    waiting = [file]
    while waiting:
        module = waiting.pop()
        for name in imported_names(module, root):
            new = [path for path in files_of(name, root) if path not in found]
            found |= dict.fromkeys(new)
            waiting += [path for path in new if path.suffix == ".py"]
    return [file, *sorted(path for path in found if path != file)]


def imported_names(module: Path, root: Path) -> Iterator[tuple[str, ...]]:
    """Every name that `module` imports, from `root` on, in parts; most are of modules that lie elsewhere."""
    try:
        tree = ast.parse(module.read_bytes())
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (tuple(alias.name.split(".")) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = parent_of(module, root, node.level) + tuple(node.module.split(".") if node.module else ())
            yield package
            yield from ((*package, alias.name) for alias in node.names)
        elif isinstance(node, ast.Call) and called(node) in BY_NAME and node.args:
            name = node.args[0]
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                dots = len(name.value) - len(name.value.lstrip("."))
                yield parent_of(module, root, dots) + tuple(name.value.lstrip(".").split("."))


def parent_of(module: Path, root: Path, dots: int) -> tuple[str, ...]:
    """The package that a relative import with so many dots begins at; of an absolute one, the root."""
    parts = module.relative_to(root).parts[:-1] if dots else ()
    return parts[: len(parts) - (dots - 1)] if dots > 1 else parts


def called(node: ast.Call) -> str:
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def files_of(name: tuple[str, ...], root: Path) -> list[Path]:
    """The files that importing `name` runs: of each package on the way its __init__, and the module itself."""
    found: list[Path] = []
    for depth in range(1, len(name) + 1):
        *folders, last = name[:depth]
        place = root.joinpath(*folders)
        names = [path.stem for path in place.glob("*.py")] if last == "*" else [last]
        for stem in names:
            for suffix in all_suffixes():
                found += [
                    path for path in (place / f"{stem}{suffix}", place / stem / f"__init__{suffix}") if path.is_file()
                ]
    return found
