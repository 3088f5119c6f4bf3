"""The command line itself: how commands are named, how their help reads, how they end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup

from sspo_cli import __version__
from sspo_cli.config.errors import ConfigError

# Of the commands in `sspo --help`.
ORDER = (
    "train", "compare", "sweep", "eval", "show", "new", "doctor", "selftest", "inspect", "report", "runs", "runs push",
    "diff", "samples", "export", "recipe",
)  # fmt: skip


class Command(TyperCommand):
    """A command whose help tells arguments by their names alone, without the Python type behind each."""

    def get_short_help_str(self, limit: int = 0) -> str:
        """The first line of its help, never cut."""
        return (self.help or "").partition("\n")[0]

    def format_options(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]
        rows: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        for param in self.get_params(ctx):
            if record := param.get_help_record(ctx):
                if isinstance(param, TyperArgument):
                    rows["Arguments"].append((param.display_name_raw, record[1]))
                else:
                    rows["Options"].append(record)
        for title, records in rows.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


class Commands(TyperGroup):
    """Commands whose exit code is what they return: nothing below them, such as a user's reward, ends sspo with one.

    The name of a command may have two words, such as `runs push` beside `runs`.
    """

    def get_short_help_str(self, limit: int = 0) -> str:
        """Its help, never cut."""
        return self.help or ""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        """In the order of ORDER; those below a command as they were made."""
        names = list(self.commands)
        return names if ctx.parent else sorted(names, key=ORDER.index)

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> Any:  # type: ignore[override]
        both = " ".join(args[:2])
        args = [both, *args[2:]] if both in self.commands else args
        if args[0] not in self.commands and not args[0].startswith("-"):
            from sspo_cli.parse.usage import unknown_command

            raise ConfigError([unknown_command(ctx.command_path, args, list(self.commands))])
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: typer.Context, incomplete: str) -> Any:  # type: ignore[override]
        """A shell offers one word at a time."""
        return [item for item in super().shell_complete(ctx, incomplete) if " " not in item.value]

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        try:
            return super().invoke(ctx)
        except SystemExit as error:
            raise RuntimeError(f"something below this command raised {error!r}") from error


class App(typer.Typer):
    """An app whose commands are `Command`s."""

    def command(self, name: str | None = None, **options: Any) -> Callable[[Any], Any]:
        return super().command(name, cls=Command, **options)


app = App(
    name="sspo",
    cls=Commands,
    help="Compare policy-optimization objectives for language models: one engine, one word to change.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
recipes = App(cls=Commands, help="Complete experiments: list, read, run, check, copy.", rich_markup_mode=None)
new = App(
    cls=Commands, help="Write a file of your own to edit: objective, reward, dataset, recipe.", rich_markup_mode=None
)


def examples(*lines: str) -> str:
    """An epilog whose line breaks are kept: a paragraph after \\b is not wrapped."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


def help_without_command(ctx: typer.Context) -> None:
    if ctx.invoked_subcommand is None:
        print(ctx.get_help())


def print_version(wanted: bool) -> None:
    if wanted:
        print(f"sspo {__version__}")
        raise typer.Exit
