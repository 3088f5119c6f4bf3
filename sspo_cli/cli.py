"""The `sspo` command: all its parts together, and how it ends. `sspo --help` loads neither torch nor Hydra."""

from __future__ import annotations

import errno
import sys
from importlib.util import find_spec
from typing import Annotated

import typer

from sspo_cli.config.errors import ConfigError
from sspo_cli.guards import OutOfMemory, file_problem, no_space
from sspo_cli.parse import explaining, making, reading, recipes, running
from sspo_cli.parse.app import app, examples, help_without_command, print_version
from sspo_cli.parse.usage import usage_problem
from sspo_cli.ranks import this_rank
from sspo_cli.streams import lost, open_streams

__all__ = ["app", "explaining", "main", "making", "reading", "recipes", "running"]  # each registers its commands


@app.callback(
    invoke_without_command=True,
    epilog=examples("sspo train objective=sspo", "sspo show objective", "sspo eval outputs/train/sspo-addition-s0"),
)
def root(
    ctx: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=print_version, is_eager=True)
    ] = False,
) -> None:
    help_without_command(ctx)


def require_posix() -> None:
    """Locks of run folders and the peak of memory come from modules that Python has on POSIX systems only.

    Raises:
        ConfigError: naming the missing modules.
    """
    missing = [module for module in ("fcntl", "resource") if find_spec(module) is None]
    if missing:
        raise ConfigError(
            [
                f"Python on this system ({sys.platform}) lacks {' and '.join(missing)}: sspo needs a POSIX system,"
                " such as Linux, macOS, or Linux under Windows (WSL)"
            ]
        )


def main() -> None:
    """Run the command line and exit.

    Every error that a user can cause is told here, one line for each, with exit code 2; a lack of memory, and a file
    that cannot be used while a command is at work, with 1.
    """
    streams = open_streams()
    problems, code = told()
    problems += lost(streams)
    for problem in problems if this_rank() == 0 else []:
        print(f"sspo: {' '.join(problem.split())}", file=sys.stderr)
    sys.exit(code or (1 if problems else 0))


def told() -> tuple[list[str], int]:
    """What there is to tell about the command that was typed, and its exit code."""
    try:
        require_posix()
        return [], int(app(prog_name="sspo", standalone_mode=False) or 0)
    except typer.TyperException as error:
        return [usage_problem(error, sys.argv[1:])], 2
    except ConfigError as error:
        return error.problems, 2
    except OutOfMemory as error:
        return [str(error)], 1
    except Exception as error:
        if (line := no_space(error) or file_problem(error)) is None:
            raise
        return [line], 2 if getattr(error, "errno", None) == errno.ENAMETOOLONG else 1
