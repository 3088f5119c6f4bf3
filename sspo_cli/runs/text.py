"""The files of a run folder as text, whoever put them there: read whole or refused in one line, written in one step."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

from sspo_cli.config.errors import ConfigError

NO_FILE = "is no plain file"
TEMPORARY = ".tmp"  # how the names of files end that are not whole yet


class BrokenFile(ConfigError, ValueError):
    """A file of a run folder does not hold what it is there for."""


def read_text(file: Path) -> str:
    """The text of `file`. A pipe in its place is not waited for.

    Raises:
        FileNotFoundError: if there is nothing.
        BrokenFile: naming it, if it cannot be read.
    """
    try:
        file.stat()
        if not file.is_file():
            raise BrokenFile([f"{file}: {NO_FILE}"])
        return file.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(file)) from None
    except OSError as error:
        raise BrokenFile([f"{file}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise BrokenFile([f"{file}: is no UTF-8 text: {error.reason} at byte {error.start}"]) from error


def replace_text(file: Path, text: str) -> None:
    """Write `file` in one step, so that a reader never sees half of it, and nothing is written through a link or into a
    pipe in its place."""
    temporary = file.with_name(f"{file.name}.{os.getpid()}{TEMPORARY}")
    try:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")  # models write lone surrogates
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def text_if_any(file: Path) -> str:
    """The text of `file`; "" where there is none."""
    try:
        return read_text(file)
    except FileNotFoundError:
        return ""


def read_json(file: Path) -> Any:
    """The value in a JSON file; raises what `read_text` does, and BrokenFile where it is no JSON."""
    return parse_json(read_text(file), str(file))


def read_mapping(file: Path) -> dict[str, Any]:
    """As `read_json`, of a file that holds names and values."""
    found = read_json(file)
    if not isinstance(found, dict):
        raise BrokenFile([f"{file}: not a mapping"])
    return found


def parse_json(text: str, place: str) -> Any:
    """The value that `text` writes. place: the file, and the line in it.

    Raises:
        BrokenFile: if it is no JSON, or nested too deeply, or has a number of too many digits.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BrokenFile([f"{place}: not JSON: {error}"]) from None
