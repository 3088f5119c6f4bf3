"""`sspo new KIND NAME`: a file of the user's own to begin with, and the next command."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

from sspo_cli.config.errors import ConfigError
from sspo_cli.config.locate import PACKAGE, choice_file
from sspo_cli.config.recipe import recipe_files

TEMPLATES = PACKAGE / "templates"
# What is written for each kind: the template and where it goes.
FILES = {
    "objective": [("objective.yaml", "conf/objective/NAME.yaml")],
    "reward": [("reward.py.txt", "NAME.py")],
    "dataset": [("dataset.yaml", "conf/dataset/NAME.yaml"), ("dataset.jsonl", "NAME.jsonl")],
    "recipe": [("recipe.yaml", "recipes/NAME.yaml")],
}
NEXT = {
    "objective": ["sspo selftest NAME", "sspo train objective=NAME preset=smoke"],
    "reward": ["python NAME.py", "sspo train reward=python reward.path=NAME.py preset=smoke"],
    "dataset": ["sspo train dataset=NAME preset=smoke"],
    "recipe": ["sspo recipe validate recipes/NAME.yaml", "sspo recipe run NAME --check"],
}


def run(kind: str, name: str) -> int:
    """Write the files of `kind` called `name`, and tell what they are for.

    Raises:
        ConfigError: for a name that cannot be used, or a file that is there or cannot be written.
    """
    files = {Path(place.replace("NAME", name)): TEMPLATES / template for template, place in FILES[kind]}
    if problems := name_problems(kind, name, list(files)):
        raise ConfigError(problems)
    for file, template in files.items():
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("x", encoding="utf-8") as target:
                target.write(template.read_text(encoding="utf-8").replace("NAME", name))
        except OSError as error:
            raise ConfigError([f"{file}: cannot be written: {error.strerror}"]) from error
        print(file)
    print("Edit it, then:")
    for line in NEXT[kind]:
        print(f"  {line.replace('NAME', name)}")
    return 0


def name_problems(kind: str, name: str, files: list[Path]) -> list[str]:
    """Why nothing can be written under this name."""
    if not re.fullmatch(r"[A-Za-z]\w*", name):
        return [f"{name}: must be letters, digits and _, and begin with a letter: `sspo new {kind} mine`"]
    if taken := [file for file in files if file.exists()]:
        return [f"{file}: exists and is never overwritten; edit it, or choose another name" for file in taken]
    if kind in ("objective", "dataset") and choice_file(kind, name):
        return [f"{name}: is a built-in {kind} (`sspo show {kind} {name}`); choose another name"]
    if kind == "recipe" and name in recipe_files():
        return [f"{name}: is a recipe that comes with sspo; copy it with `sspo recipe copy {name}`, or choose another"]
    if kind == "reward" and find_spec(name) is not None:
        return [f"{name}: is the name of a Python module, which {name}.py would hide; choose another name"]
    return []
