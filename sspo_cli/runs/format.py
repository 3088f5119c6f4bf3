"""run.json: which kind of run a folder holds, and the format of its files. It is the first file in a run folder.

A folder without it was made before there was one: format 0, which is read as it was. Every reader of run folders
refuses a newer format than it knows, before it reads or writes anything there.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from sspo_cli.config.errors import ConfigError
from sspo_cli.runs.text import BrokenFile, read_json, replace_text

FILE = "run.json"
FORMAT = 1  # grows when a reader of this one would misread what a later version writes
Kind = Literal["train", "eval", "compare", "sweep", "inspect", "report"]


class UnreadableFormat(ConfigError):
    """The files of a run folder are in a format that this version does not read."""


@dataclass(frozen=True)
class Layout:
    """The content of run.json. kind: a `Kind`, or one that a later version has."""

    kind: str
    format: int


def begin(folder: Path, kind: Kind) -> None:
    """Make `folder`, if it is not there, and write its run.json, if it has none, in one step.

    Raises:
        UnreadableFormat: if it holds a run of a newer format.
        ConfigError: if it holds a run of another kind.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if (found := read(folder)) is not None:
        check(folder)
        if found.kind != kind:
            raise ConfigError([f"{folder}: holds a run of kind {found.kind}, and not of kind {kind}; choose another"])
        return
    replace_text(folder / FILE, json.dumps(asdict(Layout(kind, FORMAT))) + "\n")


def read(folder: Path) -> Layout | None:
    """The content of run.json; None where there is none.

    Raises:
        UnreadableFormat: if it says neither a kind nor a format.
    """
    try:
        content = read_json(folder / FILE)
        kind, number = content["kind"], content["format"]
        if isinstance(kind, str) and type(number) is int and number >= 1:
            return Layout(kind, number)
    except FileNotFoundError:
        return None
    except (BrokenFile, KeyError, TypeError):
        pass
    example = json.dumps(asdict(Layout("train", FORMAT)))
    raise UnreadableFormat([f"{folder / FILE}: does not say a kind and a format, such as {example}; bring it back"])


def check(folder: Path) -> None:
    """Refuse a run folder whose files this version would misread; any other folder passes.

    Raises:
        UnreadableFormat: with one line.
    """
    found = read(folder)
    if found is not None and found.format > FORMAT:
        raise UnreadableFormat(
            [f"{folder}: has format {found.format}, and this version of sspo reads formats up to {FORMAT}; update sspo"]
        )


def check_config(file: Path) -> None:
    """Check that `file` is there, and that this version reads the run that it is of.

    Raises:
        ConfigError: if not.
    """
    if not file.is_file():
        inside = f"; write --config {file}/config.yaml" if (file / "config.yaml").is_file() else ""
        raise ConfigError([f"--config {file}: no such file{inside}"])
    check(file.parent)
