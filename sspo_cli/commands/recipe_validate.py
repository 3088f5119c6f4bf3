"""`sspo recipe validate FILE`: whether a recipe can be read, and its settings make an experiment."""

from __future__ import annotations

from pathlib import Path

from sspo_cli.config.compose import load_config
from sspo_cli.config.errors import ConfigError
from sspo_cli.config.recipe import Recipe, load_recipe, recipe_file, recipe_files
from sspo_cli.config.schema import TrainConfig


def run(file: Path) -> int:
    """Print what a recipe would run.

    Raises:
        ConfigError: with every problem of the file and of its settings.
    """
    found = file if file.is_file() or file.suffix else recipe_file(str(file))
    recipe = load_recipe(found)
    try:
        cells = cells_of(recipe)
    except ConfigError as error:
        raise ConfigError(f"{found}: overrides: {problem}" for problem in error.problems) from error
    runs = f"{cells} runs" if cells > 1 else "1 run"
    print(f"{found}: valid; sspo {recipe.command} with {runs}, {len(recipe.expect)} expectations")
    listed = recipe_files().get(found.stem)
    if listed is not None and listed.resolve() == found.resolve():
        print(f"Run it: sspo recipe run {found.stem} --check")
    else:
        print(f"To run it, put it into ./recipes: cp {found} recipes/, then sspo recipe run {found.stem} --check")
    return 0


def cells_of(recipe: Recipe) -> int:
    """How many runs a recipe asks for.

    Raises:
        ConfigError: with every problem of its settings.
    """
    if recipe.command == "train":
        load_config(TrainConfig, recipe.overrides)
        return 1
    from sspo_cli.study.plan import read_plan

    return len(read_plan(recipe.command, recipe.overrides, recipe.allow).cells)
