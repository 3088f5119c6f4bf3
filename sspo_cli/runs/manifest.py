"""manifest.json: what a run stands on."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from sspo_cli.config.earlier import in_words_of_now
from sspo_cli.runs import format as run_format
from sspo_cli.runs.text import BrokenFile, read_mapping, replace_text

MANIFEST = "manifest.json"
PACKAGES = (
    "sspo",
    "torch",
    "transformers",
    "tokenizers",
    "hydra-core",
    "omegaconf",
    "numpy",
    "datasets",
    "math-verify",
)


def write_manifest(folder: Path, seed: int, device: str, standing: Mapping[str, Any]) -> None:
    """Versions, git commit of the working directory, hardware, seed, and what the caller says the run stands on:
    "settings", "hashes", "reward_files", "model", "base"."""
    write(
        folder,
        {
            "versions": {"python": platform.python_version(), **{name: installed(name) for name in PACKAGES}},
            "git": git_state(),
            "hardware": {
                "machine": platform.machine(),
                "cores": os.cpu_count(),
                "device": device,
                "system": sys.platform,
            },
            "seed": seed,
            "directory": str(Path.cwd()),
            **standing,
        },
    )


def write(folder: Path, manifest: Mapping[str, Any]) -> None:
    """In one step, so that a reader never sees half of it."""
    replace_text(folder / MANIFEST, json.dumps(manifest, indent=2) + "\n")


def read(folder: Path) -> dict[str, Any]:
    """The manifest of a run; nothing where it is missing or torn.

    Raises:
        UnreadableFormat: if the run is of a newer format.
    """
    run_format.check(folder)
    try:
        content = read_mapping(folder / MANIFEST)
    except (OSError, BrokenFile):
        return {}
    if isinstance(settings := content.get("settings"), dict):
        in_words_of_now(settings)
    return content


def knows_its_start(folder: Path) -> bool:
    """Whether the run in `folder` wrote down its settings and the content of what it reads, and seals its checkpoints;
    runs of earlier versions did not."""
    return "settings" in read(folder)


def installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def git_state() -> dict[str, Any] | None:
    """Commit of the working directory and whether it has changes; None outside a repository."""
    try:
        commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        changes = subprocess.run(["git", "status", "--porcelain"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return {"commit": commit, "clean": not changes.strip()}
