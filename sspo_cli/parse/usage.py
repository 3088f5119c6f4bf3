"""What is answered to a command line that cannot be parsed: the words to write, where they can be told."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import typer

from sspo_cli.config.errors import did_you_mean

WITH_SETTINGS = ("train", "compare", "sweep", "eval", "inspect", "run")


def usage_problem(error: typer.TyperException, typed: Sequence[str]) -> str:
    """One line for an error of the parser. typed: all words of the command line."""
    context: typer.Context | None = getattr(error, "ctx", None)  # of an error of usage: the command that was typed
    command = context.command_path if context else "sspo"
    option = getattr(error, "option_name", None)
    if option and type(error).__name__ == "NoSuchOption":
        possible = [name for param in context.command.params for name in param.opts] if context else []
        return unknown_option(command, option, typed, possible)
    message = " ".join(error.format_message().split()).rstrip(".")
    example = first_example(context) if type(error).__name__ == "MissingParameter" else ""
    return f"{message[0].lower()}{message[1:]}{example} (see `{command} --help`)"


def first_example(context: typer.Context | None) -> str:
    """The first of the examples in the help of a command, to append to a problem."""
    lines = ((context.command.epilog or "") if context else "").split("\n")
    return f"; for example `{lines[2].strip()}`" if len(lines) > 2 else ""


def unknown_option(command: str, option: str, typed: Sequence[str], possible: Sequence[str]) -> str:
    """The problem of an option that the command has not. possible: those that it has."""
    place = next((at for at, word in enumerate(typed) if word.startswith(option)), len(typed))
    word = typed[place] if place < len(typed) else option
    name, equals, value = word.partition("=")
    following = typed[place + 1] if place + 1 < len(typed) else ""
    if not equals and following and not following.startswith("-") and "=" not in following:
        value = following
    told = f"{name}: {command} has no such option"
    if name == "--resume" and command.split()[-1] in ("compare", "sweep"):
        return f"{told}; the same `{command}` command again goes on with what is left"
    if name in ("--step", "--checkpoint") and command.split()[-1] == "eval":
        step = f"step_{int(value):06d}" if value.isdigit() else "step_N"
        return f"{told}; name the checkpoint instead of the run: `{command} RUN/checkpoints/{step}`"
    if command.split()[-1] in WITH_SETTINGS and (fix := as_setting(name, value)):
        return f"{told}; {fix}"
    return f"{told}{did_you_mean(name, possible)} (see `{command} --help`)"


def as_setting(name: str, value: str) -> str:
    """What to write for an option that is a setting here, "" if that cannot be told."""
    from sspo_cli.config.complete import known_keys
    from sspo_cli.config.hints.settings import advice, explained_fix, fix_key
    from sspo_cli.config.schema import TrainConfig

    key, known = name.lstrip("-"), known_keys(TrainConfig)
    for spelling in (key, key.replace("-", "_")):
        if (spelling in known and "." in spelling) or spelling in ("seed", "name", "output_dir"):
            return f"write {explained_fix('='.join((spelling, value or 'VALUE')))}"
    fix = fix_key(key, value or None, known)
    return advice(explained_fix(fix)) if fix else ""


def unknown_command(command: str, words: Sequence[str], known: Sequence[str]) -> str:
    """The problem of a command that there is not. command: what stands before it. words: it, and what follows."""
    from sspo_cli.config.hints.tables import COMMANDS
    from sspo_cli.config.hints.words import command_for

    name, rest = words[0], shlex.join(words[1:])
    told = f"no such command '{name}'"
    within = f"{command} " if command != "sspo" else "sspo "
    if name == "sspo" and words[1:2] and words[1] in known:
        return f"{told}; write `sspo {rest}`"
    if command == "sspo" and (written := COMMANDS.get(name.lower())):
        return f"{told}; write `sspo {written.format(rest).strip()}`"
    if fix := command_for(command, list(words)):
        return f"{told}; write `{fix}`"
    return f"{told}{did_you_mean(name, known)} (see `{within}--help`)"
