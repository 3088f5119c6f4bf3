"""The manifest of a checkpoint: size and SHA-256 of every file in it, so that damage is found before it is used."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from sspo_cli.config.errors import ConfigError
from sspo_cli.runs import format as run_format
from sspo_cli.runs.folder import is_run
from sspo_cli.runs.manifest import knows_its_start
from sspo_cli.runs.text import read_json

MANIFEST = "sspo_checkpoint.json"
PROGRESS = "trainer/progress.json"  # every checkpoint has it, no model folder from elsewhere does
SHOWN = 12  # hexadecimal digits of a hash that tell two of them apart

Signature = tuple[tuple[str | int, ...], ...]

# What this process has written, or found whole: a large checkpoint that nobody has touched since is not read twice.
WHOLE: set[Signature] = set()


class Damaged(ConfigError):
    """Files of a checkpoint are not as they were saved."""


def seal(folder: Path) -> None:
    """Write the manifest of a checkpoint whose other files are all there."""
    files = {name: {"size": path.stat().st_size, "sha256": sha256(path)} for name, path in files_of(folder).items()}
    content = {"files": files, "sha256": digest(files)}
    (folder / MANIFEST).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    WHOLE.add(signature_of(folder))


def check(folder: Path) -> None:
    """Read `folder` whole and compare it with its manifest. Other folders than checkpoints have none, and pass.

    Raises:
        Damaged: with a line for every file that is missing, changed, cut, or was not saved with the others.
        UnreadableFormat: if it belongs to a run of a newer format.
    """
    run = folder.absolute().parent.parent
    run_format.check(run)
    if found := damage(folder):
        more = f"; `sspo train --resume {run}` goes on from an older one" if is_run(run) else ""
        raise Damaged(f"{line}; bring back what was saved, or use another checkpoint{more}" for line in found)


def damage(folder: Path) -> list[str]:
    """What is wrong with the files of a checkpoint, a line each; nothing where there is no manifest to compare with."""
    file = folder / MANIFEST
    if not file.is_file():
        lost = (folder / PROGRESS).is_file() and not is_unsealed(folder)
        return [f"{file}: damaged: it is missing, and every checkpoint of this run was saved with one"] if lost else []
    try:
        signature = signature_of(folder)
        if signature in WHOLE:
            return []
        saved = files_of_manifest(file)
        there = files_of(folder)
    except OSError as error:
        return [f"{error.filename or folder}: damaged: it cannot be read: {error.strerror}"]
    if saved is None:
        return [f"{file}: damaged: it is not the manifest that was saved"]
    faults = {name: fault(there.get(name), entry) for name, entry in saved.items()}
    faults |= {name: "it was not saved with this checkpoint" for name in there if name not in saved}
    found = [f"{folder / name}: damaged: {why}" for name, why in faults.items() if why]
    if not found:
        WHOLE.add(signature)
    return found


def fault(path: Path | None, entry: dict[str, Any]) -> str | None:
    """How a file differs from its entry in the manifest."""
    if path is None:
        return "it is missing"
    try:
        if (size := path.stat().st_size) != entry["size"]:
            return f"it has {size} bytes, and had {entry['size']} when it was saved"
        found = sha256(path)
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    if found == entry["sha256"]:
        return None
    return f"its SHA-256 is {found[:SHOWN]}..., and was {entry['sha256'][:SHOWN]}... when it was saved"


def is_unsealed(folder: Path) -> bool:
    """Whether `folder` is a checkpoint from before checkpoints had manifests."""
    lacks_one = (folder / PROGRESS).is_file() and not (folder / MANIFEST).is_file()
    return lacks_one and not knows_its_start(folder.absolute().parent.parent)


def remarks(folder: Path) -> list[str]:
    """What cannot be told of the model in `folder`, in words."""
    if not is_unsealed(folder):
        return []
    return [f"{folder}: was saved before checkpoints had manifests, so whether it is as it was saved cannot be told"]


def saved_hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a checkpoint by its name, as they were saved; of another folder nothing."""
    file = folder / MANIFEST
    files = files_of_manifest(file) if file.is_file() else None
    return {name: str(entry["sha256"]) for name, entry in (files or {}).items()}


def files_of_manifest(file: Path) -> dict[str, dict[str, Any]] | None:
    """What a manifest lists; None if it is not whole."""
    try:
        content = read_json(file)
        files: dict[str, dict[str, Any]] = content["files"]
        return files if content["sha256"] == digest(files) else None
    except (ValueError, KeyError, TypeError):
        return None


def files_of(folder: Path) -> dict[str, Path]:
    """Every file that somebody may read, by its name in the folder; notes (*.md) that were added later do no harm."""
    found = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {
        name: path
        for name, path in found.items()
        if name != MANIFEST and path.suffix != ".md" and not any(part.startswith(".") for part in Path(name).parts)
    }


def signature_of(folder: Path) -> Signature:
    """What changes when somebody writes to a file of `folder`, and stays when the folder is renamed."""
    facts = {path: path.stat() for path in sorted(folder.rglob("*")) if path.is_file()}
    return tuple(
        (path.relative_to(folder).as_posix(), fact.st_dev, fact.st_ino, fact.st_size, fact.st_mtime_ns)
        for path, fact in facts.items()
    )


def digest(files: dict[str, dict[str, Any]]) -> str:
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


def sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
