"""What TAB offers for each argument. Like `cli.py`, it imports nothing heavy before it is asked."""

from __future__ import annotations

from pathlib import Path

import typer


def train_words(incomplete: str) -> list[str]:
    from sspo_cli.config.complete import override_words

    return override_words("train", incomplete)


def eval_words(incomplete: str) -> list[str]:
    from sspo_cli.config.complete import override_words

    return override_words("eval", incomplete)


def compare_words(incomplete: str) -> list[str]:
    from sspo_cli.config.complete import override_words

    return override_words("compare", incomplete)


def sweep_words(incomplete: str) -> list[str]:
    from sspo_cli.config.complete import override_words

    return override_words("sweep", incomplete)


def group_words(incomplete: str) -> list[str]:
    from sspo_cli.config.locate import groups
    from sspo_cli.config.reference import sections

    return [group for group in (*groups(), "metric", *sections()) if group.startswith(incomplete)]


def objective_words(incomplete: str) -> list[str]:
    """Names of objectives, and the settings that can be changed in one."""
    from sspo_cli.config.complete import override_words, part_before
    from sspo_cli.config.locate import groups

    words = override_words("train", incomplete)
    if part_before(incomplete):
        return words
    names = [name for name in groups()["objective"] if name.startswith(incomplete)]
    return names + [word for word in words if word.startswith(("objective.", "objective/"))]


def choice_words(ctx: typer.Context, incomplete: str) -> list[str]:
    from sspo_cli.config.locate import groups

    if ctx.params["group"] == "objective":
        return objective_words(incomplete)
    if ctx.params["group"] == "metric":
        from sspo_cli.metrics import METRICS

        return [item.name for item in METRICS if item.name.startswith(incomplete)]
    return [name for name in groups().get(ctx.params["group"], []) if name.startswith(incomplete)]


def recipe_words(incomplete: str) -> list[str]:
    from sspo_cli.config.recipe import recipe_files

    return [name for name in recipe_files() if name.startswith(incomplete)]


def run_words(incomplete: str) -> list[str]:
    """Run folders: those in outputs, or in the folder that is being typed."""
    from sspo_cli.runs.find import find_runs

    typed = Path(incomplete)
    root = Path("outputs") if "outputs".startswith(incomplete) or typed.parts[0] == "outputs" else typed.parent
    return [str(folder) for folder in find_runs(root) if str(folder).startswith(incomplete)]
