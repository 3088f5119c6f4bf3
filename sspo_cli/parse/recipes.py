"""The commands of `sspo recipe`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sspo_cli.parse.app import app, examples, help_without_command, recipes
from sspo_cli.parse.options import DryRun, Json, Quiet, RecipeName, TrainWords

recipes.callback(
    invoke_without_command=True,
    epilog=examples("sspo recipe list", "sspo recipe run quickstart --check", "sspo recipe copy quickstart"),
)(help_without_command)
app.add_typer(recipes, name="recipe")


@recipes.command("list")
def recipe_list(as_json: Json = False) -> int:
    """List every recipe and where it was last verified."""
    from sspo_cli.commands import recipe

    return recipe.list_recipes(as_json=as_json)


@recipes.command("show")
def recipe_show(name: RecipeName) -> int:
    """Print a recipe's file."""
    from sspo_cli.commands import recipe

    return recipe.show(name)


@recipes.command("run", epilog=examples("sspo recipe run quickstart --check", "sspo recipe run quickstart seed=1"))
def recipe_run(
    name: RecipeName,
    overrides: TrainWords = None,
    check: Annotated[bool, typer.Option("--check", help="Exit 1 unless the result is as the recipe expects.")] = False,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """Run a recipe."""
    from sspo_cli.commands import recipe

    return recipe.run(name, overrides or [], check=check, dry_run=dry_run, quiet=quiet, as_json=as_json)


@recipes.command("copy")
def recipe_copy(name: RecipeName) -> int:
    """Copy a recipe into ./recipes, to change it there."""
    from sspo_cli.commands import recipe

    return recipe.copy(name)


@recipes.command("validate", epilog=examples("sspo recipe validate recipes/mine.yaml"))
def recipe_validate(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A recipe file, or the name of a recipe.")],
) -> int:
    """Check a recipe file: its keys, and that its settings make an experiment."""
    from sspo_cli.commands import recipe_validate as command

    return command.run(file)
