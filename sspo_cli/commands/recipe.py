"""`sspo recipe`: complete experiments as files, replayed and checked against what they promise."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from annotated_types import MinLen
from pydantic import TypeAdapter, ValidationError
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text as Line

from sspo_cli.commands.screen import print_json, results
from sspo_cli.config.errors import ConfigError, did_you_mean
from sspo_cli.config.locate import shipped
from sspo_cli.config.schema import Text, section

Bounds = Annotated[dict[Literal["at_least", "at_most"], float], MinLen(1)]


@section
class Verified:
    """Where and with which version a recipe was last run, and the value it reached."""

    on: Text
    version: Text
    value: float


@section
class Recipe:
    """One experiment: what it shows, the words that run it, and what to expect of its summary.json."""

    about: Text
    command: Literal["train"]
    overrides: list[str]
    expect: Annotated[dict[str, Bounds], MinLen(1)]
    verified: Verified | Literal["not run in full"]


def recipe_files() -> dict[str, Path]:
    """Every recipe by name; the user's ./recipes over the shipped ones, so that a copy can be changed."""
    folders = [shipped("recipes"), Path.cwd() / "recipes"]
    found = {file.stem: file for folder in folders for file in folder.glob("*.yaml")}
    return {name: found[name] for name in sorted(found)}


def file_of(name: str) -> Path:
    files = recipe_files()
    if name not in files:
        raise ConfigError([f"recipe {name}: not found{did_you_mean(name, files)} (see `sspo recipe list`)"])
    return files[name]


def load(file: Path) -> Recipe:
    """Read a recipe.

    Raises:
        ConfigError: with one line for every problem in the file.
    """
    try:
        # BaseLoader keeps every scalar a string: YAML 1.1 reads the key `on` as true.
        content = yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
        return TypeAdapter(Recipe).validate_python(content)
    except yaml.YAMLError as error:
        raise ConfigError([f"{file}: not YAML: {' '.join(str(error).split())}"]) from error
    except ValidationError as error:
        raise ConfigError([f"{file}: {describe(item)}" for item in error.errors()]) from error


def describe(item: Any) -> str:
    key = ".".join(str(part) for part in item["loc"] if part not in ("Verified", "[key]"))
    return f"{key}: {item['msg'][0].lower()}{item['msg'][1:]}"


def list_recipes(*, as_json: bool) -> int:
    recipes = {name: load(file) for name, file in recipe_files().items()}
    if as_json:
        print_json({name: asdict(recipe) for name, recipe in recipes.items()})
        return 0
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("recipe", "about", "verified"):
        table.add_column(column, no_wrap=column == "recipe")
    for name, recipe in recipes.items():
        table.add_row(Line(name, style="cyan"), Line(recipe.about), Line(verified_text(recipe)))
    results().print(table)
    return 0


def verified_text(recipe: Recipe) -> str:
    if isinstance(recipe.verified, str):
        return recipe.verified
    return f"{recipe.verified.value:g} on {recipe.verified.on}, version {recipe.verified.version}"


def show(name: str) -> int:
    print(file_of(name).read_text(encoding="utf-8"), end="")
    return 0


def copy(name: str) -> int:
    """Copy a recipe into ./recipes, never over a file that is there."""
    source = file_of(name)
    target = Path("recipes") / source.name
    text = source.read_text(encoding="utf-8")
    try:
        target.parent.mkdir(exist_ok=True)
        with target.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise ConfigError([f"{target}: exists and is never overwritten; edit it, or rename it first"]) from error
    except OSError as error:
        raise ConfigError([f"{target}: cannot be written: {error.strerror}"]) from error
    print(f"{target}\nRun it: sspo recipe run {name}")
    return 0


def run(name: str, overrides: list[str], *, check: bool, dry_run: bool, quiet: bool, as_json: bool) -> int:
    """Replay a recipe, with the user's words after its own; or with `dry_run` print what it would do.

    Returns the exit code of the run, or 1 if `check` finds that it did not meet what the recipe expects.
    """
    from sspo_cli.commands import train
    from sspo_cli.config.compose import load_config
    from sspo_cli.config.schema import TrainConfig
    from sspo_cli.runs.folder import free_name

    recipe = load(file_of(name))
    words = [*recipe.overrides, *overrides]
    config = load_config(TrainConfig, words)
    if dry_run:
        return train.run(words, config=None, resume=None, folder=None, dry_run=True, quiet=quiet, as_json=as_json)
    run_name = config.name or free_name(config.output_dir, "train", name)
    if config.name is None:
        words.append(f"name={run_name}")
    code = train.run(words, config=None, resume=None, folder=None, dry_run=False, quiet=quiet, as_json=as_json)
    if code or not check:
        return code
    folder = Path(config.output_dir) / "train" / run_name
    return verdict(recipe, json.loads((folder / "summary.json").read_text()), to_stderr=as_json)


def verdict(recipe: Recipe, summary: dict[str, Any], *, to_stderr: bool) -> int:
    """Print expected against measured; 1 if any bound is broken. stdout stays one JSON document with --json."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("expected of the recipe", "measured", ""):
        table.add_column(column)
    broken = 0
    for metric, bounds in recipe.expect.items():
        value = last_value(summary.get(metric))
        for word, bound in bounds.items():
            met = value is not None and (value >= bound if word == "at_least" else value <= bound)
            broken += not met
            measured = "not measured" if value is None else f"{value:.4g}"
            mark = Line("met", style="green") if met else Line("not met", style="red")
            table.add_row(Line(f"{metric} {word.replace('_', ' ')} {bound:g}"), Line(measured), mark)
    console = Console(file=sys.stderr) if to_stderr else results()
    console.print(table)
    return int(broken > 0)


def last_value(entry: Any) -> float | None:
    """The figure of a metric in summary.json: its last one where there are several; None if it was not measured."""
    figure = entry.get("last") if isinstance(entry, dict) else entry
    return None if figure is None else float(figure)
