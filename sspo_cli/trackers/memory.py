"""What a tracker has of a run, kept as mirror.json in the run folder: the same run goes on there, without repeats."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from sspo_cli.config.errors import ConfigError
from sspo_cli.runs.text import replace_text

FILE = "mirror.json"
NO_STEP = -1


@dataclass(frozen=True)
class Memory:
    """id: of the run there. project: the one it is in; None where the tracker has none. step: the last one sent. sure:
    the last one that is there for certain, since the session that sent it has closed."""

    id: str
    project: str | None
    step: int = NO_STEP
    sure: int = NO_STEP


def home(folder: Path, kind: str) -> Path:
    """Where the run in `folder` keeps what belongs to the tracker `kind`."""
    return folder / kind


def recall(folder: Path, kind: str, project: str | None) -> Memory:
    """The memory of the run in `folder`; a new one, with a new id, where nothing was sent yet.

    Raises:
        ConfigError: if the file cannot be read, or names another project.
    """
    file = home(folder, kind) / FILE
    anew = f"bring it back, or delete it to begin a new {kind} run"
    try:
        memory = TypeAdapter(Memory).validate_json(file.read_bytes(), strict=True)
    except FileNotFoundError:
        return Memory(secrets.token_hex(4), project)
    except OSError as error:
        raise ConfigError([f"{file}: cannot be read: {error.strerror}; {anew}"]) from error
    except ValidationError:
        raise ConfigError([f"{file}: does not say id, project, step and sure; {anew}"]) from None
    if memory.project != project:
        raise ConfigError(
            [f"tracker.project={project}: {file} says that this run is in {memory.project}; set that project, or delete"
             f" the file to begin a new {kind} run"]
        )  # fmt: skip
    return memory


def keep(folder: Path, kind: str, memory: Memory) -> None:
    """Write the memory, in one step."""
    replace_text(home(folder, kind) / FILE, json.dumps(asdict(memory)) + "\n")
