"""Pictures that a command writes: none is ever written over another file."""

from __future__ import annotations

from pathlib import Path

from sspo_cli.config.errors import ConfigError
from sspo_cli.runs.folder import numbered

FOLDER = Path("outputs/show")


def write_picture(content: bytes, stem: str, out: Path | None) -> Path:
    """Where the figure lies: `out`, or outputs/show/<stem>.svg with the first free number.

    A file is never overwritten; one that holds this very figure is good as it is.

    Raises:
        ConfigError: if `out` holds something else, or cannot be written.
    """
    number, path = 1, out or FOLDER / f"{stem}.svg"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        while path.exists() and path.read_bytes() != content:
            if out:
                raise ConfigError([f"--out {out}: exists and is never overwritten; choose another name"])
            number += 1
            path = FOLDER / f"{numbered(stem, number)}.svg"
        path.write_bytes(content)
    except OSError as error:
        raise ConfigError([f"{path}: cannot be written: {error.strerror}; name another file with --out"]) from error
    return path
