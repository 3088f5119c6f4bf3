"""The screens of `sspo recipe`: the list, and what was expected beside what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sspo_cli.config.recipe import Judgement, Recipe
from sspo_cli.views.console import results


def print_recipes(recipes: Mapping[str, Recipe]) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in ("recipe", "about", "verified"):
        table.add_column(column, no_wrap=column == "recipe")
    for name, recipe in recipes.items():
        table.add_row(Text(name, style="cyan"), Text(recipe.about), Text(written_verification(recipe)))
    results().print(table)


def written_verification(recipe: Recipe) -> str:
    if isinstance(recipe.verified, str):
        return recipe.verified
    return f"{recipe.verified.value:g} on {recipe.verified.on}, version {recipe.verified.version}"


def print_judgements(judgements: Sequence[Judgement], *, to_stderr: bool) -> None:
    """Expected against measured. to_stderr: stdout stays one JSON document with --json."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in ("expected of the recipe", "measured", ""):
        table.add_column(column)
    for found in judgements:
        measured = "not measured" if found.value is None else f"{found.value:.4g}"
        mark = Text("met", style="green") if found.met else Text("not met", style="red")
        expected = f"{found.metric} {found.word.replace('_', ' ')} {found.bound:g}"
        table.add_row(Text(expected), Text(measured), mark)
    console = Console(stderr=True) if to_stderr else results()
    console.print()
    console.print(table)
