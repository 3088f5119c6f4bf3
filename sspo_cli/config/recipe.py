"""Recipes: complete experiments as files, and whether a result is what they promise."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from annotated_types import MinLen
from pydantic import TypeAdapter, ValidationError

from sspo_cli.config.errors import ConfigError, did_you_mean
from sspo_cli.config.locate import shipped
from sspo_cli.config.schema import Text, section
from sspo_cli.config.tree import load_yaml

# What a recipe is made of.
KEYS = {
    "about": "one line on what the experiment shows",
    "command": "train, compare or sweep",
    "overrides": "a list of settings, such as [objective=sspo, train.steps=20]",
    "allow": "of a compare, keys in which its runs may differ",
    "expect": "bounds of its summary.json, such as {eval/accuracy: {at_least: 0.1}}; {} for none",
    "verified": "not run in full, or {on: MACHINE, version: 0.1.0, value: 0.5}",
}
Bounds = Annotated[dict[Literal["at_least", "at_most"], float], MinLen(1)]


@section
class Verified:
    """Where and with which version a recipe was last run, and the value it reached."""

    on: Text
    version: Text
    value: float


@section
class Recipe:
    """One experiment: what it shows, the words that run it, and what to expect of its summary.json.

    allow: of a compare, keys in which its cells may differ. expect: bounds by key; cells.done is done in cells.
    """

    about: Text
    command: Literal["train", "compare", "sweep"]
    overrides: list[str]
    allow: list[str] = field(default_factory=list)
    expect: dict[str, Bounds]
    verified: Verified | Literal["not run in full"]


@dataclass(frozen=True)
class Judgement:
    """One bound of a recipe and the value that was measured; None where it was not."""

    metric: str
    word: str
    bound: float
    value: float | None

    @property
    def met(self) -> bool:
        if self.value is None:
            return False
        return self.value >= self.bound if self.word == "at_least" else self.value <= self.bound


def recipe_files() -> dict[str, Path]:
    """Every recipe by name; the user's ./recipes over the shipped ones, so that a copy can be changed."""
    folders = [shipped("recipes"), Path.cwd() / "recipes"]
    found = {file.stem: file for folder in folders for file in folder.glob("*.yaml")}
    return {name: found[name] for name in sorted(found)}


def recipe_file(name: str) -> Path:
    """The file of a recipe.

    Raises:
        ConfigError: naming the one that was probably meant, if there is none.
    """
    files = recipe_files()
    if name not in files:
        raise ConfigError([f"recipe {name}: not found{did_you_mean(name, files)} (see `sspo recipe list`)"])
    return files[name]


def recipe_text(file: Path) -> str:
    """What stands in the file of a recipe.

    Raises:
        ConfigError: if it cannot be read; a pipe is not waited for.
    """
    if file.exists() and not file.is_file():
        raise ConfigError([f"{file}: cannot be read: is no plain file"])
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not a text file"
        raise ConfigError([f"{file}: cannot be read: {why}"]) from error


def load_recipe(file: Path) -> Recipe:
    """Read a recipe.

    Raises:
        ConfigError: with one line for every problem in the file.
    """
    try:
        content = load_yaml(recipe_text(file), as_text=True)
        if not isinstance(content, dict):
            raise ConfigError([f"{file}: holds no keys; a recipe begins with about: and command:"])
        recipe = TypeAdapter(Recipe).validate_python(content)
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError([f"{file}: not YAML: {' '.join(str(error).split())}"]) from error
    except ValidationError as error:
        raise ConfigError([f"{file}: {recipe_problem(item)}" for item in error.errors()]) from error
    if recipe.command == "train" and not recipe.expect:
        raise ConfigError([f"{file}: expect: a training recipe says what to expect of at least one metric"])
    if recipe.command != "compare" and recipe.allow:
        raise ConfigError([f"{file}: allow: only of command: compare"])
    return recipe


def recipe_problem(item: Any) -> str:
    """One line for one of pydantic's problems."""
    key = ".".join(str(part) for part in item["loc"] if part not in ("Verified", "[key]"))
    if item["type"] == "unexpected_keyword_argument":
        return f"{key}: unknown key{did_you_mean(key, KEYS)} (allowed: {', '.join(KEYS)})"
    if item["type"] == "missing":
        return f"{key}: missing; {KEYS.get(key, 'write it')}"
    reason = re.sub(r"^Input should", "must", item["msg"]).replace("valid dictionary", "mapping of keys to values")
    return f"{key}: {reason[0].lower()}{reason[1:]}"


def copy_recipe(name: str) -> Path:
    """Copy a recipe into ./recipes, never over a file that is there. Returns the copy.

    Raises:
        ConfigError: if it is there, or cannot be written.
    """
    source = recipe_file(name)
    target = Path("recipes") / source.name
    text = recipe_text(source)
    try:
        target.parent.mkdir(exist_ok=True)
        with target.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise ConfigError([f"{target}: exists and is never overwritten; edit it, or rename it first"]) from error
    except OSError as error:
        raise ConfigError([f"{target}: cannot be written: {error.strerror}"]) from error
    return target


def judged(recipe: Recipe, summary: dict[str, Any]) -> list[Judgement]:
    """What the recipe expects beside what its summary.json says."""
    return [
        Judgement(metric, word, bound, last_value(entry_of(summary, metric)))
        for metric, bounds in recipe.expect.items()
        for word, bound in bounds.items()
    ]


def entry_of(summary: dict[str, Any], key: str) -> Any:
    """What summary.json has under `key`, or below the sections that its dots name; None if it has nothing."""
    if key in summary:
        return summary[key]
    section, dot, rest = key.partition(".")
    inner = summary.get(section)
    return entry_of(inner, rest) if dot and isinstance(inner, dict) else None


def last_value(entry: Any) -> float | None:
    """The figure of a metric in summary.json: its last one where there are several; None if it was not measured."""
    figure = entry.get("last") if isinstance(entry, dict) else entry
    return None if figure is None else float(figure)
