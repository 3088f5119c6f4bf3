"""manifest.json: what a run stood on."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

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


def write_manifest(folder: Path, seed: int, hashes: dict[str, str], device: str) -> None:
    """Versions, git commit of the working directory, hardware, seed, and the caller's content hashes."""
    manifest: dict[str, Any] = {
        "versions": {"python": platform.python_version(), **{name: installed(name) for name in PACKAGES}},
        "git": git_state(),
        "hardware": {"machine": platform.machine(), "cores": os.cpu_count(), "device": device, "system": sys.platform},
        "seed": seed,
        "hashes": hashes,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


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
