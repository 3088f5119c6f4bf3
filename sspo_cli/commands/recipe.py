"""`sspo recipe`: complete experiments as files, replayed and checked against what they promise."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, field
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from annotated_types import MinLen
from pydantic import TypeAdapter, ValidationError
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text as Line

from sspo_cli.config.errors import ConfigError, did_you_mean
from sspo_cli.config.locate import shipped
from sspo_cli.config.schema import Text, section
from sspo_cli.views.console import print_json, results

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
        recipe = TypeAdapter(Recipe).validate_python(content)
    except yaml.YAMLError as error:
        raise ConfigError([f"{file}: not YAML: {' '.join(str(error).split())}"]) from error
    except ValidationError as error:
        raise ConfigError([f"{file}: {describe(item)}" for item in error.errors()]) from error
    if recipe.command == "train" and not recipe.expect:
        raise ConfigError([f"{file}: expect: a training recipe says what to expect of at least one metric"])
    if recipe.command != "compare" and recipe.allow:
        raise ConfigError([f"{file}: allow: only of command: compare"])
    return recipe


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
    recipe = load(file_of(name))
    words = [*recipe.overrides, *overrides]
    replay = run_once if recipe.command == "train" else run_grid
    code, folder = replay(recipe, name, words, dry_run=dry_run, quiet=quiet, as_json=as_json)
    if code or dry_run or not check:
        return code
    return verdict(recipe, json.loads((folder / "summary.json").read_text()), to_stderr=as_json)


def run_once(
    recipe: Recipe, name: str, words: list[str], *, dry_run: bool, quiet: bool, as_json: bool
) -> tuple[int, Path]:
    """A train run, in a new folder named after the recipe. Its exit code and folder."""
    from sspo_cli.commands import train
    from sspo_cli.config.compose import load_config
    from sspo_cli.config.schema import TrainConfig
    from sspo_cli.runs.folder import free_name

    config = load_config(TrainConfig, words)
    run_name = config.name or free_name(config.output_dir, "train", name)
    if config.name is None and not dry_run:
        words = [*words, f"name={run_name}"]
    code = train.run(words, config=None, resume=None, dry_run=dry_run, quiet=quiet, as_json=as_json)
    return code, Path(config.output_dir) / "train" / run_name


def run_grid(
    recipe: Recipe, name: str, words: list[str], *, dry_run: bool, quiet: bool, as_json: bool
) -> tuple[int, Path]:
    """A compare or a sweep, in the folder named after the recipe, where it goes on if it is there. Code and folder."""
    from sspo_cli.commands import study
    from sspo_cli.study.axes import Kind
    from sspo_cli.study.plan import read_plan

    kind: Kind = "compare" if recipe.command == "compare" else "sweep"
    if not any(word.startswith("name=") for word in words):
        words = [*words, f"name={name}"]
    folder = read_plan(kind, words, recipe.allow).folder
    return study.run(kind, words, allowed=recipe.allow, dry_run=dry_run, quiet=quiet, as_json=as_json), folder


def verdict(recipe: Recipe, summary: dict[str, Any], *, to_stderr: bool) -> int:
    """Print expected against measured; 1 if any bound is broken. stdout stays one JSON document with --json."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("expected of the recipe", "measured", ""):
        table.add_column(column)
    broken = 0
    for metric, bounds in recipe.expect.items():
        value = last_value(entry_of(summary, metric))
        for word, bound in bounds.items():
            met = value is not None and (value >= bound if word == "at_least" else value <= bound)
            broken += not met
            measured = "not measured" if value is None else f"{value:.4g}"
            mark = Line("met", style="green") if met else Line("not met", style="red")
            table.add_row(Line(f"{metric} {word.replace('_', ' ')} {bound:g}"), Line(measured), mark)
    console = Console(file=sys.stderr) if to_stderr else results()
    console.print(table)
    return int(broken > 0)


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
