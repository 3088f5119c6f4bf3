"""The run folder: where a run lives and what it says about itself."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sspo_cli.config.errors import ConfigError
from sspo_cli.guards import SHOWN
from sspo_cli.runs import format as run_format
from sspo_cli.runs.text import read_text, replace_text, text_if_any

LONGEST = 200  # bytes of a name; files beside it add to it, and file systems take 255
# What a folder may hold in which no run has begun: what an attempt leaves that failed at once.
LEFT_BY_A_START = {run_format.FILE, "log.txt", "STATUS", ".lock"}


def name_problems(
    output_dir: str, kind: str, name: str | None, way_on: Callable[[Path], str] = lambda folder: ""
) -> list[str]:
    """What is wrong with writing a run `name` under `output_dir`/`kind`, before anything is written.

    way_on: what else than another name there is to do about a run that has it.
    """
    problems = spelling_problems(name)
    parent = Path(output_dir) / kind
    if name is not None and not problems and os.path.lexists(parent / name):
        hint = way_on(parent / name)
        problems.append(f"name={name}: {parent / name} exists and is never overwritten; choose another name{hint}")
    return problems + writing_problems(f"output_dir={output_dir}", parent, "; set output_dir=FOLDER")


def folder_problems(folder: Path, name: str | None) -> list[str]:
    """What is wrong with writing a run into `folder` itself, before anything is written.

    Raises:
        UnreadableFormat: if a run of a newer format is there.
    """
    run_format.check(folder)
    problems = writing_problems(f"--folder {folder}", folder)
    if name is not None:
        problems.append(f"name={name}: --folder {folder} says where the run goes; use the one or the other")
    if folder.is_dir() and {path.name for path in folder.iterdir()} - LEFT_BY_A_START:
        problems.append(f"--folder {folder}: is not empty, and nothing is ever overwritten; choose another folder")
    return problems


def spelling_problems(name: str | None) -> list[str]:
    if name is not None and len(os.fsencode(name)) > LONGEST:
        return [f"name={name[:SHOWN]}: is too long; a name of a folder has {LONGEST} bytes at most"]
    if name is None or re.fullmatch(r"[\w][\w.\-]*", name):
        return []
    return [f"name={name}: letters, digits, '-', '_' and '.' only"]


def writing_problems(asked: str, folder: Path, hint: str = "") -> list[str]:
    """Whether `folder`, or the nearest above it that exists, can be written to."""
    try:
        ancestor = nearest(folder)
    except OSError as error:
        return [f"{asked[:SHOWN]}: {error.strerror}{hint}"]
    if ancestor.is_dir() and os.access(ancestor, os.W_OK) and can_hold_a_folder(ancestor):
        return []
    return [f"{asked}: cannot write to {ancestor.absolute()}{hint}"]


def can_hold_a_folder(folder: Path) -> bool:
    """Whether a folder can be made in `folder`, which permissions alone do not tell of /proc or a full disk."""
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".sspo-"):
            return True
    except OSError:
        return False


def nearest(folder: Path) -> Path:
    """`folder`, or the nearest above it that exists."""
    return next(path for path in (folder, *folder.absolute().parents) if path.exists())


def free_space(folder: Path) -> int:
    """Bytes free on the disk where `folder` is, or will be."""
    return shutil.disk_usage(nearest(folder)).free


def free_name(output_dir: str, kind: str, stem: str) -> str:
    """`stem`, or `stem-2`, `stem-3`, ... if that run exists."""
    parent = Path(output_dir) / kind
    number = 1
    while (parent / numbered(stem, number)).exists():
        number += 1
    return numbered(stem, number)


def numbered(stem: str, number: int) -> str:
    return stem if number == 1 else f"{stem}-{number}"


def create_folder(output_dir: str, kind: run_format.Kind, name: str | None, stem: str) -> Path:
    """A new run folder of this kind, named `name`, or after `stem`. Two runs that start together get different folders.

    Raises:
        ConfigError: if it exists already or cannot be written.
    """
    while True:
        short = os.fsencode(stem)[:LONGEST].decode(errors="ignore")
        folder = Path(output_dir) / kind / (name or free_name(output_dir, kind, short))
        try:
            folder.mkdir(parents=True)
            run_format.begin(folder, kind)
            return folder
        except FileExistsError:
            if name:
                raise ConfigError(name_problems(output_dir, kind, name)) from None
        except OSError as error:
            raise ConfigError([f"output_dir={output_dir}: {error.strerror}: {error.filename}"]) from error


def write_request(folder: Path, config_yaml: str, overrides: list[str], command: list[str]) -> None:
    """config.yaml, overrides.txt and command.sh: what was asked, resolved, and how to ask again."""
    replace_text(folder / "config.yaml", config_yaml)
    replace_text(folder / "overrides.txt", "".join(f"{word}\n" for word in overrides))
    script = folder / "command.sh"
    replace_text(script, "#!/bin/sh\n" + shlex.join(command) + "\n")
    script.chmod(0o755)


def command_of(folder: Path) -> str | None:
    """The command in command.sh: everything behind its first line."""
    file = folder / "command.sh"
    return read_text(file).partition("\n")[2].strip() or None if file.is_file() else None


def write_reward_error(folder: Path, content: Mapping[str, Any]) -> None:
    """reward_error.json: the response whose grader failed, with what was asked and the traceback."""
    text = json.dumps(content, indent=2)  # escaped: an error may hold what UTF-8 cannot write
    replace_text(reward_error_file(folder), text + "\n")


def reward_error_file(folder: Path) -> Path:
    return folder / "reward_error.json"


def profile_files(folder: Path, step: int) -> tuple[Path, Path]:
    """Where the profile of step `step` of a run goes: its tables, and its Chrome trace."""
    stem = folder / "profile" / f"step_{step:06d}"
    return stem.with_suffix(".txt"), stem.with_suffix(".json.gz")


def set_status(folder: Path, status: str) -> None:
    """running, done, interrupted or failed: reason; replaced in one step, so a reader never sees half of it."""
    replace_text(folder / "STATUS", status + "\n")


def get_status(folder: Path) -> str:
    """What STATUS says, word for word; "not started" where it says nothing. `status.read_state` tells if it is true."""
    return text_if_any(folder / "STATUS").strip() or "not started"


def is_run(folder: Path) -> bool:
    """Whether `folder` is a train run.

    Raises:
        UnreadableFormat: if it is one of a newer format.
    """
    run_format.check(folder)
    return (folder / "config.yaml").is_file() and (folder / "checkpoints").is_dir()


def way_on(folder: Path) -> str:
    """The command that goes on with a train run that was stopped, or begins it anew if it has no checkpoint."""
    return f"sspo train --resume {folder}" if checkpoints(folder) else f"sspo train --config {folder}/config.yaml"


def title(folder: Path) -> str:
    """The name of a run; of a cell, with the names of its grid and its point before it."""
    *_, grid, cells, point, name = ("", "", *folder.absolute().parts)
    return f"{grid}/{point}/{name}" if cells == "cells" else name


def checkpoint_name(step: int) -> str:
    return f"step_{step:06d}"


def study(folder: Path) -> str | None:
    """The name of the grid that a run is a cell of; None for other runs."""
    *_, grid, cells, _, _ = ("", "", *folder.absolute().parts)
    return grid if cells == "cells" else None


def checkpoints(folder: Path) -> list[Path]:
    """Complete checkpoints of a run, oldest first.

    Raises:
        UnreadableFormat: if the run is of a newer format.
    """
    run_format.check(folder)
    return sorted(path for path in (folder / "checkpoints").glob("step_*") if path.is_dir())
