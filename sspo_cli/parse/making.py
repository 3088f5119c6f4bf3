"""The commands of `sspo new`: files of a user's own, to edit."""

from __future__ import annotations

from typing import Annotated

import typer

from sspo_cli.parse.app import app, examples, help_without_command, new

NewName = Annotated[str, typer.Argument(metavar="NAME", help="Letters, digits and _; the file is named after it.")]

new.callback(
    invoke_without_command=True,
    epilog=examples("sspo new objective mine", "sspo new reward mine", "sspo new dataset mine", "sspo new recipe mine"),
)(help_without_command)
app.add_typer(new, name="new")


@new.command("objective", epilog=examples("sspo new objective mine", "sspo train objective=mine preset=smoke"))
def new_objective(name: NewName) -> int:
    """Write conf/objective/NAME.yaml, an objective made of the parts that there are."""
    return make("objective", name)


@new.command("reward", epilog=examples("sspo new reward mine", "sspo train reward=python reward.path=mine.py"))
def new_reward(name: NewName) -> int:
    """Write NAME.py, a reward function."""
    return make("reward", name)


@new.command("dataset", epilog=examples("sspo new dataset mine", "sspo train dataset=mine preset=smoke"))
def new_dataset(name: NewName) -> int:
    """Write conf/dataset/NAME.yaml, a choice for a file of your own, and NAME.jsonl with a few problems."""
    return make("dataset", name)


@new.command("recipe", epilog=examples("sspo new recipe mine", "sspo recipe run mine --check"))
def new_recipe(name: NewName) -> int:
    """Write recipes/NAME.yaml, an experiment with what to expect of it."""
    return make("recipe", name)


def make(kind: str, name: str) -> int:
    from sspo_cli.commands import new as command

    return command.run(kind, name)
