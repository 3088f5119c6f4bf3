"""`sspo recipe`: complete experiments as files, replayed and checked against what they promise."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

from sspo_cli.config.errors import ConfigError
from sspo_cli.config.recipe import copy_recipe, judged, load_recipe, recipe_file, recipe_files, recipe_text
from sspo_cli.views.console import print_json
from sspo_cli.views.recipe import print_judgements, print_recipes


def list_recipes(*, as_json: bool) -> int:
    recipes, problems = {}, []
    for name, file in recipe_files().items():
        try:
            recipes[name] = load_recipe(file)
        except ConfigError as error:
            problems += error.problems
    for problem in problems:
        print(f"sspo: left out: {problem} (check it with `sspo recipe validate FILE`)", file=sys.stderr)
    if as_json:
        print_json({name: asdict(recipe) for name, recipe in recipes.items()})
    else:
        print_recipes(recipes)
    return 0


def show(name: str) -> int:
    print(recipe_text(recipe_file(name)), end="")
    return 0


def copy(name: str) -> int:
    print(f"{copy_recipe(name)}\nRun it: sspo recipe run {name}")
    return 0


def run(name: str, overrides: list[str], *, check: bool, dry_run: bool, quiet: bool, as_json: bool) -> int:
    """Replay a recipe, with the user's words after its own; or with `dry_run` print what it would do.

    Returns the exit code of the run, or 1 if `check` finds that it did not meet what the recipe expects.
    """
    from sspo_cli.runs.summary import read_content

    recipe = load_recipe(recipe_file(name))
    words = [*recipe.overrides, *overrides]
    if recipe.command == "train":
        words, folder = named_run(name, words, dry_run=dry_run)
        from sspo_cli.commands import train

        code = train.run(words, config=None, dry_run=dry_run, quiet=quiet, as_json=as_json)
    else:
        from sspo_cli.commands import study
        from sspo_cli.study.plan import read_plan

        # A grid goes on in the folder of that name, if it is there.
        words += [] if any(word.startswith("name=") for word in words) else [f"name={name}"]
        folder = read_plan(recipe.command, words, recipe.allow).folder
        code = study.run(recipe.command, words, allowed=recipe.allow, dry_run=dry_run, quiet=quiet, as_json=as_json)
    if code or dry_run or not check:
        return code
    judgements = judged(recipe, read_content(folder))
    print_judgements(judgements, to_stderr=as_json)
    return int(not all(found.met for found in judgements))


def named_run(name: str, words: list[str], *, dry_run: bool) -> tuple[list[str], Path]:
    """The words of a train run in a new folder named after the recipe, if they do not name it; and that folder."""
    from sspo_cli.config.compose import load_config
    from sspo_cli.config.schema import TrainConfig
    from sspo_cli.runs.folder import free_name

    config = load_config(TrainConfig, words)
    run_name = config.name or free_name(config.output_dir, "train", name)
    given = [] if config.name or dry_run else [f"name={run_name}"]
    return [*words, *given], Path(config.output_dir) / "train" / run_name
